/* SPDX-License-Identifier: BSD-2-Clause */
/* The end of the report: how far its figures go and what they cost. */
#include "report/text.h"

#include <stdio.h>
#include <string.h>

#include "record.h"
#include "report/report.h"

void text_bottlenecks(struct text *t)
{
	size_t i;

	if (!t->r->bottlenecks.count)
		return;
	text_title(t, "BOTTLENECKS", NULL);
	for (i = 0; i < t->r->bottlenecks.count; i++) {
		const struct report_bottleneck *b = &t->r->bottlenecks.item[i];
		struct strbuf line = {0};

		strbuf_addf(&line, "%s impact, %s: %s", b->impact, format_percent(b->share),
			    b->evidence ? b->evidence : "");
		text_labelled(t, 2, b->kind, line.ptr, 0);
		text_labelled(t, 2, "", b->recommendation, 0);
		t->out->failed |= line.failed;
		strbuf_free(&line);
	}
}

/* What one can do about a loss; NULL where there is nothing to do. */
static const char *loss_remedy(enum apm_counter counter)
{
	static const struct {
		enum apm_counter counter;
		const char *remedy;
	} remedies[] = {
		{APM_CNT_RING_FULL, "raise --ring-mb"},
		{APM_CNT_TEXT_TRUNCATED, "raise --max-sql"},
		{APM_CNT_LATE_ATTACH,
		 "start the program with 'apm-bpf -- COMMAND' to see it from the beginning"},
	};
	size_t i;

	for (i = 0; i < sizeof(remedies) / sizeof(remedies[0]); i++)
		if (remedies[i].counter == counter)
			return remedies[i].remedy;
	return NULL;
}

void text_losses(struct text *t)
{
	const struct report *r = t->r;
	int any = 0, c;

	for (c = 0; c < APM_CNT_MAX; c++)
		any |= report_is_loss((enum apm_counter)c) && r->losses[c];
	if (!any && !r->late_attach_ns) {
		text_title(t, "LOSSES", "no losses");
		return;
	}
	text_title(t, "LOSSES", NULL);
	for (c = 0; c < APM_CNT_MAX; c++) {
		const char *remedy = loss_remedy((enum apm_counter)c);
		struct strbuf line = {0};

		if (!r->losses[c] || !report_is_loss((enum apm_counter)c))
			continue;
		strbuf_addf(&line, "%s (%s)", counter_text((enum apm_counter)c),
			    counter_name((enum apm_counter)c));
		if (c == APM_CNT_LATE_ATTACH && r->late_attach_ns)
			strbuf_addf(&line, ", the longest for %s", format_time(r->late_attach_ns));
		if (counter_lossy((enum apm_counter)c))
			strbuf_adds(&line, "; counts are lower bounds");
		if (remedy)
			strbuf_addf(&line, "; %s", remedy);
		strbuf_addf(t->out, "  %8s  ", format_count(r->losses[c]));
		text_wrap(t, line.ptr, 12, 12);
		t->out->failed |= line.failed;
		strbuf_free(&line);
	}
}

void text_cost(struct text *t)
{
	const struct report *r = t->r;
	struct strbuf line = {0};
	double seconds = (double)r->duration_ns;

	if (!r->probes && !r->probe_hits && !r->agent_cpu_ns)
		return;
	text_title(t, "COST OF TRACING", NULL);
	strbuf_addf(&line, "%s hits of %u probes, about %s", format_count(r->probe_hits), r->probes,
		    format_time(r->probe_ns));
	if (seconds > 0)
		strbuf_addf(&line, " (%s of one CPU)", format_percent((double)r->probe_ns / seconds));
	if (r->price_entry_ns)
		strbuf_addf(&line, "; measured %s per entry, %s per return", format_time(r->price_entry_ns),
			    format_time(r->price_return_ns));
	if (r->program_ns)
		strbuf_addf(&line, "; and about %s in the programs there", format_time(r->program_ns));
	text_labelled(t, 2, "target", line.ptr, 0);
	if (r->overhead_changes) {
		strbuf_reset(&line);
		strbuf_addf(&line, "--max-overhead %s was exceeded, by up to %s within a second: ",
			    format_percent(r->overhead_limit), format_percent(r->overhead_peak));
		strbuf_addf(&line, "%u change%s of what is collected, at the end \"%s\"", r->overhead_changes,
			    r->overhead_changes == 1 ? "" : "s", r->overhead_level);
		text_labelled(t, 2, "limit", line.ptr, 0);
	}
	strbuf_reset(&line);
	strbuf_addf(&line, "CPU %s", format_time(r->agent_cpu_ns));
	if (seconds > 0)
		strbuf_addf(&line, " (%s of one CPU)", format_percent((double)r->agent_cpu_ns / seconds));
	strbuf_addf(&line, ", memory %.1f MB", (double)r->agent_rss_kb / 1024);
	text_labelled(t, 2, "apm-bpf", line.ptr, 0);
	t->out->failed |= line.failed;
	strbuf_free(&line);
}

static void coverage_of(struct text *t, const char *kind, const char *label)
{
	struct strbuf line = {0};
	size_t i;

	for (i = 0; i < t->r->coverage.count; i++) {
		const struct report_coverage *c = &t->r->coverage.item[i];

		if (strcmp(c->kind, kind) != 0)
			continue;
		strbuf_reset(&line);
		if (c->tgid)
			strbuf_addf(&line, "%u ", c->tgid);
		strbuf_adds(&line, c->subject ? c->subject : "");
		if (c->text && *c->text)
			strbuf_addf(&line, ": %s", c->text);
		text_labelled(t, 2, label, line.ptr, 0);
	}
	t->out->failed |= line.failed;
	strbuf_free(&line);
}

void text_coverage(struct text *t)
{
	struct strbuf line = {0};
	size_t i;

	if (!t->r->coverage.count && !t->r->libraries.count)
		return;
	text_title(t, "COVERAGE", NULL);
	coverage_of(t, "process", "process");
	for (i = 0; i < t->r->libraries.count; i++) {
		const struct report_library *l = &t->r->libraries.item[i];

		strbuf_reset(&line);
		/* One that was never called is among those watched. */
		if (!l->statements)
			continue;
		text_add_library(&line, l);
		strbuf_addf(&line, ": %s statement%s; %s", format_count(l->statements),
			    l->statements == 1 ? "" : "s", l->path ? l->path : "");
		text_labelled(t, 2, "used", line.ptr, 0);
	}
	coverage_of(t, "library", "library");
	coverage_of(t, "span", "span");
	coverage_of(t, "missing", "missing");
	coverage_of(t, "kernel", "kernel");
	t->out->failed |= line.failed;
	strbuf_free(&line);
}
