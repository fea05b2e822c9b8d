/* SPDX-License-Identifier: BSD-2-Clause */
/* A key pattern of a cache that is asked for and mostly not there. */
#include "detect/detectors.h"

#include <string.h>
#include <strings.h>

#define READS_MIN 100
#define PER_CENT  50

/* Commands whose answer is nothing when the key is not there. */
static const char *const reads[] = {"GET ", "HGET ", "GETEX ", "JSON.GET ", NULL};

static int is_read(const struct detect *d, uint64_t fingerprint)
{
	struct detect_query q;
	size_t i;

	detect_text(d, fingerprint, &q);
	for (i = 0; reads[i]; i++) {
		if (q.normalized.len >= strlen(reads[i]) &&
		    strncasecmp(q.normalized.ptr, reads[i], strlen(reads[i])) == 0)
			return 1;
	}
	return 0;
}

void low_hit_rate_statement(struct detect *d, const struct detector *self, const struct statement *stmt,
			    const struct statement *was)
{
	struct detect_note *library;
	struct finding *f;

	if (was || stmt->type != SPAN_CACHE || stmt->error || !is_read(d, stmt->fingerprint))
		return;
	/* v: hits of any pattern: without one, whether there are answers at all is not known */
	library = detect_note(d, self, 0, stmt->lib_id);
	if (library)
		library->v[0] += stmt->rows > 0;
	f = detect_finding(d, self, stmt->fingerprint, 0);
	if (!f)
		return;
	f->count++;
	f->number = stmt->lib_id;
	f->system = stmt->system;
	f->confidence = CONFIDENCE_EXACT;
	f->call_site = stmt->call_site;
	f->tgid = stmt->tgid;
	f->total_ns += stmt->duration_ns;
	f->rows += stmt->rows > 0;
}

void low_hit_rate_end(struct detect *d, const struct detector *self, struct finding *f)
{
	const struct detect_note *library = detect_note(d, self, 0, f->number);

	if (library && library->v[0] && f->count >= READS_MIN && f->rows * 100 < f->count * PER_CENT)
		detect_certain(d, f);
}

enum severity low_hit_rate_severity(const struct finding *f)
{
	return f->count >= 10000 ? SEVERITY_MEDIUM : SEVERITY_LOW;
}

void low_hit_rate_describe(const struct detect *d, const struct finding *f, struct strbuf *title,
			   struct strbuf *evidence, struct strbuf *recommendation)
{
	double rate = 100.0 * (double)f->rows / (double)f->count;

	strbuf_addf(title, "The cache has it %.0f times in a hundred: ", rate);
	detect_add_name(d, title, f->fingerprint);
	strbuf_addf(evidence, "%llu of %llu reads found something; they took ", (unsigned long long)f->rows,
		    (unsigned long long)f->count);
	detect_add_ms(evidence, f->total_ns);
	strbuf_adds(evidence, ".");
	strbuf_adds(
		recommendation,
		"Check that reader and writer build the same key, that entries live long enough and are not "
		"evicted (maxmemory), and keep \"there is none\" as an answer too.");
}
