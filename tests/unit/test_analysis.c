/* SPDX-License-Identifier: BSD-2-Clause */
/* From records to the report: totals, links, and what is announced while the program runs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "stream.h"

static void test_totals(void **state)
{
	struct stream s;
	const struct report *r;
	const struct report_query *q;
	uint64_t select, begin;
	int i;

	stream_open(&s, NULL);
	select = stream_text(&s, "SELECT a FROM t WHERE id = ?", SQL_KIND_READ, 0);
	begin = stream_text(&s, "BEGIN", SQL_KIND_BEGIN, 0);
	stream_run(&s, begin, MS, 0, 0);
	for (i = 1; i <= 100; i++)
		stream_run(&s, select, (uint64_t)i * MS, 2, (uint64_t)i);
	r = stream_report(&s);
	assert_int_equal(r->statements, 100);
	assert_int_equal(r->control_statements, 1);
	assert_int_equal(r->transactions, 1);
	assert_int_equal(r->db_ns, 5051 * MS);
	assert_int_equal(r->units, 1);
	assert_int_equal(r->links_likely, 101);
	assert_int_equal(r->links_none, 0);
	assert_string_equal(r->target, "--pid 1");
	assert_int_equal(r->lower_bounds, 0);
	assert_int_equal(r->queries.count, 2);
	q = &r->queries.item[0];
	assert_string_equal(q->query, "SELECT a FROM t WHERE id = ?");
	assert_string_equal(q->stmt_class, "query");
	assert_string_equal(q->system, "postgresql");
	assert_int_equal(q->calls, 100);
	assert_int_equal(q->rows, 200);
	assert_int_equal(q->max_ns, 100 * MS);
	assert_true(q->p50_ns >= 49 * MS && q->p50_ns <= 51 * MS);
	assert_true(q->p99_ns >= 98 * MS && q->p99_ns <= 100 * MS);
	assert_string_equal(r->queries.item[1].stmt_class, "control");
	assert_int_equal(r->slow.count, 1);
	assert_int_equal(r->slow.item[0].duration_ns, 100 * MS);
	assert_non_null(stream_found(r, "slow_query", q->query));
	stream_close(&s);
}

static void test_nothing_at_all(void **state)
{
	struct analysis_options opt = {0};
	struct analysis *a = analysis_new(&opt);
	const struct report *r = analysis_finish(a, 1);

	assert_non_null(r);
	assert_int_equal(r->truncated, 1);
	assert_int_equal(r->statements, 0);
	assert_int_equal(r->findings.count, 0);
	assert_int_equal(r->queries.count, 0);
	analysis_free(a);
}

/* Its connection is gone before its end is told; both come sooner than the detectors hear of it. */
static void test_a_slow_statement_is_told_of_again(void **state)
{
	struct stream s;
	struct record rec = {0};
	struct apm_ev_close close;
	struct apm_ev_stmt ev;
	const struct report_finding *f;

	stream_open(&s, NULL);
	ev = stream_stmt(&s, stream_text(&s, "SELECT a FROM t", SQL_KIND_READ, 0), 150 * MS, 1);
	ev.hdr.flags = APM_STMT_OPEN;
	stream_send(&s, ev);
	close = (struct apm_ev_close){
		.hdr = stream_hdr(&s, APM_EV_CLOSE), .handle = s.conn, .handle_kind = APM_HANDLE_CONN};
	rec.close = &close;
	stream_feed(&s, &rec, close.hdr);
	ev.hdr.flags = 0;
	ev.duration_ns = 200 * MS;
	ev.t_end = ev.t_start + 200 * MS;
	ev.hdr.ts = ev.t_end;
	ev.rows = 3;
	stream_send(&s, ev);
	assert_string_equal(s.findings.ptr ? s.findings.ptr : "", "");
	f = stream_found(stream_report(&s), "slow_query", "SELECT a FROM t");
	assert_non_null(f);
	assert_int_equal(f->total_ns, 200 * MS);
	assert_non_null(
		strstr(f->evidence, "1 execution of at least 100 ms, average 200 ms, worst 200 ms (3 rows)"));
	stream_close(&s);
}

static void test_options_win_over_the_stream(void **state)
{
	struct analysis_options opt = {.slow_ns = 10 * MS};
	struct stream s;
	const struct report *r;

	stream_open(&s, &opt);
	stream_run(&s, stream_text(&s, "SELECT a", SQL_KIND_READ, 0), 20 * MS, 1, 0);
	r = stream_report(&s);
	assert_int_equal(r->slow_threshold_ns, 10 * MS);
	assert_int_equal(r->slow.count, 1);
	assert_string_equal(s.findings.ptr, "slow_query\n");
	stream_close(&s);
}

static void test_lost_events_make_lower_bounds(void **state)
{
	struct stream s;
	struct record rec = {.loss = {.count = APM_CNT_MAX}};
	const struct report *r;

	stream_open(&s, NULL);
	rec.loss.values[APM_CNT_TEXT_TRUNCATED] = 3;
	stream_feed(&s, &rec, stream_hdr(&s, REC_LOSS));
	rec.loss.values[APM_CNT_RING_FULL] = 7;
	stream_feed(&s, &rec, stream_hdr(&s, REC_LOSS));
	r = stream_report(&s);
	assert_int_equal(r->losses[APM_CNT_RING_FULL], 7);
	assert_int_equal(r->losses[APM_CNT_TEXT_TRUNCATED], 3);
	assert_int_equal(r->lower_bounds, 1);
	stream_close(&s);
}

struct stacks_seen {
	uint64_t fingerprint[8];
	char text[8][128];
	int count;
};

static void note_stack(uint64_t fingerprint, uint64_t weight_ns, uint64_t count, const char *const *frames,
		       size_t frame_count, void *arg)
{
	struct stacks_seen *seen = arg;
	size_t i;

	seen->fingerprint[seen->count] = fingerprint;
	for (i = 0; i < frame_count; i++) {
		strcat(seen->text[seen->count], frames[i]);
		strcat(seen->text[seen->count], ";");
	}
	seen->count++;
}

static void send_frame(struct stream *s, uint32_t id, const char *name, int kernel)
{
	struct record rec = {.frame = {.frame_id = id,
				       .kind = kernel ? REC_FRAME_KERNEL : REC_FRAME_NATIVE,
				       .name = str_from(name),
				       .module = kernel ? STR("[kernel]") : STR("app")}};

	stream_feed(s, &rec, stream_hdr(s, REC_FRAME));
}

static void send_sample(struct stream *s, uint64_t seq)
{
	static const uint32_t frames[] = {3, 2, 1}; /* kernel leaf, then user from the leaf */
	struct record rec = {.sample = {.weight_ns = 10 * MS,
					.kernel_count = 1,
					.user_count = 2,
					.frames = frames,
					.comm = STR("app")}};
	struct apm_hdr hdr = stream_hdr(s, REC_SAMPLE);

	hdr.stmt_seq = seq;
	stream_feed(s, &rec, hdr);
}

static void test_samples_find_their_statement(void **state)
{
	struct stacks_seen seen = {0};
	struct analysis_options opt = {.on_stack = note_stack, .arg = &seen};
	struct stream s;
	const struct report *r;
	uint64_t text;

	stream_open(&s, NULL);
	analysis_free(s.analysis);
	s.analysis = analysis_new(&opt);
	text = stream_text(&s, "SELECT a", SQL_KIND_READ, 0);
	send_frame(&s, 1, "main", 0);
	send_frame(&s, 2, "work", 0);
	send_frame(&s, 3, "do_syscall", 1);
	send_sample(&s, 1);  /* before the statement's own event */
	send_sample(&s, 0);  /* outside any */
	send_sample(&s, 99); /* of one that never comes */
	assert_int_equal(seen.count, 1);
	stream_run(&s, text, MS, 1, 0);
	assert_int_equal(seen.count, 2);
	send_sample(&s, 1); /* after it */
	r = stream_report(&s);
	assert_int_equal(seen.count, 4);
	assert_string_equal(seen.text[0], "app;main;work;do_syscall_[k];");
	assert_int_equal(seen.fingerprint[0], 0);
	assert_true(seen.fingerprint[1] == r->queries.item[0].fingerprint);
	assert_true(seen.fingerprint[2] == r->queries.item[0].fingerprint);
	assert_int_equal(seen.fingerprint[3], 0);
	assert_int_equal(r->samples, 4);
	assert_int_equal(r->samples_attributed, 2);
	assert_int_equal(r->samples_unattributed, 1);
	assert_int_equal(r->losses[APM_CNT_UNATTRIBUTED], 1);
	assert_int_equal(r->queries.item[0].cpu_samples, 2);
	assert_int_equal(r->functions.count, 3);
	assert_string_equal(r->functions.item[0].name, "do_syscall");
	assert_int_equal(r->functions.item[0].self, 4);
	stream_close(&s);
}

static void test_errors_are_grouped(void **state)
{
	struct stream s;
	const struct report *r;
	uint64_t text;
	int i;

	stream_open(&s, NULL);
	text = stream_text(&s, "INSERT INTO t VALUES (?)", SQL_KIND_INSERT, 0);
	for (i = 0; i < 4; i++) {
		struct apm_ev_stmt ev = stream_stmt(&s, text, MS, 0);
		struct record rec = {.error = {.code = STR("23505"),
					       .message = STR("duplicate key"),
					       .system = APM_SYSTEM_POSTGRESQL}};
		struct apm_hdr hdr = ev.hdr;

		hdr.kind = REC_ERROR;
		stream_feed(&s, &rec, hdr);
		ev.hdr.flags = APM_STMT_ERROR;
		stream_send(&s, ev);
	}
	r = stream_report(&s);
	assert_int_equal(r->errors, 4);
	assert_int_equal(r->error_groups.count, 1);
	assert_string_equal(r->error_groups.item[0].code, "23505");
	assert_string_equal(r->error_groups.item[0].message, "duplicate key");
	assert_int_equal(r->error_groups.item[0].count, 4);
	assert_int_equal(stream_found(r, "failing_statement", NULL)->count, 4);
	stream_close(&s);
}

static void test_many_fingerprints_are_merged(void **state)
{
	enum { N = 30000 };
	struct stream s;
	const struct report *r;
	uint64_t calls = 0;
	char text[64];
	size_t j;
	int i;

	stream_open(&s, NULL);
	for (i = 0; i < N; i++) {
		snprintf(text, sizeof(text), "SELECT c%d FROM t", i);
		stream_run(&s, stream_text(&s, text, SQL_KIND_READ, 0), i == 17 ? SECOND : MS, 1, 0);
	}
	r = stream_report(&s);
	assert_int_equal(r->statements, N);
	assert_true(r->losses[APM_CNT_EVICTED] > 0);
	assert_non_null(stream_query(r, "[other]"));
	/* What costs much stays, however old. */
	assert_non_null(stream_query(r, "SELECT c17 FROM t"));
	for (j = 0; j < r->queries.count; j++)
		calls += r->queries.item[j].calls;
	assert_true(calls <= N);
	assert_int_equal(r->queries.count, 100);
	stream_close(&s);
}

/* Two threads, each with a list and its details; events come in any order within half a second. */
static void test_order_of_arrival_does_not_matter(void **state)
{
	enum { N = 42 };
	struct apm_ev_stmt ev[N];
	struct stream s;
	const struct report *r;
	uint64_t list, detail;
	int i;

	stream_open(&s, NULL);
	list = stream_text(&s, "SELECT id FROM a", SQL_KIND_READ, 0);
	detail = stream_text(&s, "SELECT b FROM c WHERE a = ?", SQL_KIND_READ, 0);
	for (i = 0; i < N; i++) {
		s.tid = 11 + i % 2;
		s.conn = 0x1000 + i % 2;
		ev[i] = stream_stmt(&s, i < 2 ? list : detail, MS, i < 2 ? 20 : 1);
		ev[i].param_hash = (uint64_t)i;
		ev[i].param_count = 1;
		s.now += 10 * MS;
	}
	for (i = 0; i < N; i++)
		stream_send(&s, ev[i * 17 % N]);
	r = stream_report(&s);
	assert_int_equal(r->units, 2);
	assert_int_equal(r->n_plus_one.count, 1);
	assert_int_equal(r->n_plus_one.item[0].count, 40);
	assert_string_equal(r->n_plus_one.item[0].parent_query, "SELECT id FROM a");
	stream_close(&s);
}

static void test_all_queries_are_counted(void **state)
{
	const struct report *r;
	struct stream s;
	char text[32];
	int i;

	stream_open(&s, NULL);
	for (i = 0; i < 150; i++) {
		snprintf(text, sizeof(text), "SELECT c%d FROM t", i);
		stream_run(&s, stream_text(&s, text, SQL_KIND_READ, 0), MS, 1, 0);
	}
	r = stream_report(&s);
	assert_int_equal(r->queries.count, 100);
	assert_int_equal(r->queries_seen, 150);
	stream_close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_queries_are_counted),
		cmocka_unit_test(test_totals),
		cmocka_unit_test(test_nothing_at_all),
		cmocka_unit_test(test_a_slow_statement_is_told_of_again),
		cmocka_unit_test(test_options_win_over_the_stream),
		cmocka_unit_test(test_lost_events_make_lower_bounds),
		cmocka_unit_test(test_samples_find_their_statement),
		cmocka_unit_test(test_errors_are_grouped),
		cmocka_unit_test(test_many_fingerprints_are_merged),
		cmocka_unit_test(test_order_of_arrival_does_not_matter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
