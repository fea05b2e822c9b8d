/* SPDX-License-Identifier: BSD-2-Clause */
/* What was watched, and what was not, in the report. */
#include "analysis_state.h"

#include <stdlib.h>
#include <string.h>

static int by_kind(const void *x, const void *y)
{
	const struct coverage *a = *(const struct coverage *const *)x,
			      *b = *(const struct coverage *const *)y;

	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	if (a->tgid != b->tgid)
		return a->tgid < b->tgid ? -1 : 1;
	return strcmp(a->subject, b->subject);
}

static void fill_coverage(struct analysis *a)
{
	static const char *const kinds[] = {
		[REC_COVERED_PROCESS] = "process", [REC_COVERED_LIBRARY] = "library",
		[REC_NOT_COVERED] = "missing",	   [REC_KERNEL_LACKS] = "kernel",
		[REC_COVERED_SPAN] = "span",
	};
	struct sorted s = {.a = a};
	struct report *r = &a->report;
	size_t n, i;

	table_visit(a->coverage, sorted_add_value, &s);
	n = sorted_take(&s, by_kind);
	r->coverage.item = analysis_own(a, calloc(n + 1, sizeof(*r->coverage.item)));
	for (i = 0; i < n && r->coverage.item; i++) {
		const struct coverage *c = s.item[i];

		r->coverage.item[r->coverage.count++] = (struct report_coverage){
			.kind = c->kind < sizeof(kinds) / sizeof(kinds[0]) ? kinds[c->kind] : "missing",
			.tgid = c->tgid,
			.subject = c->subject,
			.text = c->text};
	}
	free(s.item);
}

static int busy_library_first(const void *x, const void *y)
{
	const struct library *a = *(const struct library *const *)x, *b = *(const struct library *const *)y;

	if (a->statements != b->statements)
		return a->statements < b->statements ? 1 : -1;
	return strcmp(a->path ? a->path : "", b->path ? b->path : "");
}

static void fill_libraries(struct analysis *a)
{
	struct sorted s = {.a = a};
	struct report *r = &a->report;
	size_t n, i;

	table_visit(a->libraries, sorted_add_value, &s);
	n = sorted_take(&s, busy_library_first);
	r->libraries.item = analysis_own(a, calloc(n + 1, sizeof(*r->libraries.item)));
	for (i = 0; i < n && r->libraries.item; i++) {
		const struct library *l = s.item[i];

		if (l->name)
			r->libraries.item[r->libraries.count++] =
				(struct report_library){.name = l->name,
							.version = l->version,
							.path = l->path,
							.build_id = l->build_id,
							.statements = l->statements};
	}
	free(s.item);
}

void analysis_fill_coverage(struct analysis *a)
{
	fill_coverage(a);
	fill_libraries(a);
}
