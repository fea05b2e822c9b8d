/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A load that measures itself. A program that includes this gives the four functions below and gets main().
 *
 * An operation looks up one row (or key) of a thousand in one of four tables, with one of TEXTS different
 * texts for a table where the text carries the value. First line: {"server_pid": of the server's process for
 * this connection, 0 when it has none of its own, "text_offset": where a sqlite3_stmt keeps its text}. Each
 * line "TABLE RATE SECONDS" on standard input runs operations on that table, RATE a second on a fixed time
 * table (0: one after another), until SECONDS are over, and answers
 *
 *   {"ops", "wall_ns", "cpu_ns": of the process, "p50_ns", "p99_ns", "max_ns"}
 */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/hist.h"

#define TEXTS 100
#define ROWS  1000

/* What a tool saw can be told apart by them: what is read at one rate is read at no other. */
static const char *const tables[] = {"item_warm", "item_slow", "item_busy", "item_full"};
#define TABLES (sizeof(tables) / sizeof(tables[0]))

static void load_open(void);
static void load_operation(size_t table, unsigned int i);
static int load_server(void);
static int load_text_offset(void);

static void stop(const char *what)
{
	fprintf(stderr, "bench: %s\n", what && *what ? what : "no message");
	exit(1);
}

static int64_t clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static void wait_for(int64_t when)
{
	const struct timespec ts = {when / 1000000000LL, when % 1000000000LL};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
		;
}

static void run(size_t table, double rate, double seconds)
{
	static unsigned int serial;
	struct hist took = {0};
	int64_t cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID), begin = clock_ns(CLOCK_MONOTONIC), now = begin;
	int64_t end = begin + (int64_t)(seconds * 1e9);

	for (unsigned int i = 0; now < end; i++) {
		int64_t due = rate > 0 ? begin + (int64_t)(i / rate * 1e9) : now, then;

		if (due >= end)
			break;
		if (due > now)
			wait_for(due);
		then = clock_ns(CLOCK_MONOTONIC);
		load_operation(table, serial++);
		now = clock_ns(CLOCK_MONOTONIC);
		if (hist_add(&took, now - then))
			stop("no memory");
	}
	cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	printf("{\"ops\": %" PRIu64 ", \"wall_ns\": %" PRId64 ", \"cpu_ns\": %" PRId64
	       ", \"p50_ns\": %" PRIu64 ", \"p99_ns\": %" PRIu64 ", \"max_ns\": %" PRIu64 "}\n",
	       took.count, now - begin, cpu, hist_percentile(&took, 0.5), hist_percentile(&took, 0.99),
	       took.max);
	fflush(stdout);
	hist_free(&took);
}

int main(void)
{
	char table[32];
	double rate, seconds;

	load_open();
	printf("{\"server_pid\": %d, \"text_offset\": %d}\n", load_server(), load_text_offset());
	fflush(stdout);
	while (scanf("%31s %lf %lf", table, &rate, &seconds) == 3)
		for (size_t i = 0; i < TABLES; i++)
			if (!strcmp(table, tables[i]))
				run(i, rate, seconds);
	return 0;
}

#endif
