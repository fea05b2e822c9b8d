/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Functions to be named with --span, of every way in which one can end. At its end the program prints what it did
 * as a line of JSON. LIBS: -lsqlite3 -lpthread
 */
#include <pthread.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* The functions that are named: not static, so that their names stay, and never inlined. */
__attribute__((noinline)) int handle(int number, const char *route, long long amount);
__attribute__((noinline)) int outer(int number);
__attribute__((noinline)) int recurse(int depth);
__attribute__((noinline)) int leave(int number);
__attribute__((noinline)) int busy(int ms);
__attribute__((noinline)) void *job(void *arg);
__attribute__((noinline)) void last(void);

static sqlite3 *db;
static jmp_buf out;
static volatile int sink;

static void query(const char *sql)
{
	sqlite3_exec(db, sql, NULL, NULL, NULL);
}

static void burn(int ms)
{
	struct timespec now;
	long long end;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	end = now.tv_sec * 1000000000LL + now.tv_nsec + ms * 1000000LL;
	do {
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	} while (now.tv_sec * 1000000000LL + now.tv_nsec < end);
}

int handle(int number, const char *route, long long amount)
{
	char sql[64];
	int i;

	for (i = 0; i < 6; i++) {
		snprintf(sql, sizeof(sql), "SELECT %d + 1", number * 10 + i);
		query(sql);
	}
	sink += (int)amount + (int)strlen(route);
	return number % 4 == 0 ? -1 : number;
}

/* Ends by a jump to handle() where the compiler makes one of it. */
int outer(int number)
{
	query("SELECT 'outer'");
	return handle(number, "/outer", 1);
}

int recurse(int depth)
{
	query("SELECT 'recurse'");
	return depth ? recurse(depth - 1) + sink % 2 : 0;
}

int leave(int number)
{
	query("SELECT 'leave'");
	if (number % 2)
		longjmp(out, 1);
	return 0;
}

int busy(int ms)
{
	burn(ms);
	usleep((useconds_t)ms * 1000);
	return 0;
}

void *job(void *arg)
{
	query("SELECT 'job'");
	if (arg)
		pthread_exit(NULL);
	return NULL;
}

void last(void)
{
	query("SELECT 'last'");
	exit(0);
}

static void threads(void)
{
	pthread_t thread;
	int i;

	for (i = 0; i < 6; i++) {
		pthread_create(&thread, NULL, job, i % 3 == 2 ? db : NULL);
		pthread_join(thread, NULL);
	}
}

int main(void)
{
	static const char *const routes[] = {"/cart", "/pay", "/item"};
	volatile int i;

	sqlite3_open(":memory:", &db);
	if (getenv("BARRIER")) {
		char line[8];

		puts("ready");
		fflush(stdout);
		if (!fgets(line, sizeof(line), stdin))
			return 1;
	}
	for (i = 0; i < 30; i++) {
		char *route = strdup(routes[i % 3]); /* not in a page that is not there yet */

		handle(i, route, 5000000000LL + i);
		free(route);
	}
	for (i = 0; i < 7; i++)
		outer(i);
	for (i = 0; i < 3; i++)
		recurse(i);
	for (i = 0; i < 10; i++)
		if (!setjmp(out))
			leave(i);
	for (i = 0; i < 5; i++)
		busy(20);
	threads();
	last();
}
