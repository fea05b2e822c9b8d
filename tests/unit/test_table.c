/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/table.h"

#define KEY(x, y) ((struct table_key){(x), (y)})

struct drops {
	size_t count;
	struct table_key last;
	uint64_t last_value;
};

static void on_drop(struct table_key key, void *value, void *arg)
{
	struct drops *drops = arg;

	drops->count++;
	drops->last = key;
	memcpy(&drops->last_value, value, sizeof(drops->last_value));
}

static uint64_t *put(struct table *t, uint64_t a, uint64_t b, uint64_t value)
{
	uint64_t *at = table_put(t, KEY(a, b), NULL);

	assert_non_null(at);
	*at = value;
	return at;
}

static void a_new_table_is_empty(void **state)
{
	struct table *t = table_new(4, 8, NULL, NULL);

	assert_non_null(t);
	assert_int_equal(table_count(t), 0);
	assert_int_equal(table_evicted(t), 0);
	assert_null(table_get(t, KEY(0, 0)));
	assert_null(table_peek(t, KEY(0, 0)));
	assert_int_equal(table_remove(t, KEY(0, 0)), 0);
	table_free(t);
	table_free(NULL);
}

static void values_start_as_zero_and_stay(void **state)
{
	struct table *t = table_new(0, sizeof(uint64_t), NULL, NULL);
	uint64_t *value;
	int is_new = -1;

	value = table_put(t, KEY(0, 0), &is_new);
	assert_int_equal(is_new, 1);
	assert_int_equal(*value, 0);
	*value = 7;
	assert_ptr_equal(table_put(t, KEY(0, 0), &is_new), value);
	assert_int_equal(is_new, 0);
	assert_int_equal(*value, 7);
	assert_ptr_equal(table_get(t, KEY(0, 0)), value);
	assert_ptr_equal(table_peek(t, KEY(0, 0)), value);
	table_free(t);
}

static void both_halves_of_a_key_count_and_their_order(void **state)
{
	struct table *t = table_new(0, sizeof(uint64_t), NULL, NULL);

	put(t, 1, 2, 12);
	put(t, 2, 1, 21);
	put(t, 1, 1, 11);
	put(t, UINT64_MAX, 0, 3);
	put(t, 0, UINT64_MAX, 4);
	assert_int_equal(table_count(t), 5);
	assert_int_equal(*(uint64_t *)table_get(t, KEY(1, 2)), 12);
	assert_int_equal(*(uint64_t *)table_get(t, KEY(2, 1)), 21);
	assert_int_equal(*(uint64_t *)table_get(t, KEY(1, 1)), 11);
	assert_int_equal(*(uint64_t *)table_get(t, KEY(UINT64_MAX, 0)), 3);
	assert_int_equal(*(uint64_t *)table_get(t, KEY(0, UINT64_MAX)), 4);
	assert_null(table_get(t, KEY(2, 2)));
	table_free(t);
}

static void the_least_recently_used_goes_first(void **state)
{
	struct drops drops = {0};
	struct table *t = table_new(3, sizeof(uint64_t), on_drop, &drops);

	put(t, 1, 0, 100);
	put(t, 2, 0, 200);
	put(t, 3, 0, 300);
	assert_non_null(table_get(t, KEY(1, 0)));  /* 2 is the oldest now */
	assert_non_null(table_peek(t, KEY(2, 0))); /* and stays so */
	put(t, 4, 0, 400);
	assert_int_equal(drops.count, 1);
	assert_int_equal(drops.last.a, 2);
	assert_int_equal(drops.last_value, 200);
	assert_null(table_peek(t, KEY(2, 0)));

	put(t, 3, 0, 301); /* putting what is there marks it too: 1 is the oldest */
	put(t, 5, 0, 500);
	assert_int_equal(drops.last.a, 1);
	assert_int_equal(table_evicted(t), 2);
	assert_int_equal(table_count(t), 3);
	table_free(t);
	assert_int_equal(drops.count, 5);
}

static void removal_drops_but_is_no_eviction(void **state)
{
	struct drops drops = {0};
	struct table *t = table_new(2, sizeof(uint64_t), on_drop, &drops);

	put(t, 1, 1, 10);
	put(t, 2, 2, 20);
	assert_int_equal(table_remove(t, KEY(1, 1)), 1);
	assert_int_equal(drops.last_value, 10);
	assert_int_equal(table_remove(t, KEY(1, 1)), 0);
	assert_int_equal(drops.count, 1);
	put(t, 3, 3, 30);
	assert_int_equal(table_evicted(t), 0);
	assert_int_equal(table_count(t), 2);
	assert_int_equal(*(uint64_t *)table_put(t, KEY(2, 2), NULL), 20);
	table_free(t);
}

static void a_table_of_one(void **state)
{
	struct drops drops = {0};
	struct table *t = table_new(1, sizeof(uint64_t), on_drop, &drops);
	uint64_t i;

	for (i = 0; i < 100; i++) {
		put(t, i, i, i);
		assert_int_equal(table_count(t), 1);
		assert_int_equal(*(uint64_t *)table_get(t, KEY(i, i)), i);
	}
	assert_int_equal(table_evicted(t), 99);
	assert_int_equal(table_remove(t, KEY(99, 99)), 1);
	assert_int_equal(table_count(t), 0);
	table_free(t);
	assert_int_equal(drops.count, 100);
}

static void values_may_be_empty_or_odd(void **state)
{
	struct table *set = table_new(2, 0, NULL, NULL), *odd = table_new(0, 33, NULL, NULL);
	int i, is_new;

	assert_non_null(table_put(set, KEY(1, 0), &is_new));
	assert_int_equal(is_new, 1);
	table_put(set, KEY(1, 0), &is_new);
	assert_int_equal(is_new, 0);
	for (i = 0; i < 100; i++) {
		char *value = table_put(odd, KEY((uint64_t)i, 0), NULL);

		assert_int_equal((uintptr_t)value % 16, 0);
		memset(value, i, 33); /* under the sanitizer: all 33 bytes are there */
	}
	for (i = 0; i < 100; i++)
		assert_int_equal(((char *)table_peek(odd, KEY((uint64_t)i, 0)))[32], i);
	table_free(set);
	table_free(odd);
}

static void values_keep_their_place_while_the_table_grows(void **state)
{
	struct table *t = table_new(0, sizeof(uint64_t), NULL, NULL);
	uint64_t *first = put(t, 1, 0, 42), i;

	for (i = 2; i < 50000; i++)
		put(t, i, i * 3, i);
	assert_ptr_equal(table_get(t, KEY(1, 0)), first);
	assert_int_equal(*first, 42);
	for (i = 2; i < 50000; i++)
		assert_int_equal(*(uint64_t *)table_peek(t, KEY(i, i * 3)), i);
	assert_int_equal(table_count(t), 49999);
	assert_int_equal(table_evicted(t), 0);
	table_free(t);
}

/* Pointers and multiples of large powers of two are what the keys look like in practice. */
static void regular_keys_spread(void **state)
{
	struct table *t = table_new(0, sizeof(uint64_t), NULL, NULL);
	uint64_t i;

	for (i = 0; i < 100000; i++) {
		put(t, i << 32, 0, i);
		put(t, 7, i << 12, i);
	}
	for (i = 0; i < 100000; i++) {
		assert_int_equal(*(uint64_t *)table_get(t, KEY(i << 32, 0)), i);
		assert_int_equal(*(uint64_t *)table_get(t, KEY(7, i << 12)), i);
	}
	table_free(t);
}

struct visit {
	uint64_t order[16];
	size_t count;
	uint64_t remove_modulo; /* remove keys that are a multiple; 0 = none */
};

static int on_visit(struct table_key key, void *value, void *arg)
{
	struct visit *visit = arg;

	assert_int_equal(*(uint64_t *)value, key.a * 10);
	visit->order[visit->count++] = key.a;
	return visit->remove_modulo && key.a % visit->remove_modulo == 0;
}

static void visits_go_from_least_recently_used(void **state)
{
	struct table *t = table_new(0, sizeof(uint64_t), NULL, NULL);
	static const uint64_t want[] = {2, 4, 5, 3, 1};
	struct visit visit = {0};
	uint64_t i;

	for (i = 1; i <= 5; i++)
		put(t, i, 0, i * 10);
	table_get(t, KEY(3, 0));
	table_get(t, KEY(1, 0));
	table_peek(t, KEY(2, 0));
	table_visit(t, on_visit, &visit);
	assert_int_equal(visit.count, 5);
	assert_memory_equal(visit.order, want, sizeof(want));
	table_free(t);
}

static void visits_can_remove(void **state)
{
	struct drops drops = {0};
	struct table *t = table_new(0, sizeof(uint64_t), on_drop, &drops);
	static const uint64_t left[] = {1, 3, 5, 7};
	struct visit visit = {.remove_modulo = 2};
	uint64_t i;

	for (i = 1; i <= 8; i++)
		put(t, i, 0, i * 10);
	table_visit(t, on_visit, &visit);
	assert_int_equal(visit.count, 8);
	assert_int_equal(drops.count, 4);
	assert_int_equal(table_count(t), 4);

	visit = (struct visit){0};
	table_visit(t, on_visit, &visit);
	assert_int_equal(visit.count, 4);
	assert_memory_equal(visit.order, left, sizeof(left));

	visit = (struct visit){.remove_modulo = 1};
	table_visit(t, on_visit, &visit);
	assert_int_equal(table_count(t), 0);
	visit = (struct visit){0};
	table_visit(t, on_visit, &visit);
	assert_int_equal(visit.count, 0);
	put(t, 9, 0, 90);
	assert_int_equal(table_count(t), 1);
	table_free(t);
}

/* ---- against a model: an array in order of use ---- */

#define MODEL_MAX 32

struct model {
	struct table_key key[MODEL_MAX + 1];
	uint64_t value[MODEL_MAX + 1];
	size_t count;
	uint64_t evicted;
};

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static size_t model_find(const struct model *m, struct table_key key)
{
	size_t i;

	for (i = 0; i < m->count; i++)
		if (m->key[i].a == key.a && m->key[i].b == key.b)
			break;
	return i;
}

static void model_remove(struct model *m, size_t i)
{
	m->count--;
	memmove(&m->key[i], &m->key[i + 1], (m->count - i) * sizeof(m->key[0]));
	memmove(&m->value[i], &m->value[i + 1], (m->count - i) * sizeof(m->value[0]));
}

static void model_append(struct model *m, struct table_key key, uint64_t value)
{
	if (m->count == MODEL_MAX) {
		model_remove(m, 0);
		m->evicted++;
	}
	m->key[m->count] = key;
	m->value[m->count++] = value;
}

static void model_touch(struct model *m, size_t i)
{
	struct table_key key = m->key[i];
	uint64_t value = m->value[i];

	model_remove(m, i);
	model_append(m, key, value);
}

struct compare {
	const struct model *model;
	size_t at;
};

static int compare_visit(struct table_key key, void *value, void *arg)
{
	struct compare *c = arg;

	assert_true(c->at < c->model->count);
	assert_int_equal(key.a, c->model->key[c->at].a);
	assert_int_equal(key.b, c->model->key[c->at].b);
	assert_int_equal(*(uint64_t *)value, c->model->value[c->at]);
	c->at++;
	return 0;
}

static void it_behaves_like_the_model(void **state)
{
	struct drops drops = {0};
	struct table *t = table_new(MODEL_MAX, sizeof(uint64_t), on_drop, &drops);
	struct model m = {0};
	uint64_t random = 88172645463325252ULL, step, created = 0;

	for (step = 0; step < 200000; step++) {
		uint64_t r = next_random(&random);
		struct table_key key = KEY(r >> 8 & 7, r >> 16 & 7);
		size_t i = model_find(&m, key);
		uint64_t *value;
		int is_new;

		switch (r & 3) {
		case 0:
			assert_int_equal(table_remove(t, key), i < m.count);
			if (i < m.count)
				model_remove(&m, i);
			break;
		case 1:
			value = table_get(t, key);
			assert_int_equal(value != NULL, i < m.count);
			if (value)
				model_touch(&m, i);
			break;
		default:
			value = table_put(t, key, &is_new);
			assert_int_equal(is_new, i == m.count);
			if (i < m.count)
				model_touch(&m, i);
			else
				model_append(&m, key, 0);
			created += (uint64_t)is_new;
			*value = m.value[m.count - 1] = step;
		}
		if (step % 64 == 0) {
			struct compare c = {&m, 0};

			table_visit(t, compare_visit, &c);
			assert_int_equal(c.at, m.count);
		}
		assert_int_equal(table_count(t), m.count);
		assert_int_equal(table_evicted(t), m.evicted);
	}
	assert_true(m.evicted > 100);
	table_free(t);
	assert_int_equal(drops.count, created);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_new_table_is_empty),
		cmocka_unit_test(values_start_as_zero_and_stay),
		cmocka_unit_test(both_halves_of_a_key_count_and_their_order),
		cmocka_unit_test(the_least_recently_used_goes_first),
		cmocka_unit_test(removal_drops_but_is_no_eviction),
		cmocka_unit_test(a_table_of_one),
		cmocka_unit_test(values_may_be_empty_or_odd),
		cmocka_unit_test(values_keep_their_place_while_the_table_grows),
		cmocka_unit_test(regular_keys_spread),
		cmocka_unit_test(visits_go_from_least_recently_used),
		cmocka_unit_test(visits_can_remove),
		cmocka_unit_test(it_behaves_like_the_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
