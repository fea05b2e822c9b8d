/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A Redis client with one mode per way of calling hiredis. It counts what it executes (truth.h), by the
 * pattern that a report shows for it; rows are 1 for a reply, 0 for none, or the elements of a list.
 *
 *   redis_client MODE    N=… repetitions, THREADS=…, REDIS_SOCKET=…
 */
/* LIBS: -lhiredis -lpthread */
#include <hiredis/async.h>
#include <hiredis/hiredis.h>
#include <poll.h>
#include <signal.h>

#include "truth.h"

static int repeat(void)
{
	return env_int("N", 50);
}

static redisContext *dial(void)
{
	redisContext *c = redisConnectUnix(getenv("REDIS_SOCKET"));

	if (!c || c->err)
		die(c ? c->errstr : "no memory");
	return c;
}

static void account(redisReply *r, const char *label)
{
	if (!r)
		truth_error(label, 0);
	else if (r->type == REDIS_REPLY_ERROR)
		truth_error(label, 0);
	else
		truth_ok(label, r->type == REDIS_REPLY_NIL     ? 0
				: r->type == REDIS_REPLY_ARRAY ? (long)r->elements
							       : 1);
	if (r)
		freeReplyObject(r);
}

static void work(redisContext *c)
{
	for (int i = 0; i < repeat(); i++) {
		account(redisCommand(c, "SET user:%d:name %s", i, "a secret value"), "SET user:?:name");
		account(redisCommand(c, "GET user:%d:name", i), "GET user:?:name");
		account(redisCommand(c, "GET nobody:%d", i), "GET nobody:?");
	}
}

static void mode_command(void)
{
	redisContext *c = dial();

	truth_barrier();
	work(c);
	account(redisCommand(c, "DEL list"), "DEL list");
	account(redisCommand(c, "rpush list %b %s %s", "\0\r\n\1", (size_t)4, "secret", "c"), "RPUSH list");
	account(redisCommand(c, "LRANGE list 0 -1"), "LRANGE list");
	account(redisCommand(c, "LRANGE nolist 0 -1"), "LRANGE nolist");
	account(redisCommand(c, "INCR list"), "INCR list");
	account(redisCommand(c, "GET session:%s", "123e4567-e89b-12d3-a456-426614174000"), "GET session:?");
	account(redisCommand(c, "GET cache:%s:x", "00deadbeef00"), "GET cache:?:x");
	account(redisCommand(c, "GET mail:%s", "secret@example.org"), "GET mail:?");
	account(redisCommand(c, "NOSUCH %s", "thing"), "NOSUCH thing");
	account(redisCommand(c, "HSET h f %s", "secret"), "HSET h");
	account(redisCommand(c, "HGETALL h"), "HGETALL h");
	account(redisCommand(c, "EVAL %s 0", "return {1,2,'secret'}"), "EVAL");
	redisFree(c);
}

/* Not statements of the program: counted apart. */
static void mode_control(void)
{
	redisContext *c = dial();

	truth_barrier();
	for (int i = 0; i < repeat(); i++) {
		freeReplyObject(redisCommand(c, "MULTI"));
		truth_add("MULTI", 1, 1, 0, 1);
		account(redisCommand(c, "SET one %d", i), "SET one");
		freeReplyObject(redisCommand(c, "EXEC"));
		truth_add("EXEC", 1, 1, 0, 1);
		freeReplyObject(redisCommand(c, "PING secret"));
		truth_add("PING", 1, 1, 0, 1);
		freeReplyObject(redisCommand(c, "AUTH secret"));
		truth_add("AUTH", 1, 1, 1, 0);
	}
	redisFree(c);
}

/* In a transaction commands are answered by "QUEUED", also those that would wait; EXEC returns them all. */
static void mode_multi(void)
{
	redisContext *c = dial();

	truth_barrier();
	for (int i = 0; i < repeat(); i++) {
		freeReplyObject(redisCommand(c, "MULTI"));
		truth_add("MULTI", 1, 1, 0, 1);
		account(redisCommand(c, "BLPOP nothing 0"), "BLPOP nothing");
		account(redisCommand(c, "SET one %d", i), "SET one");
		freeReplyObject(redisCommand(c, "EXEC"));
		truth_add("EXEC", 1, 1, 0, 2);
	}
	account(redisCommand(c, "GET one"), "GET one");
	redisFree(c);
}

/* What a subscription delivers is no answer to anything; what is published is a command each. */
static void mode_pubsub(void)
{
	redisContext *sub = dial(), *pub = dial();
	redisReply *reply;

	truth_barrier();
	account(redisCommand(sub, "SUBSCRIBE news"), "SUBSCRIBE news");
	for (int i = 0; i < repeat(); i++) {
		account(redisCommand(pub, "PUBLISH news %s", "secret"), "PUBLISH news");
		if (redisGetReply(sub, (void **)&reply) != REDIS_OK)
			die(sub->errstr);
		freeReplyObject(reply);
	}
	account(redisCommand(sub, "UNSUBSCRIBE news"), "UNSUBSCRIBE news");
	account(redisCommand(sub, "GET after"), "GET after");
	redisFree(sub);
	redisFree(pub);
}

static void mode_argv(void)
{
	redisContext *c = dial();
	char key[600], value[5000];
	const char *set[] = {"SET", key, value}, *get[] = {"GET", key};
	const size_t set_len[] = {3, sizeof(key), sizeof(value)}, get_len[] = {3, sizeof(key)};

	memset(key, 'k', sizeof(key));
	memset(value, 's', sizeof(value));
	truth_barrier();
	for (int i = 0; i < repeat(); i++) {
		account(redisCommandArgv(c, 3, set, set_len), "SET ?");
		account(redisCommandArgv(c, 2, get, get_len), "GET ?");
	}
	redisFree(c);
}

static void mode_pipeline(void)
{
	redisContext *c = dial();
	redisReply *reply;
	char *formatted;
	int len = redisFormatCommand(&formatted, "GET formatted:%d", 7);

	truth_barrier();
	for (int round = 0; round < 5; round++) {
		for (int i = 0; i < repeat(); i++) {
			redisAppendCommand(c, "SET p:%d %d", i, round);
			redisAppendCommand(c, "GET p:%d", i);
			redisAppendFormattedCommand(c, formatted, (size_t)len);
		}
		for (int i = 0; i < repeat(); i++) {
			static const char *const label[] = {"SET p:?", "GET p:?", "GET formatted:?"};

			for (int k = 0; k < 3; k++) {
				if (redisGetReply(c, (void **)&reply) != REDIS_OK)
					die(c->errstr);
				account(reply, label[k]);
			}
		}
	}
	/* Given and never asked for. */
	redisAppendCommand(c, "GET left");
	redisAppendCommand(c, "GET left");
	truth_add("GET left", 0, 2, 0, 0);
	redisFree(c);
	redisFreeCommand(formatted);
}

/* ---- asynchronous: a loop around poll() ---- */

struct loop {
	redisAsyncContext *ac;
	short events;
	int left, round;
};

static void on_add_read(void *l)
{
	((struct loop *)l)->events |= POLLIN;
}

static void on_del_read(void *l)
{
	((struct loop *)l)->events &= ~POLLIN;
}

static void on_add_write(void *l)
{
	((struct loop *)l)->events |= POLLOUT;
}

static void on_del_write(void *l)
{
	((struct loop *)l)->events &= ~POLLOUT;
}

static void on_reply(redisAsyncContext *ac, void *r, void *label)
{
	redisReply *reply = r;
	struct loop *l = ac->ev.data;

	if (!reply || reply->type == REDIS_REPLY_ERROR)
		truth_error(label, 0);
	else
		truth_ok(label, reply->type != REDIS_REPLY_NIL);
	if (!--l->left && l->round-- > 0) {
		for (int i = 0; i < repeat(); i++) {
			redisAsyncCommand(ac, on_reply, (void *)"SET a:?", "SET a:%d %s", i, "secret");
			redisAsyncCommand(ac, on_reply, (void *)"GET a:?", "GET a:%d", i);
			redisAsyncCommand(ac, on_reply, (void *)"GET none:?", "GET none:%d", i);
		}
		l->left = 3 * repeat();
	}
}

static void mode_async(void)
{
	struct loop l = {.ac = redisAsyncConnectUnix(getenv("REDIS_SOCKET")), .left = 1, .round = 4};

	if (!l.ac || l.ac->err)
		die("no connection");
	l.ac->ev.data = &l;
	l.ac->ev.addRead = on_add_read;
	l.ac->ev.delRead = on_del_read;
	l.ac->ev.addWrite = on_add_write;
	l.ac->ev.delWrite = on_del_write;
	truth_barrier();
	redisAsyncCommand(l.ac, on_reply, (void *)"DEL first", "DEL first");
	while (l.left > 0) {
		struct pollfd fd = {.fd = l.ac->c.fd, .events = l.events};

		poll(&fd, 1, 1000);
		if (fd.revents & POLLIN)
			redisAsyncHandleRead(l.ac);
		if (fd.revents & POLLOUT)
			redisAsyncHandleWrite(l.ac);
	}
	redisAsyncFree(l.ac);
}

/* The server ends the connection. */
static void mode_killed(void)
{
	redisContext *c = dial(), *other = dial();

	signal(SIGPIPE, SIG_IGN);
	truth_barrier();
	account(redisCommand(other, "CLIENT KILL TYPE normal SKIPME yes"), "CLIENT KILL");
	account(redisCommand(c, "GET lost"), "GET lost");
	redisFree(c);
	redisFree(other);
}

static void mode_pause(void)
{
	redisContext *c = dial();

	truth_barrier();
	account(redisCommand(c, "BLPOP nothing 1"), "BLPOP nothing");
	redisAppendCommand(c, "GET early");
	account(redisCommand(c, "GET early"), "GET early");
	nap_ms(300);
	redisReply *reply;

	redisGetReply(c, (void **)&reply);
	account(reply, "GET early");
	redisFree(c);
}

static void *thread(void *unused)
{
	redisContext *c = dial();

	work(c);
	redisFree(c);
	return NULL;
}

static void mode_threads(void)
{
	pthread_t id[64];
	int n = env_int("THREADS", 16);

	truth_barrier();
	for (int i = 0; i < n && i < 64; i++)
		pthread_create(&id[i], NULL, thread, NULL);
	for (int i = 0; i < n && i < 64; i++)
		pthread_join(id[i], NULL);
}

/* One read many times: for the price of a probe, and for the detector of chatty reads. */
static void mode_loop(void)
{
	redisContext *c = dial();
	struct timespec t[2];

	truth_barrier();
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t[0]);
	for (int i = 0; i < repeat(); i++)
		account(redisCommand(c, "GET user:%d:name", i), "GET user:?:name");
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t[1]);
	printf("cpu_ns %.0f\n", ((t[1].tv_sec - t[0].tv_sec) * 1e9 + t[1].tv_nsec - t[0].tv_nsec) / repeat());
	redisFree(c);
}

int main(int argc, char **argv)
{
	static const struct mode modes[] = {
		{"command", mode_command},   {"control", mode_control}, {"argv", mode_argv},
		{"pipeline", mode_pipeline}, {"multi", mode_multi},	{"pubsub", mode_pubsub},
		{"async", mode_async},	     {"killed", mode_killed},	{"pause", mode_pause},
		{"threads", mode_threads},   {"loop", mode_loop},	{NULL, NULL}};

	return truth_main("redis", modes, argc, argv);
}
