/* SPDX-License-Identifier: BSD-2-Clause */
#include "txn/rolling.h"

#define SECOND_NS 1000000000ULL

static void empty(struct rolling_slot *s, uint64_t second)
{
	hist_free(&s->durations);
	*s = (struct rolling_slot){.second = second};
}

void rolling_free(struct rolling *r)
{
	int i;

	for (i = 0; i < ROLLING_SECONDS; i++)
		empty(&r->slot[i], 0);
}

/* The slot of a time, NULL when a later round has taken it. */
static struct rolling_slot *slot_of(struct rolling *r, uint64_t ts)
{
	uint64_t second = ts / SECOND_NS;
	struct rolling_slot *s = &r->slot[second % ROLLING_SECONDS];

	if (s->second < second)
		empty(s, second);
	return s->second == second ? s : NULL;
}

static int is_timed(const struct rolling *r, const struct statement *stmt)
{
	return r->with_control || stmt->stmt_class != SQL_CLASS_CONTROL;
}

int rolling_add(struct rolling *r, const struct statement *stmt)
{
	struct rolling_slot *s = slot_of(r, stmt->t_end);

	if (!s)
		return 0;
	s->failed += stmt->error;
	s->control += stmt->stmt_class == SQL_CLASS_CONTROL;
	s->db_ns += statement_db_ns(stmt);
	return is_timed(r, stmt) ? hist_add(&s->durations, stmt->duration_ns) : 0;
}

void rolling_subtract(struct rolling *r, const struct statement *stmt)
{
	struct rolling_slot *s = &r->slot[stmt->t_end / SECOND_NS % ROLLING_SECONDS];

	if (s->second != stmt->t_end / SECOND_NS ||
	    (is_timed(r, stmt) && hist_subtract(&s->durations, stmt->duration_ns)))
		return;
	s->failed -= stmt->error;
	s->control -= stmt->stmt_class == SQL_CLASS_CONTROL;
	s->db_ns -= statement_db_ns(stmt);
}

void rolling_unit(struct rolling *r, uint64_t end_ns)
{
	struct rolling_slot *s = slot_of(r, end_ns);

	if (s)
		s->units++;
}

int rolling_sum(const struct rolling *r, uint64_t begin_ns, uint64_t now_ns, struct rolling_sum *out)
{
	uint64_t last = now_ns / SECOND_NS, first = last < ROLLING_SECONDS ? 0 : last - ROLLING_SECONDS + 1;
	uint64_t from = first * SECOND_NS > begin_ns ? first * SECOND_NS : begin_ns;
	int i, err = 0;

	*out = (struct rolling_sum){.window_ns = now_ns > from ? now_ns - from : 0};
	for (i = 0; i < ROLLING_SECONDS && !err; i++) {
		const struct rolling_slot *s = &r->slot[i];

		if (s->second < first || s->second > last)
			continue;
		out->failed += s->failed;
		out->control += s->control;
		out->units += s->units;
		out->db_ns += s->db_ns;
		err = hist_merge(&out->durations, &s->durations);
	}
	if (err)
		hist_free(&out->durations);
	return err;
}
