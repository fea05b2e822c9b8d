/* SPDX-License-Identifier: BSD-2-Clause */
/* Units kept one by one (APM_SAMPLE_RATE): errors, slow ones and those with findings always, a share of the
 * others, and the counts complete. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "program.h"

#define PLAIN 200

/* Three units that are always kept, and PLAIN others. */
static const struct report *run(struct program *p, uint32_t sample_ppm)
{
	struct record meta = {.meta = {.mono_ns = 1000 * SECOND,
				       .slow_ns = 100 * MS,
				       .unit_gap_ns = 100 * MS,
				       .n_plus_one = 5,
				       .sample_rate_set = 1,
				       .sample_ppm = sample_ppm}};
	int i;

	stream_open(&p->s, NULL);
	stream_feed(&p->s, &meta, stream_hdr(&p->s, REC_META));
	texts(p);
	for (i = 0; i < PLAIN; i++) {
		one(p, p->read, 1);
		p->s.now += SECOND;
	}
	took(p, p->report, 200 * MS);
	p->s.now += SECOND;
	fails(p, p->insert, "23505", 1);
	p->s.now += SECOND;
	one(p, p->list, 10);
	for (i = 0; i < 10; i++)
		one(p, p->items, 1);
	p->s.now += SECOND;
	return stream_report(&p->s);
}

static size_t kept(const struct report *r, const char *why)
{
	size_t n = 0, i;

	for (i = 0; i < r->kept_units.count; i++)
		n += strcmp(r->kept_units.item[i].why, why) == 0;
	return n;
}

static void check(const struct report *r)
{
	assert_int_equal(r->units, PLAIN + 3);
	assert_int_equal(r->statements, PLAIN + 13);
	assert_int_equal(kept(r, "error"), 1);
	assert_int_equal(kept(r, "slow"), 1);
	assert_int_equal(kept(r, "finding"), 1);
	assert_string_equal(r->kept_units.item[0].why, "error");
	assert_int_equal(r->kept_units.item[2].statements, 11);
}

static void test_rates(void **state)
{
	static const struct {
		uint32_t ppm;
		size_t least, most;
	} rates[] = {{0, 0, 0}, {500000, PLAIN / 3, PLAIN * 2 / 3}, {1000000, PLAIN, PLAIN}};
	size_t i;

	for (i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		struct program p = {0};
		const struct report *r = run(&p, rates[i].ppm);

		check(r);
		assert_in_range(kept(r, "sampled"), rates[i].least, rates[i].most);
		stream_close(&p.s);
	}
}

/* The same units are chosen wherever they are seen. */
static void test_same_everywhere(void **state)
{
	struct program p = {0}, q = {0};
	const struct report *a = run(&p, 100000), *b = run(&q, 100000);
	size_t i;

	assert_int_equal(a->kept_units.count, b->kept_units.count);
	for (i = 0; i < a->kept_units.count; i++)
		assert_int_equal(a->kept_units.item[i].start_realtime_ns,
				 b->kept_units.item[i].start_realtime_ns);
	stream_close(&p.s);
	stream_close(&q.s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_rates),
					   cmocka_unit_test(test_same_everywhere)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
