/* SPDX-License-Identifier: BSD-2-Clause */
/* Captures made by hand, record after record as time goes by, and what commands wrote
 * about them. After cmocka.h. */
#ifndef APM_TESTS_TAPE_H
#define APM_TESTS_TAPE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture.h"
#include "sql/sql.h"

#define MS    1000000ULL
#define START 5000000000ULL

struct tape {
	struct capture_writer *writer;
	uint64_t now, seq;
};

static inline struct apm_hdr tape_hdr(const struct tape *t, uint16_t kind)
{
	return (struct apm_hdr){.kind = kind,
				.len = sizeof(struct apm_hdr),
				.ts = t->now,
				.tgid = 10,
				.tid = 11,
				.ctx_id = 11};
}

static inline void tape_put(struct tape *t, struct record *rec, struct apm_hdr h)
{
	rec->hdr = &h;
	assert_int_equal(capture_write(t->writer, rec), 0);
}

/* A capture of process 10 on host web-1, with the default thresholds. */
static inline struct tape tape_begin(const char *path)
{
	struct tape t = {.writer = capture_create(path), .now = START};
	struct record meta = {.meta = {.mono_ns = START,
				       .realtime_ns = 1795295820000000000,
				       .normaliser_version = sql_version(),
				       .slow_ns = 100 * MS,
				       .unit_gap_ns = 100 * MS,
				       .n_plus_one = 5,
				       .sample_freq = 99,
				       .target = STR("--pid 10"),
				       .host = STR("web-1")}};

	assert_non_null(t.writer);
	tape_put(&t, &meta, tape_hdr(&t, REC_META));
	return t;
}

static inline void tape_end(struct tape *t)
{
	struct record end = {0};

	tape_put(t, &end, tape_hdr(t, REC_END));
	assert_int_equal(capture_close(t->writer), 0);
}

static inline void tape_text(struct tape *t, uint64_t id, uint64_t fingerprint, const char *text)
{
	struct record rec = {.text = {.text_id = id,
				      .parts = 1,
				      .fingerprint = fingerprint,
				      .kind = SQL_KIND_READ,
				      .system = APM_SYSTEM_POSTGRESQL,
				      .normalized = str_from(text),
				      .summary = STR("SELECT users"),
				      .operation = STR("SELECT"),
				      .collections = STR("users")}};

	tape_put(t, &rec, tape_hdr(t, REC_TEXT));
}

/* Functions of the program, numbered from 1. */
static inline void tape_frames(struct tape *t, const char *const *names, uint32_t count)
{
	uint32_t i;

	for (i = 0; i < count; i++) {
		struct record rec = {
			.frame = {.frame_id = i + 1, .name = str_from(names[i]), .module = STR("shop")}};

		tape_put(t, &rec, tape_hdr(t, REC_FRAME));
	}
}

/* Samples of function 1 that has called `leaf`, in the statement `seq`. */
static inline void tape_samples(struct tape *t, uint32_t leaf, uint64_t seq, int count)
{
	const uint32_t frames[] = {leaf, 1};
	struct record rec = {
		.sample = {.weight_ns = 10 * MS, .user_count = 2, .frames = frames, .comm = STR("shop")}};
	struct apm_hdr h = tape_hdr(t, REC_SAMPLE);

	h.stmt_seq = seq;
	while (count--)
		tape_put(t, &rec, h);
}

/* One that begins now and returns a row; then it is later. */
static inline void tape_statement(struct tape *t, uint64_t text_id, uint64_t duration_ns)
{
	struct apm_ev_stmt ev = {
		.hdr = tape_hdr(t, APM_EV_STMT),
		.t_start = t->now,
		.t_end = t->now + duration_ns,
		.duration_ns = duration_ns,
		.rows = 1,
		.text_id = text_id,
		.conn = 0x1000,
		.param_hash = t->now,
		.param_count = 1,
		.call_site = 0x4242,
		.system = APM_SYSTEM_POSTGRESQL,
	};
	struct record rec = {.stmt = &ev};

	ev.hdr.len = sizeof(ev);
	ev.hdr.stmt_seq = ++t->seq;
	t->now = ev.hdr.ts = ev.t_end;
	tape_put(t, &rec, ev.hdr);
}

/* ---- files ---- */

/* What is in a file; valid until the next call. */
static inline char *content(const char *path)
{
	static char text[1 << 20];
	FILE *file = fopen(path, "r");

	assert_non_null(file);
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	fclose(file);
	return text;
}

static inline void has(const char *path, const char *words)
{
	if (!strstr(content(path), words))
		fail_msg("%s lacks '%s':\n%s", path, words, content(path));
}

static inline void has_not(const char *path, const char *words)
{
	if (strstr(content(path), words))
		fail_msg("%s has '%s':\n%s", path, words, content(path));
}

static inline int remove_tree(const char *folder)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command);
}

#endif
