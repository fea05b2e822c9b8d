/* SPDX-License-Identifier: BSD-2-Clause */
#include "progress.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "log.h"
#include "report/format.h"

#define DRAW_EVERY_NS 250000000ULL
#define RATE_OVER_NS  1000000000ULL

struct progress {
	int show; /* the line */
	int drawn;
	uint64_t drawn_at;
	/* the rate is that of the last whole second, so that it can be read */
	uint64_t rate_at, rate_statements;
	double rate;
};

struct progress *progress_new(const struct options *opt)
{
	struct progress *p = calloc(1, sizeof(*p));

	if (p)
		p->show = opt->log_level >= LOG_LEVEL_INFO && isatty(STDERR_FILENO) &&
			  opt->color != COLOR_NEVER;
	return p;
}

void progress_free(struct progress *p)
{
	if (p && p->drawn)
		log_status(NULL);
	free(p);
}

static size_t terminal_width(void)
{
	struct winsize ws;

	return ioctl(STDERR_FILENO, TIOCGWINSZ, &ws) || !ws.ws_col ? 80 : ws.ws_col;
}

void progress_update(struct progress *p, const struct analysis_progress *now, uint64_t elapsed_ns)
{
	struct strbuf line = {0}, cut = {0};

	if (elapsed_ns >= p->rate_at + RATE_OVER_NS) {
		p->rate = (double)(now->statements - p->rate_statements) * 1e9 /
			  (double)(elapsed_ns - p->rate_at);
		p->rate_at = elapsed_ns;
		p->rate_statements = now->statements;
	}
	if (!p->show || (p->drawn && elapsed_ns < p->drawn_at + DRAW_EVERY_NS))
		return;
	p->drawn = 1;
	p->drawn_at = elapsed_ns;
	strbuf_addf(&line, "%s | %s statements | %s/s | errors %s | findings %s", format_time(elapsed_ns),
		    format_count(now->statements), format_count((uint64_t)(p->rate + 0.5)),
		    format_count(now->errors), format_count(now->findings));
	if (now->lost)
		strbuf_addf(&line, " | lost %s", format_count(now->lost));
	strbuf_adds(&line, " | Ctrl-C: report");
	/* The last column stays free: some terminals wrap when it is written. */
	format_line_cut(&cut, line.failed ? "" : line.ptr, terminal_width() - 1);
	if (!cut.failed && cut.len)
		log_status(cut.ptr);
	strbuf_free(&line);
	strbuf_free(&cut);
}

void progress_finding(struct progress *p, const struct report_finding *finding)
{
	log_tagged(LOG_LEVEL_INFO, format_severity_sgr(finding->severity), severity_name(finding->severity),
		   "%s", finding->title ? finding->title : finding->detector);
}
