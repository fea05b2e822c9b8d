/* SPDX-License-Identifier: BSD-2-Clause */
/* Many commands to a cache, one key each, one after another. */
#include "detect/detectors.h"
#include "detect/repeats.h"
#include "detect/scenario.h"

/* Sent together, their times overlap. */
static int pipelined(const struct repeat *r)
{
	return r->total_ns > 2 * (r->last_end - r->first_start);
}

/* Whether the command is about one key, and has a form for many. */
static int is_single_read(const struct detect *d, uint64_t fingerprint)
{
	struct detect_query q;

	detect_text(d, fingerprint, &q);
	return scenario_kind(SPAN_CACHE, q.normalized) == SQL_KIND_READ;
}

void chatty_cache_unit(struct detect *d, const struct detector *self, const struct unit *unit)
{
	uint64_t most = detect_options(d)->chatty_count;
	const struct repeats_verdict verdict = {.together = 1, .confidence = CONFIDENCE_EXACT};
	size_t i;

	for (i = 0; i < unit->repeat_count; i++) {
		const struct repeat *r = &unit->repeat[i];

		if (r->type != SPAN_CACHE || r->count < most || pipelined(r) ||
		    !is_single_read(d, r->fingerprint))
			continue;
		repeats_report(d, self, unit, r, &verdict);
	}
}

void chatty_cache_describe(const struct detect *d, const struct finding *f, struct strbuf *title,
			   struct strbuf *evidence, struct strbuf *recommendation)
{
	strbuf_addf(title, "%llu single reads of the cache in one %s: ", (unsigned long long)f->worst_count,
		    unit_kind_name(f->unit_kind));
	detect_add_name(d, title, f->fingerprint);
	strbuf_addf(evidence, "%llu commands, one key each, took ", (unsigned long long)f->count);
	detect_add_ms(evidence, f->total_ns);
	strbuf_adds(evidence, ".");
	strbuf_adds(recommendation,
		    "Ask for all keys at once with MGET, or send the commands in one pipeline; what is read "
		    "under one key again and again is better kept for the unit of work.");
}
