/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ground truth of a traced program: what it executed, counted by the program itself. The table lives in
 * shared memory, so that forked children count into it too. At its end a program appends one JSON line to the
 * file that GROUND_TRUTH names; a test adds the lines up and compares them with the report. A row is labelled
 * by one text of its template.
 */
#ifndef APM_TEST_TRUTH_H
#define APM_TEST_TRUTH_H

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define TRUTH_ROWS 64
#define TRUTH_TEXT 6000

struct truth_row {
	char sql[TRUTH_TEXT];
	long calls, errors, rows;
	int control;
};

struct truth_table {
	pthread_mutex_t lock;
	int count;
	struct truth_row row[TRUTH_ROWS];
};

static struct truth_table *truth_table;
static const char *truth_system;

static inline void die(const char *what)
{
	fprintf(stderr, "client: %s\n", what);
	exit(99);
}

static inline void truth_start(const char *system)
{
	pthread_mutexattr_t attr;

	truth_system = system;
	truth_table =
		mmap(NULL, sizeof(*truth_table), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (truth_table == MAP_FAILED)
		die("mmap");
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_mutex_init(&truth_table->lock, &attr);
}

static inline void truth_add(const char *sql, int control, long calls, long errors, long rows)
{
	struct truth_row *row;
	int i;

	pthread_mutex_lock(&truth_table->lock);
	for (i = 0; i < truth_table->count; i++)
		if (!strcmp(truth_table->row[i].sql, sql))
			break;
	if (i == TRUTH_ROWS || strlen(sql) >= TRUTH_TEXT)
		die("truth table full");
	row = &truth_table->row[i];
	if (i == truth_table->count) {
		strcpy(row->sql, sql);
		row->control = control;
		truth_table->count++;
	}
	row->calls += calls;
	row->errors += errors;
	row->rows += rows;
	pthread_mutex_unlock(&truth_table->lock);
}

/* One execution that went well. */
static inline void truth_ok(const char *sql, long rows)
{
	truth_add(sql, 0, 1, 0, rows);
}

/* One execution that failed after `rows` rows. */
static inline void truth_error(const char *sql, long rows)
{
	truth_add(sql, 0, 1, 1, rows);
}

/* BEGIN, COMMIT and the like. */
static inline void truth_control(const char *sql)
{
	truth_add(sql, 1, 1, 0, 0);
}

static inline void truth_string(FILE *f, const char *s)
{
	fputc('"', f);
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			fprintf(f, "\\%c", *s);
		else if ((unsigned char)*s < 32)
			fprintf(f, "\\u%04x", *s);
		else
			fputc(*s, f);
	}
	fputc('"', f);
}

static inline void truth_clear(void)
{
	truth_table->count = 0;
	memset(truth_table->row, 0, sizeof(truth_table->row));
}

/* Appends the line and empties the table, so that a second program or a second part may follow. */
static inline void truth_write(void)
{
	const char *path = getenv("GROUND_TRUTH");
	long sum[2] = {0, 0}, errors = 0, rows = 0;
	FILE *f;
	int i;

	if (!path)
		return;
	f = fopen(path, "a");
	if (!f)
		die("cannot write the ground truth");
	setvbuf(f, NULL, _IOFBF, 1 << 20);
	fprintf(f, "{\"system\":\"%s\",\"queries\":[", truth_system);
	for (i = 0; i < truth_table->count; i++) {
		struct truth_row *row = &truth_table->row[i];

		fputs(i ? ",{\"sql\":" : "{\"sql\":", f);
		truth_string(f, row->sql);
		fprintf(f, ",\"calls\":%ld,\"errors\":%ld,\"rows\":%ld,\"control\":%s}", row->calls,
			row->errors, row->rows, row->control ? "true" : "false");
		sum[row->control] += row->calls;
		errors += row->errors;
		rows += row->rows;
	}
	fprintf(f, "],\"statements\":%ld,\"control\":%ld,\"errors\":%ld,\"rows\":%ld}\n", sum[0], sum[1],
		errors, rows);
	fclose(f);
	truth_clear();
}

/*
 * With BARRIER set: says "ready" and waits for a line, so that a tracer can be attached before the work
 * begins. What was counted up to there is forgotten. Without it everything counts.
 */
static inline void truth_barrier(void)
{
	char line[16];

	if (!getenv("BARRIER"))
		return;
	truth_clear();
	puts("ready");
	fflush(stdout);
	if (!fgets(line, sizeof(line), stdin))
		exit(98);
}

static inline void nap_ms(long ms)
{
	struct timespec t = {ms / 1000, ms % 1000 * 1000000};

	nanosleep(&t, NULL);
}

static inline double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static inline int env_int(const char *name, int otherwise)
{
	const char *value = getenv(name);

	return value ? atoi(value) : otherwise;
}

struct mode {
	const char *name;
	void (*run)(void);
};

/* Runs the mode that argv[1] names; each mode calls truth_barrier() itself where its work begins. */
static inline int truth_main(const char *system, const struct mode *modes, int argc, char **argv)
{
	truth_start(system);
	for (; modes->name; modes++)
		if (argc > 1 && !strcmp(argv[1], modes->name)) {
			modes->run();
			truth_write();
			return 0;
		}
	die("unknown mode");
	return 1;
}

#endif
