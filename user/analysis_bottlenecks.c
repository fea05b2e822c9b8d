/* SPDX-License-Identifier: BSD-2-Clause */
/* Where the time went: on CPUs, in database calls, and what threads waited for outside of them. */
#include "analysis_state.h"

#include <stdlib.h>
#include <string.h>

#define BOTTLENECKS_MAX 6
#define SEEN_MIN	5		     /* looks that found a thread waiting: fewer are chance */
#define UNIT_MOST_NS	(60 * 1000000000ULL) /* a longer call is no unit of work: it may hold a server's loop */

int analysis_feed_wait(struct analysis *a, const struct record *rec)
{
	const struct rec_wait *w = &rec->wait;

	a->looks_taken = 1;
	if (w->reason == REC_WAIT_IO || w->reason == REC_WAIT_LOCK) {
		a->wait[w->reason].ns += w->weight_ns;
		a->wait[w->reason].seen += w->threads;
	}
	if (rec->hdr->tid && w->reason < REC_WAIT_REASONS)
		analysis_mark_wait(a, rec);
	return 0;
}

/* Only then is it known that somebody waited for the network with work in hand. */
void analysis_wait_of_call(struct analysis *a, const struct unit *unit)
{
	const struct unit_wait *w = &unit->wait[REC_WAIT_NETWORK];

	if (!unit->call || unit->call->hdr.flags & (APM_SPAN_IN_FLIGHT | APM_SPAN_EXITED) ||
	    unit->end - unit->start > UNIT_MOST_NS)
		return;
	a->wait[REC_WAIT_NETWORK].ns += w->ns;
	a->wait[REC_WAIT_NETWORK].seen += w->seen;
}

/* Impact by the share of the time that is accounted for; less than the last is none. */
static const struct {
	double share;
	const char *impact;
} impacts[] = {{0.5, "high"}, {0.2, "medium"}, {0.05, "low"}};

static const char *impact_of(double share)
{
	size_t i;

	for (i = 0; i < sizeof(impacts) / sizeof(impacts[0]); i++) {
		if (share >= impacts[i].share)
			return impacts[i].impact;
	}
	return NULL;
}

/* Where time went, as far as it is known: of all threads together. */
struct spent {
	uint64_t db_ns;	     /* in database calls */
	uint64_t cpu_ns;     /* on CPUs outside of them */
	uint64_t db_lock_ns; /* of db_ns: waiting for locks of the database */
	uint64_t lock_ns;    /* the rest: waiting outside of database calls */
	uint64_t io_ns, external_ns;
	const char *cpu_from;
};

static void add_wait(const struct stats_query *q, void *arg)
{
	*(uint64_t *)arg += q->wait_ns;
}

static uint64_t waited(const struct analysis *a, enum rec_wait_reason reason)
{
	return a->wait[reason].seen >= SEEN_MIN ? a->wait[reason].ns : 0;
}

/* The profile knows what was outside statements; without one, the CPU time of the
 * processes is an upper bound of it. */
static struct spent spent_of(struct analysis *a)
{
	struct spent spent = {.db_ns = a->report.db_ns,
			      .lock_ns = waited(a, REC_WAIT_LOCK),
			      .io_ns = waited(a, REC_WAIT_IO),
			      .external_ns = waited(a, REC_WAIT_NETWORK)};
	struct samples_totals samples;

	stats_each_query(a->stats, add_wait, &spent.db_lock_ns);
	samples_totals(a->samples, &samples);
	if (samples.samples) {
		spent.cpu_ns =
			(uint64_t)((double)samples.weight_ns *
				   (double)(samples.samples - samples.attributed) / (double)samples.samples);
		spent.cpu_from = " of CPU time outside database calls";
	} else {
		spent.cpu_ns = analysis_cpu_used(a);
		spent.cpu_from = " of CPU time";
	}
	return spent;
}

static void add_bottleneck(struct analysis *a, const char *kind, double share, const char *recommendation,
			   struct strbuf *evidence)
{
	struct report *r = &a->report;
	const char *impact = impact_of(share);

	if (!impact) {
		strbuf_free(evidence);
		return;
	}
	r->bottlenecks.item[r->bottlenecks.count++] =
		(struct report_bottleneck){.kind = kind,
					   .impact = impact,
					   .share = share > 1 ? 1 : share,
					   .evidence = analysis_own_text(a, evidence),
					   .recommendation = recommendation};
}

/* ", in a window of 10.2 s." */
static void add_window(const struct analysis *a, struct strbuf *evidence)
{
	strbuf_adds(evidence, ", in a window of ");
	detect_add_ms(evidence, a->report.duration_ns);
	strbuf_adds(evidence, ".");
}

static void add_work(struct analysis *a, const struct spent *spent, double known)
{
	struct strbuf evidence[2] = {{0}, {0}};
	size_t i;

	for (i = 0; i < 2; i++) {
		detect_add_ms(&evidence[i], i ? spent->cpu_ns : spent->db_ns);
		strbuf_adds(&evidence[i], i ? spent->cpu_from : " in database calls");
		strbuf_adds(&evidence[i], i ? ", " : "; ");
		detect_add_ms(&evidence[i], i ? spent->db_ns : spent->cpu_ns);
		strbuf_adds(&evidence[i], i ? " in database calls" : spent->cpu_from);
		add_window(a, &evidence[i]);
	}
	add_bottleneck(a, "database", ((double)spent->db_ns - (double)spent->db_lock_ns) / known,
		       "Start with the findings and the queries by total time.", &evidence[0]);
	add_bottleneck(a, "cpu", (double)spent->cpu_ns / known, "Start with the hot functions.",
		       &evidence[1]);
}

/* Locks of the database, locks of the program, or both. */
static void add_locks(struct analysis *a, const struct spent *spent, double known)
{
	struct strbuf evidence = {0};

	if (spent->db_lock_ns) {
		detect_add_ms(&evidence, spent->db_lock_ns);
		strbuf_adds(&evidence, " of the time in database calls was waiting for locks");
		strbuf_adds(&evidence, spent->lock_ns ? "; " : ".");
	}
	if (spent->lock_ns) {
		strbuf_adds(&evidence, spent->db_lock_ns ? "threads waited " : "Threads waited ");
		detect_add_ms(&evidence, spent->lock_ns);
		strbuf_adds(&evidence, " for mutexes that others held");
		add_window(a, &evidence);
	}
	add_bottleneck(
		a, "lock", ((double)spent->db_lock_ns + (double)spent->lock_ns) / known,
		spent->db_lock_ns >= spent->lock_ns
			? "Shorten the transactions that hold them (see lock waits and long transactions)."
			: "Hold the program's locks for less: no disk, network or database call under them; "
			  "or "
			  "divide what they guard.",
		&evidence);
}

static void add_waits(struct analysis *a, const struct spent *spent, double known)
{
	struct strbuf io = {0}, external = {0};

	strbuf_adds(&io, "Threads waited ");
	detect_add_ms(&io, spent->io_ns);
	strbuf_adds(&io, " for disks and file systems outside database calls");
	add_window(a, &io);
	add_bottleneck(
		a, "io", (double)spent->io_ns / known,
		"See what is written and read while something waits for it: fewer fsyncs, larger pieces, a "
		"cache, or a thread of its own.",
		&io);
	strbuf_adds(&external, "Calls of --span waited ");
	detect_add_ms(&external, spent->external_ns);
	strbuf_adds(&external, " for sockets other than those of traced databases");
	add_window(a, &external);
	add_bottleneck(
		a, "external", (double)spent->external_ns / known,
		"Ask the services that it calls together and not one after another, set time limits, or keep "
		"their answers.",
		&external);
}

/* Of processes that were watched all the time: as much more memory as they began with is the whole share. */
static void add_memory(struct analysis *a)
{
	const struct report *r = &a->report;
	uint64_t grown = 0, rss = 0;
	struct strbuf evidence = {0};
	size_t i;

	for (i = 0; i < r->memory_warnings.count; i++) {
		grown += r->memory_warnings.item[i].grown_kb;
		rss += r->memory_warnings.item[i].rss_kb;
	}
	if (!grown || !rss)
		return;
	strbuf_addf(&evidence, "%zu memory warning%s: %.0f MB in processes that now have %.0f MB.",
		    r->memory_warnings.count, r->memory_warnings.count == 1 ? "" : "s", (double)grown / 1024,
		    (double)rss / 1024);
	add_bottleneck(a, "memory", (double)grown / (double)rss, "See the memory warnings.", &evidence);
}

static int larger_share_first(const void *x, const void *y)
{
	const struct report_bottleneck *a = x, *b = y;

	return a->share < b->share ? 1 : a->share > b->share ? -1 : strcmp(a->kind, b->kind);
}

void analysis_fill_bottlenecks(struct analysis *a)
{
	struct report *r = &a->report;
	struct spent spent = spent_of(a);
	double known;

	known = (double)spent.db_ns + (double)spent.cpu_ns + (double)spent.lock_ns + (double)spent.io_ns +
		(double)spent.external_ns;
	r->bottlenecks.item = analysis_own(a, calloc(BOTTLENECKS_MAX, sizeof(*r->bottlenecks.item)));
	if (!r->bottlenecks.item)
		return;
	if (known > 0 && r->duration_ns) {
		add_locks(a, &spent, known);
		add_work(a, &spent, known);
		add_waits(a, &spent, known);
	}
	add_memory(a);
	qsort(r->bottlenecks.item, r->bottlenecks.count, sizeof(*r->bottlenecks.item), larger_share_first);
}
