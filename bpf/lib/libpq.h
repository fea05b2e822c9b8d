/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * libpq: the functions that are probed, once, for the BPF programs and for user space.
 *
 * The four senders are where every style of call passes: PQexec, PQexecParams, PQprepare and PQexecPrepared
 * call them through the PLT (PostgreSQL 15 and 17, call tree recorded). PQgetResult returns each result and,
 * at last, NULL.
 */
#ifndef APM_LIB_LIBPQ_H
#define APM_LIB_LIBPQ_H

/* X(function, number in the attach cookie, probe at entry, probe at return, the library is useless without
 * it) */
#define APM_LIBPQ_SYMBOLS(X)                     \
	X(PQsendQuery, 0x10, 1, 0, 1)            \
	X(PQsendQueryParams, 0x11, 1, 0, 1)      \
	X(PQsendPrepare, 0x12, 1, 0, 1)          \
	X(PQsendQueryPrepared, 0x13, 1, 0, 1)    \
	X(PQgetResult, 0x14, 1, 1, 1)            \
	X(PQfinish, 0x15, 1, 0, 0)               \
	X(PQsendDescribePrepared, 0x16, 1, 0, 0) \
	X(PQsendDescribePortal, 0x17, 1, 0, 0)

#endif
