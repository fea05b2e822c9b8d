/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * unixODBC, the driver manager: the functions that are probed, once, for the BPF programs and for user space.
 * Their names and arguments are a standard (ODBC 3.8, ISO/IEC 9075-3). Drivers have functions of these names
 * too, which the manager calls; uodbc_open_stats is what only the manager has.
 */
#ifndef APM_LIB_ODBC_H
#define APM_LIB_ODBC_H

#include "lib/symbols.h"

#define APM_ODBC_SYMBOLS(ROW)                      \
	ROW(SQLExecDirect, 0x50, 3, 1, 1, 1, 0)    \
	ROW(SQLExecDirectW, 0x51, 3, 1, 1, 0, 0)   \
	ROW(SQLPrepare, 0x52, 3, 1, 1, 1, 0)       \
	ROW(SQLPrepareW, 0x53, 3, 1, 1, 0, 0)      \
	ROW(SQLExecute, 0x54, 1, 1, 1, 1, 0)       \
	ROW(SQLParamData, 0x55, 1, 1, 1, 0, 0)     \
	ROW(SQLFetch, 0x56, 1, 1, 1, 1, 0)         \
	ROW(SQLFetchScroll, 0x57, 2, 1, 1, 0, 0)   \
	ROW(SQLExtendedFetch, 0x58, 1, 1, 0, 0, 0) \
	ROW(SQLMoreResults, 0x59, 1, 1, 1, 0, 0)   \
	ROW(SQLRowCount, 0x5a, 2, 1, 1, 0, 0)      \
	ROW(SQLSetStmtAttr, 0x5b, 3, 1, 0, 0, 0)   \
	ROW(SQLSetStmtAttrW, 0x5c, 3, 1, 0, 0, 0)  \
	ROW(SQLAllocHandle, 0x5d, 3, 1, 1, 0, 0)   \
	ROW(SQLAllocStmt, 0x5e, 2, 1, 1, 0, 0)     \
	ROW(SQLFreeHandle, 0x5f, 2, 1, 0, 0, 0)    \
	ROW(SQLFreeStmt, 0x60, 2, 1, 0, 0, 0)      \
	ROW(SQLCloseCursor, 0x61, 1, 1, 0, 0, 0)   \
	ROW(SQLGetDiagRec, 0x62, 6, 1, 1, 0, 0)    \
	ROW(SQLGetDiagRecW, 0x63, 6, 1, 1, 0, 0)   \
	ROW(SQLError, 0x64, 6, 1, 1, 0, 0)         \
	ROW(SQLErrorW, 0x65, 6, 1, 1, 0, 0)        \
	ROW(uodbc_open_stats, 0x66, 0, 0, 0, 1, 0)

#endif
