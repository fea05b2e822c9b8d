/* SPDX-License-Identifier: BSD-2-Clause */
#include "enrich_text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/table.h"
#include "redis_command.h"

#define PENDING_MAX 1024 /* texts of which only the first chunks have come */
#define PARTS_MAX   256	 /* statements told of one text; the rest of it counts as one more */

/* A text in the making. */
struct pending {
	struct strbuf text;
};

struct enrich_text {
	int show_literals;
	uint64_t hash_key[2];
	record_fn sink;
	void *sink_arg;
	struct table *pending;
	struct strbuf converted; /* a text that came in UTF-16 */
	char *buf;		 /* for sql_analyse() */
	size_t cap;
};

static void drop_pending(struct table_key key, void *value, void *arg)
{
	strbuf_free(&((struct pending *)value)->text);
}

struct enrich_text *enrich_text_new(int show_literals, const uint64_t hash_key[2], record_fn sink,
				    void *sink_arg)
{
	struct enrich_text *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->show_literals = show_literals;
	t->hash_key[0] = hash_key[0];
	t->hash_key[1] = hash_key[1];
	t->sink = sink;
	t->sink_arg = sink_arg;
	t->pending = table_new(PENDING_MAX, sizeof(struct pending), drop_pending, NULL);
	if (!t->pending) {
		free(t);
		errno = ENOMEM;
		return NULL;
	}
	return t;
}

void enrich_text_free(struct enrich_text *t)
{
	if (!t)
		return;
	table_free(t->pending);
	free(t->buf);
	strbuf_free(&t->converted);
	free(t);
}

uint64_t enrich_text_evicted(const struct enrich_text *t)
{
	return table_evicted(t->pending);
}

/* How the texts of a system are read. */
static const struct language {
	int (*analyse)(const char *text, size_t len, const struct sql_options *opt, char *buf, size_t cap,
		       struct sql_info *out);
	enum sql_dialect dialect;
	int is_private; /* the text as it came is for the analysis only */
} languages[] = {
	[APM_SYSTEM_UNKNOWN] = {sql_analyse, SQL_GENERIC, 0},
	[APM_SYSTEM_POSTGRESQL] = {sql_analyse, SQL_POSTGRESQL, 0},
	[APM_SYSTEM_SQLITE] = {sql_analyse, SQL_SQLITE, 0},
	[APM_SYSTEM_MYSQL] = {sql_analyse, SQL_MYSQL, 0},
	[APM_SYSTEM_REDIS] = {redis_command_analyse, SQL_GENERIC, 1},
};

static const struct language *language_of(uint8_t system)
{
	return &languages[system < sizeof(languages) / sizeof(*languages) ? system : APM_SYSTEM_UNKNOWN];
}

static int ensure(struct enrich_text *t, size_t len)
{
	size_t need = sql_buffer_size(len);
	char *buf;

	if (need <= t->cap)
		return 1;
	buf = realloc(t->buf, need);
	if (!buf)
		return 0;
	t->buf = buf;
	t->cap = need;
	return 1;
}

static struct sql_options options_for(const struct enrich_text *t, const struct apm_ev_text *last)
{
	return (struct sql_options){
		.dialect = language_of(last->system)->dialect,
		.hash_key = {t->hash_key[0], t->hash_key[1]},
	};
}

/* How many statements there are: a first pass, since each record says how many parts its text has. */
static unsigned int count_parts(struct enrich_text *t, const struct language *l, struct str text,
				const struct sql_options *opt)
{
	struct sql_info info;
	unsigned int parts = 0;
	size_t off = 0;

	while (off < text.len && parts < PARTS_MAX &&
	       !l->analyse(text.ptr + off, text.len - off, opt, t->buf, t->cap, &info)) {
		parts += info.stmt_class != SQL_CLASS_EMPTY;
		if (!info.consumed)
			break;
		off += info.consumed;
	}
	return parts;
}

static void tell_part(struct enrich_text *t, const struct apm_ev_text *last, struct str text,
		      const struct sql_info *info, unsigned int part, unsigned int parts)
{
	struct apm_hdr hdr = last->hdr;
	struct record rec = {.hdr = &hdr};

	hdr.kind = REC_TEXT;
	hdr.flags = 0;
	hdr.len = sizeof(hdr);
	rec.text = (struct rec_text){
		.text_id = last->text_id,
		.conn = last->conn,
		.fingerprint = info->fingerprint,
		.literal_hash = info->literal_hash,
		.literal_count = info->literal_count,
		.param_count = info->param_count,
		.flags = last->hdr.flags & (APM_TEXT_TRUNCATED | APM_TEXT_UNREADABLE | APM_TEXT_MIN_LEN),
		.true_len = last->total_len,
		.part = (uint16_t)part,
		.parts = (uint16_t)parts,
		.system = last->system,
		.stmt_class = (uint8_t)info->stmt_class,
		.kind = (uint8_t)info->kind,
		.normalized = info->normalized,
		.summary = info->summary,
		.operation = info->operation,
		.collections = info->collections,
		.tags = info->tags,
	};
	if (t->show_literals && !language_of(last->system)->is_private)
		rec.text.raw = text;
	t->sink(&rec, t->sink_arg);
}

/* Empty statements (";;", comments) get no result from a database and no number here,
 * unless there is nothing else. */
static void tell_text(struct enrich_text *t, const struct apm_ev_text *last, struct str text)
{
	const struct language *l = language_of(last->system);
	struct sql_options opt = options_for(t, last);
	struct sql_info info;
	unsigned int parts, part = 0;
	size_t off = 0;

	if (!ensure(t, text.len) || l->analyse(text.ptr, text.len, &opt, t->buf, t->cap, &info))
		return;
	if (info.consumed >= text.len) {
		tell_part(t, last, text, &info, 0, 1);
		return;
	}
	parts = count_parts(t, l, text, &opt);
	while (off < text.len && part < parts) {
		if (l->analyse(text.ptr + off, text.len - off, &opt, t->buf, t->cap, &info) || !info.consumed)
			break;
		if (info.stmt_class != SQL_CLASS_EMPTY)
			tell_part(t, last, (struct str){text.ptr + off, info.consumed}, &info, part++, parts);
		off += info.consumed;
	}
	if (!parts && !l->analyse(text.ptr, text.len, &opt, t->buf, t->cap, &info))
		tell_part(t, last, text, &info, 0, 1);
}

/* A prepared statement's name is no SQL: it is told as it is. */
static void tell_name(struct enrich_text *t, const struct apm_ev_text *last, struct str name)
{
	struct apm_hdr hdr = last->hdr;
	struct record rec = {.hdr = &hdr};

	hdr.kind = REC_TEXT;
	hdr.flags = 0;
	hdr.len = sizeof(hdr);
	rec.text = (struct rec_text){.text_id = last->text_id,
				     .conn = last->conn,
				     .flags = APM_TEXT_NAME,
				     .true_len = last->total_len,
				     .parts = 1,
				     .system = last->system,
				     .normalized = name};
	t->sink(&rec, t->sink_arg);
}

/* A whole text, in the characters that it came in. */
static void tell(struct enrich_text *t, const struct apm_ev_text *last, struct str text)
{
	struct apm_ev_text in_utf8;

	if (last->hdr.flags & APM_TEXT_NAME) {
		tell_name(t, last, text);
	} else if (last->hdr.flags & APM_TEXT_UTF16) {
		in_utf8 = *last;
		in_utf8.total_len /= 2; /* characters */
		strbuf_reset(&t->converted);
		strbuf_add_utf16(&t->converted, text.ptr, text.len);
		tell_text(t, &in_utf8, (struct str){t->converted.ptr, t->converted.len});
	} else {
		tell_text(t, last, text);
	}
}

void enrich_text_chunk(struct enrich_text *t, const struct apm_ev_text *c)
{
	struct table_key key = {c->hdr.tgid, c->text_id};
	struct str text = {(const char *)c->data, c->size};
	int last = (c->hdr.flags & APM_TEXT_LAST) != 0;
	struct pending *p;

	if (c->size > c->hdr.len - sizeof(*c))
		return;
	if (c->offset == 0 && last) {
		tell(t, c, text);
		return;
	}
	p = table_put(t->pending, key, NULL);
	if (!p)
		return;
	/* A chunk in between was lost with the ring full: what stands before the
	 * gap is the text, cut there. */
	if (p->text.len == c->offset)
		strbuf_add(&p->text, text.ptr, text.len);
	if (!last)
		return;
	tell(t, c, (struct str){p->text.ptr, p->text.len});
	table_remove(t->pending, key);
}
