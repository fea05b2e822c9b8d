/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * libpq: the functions that are probed, once, for the BPF programs and for user space.
 *
 * The four senders are where every style of call passes: PQexec, PQexecParams, PQprepare and PQexecPrepared
 * call them through the PLT (PostgreSQL 15 and 17, call tree recorded). PQgetResult returns each result and,
 * at last, NULL. One PQexec is a sender and three PQgetResult: 4.5 us of traps against 1.4 us for PQexec's
 * own entry and return (measured on 6.18). So where nothing but synchronous functions is used those are
 * probed instead (user/collect/pq_use.c decides), and both sets tell the same: PQexec itself clears every
 * result but the last, at one call in its static tail PQexecFinish, which is probed too: where compilers made that a part of
 * each of the four, at the call in each.
 */
#ifndef APM_LIB_LIBPQ_H
#define APM_LIB_LIBPQ_H

#include "lib/symbols.h"

/* Which of the two sets a function belongs to. */
#define APM_PQ_ASYNC 1
#define APM_PQ_SYNC  2
#define APM_PQ_BOTH  3

#define APM_LIBPQ_SYMBOLS(ROW)                                        \
	ROW(PQsendQuery, 0x10, 2, 1, 0, 1, APM_PQ_ASYNC)              \
	ROW(PQsendQueryParams, 0x11, 6, 1, 0, 1, APM_PQ_ASYNC)        \
	ROW(PQsendPrepare, 0x12, 5, 1, 0, 1, APM_PQ_ASYNC)            \
	ROW(PQsendQueryPrepared, 0x13, 6, 1, 0, 1, APM_PQ_ASYNC)      \
	ROW(PQgetResult, 0x14, 1, 1, 1, 1, APM_PQ_ASYNC)              \
	ROW(PQfinish, 0x15, 1, 1, 0, 0, APM_PQ_BOTH)                  \
	ROW(PQsendDescribePrepared, 0x16, 2, 1, 0, 0, APM_PQ_ASYNC)   \
	ROW(PQsendDescribePortal, 0x17, 2, 1, 0, 0, APM_PQ_ASYNC)     \
	ROW(PQexec, 0x18, 2, 1, 1, 0, APM_PQ_SYNC)                    \
	ROW(PQexecParams, 0x19, 6, 1, 1, 0, APM_PQ_SYNC)              \
	ROW(PQprepare, 0x1a, 5, 1, 1, 0, APM_PQ_SYNC)                 \
	ROW(PQexecPrepared, 0x1b, 6, 1, 1, 0, APM_PQ_SYNC)            \
	ROW(PQclear, 0x1c, 1, 1, 0, 0, APM_PQ_SYNC)                   \
	ROW(PQclear_in_PQexecParams, 0x0d, 1, 1, 0, 0, APM_PQ_SYNC)   \
	ROW(PQclear_in_PQprepare, 0x0e, 1, 1, 0, 0, APM_PQ_SYNC)      \
	ROW(PQclear_in_PQexecPrepared, 0x0f, 1, 1, 0, 0, APM_PQ_SYNC) \
	ROW(PQputCopyData, 0x1d, 3, 1, 1, 0, APM_PQ_ASYNC)            \
	ROW(PQputCopyEnd, 0x1e, 1, 1, 1, 0, APM_PQ_ASYNC)             \
	ROW(PQgetCopyData, 0x1f, 1, 1, 1, 0, APM_PQ_ASYNC)

#endif
