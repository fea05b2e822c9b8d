/* SPDX-License-Identifier: BSD-2-Clause */
/* pq_client as a module. For loader_client. */
/* CFLAGS: -shared -fPIC -Dmain=module_main -Wno-missing-prototypes */
/* LIBS: -lpq -lpthread */
#include "pq_client.c"
