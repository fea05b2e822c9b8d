/* SPDX-License-Identifier: BSD-2-Clause */
/* lite_client as a module that uses the shared libsqlite3. For loader_client. */
/* CFLAGS: -shared -fPIC -Dmain=module_main -Wno-missing-prototypes */
/* LIBS: -lsqlite3 -lpthread */
#include "lite_client.c"
