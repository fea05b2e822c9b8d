/* SPDX-License-Identifier: BSD-2-Clause */
/* A statement that is mostly fast and sometimes very slow: its average hides two kinds of executions. */
#include "detect/detectors.h"

#define MS	    1000000ULL
#define OUTLIER_NS  (20 * MS) /* shorter ones are noise */
#define TIMES_P50   10
#define CALLS_FIRST 50 /* before the median is known well enough */
#define CALLS_MIN   200
#define OUTLIERS    5 /* at least, and 1 % of the calls */

static uint64_t median(const struct detect *d, uint64_t fingerprint, uint64_t *calls)
{
	struct detect_query q;

	detect_text(d, fingerprint, &q);
	*calls = q.durations ? q.durations->count : 0;
	return *calls ? hist_percentile(q.durations, 0.5) : 0;
}

void latency_outlier_statement(struct detect *d, const struct detector *self, const struct statement *stmt,
			       const struct statement *was)
{
	uint64_t calls, p50;
	struct finding *f;

	if (was || stmt->duration_ns < OUTLIER_NS || stmt->stmt_class != SQL_CLASS_QUERY || stmt->error)
		return;
	p50 = median(d, stmt->fingerprint, &calls);
	if (calls < CALLS_FIRST || stmt->duration_ns < p50 * TIMES_P50)
		return;
	f = detect_finding(d, self, stmt->fingerprint, 0);
	if (!f)
		return;
	f->count++;
	f->total_ns += stmt->duration_ns;
	f->saved_ns += stmt->duration_ns - p50;
	f->confidence = CONFIDENCE_EXACT;
	f->system = stmt->system;
	if (stmt->duration_ns > f->max_ns) {
		f->max_ns = stmt->duration_ns;
		f->call_site = stmt->call_site;
		f->tgid = stmt->tgid;
	}
}

void latency_outlier_end(struct detect *d, const struct detector *self, struct finding *f)
{
	uint64_t calls, p50 = median(d, f->fingerprint, &calls);
	struct detect_query q;

	detect_text(d, f->fingerprint, &q);
	f->number = p50;
	f->worst_count = calls;
	f->worst_ns = q.durations ? hist_percentile(q.durations, 0.99) : 0;
	if (calls >= CALLS_MIN && f->count >= OUTLIERS && f->worst_ns >= p50 * TIMES_P50 &&
	    f->worst_ns >= OUTLIER_NS)
		detect_certain(d, f);
}

enum severity latency_outlier_severity(const struct finding *f)
{
	return detect_severity(f->saved_ns, 0);
}

void latency_outlier_describe(const struct detect *d, const struct finding *f, struct strbuf *title,
			      struct strbuf *evidence, struct strbuf *recommendation)
{
	strbuf_adds(title, "Mostly fast, sometimes ");
	detect_add_ms(title, f->worst_ns);
	strbuf_adds(title, ": ");
	detect_add_name(d, title, f->fingerprint);
	strbuf_addf(evidence, "Of %llu executions half took at most ", (unsigned long long)f->worst_count);
	detect_add_ms(evidence, f->number);
	strbuf_adds(evidence, " and one in a hundred ");
	detect_add_ms(evidence, f->worst_ns);
	strbuf_addf(evidence, " or more; %llu took at least %d times the median, ",
		    (unsigned long long)f->count, TIMES_P50);
	detect_add_ms(evidence, f->total_ns);
	strbuf_adds(evidence, " in all.");
	strbuf_adds(
		recommendation,
		"Compare the slow executions with the others: other values (a plan that fits few of them), "
		"waiting for a lock, a cold cache, or a pause of the whole process.");
}
