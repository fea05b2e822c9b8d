/* SPDX-License-Identifier: BSD-2-Clause */
/* Beside the whole run: the last minute, and under which names and from where a query was executed. */
#include "analysis_state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RECENT_MAX 512
#define NAMES_MAX  4096

static void rolling_release(struct table_key key, void *value, void *arg)
{
	rolling_free(value);
}

static void name_release(struct table_key key, void *value, void *arg)
{
	free(*(char **)value);
}

int analysis_recent_open(struct analysis *a)
{
	a->recent_queries = table_new(RECENT_MAX, sizeof(struct rolling), rolling_release, NULL);
	a->names = table_new(NAMES_MAX, sizeof(char *), name_release, NULL);
	return a->recent_queries && a->names ? 0 : -ENOMEM;
}

void analysis_recent_close(struct analysis *a)
{
	rolling_free(&a->recent);
	table_free(a->recent_queries);
	table_free(a->names);
}

int analysis_recent_statement(struct analysis *a, const struct statement *was, const struct statement *now)
{
	struct rolling *q = table_put(a->recent_queries, (struct table_key){now->fingerprint, 0}, NULL);

	if (!q)
		return -ENOMEM;
	q->with_control = 1;
	if (was) {
		rolling_subtract(&a->recent, was);
		rolling_subtract(q, was);
	}
	return rolling_add(&a->recent, now) || rolling_add(q, now) ? -ENOMEM : 0;
}

int analysis_recent_name(struct analysis *a, struct str name)
{
	char **copy =
		name.len ? table_put(a->names, (struct table_key){session_name_hash(name), 0}, NULL) : NULL;

	if (!name.len)
		return 0;
	if (copy && !*copy)
		*copy = strndup(name.ptr, name.len);
	return copy && *copy ? 0 : -ENOMEM;
}

/* ---- into the report ---- */

static void fill(struct analysis *a, const struct rolling *from, struct report_recent *out)
{
	struct rolling_sum sum;

	if (rolling_sum(from, a->begin_ns, a->now_ns, &sum)) {
		a->err = -ENOMEM;
		return;
	}
	*out = (struct report_recent){.window_ns = sum.window_ns,
				      .calls = sum.durations.count,
				      .control = from->with_control ? 0 : sum.control,
				      .errors = sum.failed,
				      .units = sum.units,
				      .db_ns = sum.db_ns,
				      .p50_ns = hist_percentile(&sum.durations, 0.50),
				      .p95_ns = hist_percentile(&sum.durations, 0.95),
				      .p99_ns = hist_percentile(&sum.durations, 0.99)};
	hist_free(&sum.durations);
}

static const char *const *names_of(struct analysis *a, const struct stats_query *q)
{
	const char **list = analysis_own(a, calloc(STATS_NAMES + 1, sizeof(*list)));
	size_t n = 0, i;

	for (i = 0; list && q && i < STATS_NAMES && q->prepared[i]; i++) {
		char *const *name = table_peek(a->names, (struct table_key){q->prepared[i], 0});

		if (name)
			list[n++] = *name;
	}
	return list;
}

/* A query that nothing is known of has not been executed for a minute, unless others took its place. */
void analysis_fill_recent(struct analysis *a)
{
	static const struct rolling none = {.with_control = 1};
	struct report *r = &a->report;
	size_t i;

	fill(a, &a->recent, &r->recent);
	for (i = 0; i < r->queries.count; i++) {
		struct report_query *out = &r->queries.item[i];
		const struct table_key key = {out->fingerprint, 0};
		const struct stats_query *q = stats_find(a->stats, out->fingerprint);
		const struct rolling *recent = table_peek(a->recent_queries, key);
		struct strbuf site = {0};

		if (!recent && out->fingerprint && !table_evicted(a->recent_queries))
			recent = &none;
		out->recent = recent ? analysis_own(a, calloc(1, sizeof(*out->recent))) : NULL;
		if (out->recent)
			fill(a, recent, out->recent);
		if (q && q->call_site)
			samples_site_name(a->samples, q->call_site_tgid, q->call_site, &site);
		out->call_site = analysis_own_text(a, &site);
		out->prepared = names_of(a, q);
	}
}
