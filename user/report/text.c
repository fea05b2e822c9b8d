/* SPDX-License-Identifier: BSD-2-Clause */
/* The report for people: what is wrong first, then where it comes from, then how far the figures go. */
#include "report/text.h"

#include <errno.h>
#include <string.h>

#include "record.h"
#include "report/report.h"
#include "report/tables.h"

static void (*const sections[])(struct text *t) = {
	text_headline,	text_findings,	  text_summary, text_queries, text_n_plus_one,
	text_slow,	text_errors,	  text_spans,	text_units,   text_transactions,
	text_functions, text_bottlenecks, text_losses,	text_cost,    text_coverage,
};

int report_text(const struct report *r, const struct report_style *style, struct strbuf *out)
{
	struct text t = {.r = r, .style = style, .out = out, .cut = !style->whole};
	size_t i;

	t.width = style->width ? (size_t)style->width : TEXT_WIDTH_DEFAULT;
	if (t.width < TEXT_WIDTH_MIN)
		t.width = TEXT_WIDTH_MIN;
	t.top = style->top ? style->top : SIZE_MAX;
	for (i = 0; i < sizeof(sections) / sizeof(sections[0]); i++)
		sections[i](&t);
	return out->failed ? -ENOMEM : 0;
}

/* ---- headline ---- */

static size_t coverage_count(const struct report *r, const char *kind)
{
	size_t n = 0, i;

	for (i = 0; i < r->coverage.count; i++)
		n += !strcmp(r->coverage.item[i].kind, kind);
	return n;
}

static const char *lower_bound(const struct text *t)
{
	return t->r->lower_bounds ? "at least " : "";
}

/* "1 critical, 2 high", in colour when asked. Returns its columns. */
static size_t add_severities(struct text *t, int print)
{
	size_t per[SEVERITY_CRITICAL + 1] = {0}, columns = 0, i;
	int s;

	for (i = 0; i < t->r->findings.count; i++)
		per[t->r->findings.item[i].severity]++;
	for (s = SEVERITY_CRITICAL; s >= SEVERITY_INFO; s--) {
		const char *gap = columns ? ", " : "", *name = severity_name((enum severity)s);

		if (!per[s])
			continue;
		columns += strlen(gap) + strlen(format_count(per[s])) + 1 + strlen(name);
		if (!print)
			continue;
		strbuf_adds(t->out, gap);
		text_color(t, format_severity_sgr((enum severity)s));
		strbuf_addf(t->out, "%s %s", format_count(per[s]), name);
		text_plain(t);
	}
	return columns;
}

/* "3 findings (1 critical, 2 high) in 1246 statements over 10.0 s", on two lines
 * when it is too long for one. */
static void print_tally(struct text *t)
{
	const struct report *r = t->r;
	struct strbuf head = {0}, tail = {0};

	strbuf_addf(&head, "%zu finding%s", r->findings.count, r->findings.count == 1 ? "" : "s");
	strbuf_addf(&tail, "in %s%s statement%s over %s", lower_bound(t), format_count(r->statements),
		    r->statements == 1 ? "" : "s", format_time(r->duration_ns));
	text_color(t, SGR_BOLD);
	strbuf_add(t->out, head.ptr, head.len);
	text_plain(t);
	strbuf_adds(t->out, " (");
	add_severities(t, 1);
	strbuf_adds(t->out, head.len + add_severities(t, 0) + tail.len + 4 > t->width ? ")\n" : ") ");
	strbuf_add(t->out, tail.ptr, tail.len);
	strbuf_addc(t->out, '\n');
	t->out->failed |= head.failed | tail.failed;
	strbuf_free(&head);
	strbuf_free(&tail);
}

static void warn_line(struct text *t, const char *s)
{
	text_color(t, SGR_WARN);
	strbuf_adds(t->out, "! ");
	text_wrap(t, s, 2, 2);
	text_plain(t);
}

/* What keeps the figures from being the whole truth, next to them. */
static void text_warnings(struct text *t)
{
	const struct report *r = t->r;
	struct strbuf line = {0};
	const char *gap = "Counts are lower bounds: ";
	int c;

	for (c = 0; c < APM_CNT_MAX; c++) {
		if (!r->losses[c] || !counter_lossy((enum apm_counter)c))
			continue;
		strbuf_addf(&line, "%s%s (%s)", gap, counter_text((enum apm_counter)c),
			    format_count(r->losses[c]));
		gap = "; ";
	}
	if (r->lower_bounds)
		warn_line(t, line.len ? line.ptr : "Counts are lower bounds: events were lost");
	if (r->truncated)
		warn_line(t, "The capture was cut short: the report covers what was written before");
	strbuf_reset(&line);
	if (report_add_grouping(r, &line))
		warn_line(t, line.ptr);
	t->out->failed |= line.failed;
	strbuf_free(&line);
}

static int watched_anything(const struct report *r)
{
	return coverage_count(r, "library") || r->libraries.count;
}

static void text_empty(struct text *t)
{
	text_color(t, SGR_BOLD);
	strbuf_addf(t->out, "No SQL statement was seen in %s.", format_time(t->r->duration_ns));
	text_plain(t);
	strbuf_adds(t->out, "\nTo check:\n");
	if (watched_anything(t->r)) {
		text_labelled(t, 2, "idle?",
			      "Libraries were watched (see coverage), but the target made no call into them. "
			      "Send it a "
			      "request while tracing, or trace longer: --duration 60.",
			      0);
		text_labelled(t, 2, "process?",
			      "A server with several processes may do its work in another one: 'apm-bpf' "
			      "without a target "
			      "lists them; -p can be repeated.",
			      0);
	} else if (coverage_count(t->r, "missing")) {
		text_labelled(t, 2, "refused?",
			      "A process or library was seen and not watched: COVERAGE below says which, and "
			      "why.",
			      0);
	} else {
		text_labelled(t, 2, "library?",
			      "No supported client library was found in the target: libpq, libmariadb, "
			      "libmysqlclient, sqlite3, hiredis and unixODBC are watched, shared or linked "
			      "statically with a symbol table.",
			      0);
		text_labelled(t, 2, "driver?",
			      "Drivers that speak the database's protocol themselves (Go's pgx, JDBC, "
			      "node-postgres, asyncpg, "
			      "pg8000) use no client library and are not seen.",
			      0);
	}
}

static void print_no_findings(struct text *t)
{
	const struct report *r = t->r;
	struct strbuf line = {0};

	text_color(t, SGR_GOOD);
	strbuf_adds(t->out, "No findings");
	text_plain(t);
	strbuf_addf(&line, " in %s%s statement%s over %s: none took %s or longer, no N+1 of %u or more",
		    lower_bound(t), format_count(r->statements), r->statements == 1 ? "" : "s",
		    format_time(r->duration_ns), format_time(r->slow_threshold_ns), r->n_plus_one_threshold);
	strbuf_addc(t->out, ' ');
	text_wrap(t, line.ptr, strlen("No findings "), 0);
	t->out->failed |= line.failed;
	strbuf_free(&line);
}

void text_headline(struct text *t)
{
	const struct report *r = t->r;

	if (r->findings.count) {
		print_tally(t);
		strbuf_adds(t->out, "Fix first: ");
		text_color(t, SGR_BOLD);
		text_wrap(t, r->findings.item[0].title, strlen("Fix first: "), strlen("Fix first: "));
		text_plain(t);
	} else if (!r->statements && !r->running) {
		text_empty(t);
	} else {
		print_no_findings(t);
	}
	text_warnings(t);
}

/* ---- findings ---- */

static void print_finding(struct text *t, const struct report_finding *f, size_t number)
{
	struct strbuf line = {0};
	size_t at = 3, i;
	const char *name = severity_name(f->severity);

	strbuf_addf(t->out, "%2zu ", number);
	text_color(t, format_severity_sgr(f->severity));
	for (i = 0; name[i]; i++, at++)
		strbuf_addc(t->out, (char)(name[i] >= 'a' && name[i] <= 'z' ? name[i] - 32 : name[i]));
	text_plain(t);
	strbuf_adds(t->out, "  ");
	text_color(t, SGR_BOLD);
	text_wrap(t, f->title, at + 2, at + 2);
	text_plain(t);

	text_labelled(t, 3, "evidence", f->evidence, 0);
	report_add_cost(t->r, f, &line);
	text_labelled(t, 3, "cost", line.ptr, 0);
	strbuf_reset(&line);
	if (f->query) {
		if (f->fingerprint)
			strbuf_addf(&line, "[%s] ", text_id(t, f->fingerprint));
		strbuf_adds(&line, f->query);
		text_labelled(t, 3, "query", line.ptr, 2);
	}
	text_labelled(t, 3, "called by", f->call_site, 0);
	text_labelled(t, 3, "unit", f->unit, 1);
	if (f->confidence != CONFIDENCE_EXACT)
		text_labelled(t, 3, "certainty", confidence_name(f->confidence), 0);
	if (f->part_of) {
		strbuf_reset(&line);
		strbuf_addf(&line, "the repeated pattern that begins with [%s]", text_id(t, f->part_of));
		text_labelled(t, 3, "part of", line.ptr, 0);
	} else {
		text_labelled(t, 3, "fix", f->recommendation, 0);
	}
	t->out->failed |= line.failed;
	strbuf_free(&line);
}

void text_findings(struct text *t)
{
	size_t shown = t->r->findings.count < t->top ? t->r->findings.count : t->top, i;

	if (!shown)
		return;
	text_title(t, "FINDINGS", shown > 1 ? "most worthwhile first" : NULL);
	for (i = 0; i < shown; i++) {
		if (i)
			strbuf_addc(t->out, '\n');
		print_finding(t, &t->r->findings.item[i], i + 1);
	}
	text_more(t, shown, t->r->findings.count);
}

/* ---- target, window, totals ---- */

static void add_value(struct strbuf *out, const char *label, const char *value)
{
	if (value && *value)
		strbuf_addf(out, "%s%s", label, value);
}

static void target_line(struct text *t, struct strbuf *line)
{
	const struct report *r = t->r;

	add_value(line, "", r->target);
	add_value(line, " on ", r->host);
	add_value(line, ", Linux ", r->kernel);
	add_value(line, ", service ", r->service);
	add_value(line, ", environment ", r->environment);
	add_value(line, ", apm-bpf ", r->tool_version);
	text_labelled(t, 2, "target", line->ptr, 0);
	strbuf_reset(line);
}

void text_add_library(struct strbuf *out, const struct report_library *l)
{
	strbuf_adds(out, l->name);
	if (l->version && *l->version)
		strbuf_addf(out, " %s", l->version);
}

/* Whether another copy of the same library, and one that was used, has been named. */
static int is_repeated(const struct report *r, size_t i)
{
	const struct report_library *l = r->libraries.item;
	size_t k;

	for (k = 0; k < i; k++)
		if (l[k].statements && !strcmp(l[k].name, l[i].name) && l[k].version && l[i].version &&
		    !strcmp(l[k].version, l[i].version))
			return 1;
	return 0;
}

static void coverage_line(struct text *t, struct strbuf *line)
{
	const struct report *r = t->r;
	size_t processes = coverage_count(r, "process"), libraries = coverage_count(r, "library");
	size_t missing = coverage_count(r, "missing"), named = 0, i;

	strbuf_addf(line, "%zu process%s; ", processes, processes == 1 ? "" : "es");
	for (i = 0; i < r->libraries.count; i++) {
		if (!r->libraries.item[i].statements || is_repeated(r, i))
			continue;
		strbuf_adds(line, named++ ? ", " : "");
		text_add_library(line, &r->libraries.item[i]);
	}
	if (!named && libraries)
		strbuf_addf(line, "%zu librar%s, not called", libraries, libraries == 1 ? "y" : "ies");
	else if (!named)
		strbuf_adds(line, "no library");
	if (missing)
		strbuf_addf(line, "; %zu seen and not watched (see coverage)", missing);
	text_labelled(t, 2, "watched", line->ptr, 0);
	strbuf_reset(line);
}

void text_summary(struct text *t)
{
	const struct report *r = t->r;
	struct strbuf line = {0};

	text_title(t, "SUMMARY", NULL);
	target_line(t, &line);
	report_add_timestamp(&line, r->start_realtime_ns, 0);
	strbuf_addf(&line, " for %s", format_time(r->duration_ns));
	text_labelled(t, 2, "window", line.ptr, 0);
	strbuf_reset(&line);
	coverage_line(t, &line);

	strbuf_addf(&line, "%s%s, %s/s; control statements %s; failed %s", lower_bound(t),
		    format_count(r->statements), format_count((uint64_t)(r->throughput_per_s + 0.5)),
		    format_count(r->control_statements), format_count(r->errors));
	if (r->errors)
		strbuf_addf(&line, " (%s)", format_percent(r->error_rate));
	if (r->running)
		strbuf_addf(&line, "; still running at the end %s", format_count(r->running));
	text_labelled(t, 2, "statements", line.ptr, 0);
	strbuf_reset(&line);
	if (r->statements) {
		strbuf_addf(&line, "%s in all; average %s, p50 %s, p95 %s, p99 %s", format_time(r->db_ns),
			    format_time(r->average_ns), format_time(r->p50_ns), format_time(r->p95_ns),
			    format_time(r->p99_ns));
		text_labelled(t, 2, "db time", line.ptr, 0);
		strbuf_reset(&line);
	}
	report_add_recent(r, &line);
	text_labelled(t, 2, "last 60 s", line.ptr, 0);
	strbuf_reset(&line);
	if (r->units || r->transactions) {
		strbuf_addf(&line, "%s", format_count(r->units));
		if (r->transactions)
			strbuf_addf(&line, "; transactions %s", format_count(r->transactions));
		strbuf_addf(&line, "; links exact %s, likely %s, none %s", format_count(r->links_exact),
			    format_count(r->links_likely), format_count(r->links_none));
		text_labelled(t, 2, "units", line.ptr, 0);
	}
	t->out->failed |= line.failed;
	strbuf_free(&line);
}
