/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SQLite: where executions begin and end. A row costs a call of sqlite3_step, but only the first of an execution passes
 * the instruction that makes a statement that is ready one that runs (sqlite3Step), and each ends at the one that makes
 * it one that has halted (sqlite3VdbeHalt), also when it is given up. Which states those are is known from
 * sqlite3_stmt_busy and, for the last one, from vdbeInt.h.
 */
#ifndef APM_COLLECT_LIB_SQLITE_EXEC_H
#define APM_COLLECT_LIB_SQLITE_EXEC_H

#include "collect/lib.h"

/* Places in m->inner[]. */
enum {
	SQLITE_BEGUN,
	SQLITE_ENDED,
	SQLITE_ENDED_2,
	SQLITE_ENDED_3,
	SQLITE_FAILED,
	SQLITE_FAILED_2,
	SQLITE_FAILED_3,
};

/*
 * Fills m->inner[] and what the probes there need of m->facts. The rest of the facts is known. 0; or -ENOENT with nothing
 * changed and *what (a sentence's part) that could not be proven.
 */
int sqlite_executions(const struct lib_file *lf, struct lib_match *m, const char **what);

#endif
