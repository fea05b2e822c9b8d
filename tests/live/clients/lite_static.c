/* SPDX-License-Identifier: BSD-2-Clause */
/* lite_client with sqlite3 inside the executable. */
/* LIBS: -l:libsqlite3.a -lm -ldl -lz -lpthread */
#include "lite_client.c"
