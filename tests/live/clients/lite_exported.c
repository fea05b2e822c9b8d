/* SPDX-License-Identifier: BSD-2-Clause */
/* lite_client as a module that exports the sqlite3 inside it, beside its own functions. For loader_client. */
/* CFLAGS: -shared -fPIC -Dmain=module_main -Wno-missing-prototypes -Wl,-Bsymbolic */
/* LIBS: -Wl,--whole-archive -l:libsqlite3.a -Wl,--no-whole-archive -lm -ldl -lz -lpthread */
#include "lite_client.c"
