/* SPDX-License-Identifier: BSD-2-Clause */
/* Findings of the detectors to rows of the report. */
#include "analysis_state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void analysis_words_free(struct analysis_words *words)
{
	strbuf_free(&words->title);
	strbuf_free(&words->evidence);
	strbuf_free(&words->advice);
	strbuf_free(&words->site);
	strbuf_free(&words->unit);
}

static const char *text_or_null(const struct strbuf *buf)
{
	return buf->len ? buf->ptr : NULL;
}

int analysis_words(const struct analysis *a, const struct finding *f, struct analysis_words *words,
		   struct report_finding *out)
{
	*words = (struct analysis_words){0};
	f->detector->describe(a->detect, f, &words->title, &words->evidence, &words->advice);
	if (f->call_site)
		samples_site_name(a->samples, f->tgid, f->call_site, &words->site);
	if (f->unit_kind == UNIT_SPAN) {
		strbuf_addf(&words->unit, "call of %s", analysis_span_name(a, f->rule));
		if (f->comm[0])
			strbuf_addf(&words->unit, " (%s)", f->comm);
	} else if (f->unit_first) {
		strbuf_addf(&words->unit, "%s ", unit_kind_name(f->unit_kind));
		if (f->comm[0])
			strbuf_addf(&words->unit, "of %s ", f->comm);
		strbuf_adds(&words->unit, "that begins with ");
		detect_add_name(a->detect, &words->unit, f->unit_first);
	}
	*out = (struct report_finding){
		.detector = f->detector->name,
		.severity = f->detector->severity(f),
		.confidence = f->confidence,
		.fingerprint = f->fingerprint,
		.query = analysis_query_text(a, f->fingerprint),
		.unit = text_or_null(&words->unit),
		.title = text_or_null(&words->title),
		.evidence = text_or_null(&words->evidence),
		.recommendation = text_or_null(&words->advice),
		.call_site = text_or_null(&words->site),
		.total_ns = f->total_ns,
		.saved_ns = f->saved_ns,
		.count = f->count,
	};
	return words->title.failed || words->evidence.failed || words->advice.failed || words->site.failed ||
			       words->unit.failed
		       ? -ENOMEM
		       : 0;
}

static void own_finding(struct analysis *a, const struct finding *f, struct report_finding *out)
{
	struct analysis_words words;

	if (analysis_words(a, f, &words, out))
		a->err = -ENOMEM;
	out->title = analysis_own_text(a, &words.title);
	out->evidence = analysis_own_text(a, &words.evidence);
	out->recommendation = analysis_own_text(a, &words.advice);
	out->call_site = analysis_own_text(a, &words.site);
	out->unit = analysis_own_text(a, &words.unit);
}

static int worthwhile_first(const void *x, const void *y)
{
	const struct finding *a = *(const struct finding *const *)x, *b = *(const struct finding *const *)y;
	int by_severity = (int)b->detector->severity(b) - (int)a->detector->severity(a);

	if (a->saved_ns == b->saved_ns && by_severity)
		return by_severity;
	return sorted_descending(a->saved_ns, b->saved_ns, a->fingerprint, b->fingerprint);
}

static void add_finding(const struct finding *f, void *arg)
{
	sorted_add(arg, f);
}

static const char *const *examples_of(struct analysis *a, uint64_t fingerprint)
{
	const struct stats_query *q = stats_find(a->stats, fingerprint);
	const char **list = analysis_own(a, calloc(STATS_EXAMPLES + 1, sizeof(*list)));
	size_t n = 0, i;

	if (!list || !q)
		return list;
	for (i = 0; i < STATS_EXAMPLES; i++) {
		if (q->example[i])
			list[n++] = q->example[i];
	}
	if (n == 0)
		list[0] = q->normalized;
	return list;
}

static void fill_n_plus_one(struct analysis *a, const struct finding *f, const struct report_finding *said,
			    struct report_n_plus_one *out)
{
	*out = (struct report_n_plus_one){
		.fingerprint = f->fingerprint,
		.query = said->query,
		.count = f->count,
		.units = f->units,
		.distinct_parameters = f->worst_distinct,
		.total_ns = f->total_ns,
		.share = f->units_db_ns ? (double)f->total_ns / (double)f->units_db_ns : 0,
		.parent_fingerprint = f->parent,
		.parent_query = analysis_query_text(a, f->parent),
		.call_site = said->call_site,
		.examples = examples_of(a, f->fingerprint),
		.recommendation = said->recommendation,
		.severity = said->severity,
		.confidence = f->confidence,
	};
}

/* A repeat that is one of those that a pattern consists of: as often, in as many units. */
static int is_part(const struct finding *f, const struct finding *pattern)
{
	int named = f->fingerprint == pattern->fingerprint, i;

	if (strcmp(pattern->detector->name, "m_n_plus_one") != 0 || f->detector == pattern->detector ||
	    f->worst_count != pattern->worst_count || f->units != pattern->units)
		return 0;
	for (i = 0; i < FINDING_RELATED; i++)
		named |= f->fingerprint == pattern->related[i];
	return named;
}

static uint64_t pattern_of(const struct sorted *s, const struct finding *f)
{
	size_t i;

	for (i = 0; i < s->count && f->fingerprint; i++) {
		if (is_part(f, s->item[i]))
			return ((const struct finding *)s->item[i])->fingerprint;
	}
	return 0;
}

void analysis_fill_findings(struct analysis *a)
{
	struct sorted s = {.a = a};
	struct report *r = &a->report;
	size_t n, i;

	detect_each(a->detect, add_finding, &s);
	n = sorted_take(&s, worthwhile_first);
	r->findings.item = analysis_own(a, calloc(n + 1, sizeof(*r->findings.item)));
	r->n_plus_one.item = analysis_own(a, calloc(n + 1, sizeof(*r->n_plus_one.item)));
	for (i = 0; i < n && r->findings.item && r->n_plus_one.item; i++) {
		const struct finding *f = s.item[i];
		struct report_finding *out = &r->findings.item[r->findings.count++];

		own_finding(a, f, out);
		out->part_of = pattern_of(&s, f);
		if (strcmp(f->detector->name, "n_plus_one") == 0)
			fill_n_plus_one(a, f, out, &r->n_plus_one.item[r->n_plus_one.count++]);
	}
	free(s.item);
}
