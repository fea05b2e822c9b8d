/* SPDX-License-Identifier: BSD-2-Clause */
/* A comparison for people: the verdict, what changed and how certainly, what could not be judged. */
#include "diff/compare.h"

#include <errno.h>
#include <math.h>

#include "report/format.h"
#include "report/report.h"

#define WIDTH_DEFAULT 100
#define WIDTH_MIN     80

struct text {
	const struct diff *d;
	const struct report_style *style;
	struct strbuf *out;
	size_t width, top;
};

static void color(struct text *t, const char *sgr)
{
	if (t->style->color)
		strbuf_addf(t->out, "\033[%sm", sgr);
}

static void title(struct text *t, const char *s)
{
	strbuf_addc(t->out, '\n');
	color(t, "1");
	strbuf_adds(t->out, s);
	color(t, "0");
	strbuf_addc(t->out, '\n');
}

static void line(struct text *t, const char *indent, const char *s)
{
	strbuf_adds(t->out, indent);
	if (t->style->whole)
		format_line(t->out, s);
	else
		format_line_cut(t->out, s, t->width - 4);
	strbuf_addc(t->out, '\n');
}

static void more(struct text *t, size_t shown, size_t all)
{
	if (shown < all)
		strbuf_addf(t->out, "  … and %zu more\n", all - shown);
}

static const char *change_sgr(enum diff_change change)
{
	return change == DIFF_WORSE ? "31" : change == DIFF_BETTER ? "32" : "2";
}

/* "+12.3 % (+8.1 … +16.7)" */
static void add_ratio(struct text *t, const struct diff_figure *f)
{
	color(t, change_sgr(f->change));
	strbuf_addf(t->out, "%+.1f %%", f->difference.middle * 100);
	color(t, "0");
	strbuf_addf(t->out, " (%+.1f … %+.1f)", f->difference.low * 100, f->difference.high * 100);
}

static void add_difference(struct text *t, const struct diff_figure *f)
{
	color(t, change_sgr(f->change));
	strbuf_addf(t->out, "%+.2f", f->difference.middle);
	color(t, "0");
	strbuf_addf(t->out, " (%+.2f … %+.2f)", f->difference.low, f->difference.high);
}

static void add_durations(struct text *t, const char *label, const struct diff_figure *f)
{
	strbuf_addf(t->out, "    %-8s %s -> %s, ", label, format_time((uint64_t)f->a),
		    format_time((uint64_t)f->b));
	add_ratio(t, f);
	strbuf_addc(t->out, '\n');
}

/* ---- sections ---- */

#define BUSY_SHARE 0.1 /* worth a word */

static void print_verdict(struct text *t)
{
	const struct diff *d = t->d;

	color(t, d->worse ? "1;31" : d->better ? "1;32" : "1");
	strbuf_addf(t->out, "Verdict: %s", diff_verdict(d));
	color(t, "0");
	if (d->tests)
		strbuf_addf(t->out, " (%zu figure%s worse, %zu better, %zu tested)", d->worse,
			    d->worse == 1 ? "" : "s", d->better, d->tests);
	strbuf_addc(t->out, '\n');
	strbuf_addf(t->out, "Intervals hold together with %.0f %%; changes below %s do not count.\n",
		    100 * (1 - DIFF_ALPHA), format_percent(d->options.min_effect));
	if (!d->tests)
		strbuf_addf(t->out,
			    "Nothing was executed %d times in both runs: record longer, or a load that "
			    "repeats.\n",
			    SERIES_MIN);
}

static void print_side(struct text *t, const char *label, const struct report *r)
{
	struct strbuf s = {0};

	strbuf_addf(&s, "%s  ", label);
	report_add_timestamp(&s, r->start_realtime_ns, 0);
	strbuf_addf(&s, " for %s: %s%s statements, %s in the database; %s", format_time(r->duration_ns),
		    r->lower_bounds ? "at least " : "", format_count(r->statements), format_time(r->db_ns),
		    r->target ? r->target : "");
	line(t, "  ", s.ptr);
	strbuf_reset(&s);
	if (noise_of(r).pressure >= BUSY_SHARE && r->cpu_window_ns) {
		strbuf_addf(
			&s,
			"%s: a busy machine: programs waited for a CPU in %s of the time, so that intervals "
			"are wide",
			label, format_percent(noise_of(r).pressure));
		line(t, "  ", s.ptr);
	}
	t->out->failed |= s.failed;
	strbuf_free(&s);
}

static void print_query(struct text *t, const struct diff_query *q)
{
	strbuf_addf(t->out, "  [%s] ", format_id(q->fingerprint, 8));
	color(t, change_sgr(diff_latency(q)));
	strbuf_adds(t->out, diff_latency(q) == DIFF_WORSE ? "slower" : "faster");
	color(t, "0");
	strbuf_addf(t->out, ", %s and %s executions, %s and %s of all database time\n",
		    format_count(q->a->calls), format_count(q->b->calls), format_percent(q->a->share),
		    format_percent(q->b->share));
	add_durations(t, "fastest", &q->fastest);
	add_durations(t, "typical", &q->typical);
	add_durations(t, "average", &q->average);
	strbuf_addf(t->out, "    %-8s %s -> %s\n", "p95", format_time(q->a->p95_ns),
		    format_time(q->b->p95_ns));
	line(t, "    ", q->b->query);
}

static int is_change(enum diff_change change)
{
	return change == DIFF_WORSE || change == DIFF_BETTER;
}

static void print_latency(struct text *t)
{
	size_t shown = 0, all = 0, i;
	int pass;

	for (i = 0; i < t->d->queries.count; i++)
		all += is_change(diff_latency(&t->d->queries.item[i]));
	if (!all)
		return;
	title(t, "LATENCY");
	for (pass = DIFF_WORSE; pass >= DIFF_BETTER; pass--)
		for (i = 0; i < t->d->queries.count && shown < t->top; i++)
			if ((int)diff_latency(&t->d->queries.item[i]) == pass) {
				print_query(t, &t->d->queries.item[i]);
				shown++;
			}
	more(t, shown, all);
}

/* A few executions that took very long: what else the machine did shows here first. */
static void print_tails(struct text *t)
{
	size_t shown = 0, i;

	for (i = 0; i < t->d->queries.count && shown < t->top; i++) {
		const struct diff_query *q = &t->d->queries.item[i];

		if (!is_change(q->average.change) || is_change(diff_latency(q)))
			continue;
		if (!shown++)
			title(t, "LONG EXECUTIONS (not judged: locks, or a busy machine)");
		strbuf_addf(t->out, "  [%s]", format_id(q->fingerprint, 8));
		add_durations(t, "average", &q->average);
		line(t, "    ", q->b->query);
	}
}

static void print_failures(struct text *t)
{
	size_t shown = 0, i;

	for (i = 0; i < t->d->queries.count && shown < t->top; i++) {
		const struct diff_query *q = &t->d->queries.item[i];

		if (!is_change(q->failed.change))
			continue;
		if (!shown++)
			title(t, "ERRORS");
		strbuf_addf(t->out, "  [%s] failed %s -> %s of executions, ", format_id(q->fingerprint, 8),
			    format_percent(q->failed.a), format_percent(q->failed.b));
		add_difference(t, &q->failed);
		strbuf_addc(t->out, '\n');
		line(t, "    ", q->b->query);
	}
}

static void print_calls(struct text *t)
{
	size_t shown = 0, i;

	for (i = 0; i < t->d->calls.count && shown < t->top; i++) {
		const struct diff_calls *c = &t->d->calls.item[i];

		if (!is_change(c->calls.change))
			continue;
		if (!shown++)
			title(t, "EXECUTIONS PER UNIT OF WORK");
		strbuf_addf(t->out, "  %.2f -> %.2f, ", c->calls.a, c->calls.b);
		add_difference(t, &c->calls);
		strbuf_adds(t->out, " in units of ");
		format_line(t->out, c->unit->comm);
		strbuf_addf(t->out, " that begin with [%s]\n", format_id(c->unit->first, 8));
		line(t, "    ", c->query ? c->query->query : "?");
	}
}

static void print_unit(struct text *t, const struct diff_unit *u)
{
	strbuf_adds(t->out, "  ");
	format_line(t->out, u->a->comm);
	strbuf_addf(t->out, ", units that begin with [%s]: %s and %s of them\n", format_id(u->a->first, 8),
		    format_count(u->a->duration_ns.count), format_count(u->b->duration_ns.count));
	if (is_change(u->duration.change))
		add_durations(t, "duration", &u->duration);
	if (is_change(u->db_time.change))
		add_durations(t, "database", &u->db_time);
	if (is_change(u->statements.change)) {
		strbuf_addf(t->out, "    %-8s %.1f -> %.1f, ", "queries", u->statements.a, u->statements.b);
		add_difference(t, &u->statements);
		strbuf_addc(t->out, '\n');
	}
}

static void print_units(struct text *t)
{
	size_t shown = 0, i;

	for (i = 0; i < t->d->units.count && shown < t->top; i++) {
		const struct diff_unit *u = &t->d->units.item[i];

		if (!is_change(u->duration.change) && !is_change(u->db_time.change) &&
		    !is_change(u->statements.change))
			continue;
		if (!shown++)
			title(t, "UNITS OF WORK");
		print_unit(t, u);
	}
}

/* Queries that only one run has. They are listed, not judged: there is nothing to compare them with. */
static void print_only(struct text *t, const char *heading, int in_b)
{
	size_t shown = 0, all = 0, i;

	for (i = 0; i < t->d->queries.count; i++) {
		const struct diff_query *d = &t->d->queries.item[i];
		const struct report_query *q = in_b ? d->b : d->a;

		if (in_b ? d->a != NULL : d->b != NULL)
			continue;
		if (all++ >= t->top)
			continue;
		if (!shown++)
			title(t, heading);
		strbuf_addf(t->out, "  [%s] %s executions, %s, %s of all database time\n",
			    format_id(q->fingerprint, 8), format_count(q->calls), format_time(q->total_ns),
			    format_percent(q->share));
		line(t, "    ", q->query);
	}
	more(t, shown, all);
}

static void print_findings(struct text *t, const char *heading, const struct report_finding *const *list,
			   size_t count)
{
	size_t i;

	if (!count)
		return;
	title(t, heading);
	for (i = 0; i < count && i < t->top; i++) {
		strbuf_adds(t->out, "  ");
		color(t, format_severity_sgr(list[i]->severity));
		strbuf_addf(t->out, "%s", severity_name(list[i]->severity));
		color(t, "0");
		line(t, "  ", list[i]->title);
	}
	more(t, i, count);
}

int diff_text(const struct diff *d, const struct report_style *style, struct strbuf *out)
{
	struct text t = {.d = d, .style = style, .out = out};

	t.width = style->width ? (size_t)style->width : WIDTH_DEFAULT;
	if (t.width < WIDTH_MIN)
		t.width = WIDTH_MIN;
	t.top = style->top ? style->top : SIZE_MAX;
	print_verdict(&t);
	print_side(&t, "A", d->a.report);
	print_side(&t, "B", d->b.report);
	print_latency(&t);
	print_tails(&t);
	print_failures(&t);
	print_calls(&t);
	print_units(&t);
	print_findings(&t, "NEW FINDINGS", d->appeared, d->appeared_count);
	print_findings(&t, "RESOLVED FINDINGS", d->resolved, d->resolved_count);
	print_only(&t, "NEW QUERIES", 1);
	print_only(&t, "GONE QUERIES", 0);
	return out->failed ? -ENOMEM : 0;
}
