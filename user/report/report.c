/* SPDX-License-Identifier: BSD-2-Clause */
#include "report/report.h"
#include "sql/sql.h"

#include <string.h>
#include <time.h>

static const struct report_writer writers[] = {
	{"text", report_text},
	{"json", report_json},
	{"markdown", report_markdown},
	{"html", report_html},
};

const struct report_writer *report_writer_find(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(writers) / sizeof(writers[0]); i++)
		if (!strcmp(writers[i].name, name))
			return &writers[i];
	return NULL;
}

int report_is_loss(enum apm_counter counter)
{
	return counter != APM_CNT_EVENTS && counter != APM_CNT_OTHER_CALLS &&
	       counter != APM_CNT_OTHER_ENTRIES;
}

void report_add_timestamp(struct strbuf *out, uint64_t realtime_ns, int fraction)
{
	time_t seconds = (time_t)(realtime_ns / 1000000000);
	char text[32];
	struct tm tm;

	gmtime_r(&seconds, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	strbuf_adds(out, text);
	if (fraction)
		strbuf_addf(out, ".%09llu", (unsigned long long)(realtime_ns % 1000000000));
	strbuf_addc(out, 'Z');
}

int report_add_grouping(const struct report *r, struct strbuf *out)
{
	if (r->regrouped)
		strbuf_adds(out, "Queries were grouped anew by this version: query ids differ from those "
				 "shown while recording");
	else if (r->normaliser_version && r->normaliser_version != sql_version())
		strbuf_addf(out,
			    "Queries are grouped as by the version that recorded them (normaliser %u, this "
			    "one is %u): the capture holds no raw text",
			    r->normaliser_version, sql_version());
	else
		return 0;
	return 1;
}
