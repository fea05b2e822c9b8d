/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * SQLite: the functions that are probed, once, for the BPF programs and for user space.
 *
 * sqlite3LockAndPrepare(db, zSql, nBytes, prepFlags, pOld, ppStmt, pzTail) is the static function that
 * sqlite3_prepare, _v2 and _v3 end in. It calls sqlite3Prepare: that row stands for the instruction behind
 * the call that is reached only when the text did not compile (user/collect/lib_sqlite_prepare.h). What SQLite
 * itself executes meanwhile (to read the schema, to connect virtual tables) does so inside sqlite3InitOne and
 * sqlite3VtabCallConnect, which are called once per connection and table. Where these three cannot be found
 * sqlite3LockAndPrepare is probed, and where it cannot be found either, those that end in it.
 * sqlite3_reset is probed only where the statement's state cannot be read (then nothing else tells that an
 * execution was given up between rows). usleep and nanosleep mean the stub by which SQLite calls them: it sleeps
 * where it waits for a lock (unixSleep, by sqlite3_busy_timeout and in WAL mode), and nowhere else.
 *
 * A row of a large result is one call of sqlite3_step, and its two probes cost twenty times what the row does. So there
 * is a second set: the instruction in sqlite3_step that runs once when an execution has begun, and those in
 * sqlite3VdbeHalt that run once when one has ended, also when it is given up between rows (sqlite3_reset,
 * sqlite3_finalize): the rows in between cost nothing. sqlite3VdbeTransferError stands for where sqlite3_step calls it, only for failures; one that
 * leaves the execution as it is (SQLITE_BUSY) is told there. user/collect/lib_sqlite_exec.h says how they are found; the
 * two names with a number stand for a second and third place that compilers make.
 */
#ifndef APM_LIB_SQLITE_H
#define APM_LIB_SQLITE_H

#include "lib/symbols.h"

/* Which of the two sets a function belongs to; 0 = it is probed with both. */
#define APM_LITE_STEPS	    1
#define APM_LITE_EXECUTIONS 2

#define APM_SQLITE_SYMBOLS(ROW)                                                \
	ROW(sqlite3_step, 0x20, 1, 1, 1, 1, APM_LITE_STEPS)                    \
	ROW(sqlite3_finalize, 0x21, 1, 1, 0, 0, 0)                             \
	ROW(sqlite3_reset, 0x22, 1, 1, 0, 0, 0)                                \
	ROW(sqlite3Prepare, 0x2d, 0, 1, 0, 0, 0)                               \
	ROW(sqlite3InitOne, 0x2e, 1, 1, 1, 0, 0)                               \
	ROW(sqlite3VtabCallConnect, 0x2f, 1, 1, 1, 0, 0)                       \
	ROW(sqlite3LockAndPrepare, 0x23, 6, 1, 1, 0, 0)                        \
	ROW(sqlite3_prepare, 0x24, 5, 1, 1, 0, 0)                              \
	ROW(sqlite3_prepare_v2, 0x25, 5, 1, 1, 0, 0)                           \
	ROW(sqlite3_prepare_v3, 0x26, 6, 1, 1, 0, 0)                           \
	ROW(sqlite3_close, 0x27, 1, 1, 0, 0, 0)                                \
	ROW(sqlite3_close_v2, 0x28, 1, 1, 0, 0, 0)                             \
	ROW(sqlite3_open, 0x29, 2, 1, 1, 0, 0)                                 \
	ROW(sqlite3_open_v2, 0x2a, 4, 1, 1, 0, 0)                              \
	ROW(usleep, 0x2b, 1, 1, 0, 0, 0)                                       \
	ROW(nanosleep, 0x2c, 1, 1, 0, 0, 0)                                    \
	ROW(sqlite3Step, 0x70, 0, 1, 0, 0, APM_LITE_EXECUTIONS)                \
	ROW(sqlite3VdbeHalt, 0x71, 0, 1, 0, 0, APM_LITE_EXECUTIONS)            \
	ROW(sqlite3VdbeHalt_2, 0x72, 0, 1, 0, 0, APM_LITE_EXECUTIONS)          \
	ROW(sqlite3VdbeHalt_3, 0x73, 0, 1, 0, 0, APM_LITE_EXECUTIONS)          \
	ROW(sqlite3VdbeTransferError, 0x74, 1, 1, 0, 0, APM_LITE_EXECUTIONS)   \
	ROW(sqlite3VdbeTransferError_2, 0x75, 1, 1, 0, 0, APM_LITE_EXECUTIONS) \
	ROW(sqlite3VdbeTransferError_3, 0x76, 1, 1, 0, 0, APM_LITE_EXECUTIONS)

#endif
