/* SPDX-License-Identifier: BSD-2-Clause */
/* A connection that sat in an open transaction while the program did something else:
 * locks stay, vacuum waits. */
#include "detect/detectors.h"

void idle_in_transaction_statement(struct detect *d, const struct detector *self,
				   const struct statement *stmt, const struct statement *was)
{
	struct finding *f;

	if (was || stmt->tx_idle_ns < detect_options(d)->idle_tx_ns)
		return;
	f = detect_finding(d, self, stmt->tx_idle_fingerprint, 0);
	if (!f)
		return;
	f->count++;
	f->total_ns += stmt->tx_idle_ns;
	f->confidence = CONFIDENCE_EXACT;
	f->related[0] = stmt->fingerprint;
	if (stmt->tx_idle_ns > f->max_ns) {
		f->max_ns = stmt->tx_idle_ns;
		f->call_site = stmt->call_site;
		f->tgid = stmt->tgid;
	}
	detect_certain(d, f);
}

enum severity idle_in_transaction_severity(const struct finding *f)
{
	return detect_severity(f->max_ns, 0);
}

void idle_in_transaction_describe(const struct detect *d, const struct finding *f, struct strbuf *title,
				  struct strbuf *evidence, struct strbuf *recommendation)
{
	strbuf_adds(title, "Idle in transaction for ");
	detect_add_ms(title, f->max_ns);
	strbuf_adds(title, " after ");
	detect_add_name(d, title, f->fingerprint);
	strbuf_addf(evidence, "%llu time%s a connection sat in an open transaction, ",
		    (unsigned long long)f->count, f->count == 1 ? "" : "s");
	detect_add_ms(evidence, f->total_ns);
	strbuf_adds(evidence, " in all, until ");
	detect_add_name(d, evidence, f->related[0]);
	strbuf_adds(evidence, ".");
	strbuf_adds(recommendation,
		    "Do calls to other services, waiting and computing before BEGIN or after COMMIT; set "
		    "idle_in_transaction_session_timeout.");
}
