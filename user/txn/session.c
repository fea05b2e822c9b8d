/* SPDX-License-Identifier: BSD-2-Clause */
#include "txn/session.h"
#include "base/table.h"
#include "txn/redis_use.h"
#include "txn/transactions.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TEXTS_MAX   131072
#define NAMES_MAX   32768
#define ERRORS_MAX  4096
#define OPEN_MAX    4096
#define PROCESS_MAX 16384
#define PARTS_MAX   1024
#define PARTS_TOTAL 262144 /* in all texts of several statements */
#define JOINED_MAX  64

#define LABEL_UNATTACHED "unknown (prepared before attach)"
#define LABEL_LOST	 "unknown (text lost)"

/* One statement of a text. */
struct part {
	uint64_t fingerprint;
	uint64_t literal_hash;
	uint32_t literal_count;
	uint8_t stmt_class;
	uint8_t kind;
	uint8_t placeholders; /* the normalised text has a place for a value that is not a literal of it */
	uint8_t tx_verb;      /* enum tx_verb */
	uint8_t redis_use;    /* enum redis_use */
	uint8_t present;
};

struct text {
	uint32_t flags; /* APM_TEXT_* */
	uint16_t parts;
	uint8_t system;
	uint64_t name; /* with APM_TEXT_NAME: hash of the name */
	struct part first;
	struct part *part; /* of several: all of them; else NULL */
};

/* A failed statement whose end has not come yet. */
struct failure {
	struct rec_error error;
	char bytes[512];
};

struct held {
	struct statement stmt;
	uint8_t delivered;
};

struct session {
	struct session_sink sink;
	struct table *texts;  /* (tgid, text_id) -> struct text */
	struct table *joined; /* the same -> struct strbuf: normalised text of several statements */
	size_t parts;	      /* in texts of several statements */
	struct table *names;  /* (tgid and program, connection and name) -> text_id */
	struct table *errors; /* stmt_seq -> struct failure */
	struct table *open;   /* stmt_seq -> struct held */
	struct table
		*programs; /* tgid -> how many programs it has run: addresses mean something else in each */
	uint64_t next_sweep;
	int labelled[2];
	int freeing;
};

static int deliver(struct session *s, const struct statement *stmt);

/* A statement that must make room for others is counted as it is. */
static void held_release(struct table_key key, void *value, void *arg)
{
	struct held *h = value;
	struct session *s = arg;

	if (!h->delivered && !s->freeing)
		deliver(s, &h->stmt);
}

static void text_release(struct table_key key, void *value, void *arg)
{
	struct text *t = value;
	struct session *s = arg;

	if (t->part)
		s->parts -= t->parts;
	free(t->part);
}

static void joined_release(struct table_key key, void *value, void *arg)
{
	strbuf_free(value);
}

struct session *session_new(const struct session_sink *sink)
{
	struct session *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->sink = *sink;
	s->texts = table_new(TEXTS_MAX, sizeof(struct text), text_release, s);
	s->joined = table_new(JOINED_MAX, sizeof(struct strbuf), joined_release, NULL);
	s->names = table_new(NAMES_MAX, sizeof(uint64_t), NULL, NULL);
	s->errors = table_new(ERRORS_MAX, sizeof(struct failure), NULL, NULL);
	s->open = table_new(OPEN_MAX, sizeof(struct held), held_release, s);
	s->programs = table_new(PROCESS_MAX, sizeof(uint32_t), NULL, NULL);
	if (!s->texts || !s->joined || !s->names || !s->errors || !s->open || !s->programs) {
		session_free(s);
		errno = ENOMEM;
		return NULL;
	}
	return s;
}

void session_free(struct session *s)
{
	if (!s)
		return;
	s->freeing = 1;
	table_free(s->texts);
	table_free(s->joined);
	table_free(s->names);
	table_free(s->errors);
	table_free(s->open);
	table_free(s->programs);
	free(s);
}

/* ---- texts and names ---- */

/* Texts of several statements are large: the oldest texts go until half of the room is free. */
static int forget_text(struct table_key key, void *value, void *arg)
{
	const struct session *s = arg;

	return ((struct text *)value)->part && s->parts > PARTS_TOTAL / 2;
}

static int make_parts(struct session *s, struct text *t)
{
	if (s->parts > PARTS_TOTAL)
		table_visit(s->texts, forget_text, s);
	t->part = calloc(t->parts, sizeof(*t->part));
	if (!t->part)
		return -ENOMEM;
	s->parts += t->parts;
	return 0;
}

/* The words of several statements, should they have to be told as one: kept for the latest texts only. */
static int join(struct session *s, struct table_key key, struct str normalized)
{
	struct strbuf *joined = table_put(s->joined, key, NULL);

	if (!joined)
		return -ENOMEM;
	if (joined->len + normalized.len > APM_TEXT_LARGE)
		return 0;
	if (joined->len)
		strbuf_adds(joined, "; ");
	strbuf_add(joined, normalized.ptr, normalized.len);
	return joined->failed ? -ENOMEM : 0;
}

uint64_t session_name_hash(struct str name)
{
	return name.len ? hash_bytes(HASH_SEED, name.ptr, name.len) : 0;
}

static int feed_text(struct session *s, const struct record *rec)
{
	const struct rec_text *in = &rec->text;
	struct table_key key = {rec->hdr->tgid, in->text_id};
	struct text *t = table_put(s->texts, key, NULL);
	struct part *p;
	int again;

	if (!t)
		return -ENOMEM;
	t->flags = in->flags;
	t->system = in->system;
	if (in->flags & APM_TEXT_NAME)
		t->name = session_name_hash(in->normalized);
	if (!t->parts)
		t->parts = in->parts ? in->parts : 1;
	if (t->parts > PARTS_MAX || in->part >= t->parts)
		return 0;
	if (t->parts > 1 && !t->part && make_parts(s, t))
		return -ENOMEM;
	p = t->part ? &t->part[in->part] : &t->first;
	again = p->present;
	*p = (struct part){.fingerprint = in->fingerprint,
			   .literal_hash = in->literal_hash,
			   .literal_count = in->literal_count,
			   .stmt_class = in->stmt_class,
			   .kind = in->kind,
			   .tx_verb = tx_verb_of(in->normalized, in->kind),
			   .redis_use = redis_use_of(in->operation),
			   .placeholders =
				   in->param_count || (in->literal_count == 0 && in->normalized.len &&
						       memchr(in->normalized.ptr, '?', in->normalized.len)),
			   .present = 1};
	return t->part && !again && in->stmt_class != SQL_CLASS_EMPTY ? join(s, key, in->normalized) : 0;
}

static uint32_t program_of(const struct session *s, uint32_t tgid)
{
	const uint32_t *n = table_peek(s->programs, (struct table_key){tgid, 0});

	return n ? *n : 0;
}

static struct table_key name_key(const struct session *s, uint32_t tgid, uint64_t conn, uint32_t conn_gen,
				 uint64_t name)
{
	return (struct table_key){(uint64_t)program_of(s, tgid) << 32 | tgid,
				  hash_mix(hash_mix(conn, conn_gen), name)};
}

static int feed_prepare(struct session *s, const struct record *rec)
{
	const struct apm_ev_prepare *p = rec->prepare;
	const struct text *name = table_get(s->texts, (struct table_key){p->hdr.tgid, p->name_id});
	uint64_t *text_id;

	if (!name)
		return 0;
	text_id = table_put(s->names, name_key(s, p->hdr.tgid, p->conn, p->conn_gen, name->name), NULL);
	if (!text_id)
		return -ENOMEM;
	*text_id = p->text_id;
	return 0;
}

/* The text that an execution means, NULL when it is not known. */
static struct text *text_of(struct session *s, const struct apm_ev_stmt *ev)
{
	struct text *t = table_get(s->texts, (struct table_key){ev->hdr.tgid, ev->text_id});
	const uint64_t *text_id;

	if (!t || !(t->flags & APM_TEXT_NAME))
		return t && (t->part || t->first.present) ? t : NULL;
	text_id = table_get(s->names, name_key(s, ev->hdr.tgid, ev->conn, ev->conn_gen, t->name));
	return text_id ? table_get(s->texts, (struct table_key){ev->hdr.tgid, *text_id}) : NULL;
}

/* ---- one execution ---- */

static int label(struct session *s, struct statement *stmt, int before_attach)
{
	struct str words = before_attach ? STR(LABEL_UNATTACHED) : STR(LABEL_LOST);
	struct rec_text text = {.normalized = words, .summary = words, .system = stmt->system};

	stmt->fingerprint = text.fingerprint = hash_bytes(HASH_SEED, words.ptr, words.len);
	stmt->kind = SQL_KIND_OTHER;
	stmt->params = SPAN_PARAMS_UNKNOWN;
	if (s->labelled[before_attach])
		return 0;
	s->labelled[before_attach] = 1;
	return s->sink.on_text(&text, s->sink.arg);
}

/* Several statements whose results cannot be told apart. */
static int as_multi(struct session *s, const struct text *t, uint64_t text_id, struct statement *stmt)
{
	const struct strbuf *joined = table_peek(s->joined, (struct table_key){stmt->tgid, text_id});
	struct rec_text text = {.normalized = STR("several statements"),
				.summary = STR("multi"),
				.operation = STR("multi"),
				.system = t->system};
	uint64_t literals = 0, id = HASH_SEED;
	int known = 1, i;

	for (i = 0; i < t->parts; i++) {
		id = hash_mix(id, t->part[i].fingerprint);
		literals = hash_mix(literals, t->part[i].literal_hash);
		known &= !t->part[i].placeholders;
	}
	if (joined)
		text.normalized = (struct str){joined->ptr, joined->len};
	stmt->fingerprint = text.fingerprint = id;
	stmt->param_hash = hash_mix(stmt->param_hash, literals);
	stmt->kind = SQL_KIND_OTHER;
	stmt->params = known ? SPAN_PARAMS_KNOWN : SPAN_PARAMS_UNKNOWN;
	return s->sink.on_text(&text, s->sink.arg);
}

/* The part that gave result `index`: parts without a statement give none. NULL = there are fewer. */
static const struct part *part_at(const struct text *t, uint32_t index, uint32_t *left)
{
	const struct part *found = NULL;
	uint32_t seen = 0;
	int i;

	for (i = 0; i < t->parts; i++) {
		if (t->part[i].stmt_class == SQL_CLASS_EMPTY)
			continue;
		if (seen++ == index)
			found = &t->part[i];
	}
	*left = found ? seen - index - 1 : 0;
	return found;
}

static enum span_params params_of(const struct apm_ev_stmt *ev, const struct text *t, const struct part *p)
{
	if (p->placeholders && ev->param_count == 0)
		return SPAN_PARAMS_UNKNOWN;
	if (t->flags & APM_TEXT_UNREADABLE)
		return SPAN_PARAMS_UNKNOWN;
	if (t->flags & APM_TEXT_TRUNCATED || ev->hdr.flags & APM_STMT_PARAMS_PARTIAL)
		return SPAN_PARAMS_PARTIAL;
	return SPAN_PARAMS_KNOWN;
}

/* Fills what the text says. 1 = is a statement, 0 = is none, or -errno. */
static int identify(struct session *s, const struct apm_ev_stmt *ev, struct statement *stmt)
{
	const struct text *given = table_peek(s->texts, (struct table_key){ev->hdr.tgid, ev->text_id});
	struct text *t = ev->hdr.flags & APM_STMT_TEXT_UNKNOWN ? NULL : text_of(s, ev);
	int named = given && given->flags & APM_TEXT_NAME;
	const struct part *p;
	uint32_t left = 0;
	int err;

	stmt->prepared = named ? given->name : 0;
	if (!t) {
		err = label(s, stmt, named || ev->hdr.flags & APM_STMT_TEXT_UNKNOWN);
		return err ? err : 1;
	}
	p = t->part ? part_at(t, ev->result_index, &left) : &t->first;
	if (t->part && (!p || (left && !ev->result_index &&
			       !(ev->hdr.flags & (APM_STMT_MORE | APM_STMT_ERROR | APM_STMT_OPEN |
						  APM_STMT_IN_FLIGHT | APM_STMT_NO_RETURN))))) {
		err = as_multi(s, t, ev->text_id, stmt);
		return err ? err : 1;
	}
	if (p->stmt_class == SQL_CLASS_EMPTY)
		return 0;
	if (!p->present) {
		err = label(s, stmt, 0);
		return err ? err : 1;
	}
	stmt->fingerprint = p->fingerprint;
	stmt->stmt_class = p->stmt_class;
	stmt->kind = p->kind;
	stmt->tx_verb = p->tx_verb;
	if (t->system == APM_SYSTEM_REDIS)
		redis_use_apply(stmt, p->redis_use);
	stmt->params = (uint8_t)params_of(ev, t, p);
	stmt->param_hash = hash_mix(ev->param_hash, p->literal_hash);
	stmt->literals = p->literal_count;
	return 1;
}

static void convert(const struct apm_ev_stmt *ev, struct statement *stmt)
{
	*stmt = (struct statement){
		.seq = ev->hdr.stmt_seq,
		.t_start = ev->t_start,
		.t_end = ev->t_end > ev->t_start ? ev->t_end : ev->t_start + ev->duration_ns,
		.duration_ns = ev->duration_ns,
		.rows = ev->rows,
		.bytes = ev->bytes,
		.wait_ns = ev->wait_ns,
		.rest_ns = unfetched_ns(ev),
		.param_hash = ev->param_hash,
		.conn = ev->conn,
		.handle = ev->handle,
		.ctx_id = ev->hdr.ctx_id,
		.ctx_kind = ev->hdr.ctx_kind,
		.call_site = ev->call_site,
		.tgid = ev->hdr.tgid,
		.tid = ev->hdr.tid,
		.conn_gen = ev->conn_gen,
		.flags = ev->hdr.flags,
		.lib_id = ev->lib_id,
		.system = ev->system,
		.type = ev->system == APM_SYSTEM_REDIS ? SPAN_CACHE : SPAN_DB,
		.error = (ev->hdr.flags & (APM_STMT_ERROR | APM_STMT_PREPARE_FAILED)) != 0,
		.running = (ev->hdr.flags & APM_STMT_IN_FLIGHT) != 0,
	};
}

static int deliver(struct session *s, const struct statement *stmt)
{
	static const struct rec_error no_error;
	struct table_key key = {stmt->seq, 0};
	struct statement told = *stmt;
	const struct failure *f;
	int err;

	if (stmt->error) {
		f = table_peek(s->errors, key);
		told.tx_lost = f && transactions_is_lost(stmt->system, &f->error);
		err = s->sink.on_error(stmt, f ? &f->error : &no_error, s->sink.arg);
		table_remove(s->errors, key);
		if (err)
			return err;
	}
	return s->sink.on_statement(&told, s->sink.arg);
}

/* The first event of a statement whose cursor is still open, or a later one that says the same. */
static int hold(struct session *s, const struct statement *stmt)
{
	struct table_key key = {stmt->seq, 0};
	struct statement opening = *stmt;
	struct held *h;
	int is_new;

	h = table_put(s->open, key, &is_new);
	if (!h)
		return -ENOMEM;
	if (!h->delivered)
		h->stmt = *stmt;
	if (!is_new)
		return 0;
	opening.opening = 1;
	return s->sink.on_statement(&opening, s->sink.arg);
}

/* Whether an event tells one of several results of one statement (a procedure's), not of several. */
static int is_partial(struct session *s, const struct apm_ev_stmt *ev)
{
	const struct text *t;

	if (!ev->result_index && !(ev->hdr.flags & APM_STMT_MORE))
		return 0;
	t = text_of(s, ev);
	return t && !t->part;
}

static void add_results(struct statement *stmt, const struct statement *before)
{
	stmt->t_start = before->t_start;
	stmt->rows += before->rows;
	stmt->bytes += before->bytes;
	stmt->duration_ns += before->duration_ns;
	stmt->rest_ns += before->rest_ns;
}

static int feed_stmt(struct session *s, const struct record *rec)
{
	const struct apm_ev_stmt *ev = rec->stmt;
	struct table_key key = {ev->hdr.stmt_seq, 0};
	struct statement stmt, was;
	struct held *h;
	int err;

	convert(ev, &stmt);
	err = identify(s, ev, &stmt);
	if (err <= 0)
		return err;
	h = table_count(s->open) ? table_peek(s->open, key) : NULL;
	if (is_partial(s, ev)) {
		if (h)
			add_results(&stmt, &h->stmt);
		if (ev->hdr.flags & APM_STMT_MORE)
			return hold(s, &stmt);
	}
	if (ev->hdr.flags & APM_STMT_OPEN && !(ev->hdr.flags & APM_STMT_IN_FLIGHT))
		return hold(s, &stmt);
	if (!h || !h->delivered) {
		if (h) {
			h->delivered = 1;
			table_remove(s->open, key);
		}
		return deliver(s, &stmt);
	}
	was = h->stmt;
	table_remove(s->open, key);
	stmt.fingerprint = was.fingerprint;
	stmt.stmt_class = was.stmt_class;
	if (stmt.error && !was.error) {
		const struct failure *f = table_peek(s->errors, key);

		err = f ? s->sink.on_error(&stmt, &f->error, s->sink.arg) : 0;
		table_remove(s->errors, key);
		if (err < 0)
			return err;
	}
	return s->sink.on_amend(&was, &stmt, s->sink.arg);
}

static void copy_into(struct failure *f, size_t *used, struct str *s)
{
	size_t room = sizeof(f->bytes) - *used, len = s->len < room ? s->len : room;

	if (len)
		memcpy(f->bytes + *used, s->ptr, len);
	*s = (struct str){f->bytes + *used, len};
	*used += len;
}

static int feed_error(struct session *s, const struct record *rec)
{
	struct failure *f = table_put(s->errors, (struct table_key){rec->hdr->stmt_seq, 0}, NULL);
	size_t used = 0;

	if (!f)
		return -ENOMEM;
	f->error = rec->error;
	copy_into(f, &used, &f->error.code);
	copy_into(f, &used, &f->error.message);
	return 0;
}

/* ---- the end of what is held ---- */

struct ending {
	struct session *s;
	uint32_t tgid;
	uint64_t handle; /* a statement or a connection; 0 = any */
	uint64_t before; /* last row before this */
	int forget;	 /* no later event can come */
	int err;
};

static int end_held(struct table_key key, void *value, void *arg)
{
	struct held *h = value;
	struct ending *e = arg;

	if (e->tgid && h->stmt.tgid != e->tgid)
		return 0;
	if (e->handle && h->stmt.handle != e->handle && h->stmt.conn != e->handle)
		return 0;
	if (h->stmt.t_end >= e->before)
		return 0;
	if (!h->delivered && !e->err)
		e->err = deliver(e->s, &h->stmt);
	h->delivered = 1;
	return e->forget;
}

static int end_all(struct session *s, struct ending e)
{
	e.s = s;
	if (table_count(s->open))
		table_visit(s->open, end_held, &e);
	return e.err;
}

/* A statement of SQLite may be told of once more after its connection has gone. */
static int feed_close(struct session *s, const struct record *rec)
{
	return end_all(s, (struct ending){.tgid = rec->hdr->tgid,
					  .handle = rec->close->handle,
					  .before = UINT64_MAX,
					  .forget = rec->close->handle_kind == APM_HANDLE_STMT});
}

/* EXEC and EXIT: nothing of the old program is left. */
static int feed_program_end(struct session *s, const struct record *rec)
{
	uint32_t *programs = table_put(s->programs, (struct table_key){rec->hdr->tgid, 0}, NULL);

	if (!programs)
		return -ENOMEM;
	++*programs;
	return end_all(s, (struct ending){.tgid = rec->hdr->tgid, .before = UINT64_MAX, .forget = 1});
}

static int (*const handlers[])(struct session *s, const struct record *rec) = {
	[APM_EV_STMT] = feed_stmt,	  [APM_EV_PREPARE] = feed_prepare,  [APM_EV_CLOSE] = feed_close,
	[APM_EV_EXEC] = feed_program_end, [APM_EV_EXIT] = feed_program_end, [REC_TEXT] = feed_text,
	[REC_ERROR] = feed_error,
};

int session_feed(struct session *s, const struct record *rec)
{
	size_t kind = rec->hdr->kind;

	if (kind >= sizeof(handlers) / sizeof(handlers[0]) || !handlers[kind])
		return 0;
	return handlers[kind](s, rec);
}

int session_time(struct session *s, uint64_t now_ns, uint64_t unit_gap_ns)
{
	if (now_ns < s->next_sweep || now_ns < unit_gap_ns)
		return 0;
	s->next_sweep = now_ns + unit_gap_ns / 2 + 1;
	return end_all(s, (struct ending){.before = now_ns - unit_gap_ns});
}

int session_finish(struct session *s)
{
	return end_all(s, (struct ending){.before = UINT64_MAX});
}

uint64_t session_evicted(const struct session *s)
{
	return table_evicted(s->names) + table_evicted(s->errors);
}
