/* SPDX-License-Identifier: BSD-2-Clause */
/* Where the time went: shares of what is known, and what is not said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "stream.h"

static const struct report_bottleneck *bottleneck(const struct report *r, const char *kind)
{
	size_t i;

	for (i = 0; i < r->bottlenecks.count; i++)
		if (strcmp(r->bottlenecks.item[i].kind, kind) == 0)
			return &r->bottlenecks.item[i];
	return NULL;
}

/* A look that found `threads` waiting; tid 0 = in no span. */
static void see(struct stream *s, uint8_t reason, uint32_t tid, uint32_t threads, uint64_t weight_ns)
{
	struct record rec = {.wait = {.weight_ns = weight_ns, .threads = threads, .reason = reason}};
	struct apm_hdr hdr = stream_hdr(s, REC_WAIT);

	hdr.tid = tid;
	hdr.ctx_id = tid;
	stream_feed(s, &rec, hdr);
	s->now += MS;
}

/* A second in database calls. */
static void work(struct stream *s)
{
	uint64_t text = stream_text(s, "SELECT a", SQL_KIND_READ, 0);
	int i;

	for (i = 0; i < 20; i++)
		stream_run(s, text, 50 * MS, 1, (uint64_t)i + 1);
}

static void call(struct stream *s, uint64_t long_ns, uint16_t flags, int looks)
{
	static uint64_t seq = 100;
	struct apm_ev_span_begin begin = {.hdr = stream_hdr(s, APM_EV_SPAN_BEGIN)};
	struct apm_ev_span end = {.t_start = s->now};
	struct record rec = {.span_begin = &begin};
	uint64_t start = s->now;
	int i;

	begin.hdr.stmt_seq = ++seq;
	stream_feed(s, &rec, begin.hdr);
	for (i = 0; i < looks; i++)
		see(s, REC_WAIT_NETWORK, s->tid, 1, 100 * MS);
	s->now = start + long_ns;
	end.hdr = stream_hdr(s, APM_EV_SPAN_END);
	end.hdr.flags = flags;
	end.hdr.stmt_seq = seq;
	rec = (struct record){.span_end = &end};
	stream_feed(s, &rec, end.hdr);
	s->now += MS;
}

static void waits_have_their_share(void **state)
{
	struct stream s;
	const struct report *r;
	int i;

	stream_open(&s, NULL);
	work(&s);
	for (i = 0; i < 10; i++) {
		see(&s, REC_WAIT_IO, 0, 1, 100 * MS);
		see(&s, REC_WAIT_LOCK, 0, 2, 200 * MS);
	}
	r = stream_report(&s);
	assert_int_equal(r->bottlenecks.count, 3);
	assert_float_equal(bottleneck(r, "database")->share, 0.25, 0.001);
	assert_float_equal(bottleneck(r, "io")->share, 0.25, 0.001);
	assert_string_equal(bottleneck(r, "io")->impact, "medium");
	assert_float_equal(bottleneck(r, "lock")->share, 0.5, 0.001);
	assert_string_equal(bottleneck(r, "lock")->impact, "high");
	assert_non_null(strstr(bottleneck(r, "lock")->evidence, "Threads waited 2000 ms for mutexes"));
	assert_non_null(strstr(bottleneck(r, "io")->evidence, "Threads waited 1000 ms for disks"));
	assert_ptr_equal(&r->bottlenecks.item[0], bottleneck(r, "lock"));
	stream_close(&s);
}

static void locks_of_both_kinds_are_one_row(void **state)
{
	struct stream s;
	const struct report *r;
	struct apm_ev_stmt ev;
	int i;

	stream_open(&s, NULL);
	ev = stream_stmt(&s, stream_text(&s, "UPDATE t", SQL_KIND_UPDATE, 0), 1000 * MS, 1);
	ev.wait_ns = 900 * MS;
	stream_send(&s, ev);
	for (i = 0; i < 5; i++)
		see(&s, REC_WAIT_LOCK, 0, 1, 20 * MS);
	r = stream_report(&s);
	assert_float_equal(bottleneck(r, "lock")->share, 1000.0 / 1100, 0.001);
	assert_non_null(strstr(bottleneck(r, "lock")->evidence, "waiting for locks; threads waited 100 ms"));
	assert_non_null(strstr(bottleneck(r, "lock")->recommendation, "transactions"));
	stream_close(&s);
}

static void the_network_counts_in_units(void **state)
{
	struct stream s;
	const struct report *r;
	int i;

	stream_open(&s, NULL);
	work(&s);
	for (i = 0; i < 10; i++)
		call(&s, 150 * MS, 0, 1);
	r = stream_report(&s);
	assert_float_equal(bottleneck(r, "external")->share, 0.5, 0.001);
	assert_string_equal(bottleneck(r, "external")->impact, "high");
	assert_int_equal(r->unit_shapes.item[0].network_wait_ns, 1000 * MS);
	assert_true(r->unit_shapes.item[0].waits_known);
	stream_close(&s);
}

/* Nothing of it is said to be a bottleneck. */
static void nothing_to_say(struct stream *s)
{
	const struct report *r = stream_report(s);

	assert_null(bottleneck(r, "external"));
	assert_null(bottleneck(r, "io"));
	assert_null(bottleneck(r, "lock"));
	stream_close(s);
}

static void what_is_no_bottleneck(void **state)
{
	struct stream s;
	int i;

	stream_open(&s, NULL); /* the loop of a server, which ends with its thread */
	work(&s);
	call(&s, 5 * SECOND, APM_SPAN_EXITED, 40);
	nothing_to_say(&s);
	stream_open(&s, NULL); /* which still runs */
	work(&s);
	call(&s, 5 * SECOND, APM_SPAN_IN_FLIGHT, 40);
	nothing_to_say(&s);
	stream_open(&s, NULL); /* which is no unit of work: longer than a minute */
	work(&s);
	call(&s, 90 * SECOND, 0, 40);
	nothing_to_say(&s);
	stream_open(&s, NULL); /* the network outside of a span */
	work(&s);
	for (i = 0; i < 40; i++)
		see(&s, REC_WAIT_NETWORK, 0, 1, 100 * MS);
	nothing_to_say(&s);
	stream_open(&s, NULL); /* by chance */
	work(&s);
	for (i = 0; i < 4; i++)
		see(&s, i % 2 ? REC_WAIT_IO : REC_WAIT_LOCK, 0, 1, 500 * MS);
	nothing_to_say(&s);
	stream_open(&s, NULL); /* little */
	work(&s);
	for (i = 0; i < 10; i++)
		see(&s, REC_WAIT_IO, 0, 1, 4 * MS);
	nothing_to_say(&s);
	stream_open(&s, NULL); /* a reason of a later version */
	work(&s);
	for (i = 0; i < 40; i++)
		see(&s, REC_WAIT_REASONS, s.tid, 1, 100 * MS);
	nothing_to_say(&s);
}

static void short_calls_say_nothing_of_themselves(void **state)
{
	struct stream s;
	const struct report *r;

	stream_open(&s, NULL);
	work(&s);
	call(&s, 150 * MS, 0, 1);
	r = stream_report(&s);
	assert_false(r->unit_shapes.item[0].waits_known);
	stream_close(&s);
	stream_open(&s, NULL); /* nobody looked */
	work(&s);
	call(&s, 5 * SECOND, 0, 0);
	r = stream_report(&s);
	assert_false(r->unit_shapes.item[0].waits_known);
	stream_close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(waits_have_their_share),
		cmocka_unit_test(locks_of_both_kinds_are_one_row),
		cmocka_unit_test(the_network_counts_in_units),
		cmocka_unit_test(what_is_no_bottleneck),
		cmocka_unit_test(short_calls_say_nothing_of_themselves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
