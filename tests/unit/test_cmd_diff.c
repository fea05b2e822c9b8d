/* SPDX-License-Identifier: BSD-2-Clause */
/* diff of two captures made by hand: verdict, exit status, JSON, folded stacks and flame graph of both. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include <jansson.h>

#include "capture.h"
#include "cmd.h"
#include "output.h"
#include "sql/sql.h"

#define MS    1000000ULL
#define START 5000000000ULL

static char folder[] = "/tmp/apm-test-diff-XXXXXX";
static char before[64], after[64], out_path[64], folded_path[64], flame_path[64];

static int make_folder(void **state)
{
	if (!mkdtemp(folder))
		return -1;
	snprintf(before, sizeof(before), "%s/a.apm", folder);
	snprintf(after, sizeof(after), "%s/b.apm", folder);
	snprintf(out_path, sizeof(out_path), "%s/out", folder);
	snprintf(folded_path, sizeof(folded_path), "%s/folded", folder);
	snprintf(flame_path, sizeof(flame_path), "%s/x.svg", folder);
	return 0;
}

static int remove_folder(void **state)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command);
}

struct tape {
	struct capture_writer *writer;
	uint64_t now, seq;
};

static struct apm_hdr hdr(const struct tape *t, uint16_t kind)
{
	return (struct apm_hdr){.kind = kind,
				.len = sizeof(struct apm_hdr),
				.ts = t->now,
				.tgid = 10,
				.tid = 11,
				.ctx_id = 11};
}

static void put(struct tape *t, struct record *rec, struct apm_hdr h)
{
	rec->hdr = &h;
	assert_int_equal(capture_write(t->writer, rec), 0);
}

static void put_text(struct tape *t, uint64_t id, const char *text)
{
	struct record rec = {.text = {.text_id = id,
				      .parts = 1,
				      .fingerprint = 0x1111111111111111 * id,
				      .kind = SQL_KIND_READ,
				      .system = APM_SYSTEM_POSTGRESQL,
				      .normalized = str_from(text),
				      .summary = STR("SELECT"),
				      .operation = STR("SELECT")}};

	put(t, &rec, hdr(t, REC_TEXT));
}

static void put_statement(struct tape *t, uint64_t text_id, uint64_t duration_ns)
{
	struct apm_ev_stmt ev = {
		.hdr = hdr(t, APM_EV_STMT),
		.t_start = t->now,
		.t_end = t->now + duration_ns,
		.duration_ns = duration_ns,
		.text_id = text_id,
		.conn = 0x1000,
		.param_hash = t->now,
		.param_count = 1,
		.system = APM_SYSTEM_POSTGRESQL,
	};
	struct record rec = {.stmt = &ev};

	ev.hdr.len = sizeof(ev);
	ev.hdr.stmt_seq = ++t->seq;
	t->now = ev.hdr.ts = ev.t_end;
	put(t, &rec, ev.hdr);
}

static void put_samples(struct tape *t, uint32_t leaf, int count)
{
	const uint32_t frames[] = {leaf, 1};
	struct record rec = {
		.sample = {.weight_ns = 10 * MS, .user_count = 2, .frames = frames, .comm = STR("shop")}};

	while (count--)
		put(t, &rec, hdr(t, REC_SAMPLE));
}

/* 60 units of work of one query 1 and `repeats` of query 2, that take 1 ms x `factor` with some noise. */
static void make_capture(const char *path, double factor, int repeats, int old_samples, int new_samples)
{
	static const char *const names[] = {"main", "render", "search"};
	struct tape t = {.writer = capture_create(path), .now = START};
	struct record meta = {.meta = {.mono_ns = START,
				       .realtime_ns = 1795295820000000000,
				       .normaliser_version = sql_version(),
				       .slow_ns = 100 * MS,
				       .unit_gap_ns = 100 * MS,
				       .n_plus_one = 5,
				       .sample_freq = 99,
				       .target = STR("--pid 10")}};
	struct record end = {0};
	uint32_t i;
	int k;

	assert_non_null(t.writer);
	put(&t, &meta, hdr(&t, REC_META));
	put_text(&t, 1, "SELECT * FROM orders");
	put_text(&t, 2, "SELECT * FROM users WHERE id = ?");
	for (i = 0; i < 3; i++) {
		struct record frame = {
			.frame = {.frame_id = i + 1, .name = str_from(names[i]), .module = STR("shop")}};

		put(&t, &frame, hdr(&t, REC_FRAME));
	}
	put_samples(&t, 2, old_samples);
	put_samples(&t, 3, new_samples);
	for (i = 0; i < 60; i++) {
		put_statement(&t, 1, (uint64_t)((double)MS * factor) + i * 7919 % 13 * 1000);
		for (k = 0; k < repeats; k++)
			put_statement(&t, 2, MS + (i + (uint32_t)k) * 104729 % 17 * 1000);
		t.now += 150 * MS;
	}
	put(&t, &end, hdr(&t, REC_END));
	assert_int_equal(capture_close(t.writer), 0);
}

static struct options options(void)
{
	return (struct options){.command = COMMAND_DIFF,
				.top = 10,
				.format = "text",
				.fail_on = OPTIONS_NO_FAIL_ON,
				.min_effect = 0.05,
				.log_level = LOG_LEVEL_INFO,
				.report_path = out_path,
				.capture = before,
				.capture_b = after};
}

static const char *content(const char *path)
{
	static char text[1 << 18];
	FILE *file = fopen(path, "r");

	assert_non_null(file);
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	fclose(file);
	return text;
}

static void has(const char *path, const char *words)
{
	if (!strstr(content(path), words))
		fail_msg("%s lacks '%s':\n%s", path, words, content(path));
}

static void same(void **state)
{
	struct options opt = options();

	opt.fail_on = 0;
	make_capture(before, 1, 2, 50, 50);
	opt.capture_b = before;
	assert_int_equal(cmd_diff(&opt), EXIT_STATUS_OK);
	has(out_path, "Verdict: no change (0 figures worse, 0 better, ");
}

static void worse(void **state)
{
	struct options opt = options();
	json_error_t error;
	json_t *doc;

	make_capture(before, 1, 2, 50, 50);
	make_capture(after, 1.5, 3, 20, 80);
	assert_int_equal(cmd_diff(&opt), EXIT_STATUS_OK);
	opt.fail_on = 0;
	assert_int_equal(cmd_diff(&opt), EXIT_STATUS_FINDINGS);
	has(out_path, "Verdict: regression");
	has(out_path, "  [11111111] slower, 60 and 60 executions");
	has(out_path, "  2.00 -> 3.00, +1.00 (");
	opt.format = "json";
	assert_int_equal(cmd_diff(&opt), EXIT_STATUS_FINDINGS);
	doc = json_loads(content(out_path), 0, &error);
	assert_non_null(doc);
	assert_string_equal(json_string_value(json_object_get(doc, "verdict")), "regression");
	json_decref(doc);
	/* The other way round it is an improvement, and no reason to fail. */
	opt.capture = after;
	opt.capture_b = before;
	assert_int_equal(cmd_diff(&opt), EXIT_STATUS_OK);
}

static void stacks(void **state)
{
	struct options opt = options();

	make_capture(before, 1, 2, 90, 0);
	make_capture(after, 1, 2, 30, 60);
	opt.folded_path = folded_path;
	opt.flame_path = flame_path;
	assert_int_equal(cmd_diff(&opt), EXIT_STATUS_OK);
	has(folded_path, ";main;render 90 30\n");
	has(folded_path, ";main;search 0 60\n");
	has(flame_path, "; before 100.00 %");
	has(flame_path, "before 0.00 %</title>");
	/* Red, the strongest there is: it was not there. And as it was. */
	has(flame_path, "fill=\"#f16a55\"");
	has(flame_path, "fill=\"#f0f0f0\"");
	opt.capture = after;
	opt.capture_b = before;
	assert_int_equal(cmd_diff(&opt), EXIT_STATUS_OK);
	has(folded_path, ";main;search 60 0\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(same),
		cmocka_unit_test(worse),
		cmocka_unit_test(stacks),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
