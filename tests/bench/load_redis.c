/* SPDX-License-Identifier: BSD-2-Clause */
/* hiredis: redisCommand GET. REDIS_SOCKET says where. */
/* LIBS: -lhiredis */
#include <hiredis/hiredis.h>

#include "load.h"

static redisContext *redis;

static void redis_do(const char *format, size_t table, unsigned int i, int want)
{
	redisReply *reply = redisCommand(redis, format, tables[table], i);

	if (!reply || reply->type != want)
		stop(redis->errstr);
	freeReplyObject(reply);
}

static void load_open(void)
{
	redis = redisConnectUnix(getenv("REDIS_SOCKET"));
	if (!redis || redis->err)
		stop(redis ? redis->errstr : "no memory");
	for (size_t table = 0; table < TABLES; table++)
		for (unsigned int i = 0; i < ROWS; i++)
			redis_do("SET %s:%u name", table, i, REDIS_REPLY_STATUS);
}

static void load_operation(size_t table, unsigned int i)
{
	redis_do("GET %s:%u", table, i % TEXTS, REDIS_REPLY_STRING);
}

static int load_server(void)
{
	return 0;
}

static int load_text_offset(void)
{
	return 0;
}
