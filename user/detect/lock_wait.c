/* SPDX-License-Identifier: BSD-2-Clause */
/* Statements that waited because another connection held a lock, where the library shows it. */
#include "detect/detectors.h"

void lock_wait_statement(struct detect *d, const struct detector *self, const struct statement *stmt,
			 const struct statement *was)
{
	uint64_t before = was ? was->wait_ns : 0;
	struct finding *f;

	if (stmt->type != SPAN_DB || stmt->wait_ns <= before)
		return;
	f = detect_finding(d, self, stmt->fingerprint, 0);
	if (!f)
		return;
	f->count += !before;
	f->total_ns += stmt->wait_ns - before;
	f->saved_ns = f->total_ns;
	f->confidence = CONFIDENCE_EXACT;
	f->system = stmt->system;
	if (stmt->wait_ns >= f->max_ns) {
		f->max_ns = stmt->wait_ns;
		f->call_site = stmt->call_site;
		f->tgid = stmt->tgid;
		f->tid = stmt->tid;
	}
	if (f->total_ns >= detect_options(d)->lock_wait_ns)
		detect_certain(d, f);
}

enum severity lock_wait_severity(const struct finding *f)
{
	return detect_severity(f->saved_ns, 0);
}

void lock_wait_describe(const struct detect *d, const struct finding *f, struct strbuf *title,
			struct strbuf *evidence, struct strbuf *recommendation)
{
	strbuf_adds(title, "Waited ");
	detect_add_ms(title, f->total_ns);
	strbuf_adds(title, " for a lock: ");
	detect_add_name(d, title, f->fingerprint);
	strbuf_addf(evidence,
		    "%llu execution%s slept until another connection let go of the database, at most ",
		    (unsigned long long)f->count, f->count == 1 ? "" : "s");
	detect_add_ms(evidence, f->max_ns);
	strbuf_adds(evidence, " in one.");
	strbuf_adds(recommendation,
		    "Keep the transactions that write short and free of other work, begin them with BEGIN "
		    "IMMEDIATE, and set PRAGMA journal_mode = WAL so that readers do not wait for writers.");
}
