/* SPDX-License-Identifier: BSD-2-Clause */
/* An UPDATE or DELETE that nearly never finds a row to change. */
#include "detect/detectors.h"

#define CALLS_MIN 20
#define PER_CENT  95

/* Of a library: writes that changed rows. Some copies of libraries do not show them at all. */
static struct detect_note *of_library(struct detect *d, const struct detector *self, uint16_t lib_id)
{
	return detect_note(d, self, 0, lib_id);
}

void zero_row_write_statement(struct detect *d, const struct detector *self, const struct statement *stmt,
			      const struct statement *was)
{
	int counts = stmt->kind == SQL_KIND_UPDATE || stmt->kind == SQL_KIND_DELETE;
	int writes = counts || stmt->kind == SQL_KIND_INSERT || stmt->kind == SQL_KIND_INSERT_MANY;
	struct detect_note *library;
	struct finding *f;

	if (was || stmt->type != SPAN_DB || !writes || stmt->error || stmt->running)
		return;
	library = of_library(d, self, stmt->lib_id);
	if (library)
		library->v[0] += stmt->rows > 0;
	f = counts ? detect_finding(d, self, stmt->fingerprint, 0) : NULL;
	if (!f)
		return;
	f->worst_count++;
	f->number = stmt->lib_id;
	f->system = stmt->system;
	f->confidence = CONFIDENCE_EXACT;
	if (stmt->rows)
		return;
	f->count++;
	f->total_ns += stmt->duration_ns;
	f->call_site = stmt->call_site;
	f->tgid = stmt->tgid;
}

void zero_row_write_end(struct detect *d, const struct detector *self, struct finding *f)
{
	const struct detect_note *library = of_library(d, self, (uint16_t)f->number);

	f->saved_ns = f->total_ns;
	if (library && library->v[0] && f->worst_count >= CALLS_MIN &&
	    f->count * 100 >= f->worst_count * PER_CENT)
		detect_certain(d, f);
}

enum severity zero_row_write_severity(const struct finding *f)
{
	return detect_severity(f->saved_ns, 0);
}

void zero_row_write_describe(const struct detect *d, const struct finding *f, struct strbuf *title,
			     struct strbuf *evidence, struct strbuf *recommendation)
{
	strbuf_adds(title, "Changes no row: ");
	detect_add_name(d, title, f->fingerprint);
	strbuf_addf(evidence, "%llu of %llu executions changed nothing, in ", (unsigned long long)f->count,
		    (unsigned long long)f->worst_count);
	detect_add_ms(evidence, f->total_ns);
	strbuf_adds(evidence, ".");
	strbuf_adds(recommendation, "Check its condition: a value of the wrong type or case, a state that "
				    "never comes; or execute "
				    "it only when there is something to change.");
}
