/* SPDX-License-Identifier: BSD-2-Clause */
#include "scenario_input.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "detect/scenario.h"
#include "txn/transactions.h"

#define US 1000

static int describe(struct scenario_reader *r, const struct rec_text *text)
{
	return stats_describe(r->texts, text);
}

/* Drivers of Python name what they will fill in %s and %(name)s; the normaliser sees an operator there. */
static int has_format(struct str normalized)
{
	return normalized.len && (memmem(normalized.ptr, normalized.len, "% s", 3) ||
				  memmem(normalized.ptr, normalized.len, "% (", 3));
}

static enum span_params params_of(const struct sql_info *info, int truncated)
{
	if (info->param_count || has_format(info->normalized))
		return SPAN_PARAMS_UNKNOWN;
	return truncated ? SPAN_PARAMS_PARTIAL : SPAN_PARAMS_KNOWN;
}

/* What a dialect is spoken to; 0 = any. */
static uint8_t system_of(enum sql_dialect dialect)
{
	static const uint8_t systems[] = {
		[SQL_POSTGRESQL] = APM_SYSTEM_POSTGRESQL,
		[SQL_MYSQL] = APM_SYSTEM_MYSQL,
		[SQL_SQLITE] = APM_SYSTEM_SQLITE,
	};

	return dialect < sizeof(systems) ? systems[dialect] : 0;
}

/* Whether the text was cut: the span says so, or the text itself does. */
static int is_cut(const json_t *span, struct str text)
{
	return json_is_true(json_object_get(span, "truncated")) ||
	       (text.len >= 3 && memcmp(text.ptr + text.len - 3, "...", 3) == 0);
}

static int as_sql(struct scenario_reader *r, struct str sql, int truncated, struct statement *stmt)
{
	struct sql_options opt = {.dialect = r->dialect};
	size_t need = sql_buffer_size(sql.len);
	struct sql_info info;

	if (need > r->cap) {
		char *buf = realloc(r->buf, need);

		if (!buf)
			return -ENOMEM;
		r->buf = buf;
		r->cap = need;
	}
	if (sql_analyse(sql.ptr ? sql.ptr : "", sql.len, &opt, r->buf, r->cap, &info))
		return -ENOMEM;
	stmt->fingerprint = info.fingerprint;
	stmt->stmt_class = (uint8_t)info.stmt_class;
	stmt->kind = (uint8_t)info.kind;
	stmt->tx_verb = (uint8_t)tx_verb_of(info.normalized, stmt->kind);
	stmt->param_hash = info.literal_hash;
	stmt->literals = info.literal_count;
	stmt->params = (uint8_t)params_of(&info, truncated);
	return describe(r, &(struct rec_text){.fingerprint = info.fingerprint,
					      .kind = (uint8_t)info.kind,
					      .system = system_of(r->dialect),
					      .normalized = info.normalized,
					      .summary = info.summary,
					      .operation = info.operation,
					      .collections = info.collections,
					      .raw = sql});
}

/* A command that is no SQL: `shape` stands for it, the whole text for its parameters. */
static int as_shape(struct scenario_reader *r, struct str shape, struct str text, enum sql_kind kind,
		    struct statement *stmt)
{
	stmt->fingerprint = scenario_fingerprint(shape);
	stmt->param_hash = hash_bytes(HASH_SEED, text.ptr, text.len);
	stmt->params = SPAN_PARAMS_KNOWN;
	stmt->kind = (uint8_t)kind;
	return describe(r, &(struct rec_text){.fingerprint = stmt->fingerprint,
					      .kind = (uint8_t)kind,
					      .normalized = shape,
					      .summary = shape});
}

/* What the first key of a command of MongoDB means. */
static enum sql_kind document_kind(const char *operation)
{
	static const struct {
		const char *operation;
		enum sql_kind kind;
	} kinds[] = {
		{"find", SQL_KIND_READ},     {"findOne", SQL_KIND_READ},  {"aggregate", SQL_KIND_READ},
		{"distinct", SQL_KIND_READ}, {"count", SQL_KIND_COUNT},	  {"insert", SQL_KIND_INSERT},
		{"update", SQL_KIND_UPDATE}, {"delete", SQL_KIND_DELETE},
	};
	size_t i;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(kinds[i].operation, operation) == 0)
			return kinds[i].kind;
	}
	return SQL_KIND_OTHER;
}

/* A document command is a JSON object: its first key and value name the operation and the collection. 1 = it
 * is one, 0 or -ENOMEM. */
static int as_document(struct scenario_reader *r, struct str text, struct statement *stmt)
{
	json_t *doc = json_loadb(text.ptr, text.len, 0, NULL);
	void *first = json_object_iter(doc);
	const char *collection = first ? json_string_value(json_object_iter_value(first)) : NULL;
	const char *operation = first ? json_object_iter_key(first) : NULL;
	int err = 0;

	if (collection) {
		strbuf_reset(&r->scratch);
		strbuf_addf(&r->scratch, "{\"%s\":\"%s\"}", operation, collection);
		err = as_shape(r, (struct str){r->scratch.ptr, r->scratch.len}, text,
			       document_kind(operation), stmt);
	}
	json_decref(doc);
	return err ? err : collection != NULL;
}

static int waits_for_pool(struct str text)
{
	static const char *const words[] = {"pool", "acquire", "checkout", NULL};
	int i;

	for (i = 0; words[i]; i++) {
		if (text.len && memmem(text.ptr, text.len, words[i], strlen(words[i])))
			return 1;
	}
	return 0;
}

/* Opening a connection and waiting for one of a pool look alike from outside: what is asked for decides. */
static enum span_type type_of(const struct scenario_reader *r, struct str kind, struct str text)
{
	enum span_type type = scenario_type(kind);

	if (type == SPAN_CONNECT && r->pool && waits_for_pool(text))
		return SPAN_POOL;
	if (type == SPAN_POOL && r->churn && !r->pool)
		return SPAN_CONNECT;
	return type;
}

/* A number, or a name that stands for one. */
static uint64_t identity(const json_t *span, const char *key)
{
	struct str name = scenario_text(span, key);

	return name.len ? hash_bytes(HASH_SEED, name.ptr, name.len) : scenario_number(span, key, 1, 0);
}

int scenario_read_span(struct scenario_reader *r, const json_t *span, size_t number,
		       struct scenario_span *out)
{
	struct str text = scenario_text(span, "sql");
	enum span_type type = type_of(r, scenario_text(span, "kind"), text);
	struct statement *stmt = &out->stmt;
	int err;

	if (!json_is_object(span))
		return -EINVAL;
	*out = (struct scenario_span){.tx = identity(span, "tx")};
	*stmt = (struct statement){.type = (uint8_t)type,
				   .seq = number + 1,
				   .tgid = 1,
				   .ctx_id = 1,
				   .t_start = scenario_number(span, "t_start_us", US, r->end_ns),
				   .duration_ns = scenario_number(span, "t_dur_us", US, 0),
				   .rows = scenario_number(span, "rows", 1, 0)};
	out->has_conn = json_object_get(span, "conn") != NULL;
	stmt->conn = identity(span, "conn");
	stmt->t_end = stmt->t_start + stmt->duration_ns;
	r->end_ns = stmt->t_end;
	if (type == SPAN_DB) {
		err = text.len && text.ptr[0] == '{' ? as_document(r, text, stmt) : 0;
		if (err)
			return err < 0 ? err : 0;
		return as_sql(r, text, is_cut(span, text), stmt);
	}
	strbuf_reset(&r->scratch);
	scenario_shape(&r->scratch, text);
	return as_shape(r, (struct str){r->scratch.ptr, r->scratch.len}, text, scenario_kind(type, text),
			stmt);
}

void scenario_reader_free(struct scenario_reader *r)
{
	strbuf_free(&r->scratch);
	free(r->buf);
}
