/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * SQLite: the functions that are probed, once, for the BPF programs and for user space.
 *
 * sqlite3LockAndPrepare(db, zSql, nBytes, prepFlags, pOld, ppStmt, pzTail) is the static function that
 * sqlite3_prepare, _v2 and _v3 end in; where it cannot be found, those three are probed instead.
 * sqlite3_reset is probed only where the statement's state cannot be read (then nothing else tells that an
 * execution was given up between rows).
 */
#ifndef APM_LIB_SQLITE_H
#define APM_LIB_SQLITE_H

/* X(function, number in the attach cookie, probe at entry, probe at return, the library is useless without
 * it) */
#define APM_SQLITE_SYMBOLS(X)                   \
	X(sqlite3_step, 0x20, 1, 1, 1)          \
	X(sqlite3_finalize, 0x21, 1, 0, 0)      \
	X(sqlite3_reset, 0x22, 1, 0, 0)         \
	X(sqlite3LockAndPrepare, 0x23, 1, 1, 0) \
	X(sqlite3_prepare, 0x24, 1, 1, 0)       \
	X(sqlite3_prepare_v2, 0x25, 1, 1, 0)    \
	X(sqlite3_prepare_v3, 0x26, 1, 1, 0)    \
	X(sqlite3_close, 0x27, 1, 0, 0)         \
	X(sqlite3_close_v2, 0x28, 1, 0, 0)      \
	X(sqlite3_open, 0x29, 1, 1, 0)          \
	X(sqlite3_open_v2, 0x2a, 1, 1, 0)

#endif
