/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Connections opened again and again: several within one unit of work, or one in most units. Where opening
 * them is seen, that is counted; else connections that are used for the first time, in a process that keeps
 * using new ones: many more than it has threads, and about one per run of statements.
 */
#include "detect/detectors.h"
#include "detect/repeats.h"

#define PER_CENT_OF_UNITS 80
#define USED_MIN	  10 /* connections, where opening them is not seen */
#define USED_PER_CONTEXT  3

/* Of a process: connections in `count`, runs in `units`, threads in `number`. */
static struct finding *of_process(struct detect *d, const struct detector *self, uint32_t tgid)
{
	return detect_finding(d, self, 0, tgid);
}

static int is_new(struct detect *d, const struct detector *self, uint64_t a, uint64_t b)
{
	struct detect_note *note = detect_note(d, self, a, b);

	return note && note->v[0]++ == 0;
}

void connection_churn_statement(struct detect *d, const struct detector *self, const struct statement *stmt,
				const struct statement *was)
{
	struct finding *f;

	/* A database in the process has no connection that costs anything. */
	if (was || stmt->type != SPAN_DB || stmt->system == APM_SYSTEM_SQLITE || !stmt->conn)
		return;
	f = of_process(d, self, stmt->tgid);
	if (!f)
		return;
	f->tgid = stmt->tgid;
	f->count += is_new(d, self, hash_mix(stmt->conn, stmt->conn_gen), stmt->tgid);
	f->number += is_new(d, self, hash_mix(stmt->ctx_id, stmt->ctx_kind), ~(uint64_t)stmt->tgid);
	f->confidence = CONFIDENCE_LIKELY;
}

void connection_churn_unit(struct detect *d, const struct detector *self, const struct unit *unit)
{
	struct repeats_verdict verdict = {.confidence = CONFIDENCE_EXACT};
	struct finding *f;
	size_t i;

	for (i = 0; i < unit->repeat_count; i++) {
		const struct repeat *r = &unit->repeat[i];

		if (r->type != SPAN_CONNECT)
			continue;
		verdict.together = r->count >= detect_options(d)->connects;
		repeats_report(d, self, unit, r, &verdict);
	}
	if (unit->kind != UNIT_RUN && unit->kind != UNIT_CONNECTION)
		return;
	f = of_process(d, self, unit->tgid);
	if (f)
		f->units++;
}

void connection_churn_end(struct detect *d, const struct detector *self, struct finding *f)
{
	uint64_t least = f->fingerprint ? detect_options(d)->connects : USED_MIN;
	uint64_t units = f->fingerprint ? detect_units(d) : f->units;
	uint64_t with = f->fingerprint ? f->units : f->count;

	if (f->certain || f->units < least || with < least || with * 100 < units * PER_CENT_OF_UNITS)
		return;
	if (f->fingerprint || f->count >= USED_PER_CONTEXT * f->number)
		detect_certain(d, f);
}

void connection_churn_describe(const struct detect *d, const struct finding *f, struct strbuf *title,
			       struct strbuf *evidence, struct strbuf *recommendation)
{
	if (f->fingerprint) {
		strbuf_addf(title, "%llu connections opened in one %s: ", (unsigned long long)f->worst_count,
			    unit_kind_name(f->unit_kind));
		detect_add_name(d, title, f->fingerprint);
		strbuf_addf(evidence, "Opening %llu connections in %llu unit%s took ",
			    (unsigned long long)f->count, (unsigned long long)f->units,
			    f->units == 1 ? "" : "s");
		detect_add_ms(evidence, f->total_ns);
		strbuf_adds(evidence, ".");
	} else {
		strbuf_addf(title, "A new connection for nearly every unit of work in process %u", f->tgid);
		strbuf_addf(evidence,
			    "%llu connections were used by %llu thread%s in %llu runs of statements.",
			    (unsigned long long)f->count, (unsigned long long)f->number,
			    f->number == 1 ? "" : "s", (unsigned long long)f->units);
	}
	strbuf_adds(
		recommendation,
		"Keep connections open: a pool, persistent connections, or one connection per unit of work.");
}

enum severity connection_churn_severity(const struct finding *f)
{
	return f->fingerprint ? repeats_severity(f) : f->count >= 100 ? SEVERITY_MEDIUM : SEVERITY_LOW;
}
