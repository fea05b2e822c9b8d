/* SPDX-License-Identifier: BSD-2-Clause */
#include "txn/redis_use.h"

#include <string.h>

#define NAME_MAX_LEN 32

/* Of MGET and HMGET it is not known which of the keys were there. */
static const char lookups[] = " GET GETEX GETDEL HGET HGETALL JSON.GET ";
static const char queues[] =
	" LPUSH LPUSHX RPUSH RPUSHX LPOP RPOP BLPOP BRPOP LMOVE BLMOVE RPOPLPUSH BRPOPLPUSH "
	"LMPOP BLMPOP XADD XREAD XREADGROUP XACK XACKDEL XCLAIM XAUTOCLAIM BZPOPMIN "
	"BZPOPMAX PUBLISH SPUBLISH SUBSCRIBE SSUBSCRIBE PSUBSCRIBE ";

static int is_one_of(const char *list, struct str name)
{
	char word[NAME_MAX_LEN + 3];

	if (!name.len || name.len > NAME_MAX_LEN)
		return 0;
	word[0] = ' ';
	memcpy(word + 1, name.ptr, name.len);
	word[name.len + 1] = ' ';
	word[name.len + 2] = '\0';
	return strstr(list, word) != NULL;
}

enum redis_use redis_use_of(struct str operation)
{
	if (is_one_of(lookups, operation))
		return REDIS_LOOKUP;
	return is_one_of(queues, operation) ? REDIS_QUEUE : REDIS_CACHE;
}
