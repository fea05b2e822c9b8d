/* SPDX-License-Identifier: BSD-2-Clause */
/* Captures of another normaliser: grouped anew where the raw text is there, and said where it is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "analysis.h"
#include "report/report.h"
#include "sql/sql.h"

#define OLD_FINGERPRINT 0x1234

static void feed(struct analysis *a, uint16_t kind, uint64_t seq, struct record *rec)
{
	struct apm_hdr hdr = {.kind = kind,
			      .len = sizeof(hdr),
			      .ts = 1000 + seq,
			      .tgid = 1,
			      .tid = 1,
			      .ctx_id = 1,
			      .stmt_seq = seq};

	rec->hdr = &hdr;
	assert_int_equal(analysis_feed(rec, a), 0);
}

/* Two statements that an older normaliser told apart and this one does not. */
static const struct report *replay(struct analysis *a, uint32_t version, const char *const raw[2])
{
	struct record rec = {.meta = {.normaliser_version = version,
				      .mono_ns = 1,
				      .slow_ns = 1000,
				      .unit_gap_ns = 1000,
				      .n_plus_one = 5}};
	uint64_t i;

	feed(a, REC_META, 0, &rec);
	for (i = 1; i <= 2; i++) {
		struct apm_ev_stmt stmt = {
			.t_start = 100 * i, .t_end = 100 * i + 10, .duration_ns = 10, .text_id = i};

		rec = (struct record){.text = {.text_id = i,
					       .fingerprint = OLD_FINGERPRINT + i,
					       .parts = 1,
					       .system = APM_SYSTEM_POSTGRESQL,
					       .normalized = STR("as the old one wrote it"),
					       .raw = str_from(raw[i - 1])}};
		feed(a, REC_TEXT, i, &rec);
		stmt.hdr = (struct apm_hdr){.kind = APM_EV_STMT,
					    .len = sizeof(stmt),
					    .ts = 2000 + i,
					    .tgid = 1,
					    .tid = 1,
					    .ctx_id = 1,
					    .stmt_seq = i};
		rec = (struct record){.hdr = &stmt.hdr, .stmt = &stmt};
		assert_int_equal(analysis_feed(&rec, a), 0);
	}
	return analysis_finish(a, 0);
}

static void raw_text_is_grouped_by_this_normaliser(void **state)
{
	static const char *const raw[2] = {"SELECT  a FROM t WHERE id = 1", "select a from t where id = 2"};
	struct analysis_options how = {.top = 10};
	struct analysis *a = analysis_new(&how);
	const struct report *r = replay(a, sql_version() + 1, raw);
	struct strbuf note = {0};

	assert_int_equal(r->queries.count, 1);
	assert_int_equal(r->queries.item[0].calls, 2);
	assert_true(r->queries.item[0].fingerprint != OLD_FINGERPRINT + 1);
	assert_null(strstr(r->queries.item[0].query, "old one"));
	assert_true(report_add_grouping(r, &note));
	assert_non_null(strstr(note.ptr, "anew"));
	strbuf_free(&note);
	analysis_free(a);
}

static void without_raw_text_the_groups_stay_and_it_is_said(void **state)
{
	static const char *const raw[2] = {NULL, NULL};
	struct analysis_options how = {.top = 10};
	struct analysis *a = analysis_new(&how);
	const struct report *r = replay(a, sql_version() + 1, raw);
	struct strbuf note = {0};

	assert_int_equal(r->queries.count, 2);
	assert_true(report_add_grouping(r, &note));
	assert_non_null(strstr(note.ptr, "recorded"));
	strbuf_free(&note);
	analysis_free(a);
}

static void the_same_normaliser_says_nothing(void **state)
{
	static const char *const raw[2] = {NULL, NULL};
	struct analysis_options how = {.top = 10};
	struct analysis *a = analysis_new(&how);
	const struct report *r = replay(a, sql_version(), raw);
	struct strbuf note = {0};

	assert_false(report_add_grouping(r, &note));
	analysis_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(raw_text_is_grouped_by_this_normaliser),
		cmocka_unit_test(without_raw_text_the_groups_stay_and_it_is_said),
		cmocka_unit_test(the_same_normaliser_says_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
