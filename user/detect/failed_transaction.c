/* SPDX-License-Identifier: BSD-2-Clause */
/* Transactions that fail at the same statement again and again and are rolled back:
 * their work is lost each time. */
#include "detect/detectors.h"

#define FAILED_MIN	5
#define PER_CENT_OF_ALL 50 /* of the process's transactions */

/* v of a connection: inside a transaction, fingerprint of the first statement that failed, begin; of a
 * process: transactions. */
static struct detect_note *of_conn(struct detect *d, const struct detector *self,
				   const struct statement *stmt)
{
	return detect_note(d, self, hash_mix(stmt->conn, stmt->conn_gen), stmt->tgid);
}

static struct detect_note *of_process(struct detect *d, const struct detector *self, uint32_t tgid)
{
	return detect_note(d, self, 0, ~(uint64_t)tgid);
}

static void count(struct detect *d, const struct detector *self, const struct statement *end, uint64_t failed,
		  uint64_t begin)
{
	struct finding *f = detect_finding(d, self, failed, end->tgid);
	uint64_t took = end->t_end > begin ? end->t_end - begin : 0;

	if (!f)
		return;
	f->count++;
	f->total_ns += took;
	f->saved_ns = f->total_ns;
	f->confidence = CONFIDENCE_EXACT;
	f->system = end->system;
	f->tgid = end->tgid;
}

void failed_transaction_statement(struct detect *d, const struct detector *self, const struct statement *stmt,
				  const struct statement *was)
{
	struct detect_note *conn, *process;

	if (was || stmt->type != SPAN_DB)
		return;
	conn = of_conn(d, self, stmt);
	if (!conn)
		return;
	if (stmt->kind == SQL_KIND_BEGIN) {
		conn->v[0] = !stmt->error;
		conn->v[1] = 0;
		conn->v[2] = stmt->t_start;
	} else if (conn->v[0] && stmt->error && !conn->v[1]) {
		conn->v[1] = stmt->fingerprint;
	}
	if (!conn->v[0] || (stmt->kind != SQL_KIND_COMMIT && stmt->kind != SQL_KIND_ROLLBACK))
		return;
	conn->v[0] = 0;
	process = of_process(d, self, stmt->tgid);
	if (process)
		process->v[0]++;
	/* A failure that was rolled back to a savepoint, or that SQLite or MySQL let pass, ends in COMMIT. */
	if (conn->v[1] && stmt->kind == SQL_KIND_ROLLBACK)
		count(d, self, stmt, conn->v[1], conn->v[2]);
}

void failed_transaction_end(struct detect *d, const struct detector *self, struct finding *f)
{
	const struct detect_note *process = of_process(d, self, f->tgid);

	f->number = process ? process->v[0] : 0;
	if (f->count >= FAILED_MIN && f->count * 100 >= f->number * PER_CENT_OF_ALL)
		detect_certain(d, f);
}

enum severity failed_transaction_severity(const struct finding *f)
{
	return f->count >= 100 ? SEVERITY_HIGH : SEVERITY_MEDIUM;
}

void failed_transaction_describe(const struct detect *d, const struct finding *f, struct strbuf *title,
				 struct strbuf *evidence, struct strbuf *recommendation)
{
	strbuf_addf(title, "%llu transactions rolled back after the failure of ",
		    (unsigned long long)f->count);
	detect_add_name(d, title, f->fingerprint);
	strbuf_addf(evidence, "%llu of %llu transactions of process %u ended so, after ",
		    (unsigned long long)f->count, (unsigned long long)f->number, f->tgid);
	detect_add_ms(evidence, f->total_ns);
	strbuf_adds(evidence, " in all.");
	strbuf_adds(
		recommendation,
		"Check before BEGIN what makes it fail, or do this statement first; a conflict that is to be "
		"expected belongs in the statement (ON CONFLICT, INSERT IGNORE) or behind a savepoint.");
}
