/* SPDX-License-Identifier: BSD-2-Clause */
#include "events.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/table.h"
#include "log.h"
#include "output.h"
#include "replay.h"
#include "report/report.h"
#include "txn/samples.h"
#include "txn/session.h"

#define TEXTS_MAX 65536
#define CONNS_MAX 65536
#define NAMES_MAX 32768
#define BLOCK	  65536

struct query {
	uint8_t system;
	char *normalized, *summary;
};

struct connection {
	char *database, *user, *peer;
};

struct events {
	const struct options *opt;
	struct session *session;
	struct samples *sites;
	struct table *queries; /* fingerprint -> struct query */
	struct table *names;   /* session_name_hash() -> char * */
	struct table *conns;   /* tgid, connection and its generation -> struct connection */
	uint64_t mono_ns, realtime_ns;
	uint64_t failed_seq; /* whose error this is */
	struct strbuf code, message;
	struct strbuf out, site;
	int fd;
};

/* ---- what is known of texts and connections ---- */

static int keep(char **to, struct str s)
{
	char *copy = s.len ? strndup(s.ptr, s.len) : NULL;

	if (s.len && !copy)
		return -ENOMEM;
	free(*to);
	*to = copy;
	return 0;
}

static void query_release(struct table_key key, void *value, void *arg)
{
	struct query *q = value;

	free(q->normalized);
	free(q->summary);
}

static void connection_release(struct table_key key, void *value, void *arg)
{
	struct connection *c = value;

	free(c->database);
	free(c->user);
	free(c->peer);
}

static int keep_query(const struct rec_text *text, void *arg)
{
	struct events *e = arg;
	int is_new;
	struct query *q = table_put(e->queries, (struct table_key){text->fingerprint, 0}, &is_new);

	if (!q)
		return -ENOMEM;
	if (!is_new)
		return 0;
	q->system = text->system;
	return keep(&q->normalized, text->raw.len ? text->raw : text->normalized) ||
			       keep(&q->summary, text->summary)
		       ? -ENOMEM
		       : 0;
}

static void name_release(struct table_key key, void *value, void *arg)
{
	free(*(char **)value);
}

static int keep_name(struct events *e, struct str name)
{
	char **copy = table_put(e->names, (struct table_key){session_name_hash(name), 0}, NULL);

	return copy ? keep(copy, name) : -ENOMEM;
}

static struct table_key conn_key(uint32_t tgid, uint64_t conn, uint32_t conn_gen)
{
	return (struct table_key){(uint64_t)tgid << 32 | conn_gen, conn};
}

static int keep_connection(struct events *e, const struct record *rec)
{
	const struct rec_conn *in = &rec->conn;
	struct connection *c = table_put(e->conns, conn_key(rec->hdr->tgid, in->conn, in->conn_gen), NULL);

	if (!c)
		return -ENOMEM;
	return keep(&c->database, in->database) || keep(&c->user, in->user) || keep(&c->peer, in->peer)
		       ? -ENOMEM
		       : 0;
}

/* ---- one line ---- */

/* A string as JSON has it (RFC 8259, 7), cleaned; null for NULL. */
static void add_string(struct strbuf *out, const char *key, const char *s)
{
	size_t start;
	struct strbuf clean = {0};

	strbuf_addf(out, ",\"%s\":", key);
	if (!s || !*s) {
		strbuf_adds(out, "null");
		return;
	}
	strbuf_add_clean(&clean, str_from(s), 1);
	strbuf_addc(out, '"');
	for (start = 0; start < clean.len; start++) {
		char c = clean.ptr[start];

		if (c == '"' || c == '\\')
			strbuf_addc(out, '\\');
		if (c == '\n' || c == '\t')
			strbuf_adds(out, c == '\n' ? "\\n" : "\\t");
		else
			strbuf_addc(out, c);
	}
	strbuf_addc(out, '"');
	out->failed |= clean.failed;
	strbuf_free(&clean);
}

/* Milliseconds with all digits of the nanoseconds. */
static void add_ms(struct strbuf *out, const char *key, uint64_t ns)
{
	strbuf_addf(out, ",\"%s\":%llu.%06llu", key, (unsigned long long)(ns / 1000000),
		    (unsigned long long)(ns % 1000000));
}

static int is_same(const char *want, const char *is)
{
	return !want || (is && !strcmp(want, is));
}

static int is_chosen(const struct options *opt, const struct statement *stmt, const struct connection *c)
{
	return (stmt->fingerprint & opt->query_mask) == opt->query && stmt->duration_ns >= opt->min_ns &&
	       (stmt->error || !opt->errors_only) && is_same(opt->system, record_system_name(stmt->system)) &&
	       is_same(opt->database, c ? c->database : NULL) && is_same(opt->db_user, c ? c->user : NULL);
}

static const char *boolean(int b)
{
	return b ? "true" : "false";
}

static void add_line(struct events *e, const struct statement *stmt, const struct connection *c, int amended)
{
	const struct query *q = table_get(e->queries, (struct table_key){stmt->fingerprint, 0});
	char *const *name =
		stmt->prepared ? table_get(e->names, (struct table_key){stmt->prepared, 0}) : NULL;
	int failed = stmt->error && e->failed_seq == stmt->seq;
	struct strbuf *out = &e->out;

	strbuf_adds(out, "{\"ts\":\"");
	report_add_timestamp(out, e->realtime_ns + (stmt->t_start - e->mono_ns), 1);
	strbuf_addf(out, "\",\"id\":%llu,\"pid\":%u,\"tid\":%u,\"fingerprint\":\"%016llx\"",
		    (unsigned long long)stmt->seq, stmt->tgid, stmt->tid,
		    (unsigned long long)stmt->fingerprint);
	add_string(out, "summary", q ? q->summary : NULL);
	add_string(out, "query", q ? q->normalized : NULL);
	add_string(out, "prepared_as", name ? *name : NULL);
	strbuf_addf(out, ",\"class\":\"%s\"", stmt->stmt_class == SQL_CLASS_CONTROL ? "control" : "query");
	add_ms(out, "duration_ms", stmt->duration_ns);
	add_ms(out, "elapsed_ms", stmt->t_end - stmt->t_start);
	if (statement_rows_known(stmt))
		strbuf_addf(out, ",\"rows\":%llu", (unsigned long long)stmt->rows);
	else
		strbuf_adds(out, ",\"rows\":null");
	strbuf_addf(out, ",\"bytes\":%llu,\"failed\":%s,\"running\":%s", (unsigned long long)stmt->bytes,
		    boolean(stmt->error), boolean(stmt->running));
	add_string(out, "error_code", failed ? e->code.ptr : NULL);
	add_string(out, "error_message", failed ? e->message.ptr : NULL);
	add_string(out, "system", record_system_name(stmt->system));
	add_string(out, "database", c ? c->database : NULL);
	add_string(out, "user", c ? c->user : NULL);
	add_string(out, "peer", c ? c->peer : NULL);
	strbuf_reset(&e->site);
	if (stmt->call_site)
		samples_site_name(e->sites, stmt->tgid, stmt->call_site, &e->site);
	add_string(out, "call_site", e->site.len ? e->site.ptr : NULL);
	if (stmt->flags & APM_STMT_ELAPSED)
		strbuf_adds(out, ",\"includes_program_time\":true");
	strbuf_adds(out, amended ? ",\"amended\":true}\n" : "}\n");
	out->failed |= e->site.failed;
}

static int flush(struct events *e)
{
	int err = output_write(e->fd, e->opt->report_path, &e->out);

	strbuf_reset(&e->out);
	return err;
}

static int print(struct events *e, const struct statement *stmt, int amended)
{
	const struct connection *c = table_get(e->conns, conn_key(stmt->tgid, stmt->conn, stmt->conn_gen));

	if (!is_chosen(e->opt, stmt, c))
		return 0;
	add_line(e, stmt, c, amended);
	return e->out.len >= BLOCK ? flush(e) : 0;
}

static int on_statement(const struct statement *stmt, void *arg)
{
	return stmt->opening ? 0 : print(arg, stmt, 0);
}

static int on_amend(const struct statement *was, const struct statement *now, void *arg)
{
	return print(arg, now, 1);
}

static int on_error(const struct statement *stmt, const struct rec_error *error, void *arg)
{
	struct events *e = arg;

	e->failed_seq = stmt->seq;
	strbuf_reset(&e->code);
	strbuf_reset(&e->message);
	strbuf_add(&e->code, error->code.ptr, error->code.len);
	if (!error->code.len && error->number)
		strbuf_addf(&e->code, "%d", error->number);
	strbuf_add(&e->message, error->message.ptr, error->message.len);
	return e->code.failed || e->message.failed ? -ENOMEM : 0;
}

/* ---- all of them ---- */

static int feed(const struct record *rec, void *arg)
{
	struct events *e = arg;
	int err = 0;

	switch (rec->hdr->kind) {
	case REC_META:
		e->mono_ns = rec->meta.mono_ns;
		e->realtime_ns = rec->meta.realtime_ns;
		break;
	case REC_TEXT:
		err = rec->text.flags & APM_TEXT_NAME ? keep_name(e, rec->text.normalized)
						      : keep_query(&rec->text, e);
		break;
	case REC_CONN:
		err = keep_connection(e, rec);
		break;
	case REC_FRAME:
		err = samples_frame(e->sites, rec);
		break;
	case REC_SITE:
		err = samples_site(e->sites, rec);
		break;
	}
	return err ? err : session_feed(e->session, rec);
}

static int open_events(struct events *e)
{
	struct session_sink sink = {on_statement, on_amend, on_error, keep_query, e};

	e->session = session_new(&sink);
	e->sites = samples_new(NULL, NULL);
	e->queries = table_new(TEXTS_MAX, sizeof(struct query), query_release, NULL);
	e->names = table_new(NAMES_MAX, sizeof(char *), name_release, NULL);
	e->conns = table_new(CONNS_MAX, sizeof(struct connection), connection_release, NULL);
	return e->session && e->sites && e->queries && e->names && e->conns ? 0 : -ENOMEM;
}

static void close_events(struct events *e)
{
	session_free(e->session);
	samples_free(e->sites);
	table_free(e->queries);
	table_free(e->names);
	table_free(e->conns);
	strbuf_free(&e->code);
	strbuf_free(&e->message);
	strbuf_free(&e->out);
	strbuf_free(&e->site);
}

int events_print(const struct options *opt)
{
	struct events e = {.opt = opt};
	int err = output_check(opt);

	if (err)
		return EXIT_STATUS_FAILED;
	e.fd = output_open(opt->report_path);
	if (e.fd < 0)
		return EXIT_STATUS_FAILED;
	err = open_events(&e);
	if (err)
		log_error("out of memory");
	else
		err = replay_capture(opt->capture, opt, feed, &e, NULL);
	if (!err)
		err = session_finish(e.session);
	if (!err)
		err = flush(&e);
	if (output_close(e.fd, opt->report_path))
		err = -EIO;
	close_events(&e);
	return err && err != -EPIPE ? EXIT_STATUS_FAILED : EXIT_STATUS_OK;
}
