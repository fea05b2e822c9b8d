/* SPDX-License-Identifier: BSD-2-Clause */
/* Calls of functions that the user named, as units of work: what belongs to them, how
 * they ended, what is said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "stream.h"

static uint64_t span_seq;

static void rule(struct stream *s, uint32_t number, const char *name, uint8_t test, int64_t value)
{
	struct record rec = {.span = {.span = number,
				      .error_test = test,
				      .error_value = (uint64_t)value,
				      .name = str_from(name),
				      .binary = STR("shop"),
				      .args = STR("items\nroute\n")}};

	stream_feed(s, &rec, stream_hdr(s, REC_SPAN));
}

static uint64_t begin(struct stream *s, uint32_t number)
{
	struct apm_ev_span_begin ev = {.hdr = stream_hdr(s, APM_EV_SPAN_BEGIN), .span = number};
	struct record rec = {.span_begin = &ev};

	ev.hdr.stmt_seq = ++span_seq;
	stream_feed(s, &rec, ev.hdr);
	s->now += MS;
	return span_seq;
}

static void end(struct stream *s, uint32_t number, uint64_t seq, uint64_t started, uint16_t flags,
		int64_t ret)
{
	struct apm_ev_span ev = {.hdr = stream_hdr(s, APM_EV_SPAN_END),
				 .t_start = started,
				 .ret = ret,
				 .cpu_ns = MS,
				 .arg = {3},
				 .text = {"", "/cart"},
				 .span = number,
				 .known = 3,
				 .text_args = 2};
	struct record rec = {.span_end = &ev};

	ev.hdr.flags = flags;
	ev.hdr.stmt_seq = seq;
	stream_feed(s, &rec, ev.hdr);
	s->now += MS;
}

static const struct report_unit *span_of(const struct report *r, const char *name)
{
	size_t i;

	for (i = 0; i < r->unit_shapes.count; i++)
		if (r->unit_shapes.item[i].is_span && strcmp(r->unit_shapes.item[i].shape, name) == 0)
			return &r->unit_shapes.item[i];
	fail_msg("no span %s", name);
	return NULL;
}

static void statements_belong_to_the_call(void **state)
{
	struct stream s;
	const struct report *r;
	const struct report_unit *u;
	uint64_t text, seq, started;
	int i;

	stream_open(&s, NULL);
	rule(&s, 0, "handle", REC_SPAN_TEST_LT, 0);
	text = stream_text(&s, "SELECT a WHERE id = ?", SQL_KIND_READ, 0);
	stream_run(&s, text, MS, 1, 99);
	for (i = 0; i < 3; i++) {
		int k;

		started = s.now;
		seq = begin(&s, 0);
		for (k = 0; k < 6; k++)
			stream_run(&s, text, MS, 1, (uint64_t)(i * 10 + k + 1));
		s.tid = 12; /* another thread meanwhile */
		stream_run(&s, text, MS, 1, 77);
		s.tid = 11;
		end(&s, 0, seq, started, APM_SPAN_HAS_RET | APM_SPAN_HAS_CPU, i == 1 ? -1 : 5);
	}
	r = stream_report(&s);
	u = span_of(r, "handle");
	assert_int_equal(u->count, 3);
	assert_int_equal(u->statements, 18);
	assert_int_equal(u->queries, 18);
	assert_int_equal(u->ok, 2);
	assert_int_equal(u->failed, 1);
	assert_int_equal(u->cpu_ns, 3 * MS);
	assert_int_equal(u->confidence, CONFIDENCE_EXACT);
	assert_string_equal(u->type, "request");
	assert_int_equal(u->attributes.count, 2);
	assert_true(u->attributes.item[0].sum == 9);
	assert_string_equal(u->attributes.item[1].values.item[0].text, "/cart");
	assert_int_equal(u->attributes.item[1].values.item[0].errors, 1);
	assert_int_equal(r->n_plus_one.count, 1);
	assert_int_equal(r->n_plus_one.item[0].count, 18);
	assert_int_equal(r->n_plus_one.item[0].confidence, CONFIDENCE_EXACT);
	assert_string_equal(stream_found(r, "n_plus_one", NULL)->unit, "call of handle");
	assert_int_equal(r->links_exact, 18);
	stream_close(&s);
}

static void inside_another(void **state)
{
	struct stream s;
	const struct report *r;
	uint64_t text, outer, inner, t0, t1;

	stream_open(&s, NULL);
	rule(&s, 0, "outer", 0, 0);
	rule(&s, 1, "inner", 0, 0);
	text = stream_text(&s, "SELECT a", SQL_KIND_READ, 0);
	t0 = s.now;
	outer = begin(&s, 0);
	stream_run(&s, text, MS, 1, 0);
	t1 = s.now;
	inner = begin(&s, 1);
	stream_run(&s, text, MS, 1, 0);
	end(&s, 1, inner, t1, 0, 0);
	end(&s, 0, outer, t0, 0, 0);
	r = stream_report(&s);
	assert_int_equal(span_of(r, "outer")->statements, 2);
	assert_int_equal(span_of(r, "inner")->statements, 1);
	assert_int_equal(r->units, 1);
	assert_int_equal(r->links_exact, 2);
	assert_false(span_of(r, "inner")->cpu_known);
	stream_close(&s);
}

static void how_calls_end(void **state)
{
	struct stream s;
	const struct report *r;
	const struct report_unit *u;
	uint64_t seq;

	stream_open(&s, NULL);
	rule(&s, 0, "f", REC_SPAN_TEST_EQ, 0);
	rule(&s, 1, "never", 0, 0);
	seq = begin(&s, 0);
	end(&s, 0, seq, s.now - MS, APM_SPAN_LEFT, 0);
	seq = begin(&s, 0);
	end(&s, 0, seq, s.now - MS, APM_SPAN_EXITED, 0);
	end(&s, 0, 12345, s.now - 5 * MS, APM_SPAN_HAS_RET, 1); /* its beginning was lost */
	begin(&s, 0);						/* and the end of this one */
	seq = begin(&s, 0);
	end(&s, 0, seq, s.now - MS, APM_SPAN_IN_FLIGHT, 0);
	r = stream_report(&s);
	u = span_of(r, "f");
	assert_int_equal(u->count, 5);
	assert_int_equal(u->left, 1);
	assert_int_equal(u->failed, 1);
	assert_int_equal(u->ok, 1);
	assert_int_equal(u->running, 1);
	assert_int_equal(u->max_ns,
			 5 * MS); /* of the others the duration is not known, or that of a thread's end */
	assert_true(span_of(r, "never")->never_called);
	assert_int_equal(span_of(r, "never")->count, 0);
	stream_close(&s);
}

static void a_process_that_ends(void **state)
{
	struct stream s;
	const struct report *r;
	uint64_t seq;

	stream_open(&s, NULL);
	rule(&s, 0, "main", 0, 0);
	stream_proc(&s, APM_EV_EXEC, 0);
	end(&s, 0, 12345, s.now - MS, APM_SPAN_EXITED, 0); /* of a thread; its beginning was lost */
	seq = begin(&s, 0);
	stream_run(&s, stream_text(&s, "SELECT a", SQL_KIND_READ, 0), MS, 1, 0);
	stream_proc(&s, APM_EV_EXIT, 0);
	end(&s, 0, seq, s.now - MS, APM_SPAN_EXITED, 0); /* a thread that goes later: not once more */
	r = stream_report(&s);
	assert_int_equal(span_of(r, "main")->count, 2);
	assert_int_equal(span_of(r, "main")->statements, 1);
	assert_int_equal(span_of(r, "main")->ok, 0);
	stream_close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(statements_belong_to_the_call),
		cmocka_unit_test(inside_another),
		cmocka_unit_test(how_calls_end),
		cmocka_unit_test(a_process_that_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
