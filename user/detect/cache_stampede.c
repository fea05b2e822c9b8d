/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Several threads find the same entry of a cache missing and run the same query for it at the same time: the
 * server does the work of one as often as there are threads.
 */
#include "detect/detectors.h"

#define AT_ONCE_MIN 3

/* v of a thread: pattern that it missed with its last statement; of a query with its parameters: running
 * until, threads at once, the last of them, counted. */
static struct detect_note *of_thread(struct detect *d, const struct detector *self,
				     const struct statement *stmt)
{
	return detect_note(d, self, hash_mix(stmt->tgid, stmt->ctx_kind), stmt->ctx_id);
}

static void count(struct detect *d, const struct detector *self, const struct statement *stmt,
		  struct detect_note *query, uint64_t pattern)
{
	struct finding *f;

	if (query->v[1] < AT_ONCE_MIN)
		return;
	f = detect_finding(d, self, stmt->fingerprint, pattern);
	if (!f)
		return;
	f->units += query->v[3] == 0;
	f->count += query->v[1] - query->v[3];
	/* One execution would have been enough. */
	f->total_ns += stmt->duration_ns * (query->v[1] - query->v[3]);
	f->saved_ns += stmt->duration_ns * (query->v[1] - (query->v[3] ? query->v[3] : 1));
	query->v[3] = query->v[1];
	if (query->v[1] > f->worst_count)
		f->worst_count = query->v[1];
	f->related[0] = pattern;
	f->confidence = CONFIDENCE_LIKELY;
	f->system = stmt->system;
	f->call_site = stmt->call_site;
	f->tgid = stmt->tgid;
	detect_certain(d, f);
}

void cache_stampede_statement(struct detect *d, const struct detector *self, const struct statement *stmt,
			      const struct statement *was)
{
	struct detect_note *thread, *query;
	uint64_t missed;

	if (was || stmt->stmt_class == SQL_CLASS_CONTROL)
		return;
	thread = of_thread(d, self, stmt);
	if (!thread)
		return;
	missed = thread->v[0];
	thread->v[0] = stmt->type == SPAN_CACHE && stmt->kind == SQL_KIND_READ && !stmt->error && !stmt->rows
			       ? stmt->fingerprint
			       : 0;
	if (!missed || stmt->type != SPAN_DB || stmt->params != SPAN_PARAMS_KNOWN ||
	    (stmt->kind != SQL_KIND_READ && stmt->kind != SQL_KIND_COUNT))
		return;
	query = detect_note(d, self, hash_mix(stmt->fingerprint, stmt->param_hash), ~missed);
	if (!query)
		return;
	if (stmt->t_start >= query->v[0])
		query->v[1] = query->v[2] = query->v[3] = 0;
	query->v[1] += query->v[2] != stmt->ctx_id;
	query->v[2] = stmt->ctx_id;
	if (stmt->t_end > query->v[0])
		query->v[0] = stmt->t_end;
	count(d, self, stmt, query, missed);
}

enum severity cache_stampede_severity(const struct finding *f)
{
	return detect_severity(f->saved_ns, 0);
}

void cache_stampede_describe(const struct detect *d, const struct finding *f, struct strbuf *title,
			     struct strbuf *evidence, struct strbuf *recommendation)
{
	strbuf_addf(title, "%llu threads rebuilt one entry of the cache at once: ",
		    (unsigned long long)f->worst_count);
	detect_add_name(d, title, f->fingerprint);
	strbuf_addf(evidence, "%llu time%s at least %d threads found ", (unsigned long long)f->units,
		    f->units == 1 ? "" : "s", AT_ONCE_MIN);
	detect_add_name(d, evidence, f->related[0]);
	strbuf_addf(evidence,
		    " missing and ran this query with the same parameters while another did, %llu "
		    "executions in all.",
		    (unsigned long long)f->count);
	strbuf_adds(
		recommendation,
		"Let one rebuild and the others wait (a lock per key, SET NX, single flight), renew entries "
		"before they expire, and spread expiry times.");
}
