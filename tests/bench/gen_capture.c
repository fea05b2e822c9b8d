/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writes a made-up capture to standard output, the same for the same numbers: five processes with ten threads
 * each, in each second 2 000 statements of 500 texts, one in a hundred an error, one sample for each ten
 * statements.
 *
 *   gen_capture STATEMENTS
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture.h"
#include "sql/sql.h"

#define SQL_MAX	  128
#define TEXTS	  500
#define PROCESSES 5
#define FRAMES	  300
#define THREADS	  50

static struct capture_writer *out;
static uint64_t state = 88172645463325252ULL;

static uint64_t next_random(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static struct str str_of(const char *s)
{
	return (struct str){s, strlen(s)};
}

static void put(const struct record *rec)
{
	int err = capture_write(out, rec);

	if (err) {
		fprintf(stderr, "gen_capture: %s\n", strerror(-err));
		exit(1);
	}
}

static struct apm_hdr header(uint16_t kind, uint64_t ts, uint32_t thread, uint64_t seq)
{
	return (struct apm_hdr){.kind = kind,
				.ts = ts,
				.tgid = 1000 + thread / 10,
				.tid = 5000 + thread,
				.ctx_id = 5000 + thread,
				.stmt_seq = seq};
}

static void put_meta(uint64_t start)
{
	struct apm_hdr hdr = header(REC_META, start, 0, 0);
	struct record rec = {.hdr = &hdr};

	rec.meta = (struct rec_meta){.normaliser_version = sql_version(),
				     .mono_ns = start,
				     .realtime_ns = 1700000000000000000ULL,
				     .slow_ns = 100000000,
				     .unit_gap_ns = 100000000,
				     .n_plus_one = 5,
				     .sample_freq = 99,
				     .tool_version = str_of("generated"),
				     .target = str_of("generated")};
	put(&rec);
}

static void put_names(uint64_t start)
{
	size_t room = sql_buffer_size(SQL_MAX);
	char sql[SQL_MAX], table[32], *buf = malloc(room);

	if (!buf)
		exit(1);
	for (int n = 0; n < TEXTS * PROCESSES; n++) {
		int i = 1 + n % TEXTS;
		struct apm_hdr hdr = header(REC_TEXT, start, n / TEXTS * 10, 0);
		struct record rec = {.hdr = &hdr};
		struct sql_options opt = {.dialect = SQL_POSTGRESQL};
		struct sql_info info;

		snprintf(table, sizeof(table), "table_%d", i);
		snprintf(sql, sizeof(sql), "SELECT a, b FROM %s WHERE id = $1", table);
		if (sql_analyse(sql, strlen(sql), &opt, buf, room, &info)) {
			fputs("gen_capture: cannot normalise\n", stderr);
			exit(1);
		}
		rec.text = (struct rec_text){.text_id = i,
					     .fingerprint = info.fingerprint,
					     .true_len = strlen(sql),
					     .parts = 1,
					     .system = APM_SYSTEM_POSTGRESQL,
					     .stmt_class = info.stmt_class,
					     .kind = info.kind,
					     .normalized = info.normalized,
					     .summary = info.summary,
					     .operation = info.operation,
					     .collections = info.collections};
		put(&rec);
	}
	free(buf);
	for (int i = 1; i <= FRAMES; i++) {
		struct apm_hdr hdr = header(REC_FRAME, start, 0, 0);
		struct record rec = {.hdr = &hdr};

		snprintf(table, sizeof(table), "function_%d", i);
		rec.frame = (struct rec_frame){.frame_id = i, .name = str_of(table), .module = str_of("app")};
		put(&rec);
	}
}

static void put_statement(uint64_t seq, uint64_t ts)
{
	uint64_t r = next_random();
	uint32_t thread = r % THREADS;
	struct apm_ev_stmt ev = {.hdr = header(APM_EV_STMT, ts, thread, seq)};
	struct record rec = {.hdr = &ev.hdr};

	rec.stmt = &ev;
	ev.hdr.len = sizeof(ev);
	ev.duration_ns = 20000 + (r >> 20) % 3000000;
	ev.t_start = ts - ev.duration_ns;
	ev.t_first = ev.t_end = ts;
	ev.rows = r >> 40 & 15;
	ev.text_id = 1 + (r >> 8) % TEXTS;
	ev.conn = 0x7f0000000000 + thread * 4096;
	ev.conn_gen = 1;
	ev.param_hash = next_random();
	ev.param_count = 1;
	ev.system = APM_SYSTEM_POSTGRESQL;
	if (seq % 100 == 0) {
		struct apm_hdr hdr = header(REC_ERROR, ts, thread, seq);
		struct record error = {.hdr = &hdr};

		error.error = (struct rec_error){
			.system = APM_SYSTEM_POSTGRESQL,
			.code = str_of("23505"),
			.message = str_of("duplicate key value violates unique constraint")};
		ev.hdr.flags |= APM_STMT_ERROR;
		put(&error);
	}
	put(&rec);
}

static void put_sample(uint64_t seq, uint64_t ts)
{
	struct apm_hdr hdr = header(REC_SAMPLE, ts, seq % THREADS, seq % 3 ? seq : 0);
	struct record rec = {.hdr = &hdr};
	uint32_t frames[20];

	for (size_t i = 0; i < 20; i++)
		frames[i] = 1 + (i < 4 ? next_random() : i * 7) % FRAMES;
	rec.sample = (struct rec_sample){
		.weight_ns = 10101010, .user_count = 20, .frames = frames, .comm = str_of("app")};
	put(&rec);
}

int main(int argc, char **argv)
{
	uint64_t count = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000, ts = 1000000000;
	struct apm_hdr end = {.kind = REC_END};
	struct record last = {.hdr = &end};

	out = capture_create("-");
	if (!out)
		return 1;
	put_meta(ts);
	put_names(ts);
	for (uint64_t seq = 1; seq <= count; seq++) {
		ts += 500000;
		put_statement(seq, ts);
		if (seq % 10 == 0)
			put_sample(seq, ts);
	}
	end.ts = ts;
	put(&last);
	return capture_close(out) ? 1 : 0;
}
