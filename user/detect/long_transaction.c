/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A database transaction that stays open for long: locks and old row versions stay as long. One that mostly
 * sat idle is told by idle_in_transaction.
 */
#include "detect/detectors.h"

static int was_idle(const struct detect *d, const struct statement *end)
{
	return end->tx_idle_max_ns >= detect_options(d)->idle_tx_ns && end->tx_idle_max_ns * 2 >= end->tx_ns;
}

void long_transaction_statement(struct detect *d, const struct detector *self, const struct statement *stmt,
				const struct statement *was)
{
	struct finding *f;

	if (was || !stmt->tx_ns || stmt->tx_ns < detect_options(d)->slow_request_ns || was_idle(d, stmt))
		return;
	f = detect_finding(d, self, stmt->tx_first, 0);
	if (!f)
		return;
	f->count++;
	f->total_ns += stmt->tx_ns;
	f->confidence = CONFIDENCE_EXACT;
	f->system = stmt->system;
	if (stmt->tx_ns > f->max_ns) {
		f->max_ns = stmt->tx_ns;
		f->worst_count = stmt->tx_statements;
		f->call_site = stmt->call_site;
		f->tgid = stmt->tgid;
	}
	detect_certain(d, f);
}

enum severity long_transaction_severity(const struct finding *f)
{
	return detect_severity(f->max_ns / 2, 0);
}

void long_transaction_describe(const struct detect *d, const struct finding *f, struct strbuf *title,
			       struct strbuf *evidence, struct strbuf *recommendation)
{
	strbuf_adds(title, "Transaction of ");
	detect_add_ms(title, f->max_ns);
	strbuf_adds(title, " that begins with ");
	detect_add_name(d, title, f->fingerprint);
	strbuf_addf(evidence, "%llu transaction%s of at least ", (unsigned long long)f->count,
		    f->count == 1 ? "" : "s");
	detect_add_ms(evidence, detect_options(d)->slow_request_ns);
	strbuf_adds(evidence, ", ");
	detect_add_ms(evidence, f->total_ns);
	strbuf_addf(evidence, " in all; the longest had %llu statement%s.",
		    (unsigned long long)f->worst_count, f->worst_count == 1 ? "" : "s");
	strbuf_adds(
		recommendation,
		"Commit in batches, and do reads and computing before BEGIN; what it changed stays locked "
		"until it ends, and old versions of rows stay for as long.");
}
