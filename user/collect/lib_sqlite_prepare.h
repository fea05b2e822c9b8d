/* SPDX-License-Identifier: BSD-2-Clause */
/* SQLite: where texts are compiled. A probe at a function that is called for each costs each of them, and only
 * the failures are of interest. */
#ifndef APM_COLLECT_LIB_SQLITE_PREPARE_H
#define APM_COLLECT_LIB_SQLITE_PREPARE_H

#include "abi/config.h"
#include "collect/lib.h"

/* The address of sqlite3LockAndPrepare, which sqlite3_prepare, _v2 and _v3 end in; 0 = not found. */
uint64_t sqlite_common_prepare(const struct lib_file *lf);

/*
 * The first instruction of sqlite3LockAndPrepare (at `common`) that runs when sqlite3Prepare has failed, and
 * never else; in place[] where the arguments and the result code stand there. The function may try again
 * (SQLITE_SCHEMA, SQLITE_ERROR_RETRY). 0 when no such place can be proven: place[] is left alone.
 */
uint64_t sqlite_prepare_failed(const struct lib_file *lf, uint64_t common,
			       struct apm_place place[APM_PLACE_MAX]);

#endif
