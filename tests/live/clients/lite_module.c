/* SPDX-License-Identifier: BSD-2-Clause */
/* lite_client as a module with its own sqlite3 inside, whose functions are no dynamic symbols: what node's
 * better-sqlite3 and the like are. For loader_client. */
/* CFLAGS: -shared -fPIC -Dmain=module_main -Wno-missing-prototypes -Wl,--exclude-libs,ALL */
/* LIBS: -l:libsqlite3.a -lm -ldl -lz -lpthread */
#include "lite_client.c"
