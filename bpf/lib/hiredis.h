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

/* X(function, number in the attach cookie, probe at entry, probe at return, the library is useless without
 * it) */
#define APM_HIREDIS_SYMBOLS(X)                 \
	X(__redisAppendCommand, 0x40, 1, 0, 1) \
	X(redisGetReply, 0x41, 1, 1, 1)        \
	X(redisFree, 0x42, 1, 0, 0)

#endif
