/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * hiredis: the functions that are probed, once, for the BPF programs and for user space.
 *
 * __redisAppendCommand(context, command, length) is where every way of giving a command ends, formatted:
 * redisCommand, redisCommandArgv, redisAppendCommand …, redisAsyncCommand …. redisGetReply(context, &reply)
 * is what takes one reply, also for redisCommand and, in a loop, for asynchronous contexts.
 */
#ifndef APM_LIB_HIREDIS_H
#define APM_LIB_HIREDIS_H

#include "lib/symbols.h"

#define APM_HIREDIS_SYMBOLS(ROW)                       \
	ROW(__redisAppendCommand, 0x40, 3, 1, 0, 1, 0) \
	ROW(redisGetReply, 0x41, 2, 1, 1, 1, 0)        \
	ROW(redisFree, 0x42, 1, 1, 0, 0, 0)

#endif
