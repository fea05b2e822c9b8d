/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads what a statement does to which tables from its tokens, one after another: a state per bracket level,
 * no tree. The summary follows OpenTelemetry's rules for db.query.summary.
 */
#include "sql/internal.h"

#include <stddef.h>
#include <string.h>

enum reader_expect {
	EXPECT_NOTHING,
	EXPECT_TABLE,  /* a table's name */
	EXPECT_ALIAS,  /* a name was read: an alias may follow */
	EXPECT_WORD,   /* any one word, not looked at (behind AS) */
	EXPECT_CTE,    /* the name of a CTE */
	EXPECT_OBJECT, /* DDL: modifiers and the kind of object */
	EXPECT_TARGET, /* a name that is no table */
};

enum reader_use {
	USE_NONE,
	USE_TABLE,
	USE_FROM,   /* followed by ( it is a function */
	USE_DELETE, /* followed by FROM it is an alias */
	USE_TARGET, /* in the summary only */
	USE_NOWHERE,
};

/* What a verb does first. */
enum verb_mode {
	MODE_NOTHING,
	MODE_QUERY,
	MODE_TABLE,  /* a table's name follows */
	MODE_LIST,   /* several may */
	MODE_OBJECT, /* the kind of object follows */
	MODE_TARGET, /* a name follows that is no table */
	MODE_PREFIX, /* another statement follows */
	MODE_WITH,
};

struct reader_verb {
	const char *word;
	uint8_t mode;
	uint8_t stmt_class;
	uint8_t kind;
	uint8_t inner; /* the word may also start a statement inside another */
	uint8_t keyed; /* KEY may name a secret; with = it only sets something */
};

#define Q SQL_CLASS_QUERY
#define C SQL_CLASS_CONTROL

static const struct reader_verb verbs[] = {
	{"SELECT", MODE_QUERY, Q, SQL_KIND_READ, 1, 0},
	{"INSERT", MODE_TABLE, Q, SQL_KIND_INSERT, 1, 0},
	{"UPDATE", MODE_LIST, Q, SQL_KIND_UPDATE, 1, 0},
	{"DELETE", MODE_TABLE, Q, SQL_KIND_DELETE, 1, 0},
	{"REPLACE", MODE_TABLE, Q, SQL_KIND_INSERT, 1, 0},
	{"MERGE", MODE_TABLE, Q, SQL_KIND_OTHER, 1, 0},
	{"VALUES", MODE_NOTHING, Q, SQL_KIND_READ, 0, 0},
	{"TABLE", MODE_TABLE, Q, SQL_KIND_READ, 0, 0},
	{"FROM", MODE_QUERY, Q, SQL_KIND_READ, 0, 0},
	{"BEGIN", MODE_NOTHING, C, SQL_KIND_BEGIN, 0, 0},
	{"COMMIT", MODE_NOTHING, C, SQL_KIND_COMMIT, 0, 0},
	{"ROLLBACK", MODE_NOTHING, C, SQL_KIND_ROLLBACK, 0, 0},
	{"SET", MODE_NOTHING, C, SQL_KIND_OTHER, 0, 0},
	{"START", MODE_NOTHING, Q, SQL_KIND_OTHER, 0, 0},
	{"SAVEPOINT", MODE_NOTHING, C, SQL_KIND_SAVEPOINT, 0, 0},
	{"RELEASE", MODE_NOTHING, C, SQL_KIND_SAVEPOINT, 0, 0},
	{"END", MODE_NOTHING, C, SQL_KIND_COMMIT, 0, 0},
	{"ABORT", MODE_NOTHING, C, SQL_KIND_ROLLBACK, 0, 0},
	{"RESET", MODE_NOTHING, C, SQL_KIND_OTHER, 0, 0},
	{"DISCARD", MODE_NOTHING, C, SQL_KIND_OTHER, 0, 0},
	{"DEALLOCATE", MODE_NOTHING, C, SQL_KIND_PREPARE, 0, 0},
	{"PREPARE", MODE_PREFIX, C, SQL_KIND_PREPARE, 0, 0},
	{"DESCRIBE", MODE_TABLE, C, SQL_KIND_PREPARE, 0, 0},
	{"DESC", MODE_TABLE, C, SQL_KIND_PREPARE, 0, 0},
	{"USE", MODE_TARGET, C, SQL_KIND_OTHER, 0, 0},
	{"XA", MODE_NOTHING, C, SQL_KIND_OTHER, 0, 0},
	{"LISTEN", MODE_TARGET, Q, SQL_KIND_OTHER, 0, 0},
	{"UNLISTEN", MODE_TARGET, Q, SQL_KIND_OTHER, 0, 0},
	{"NOTIFY", MODE_TARGET, Q, SQL_KIND_OTHER, 0, 0},
	{"SHOW", MODE_NOTHING, Q, SQL_KIND_READ, 0, 0},
	{"HELP", MODE_NOTHING, Q, SQL_KIND_READ, 0, 0},
	{"PRAGMA", MODE_TARGET, Q, SQL_KIND_OTHER, 0, 1},
	{"EXPLAIN", MODE_PREFIX, Q, SQL_KIND_OTHER, 0, 0},
	{"CREATE", MODE_OBJECT, Q, SQL_KIND_DDL, 0, 0},
	{"ALTER", MODE_OBJECT, Q, SQL_KIND_DDL, 0, 0},
	{"DROP", MODE_OBJECT, Q, SQL_KIND_DDL, 0, 0},
	{"TRUNCATE", MODE_LIST, Q, SQL_KIND_DDL, 0, 0},
	{"RENAME", MODE_OBJECT, Q, SQL_KIND_DDL, 0, 0},
	{"COMMENT", MODE_OBJECT, Q, SQL_KIND_DDL, 0, 0},
	{"REFRESH", MODE_OBJECT, Q, SQL_KIND_DDL, 0, 0},
	{"SECURITY", MODE_NOTHING, Q, SQL_KIND_DDL, 0, 0},
	{"IMPORT", MODE_NOTHING, Q, SQL_KIND_OTHER, 0, 0},
	{"EXPORT", MODE_NOTHING, Q, SQL_KIND_OTHER, 0, 0},
	{"REINDEX", MODE_OBJECT, Q, SQL_KIND_DDL, 0, 0},
	{"CLUSTER", MODE_TABLE, Q, SQL_KIND_DDL, 0, 0},
	{"GRANT", MODE_NOTHING, Q, SQL_KIND_DDL, 0, 0},
	{"REVOKE", MODE_NOTHING, Q, SQL_KIND_DDL, 0, 0},
	{"REASSIGN", MODE_NOTHING, Q, SQL_KIND_DDL, 0, 0},
	{"ANALYZE", MODE_LIST, Q, SQL_KIND_OTHER, 0, 0},
	{"ANALYSE", MODE_LIST, Q, SQL_KIND_OTHER, 0, 0},
	{"VACUUM", MODE_LIST, Q, SQL_KIND_OTHER, 0, 0},
	{"OPTIMIZE", MODE_LIST, Q, SQL_KIND_OTHER, 0, 0},
	{"REPAIR", MODE_LIST, Q, SQL_KIND_OTHER, 0, 0},
	{"CHECK", MODE_LIST, Q, SQL_KIND_OTHER, 0, 0},
	{"CHECKSUM", MODE_LIST, Q, SQL_KIND_OTHER, 0, 0},
	{"LOCK", MODE_LIST, Q, SQL_KIND_OTHER, 0, 0},
	{"UNLOCK", MODE_NOTHING, Q, SQL_KIND_OTHER, 0, 0},
	{"HANDLER", MODE_TABLE, Q, SQL_KIND_OTHER, 0, 0},
	{"COPY", MODE_TABLE, Q, SQL_KIND_INSERT_MANY, 0, 0},
	{"LOAD", MODE_NOTHING, Q, SQL_KIND_INSERT_MANY, 0, 0},
	{"CALL", MODE_TARGET, Q, SQL_KIND_OTHER, 0, 0},
	{"EXECUTE", MODE_TARGET, Q, SQL_KIND_OTHER, 0, 0},
	{"EXEC", MODE_TARGET, Q, SQL_KIND_OTHER, 0, 0},
	{"DO", MODE_NOTHING, Q, SQL_KIND_OTHER, 0, 0},
	{"DECLARE", MODE_PREFIX, Q, SQL_KIND_OTHER, 0, 0},
	{"FETCH", MODE_NOTHING, Q, SQL_KIND_READ, 0, 0},
	{"MOVE", MODE_NOTHING, Q, SQL_KIND_OTHER, 0, 0},
	{"CLOSE", MODE_NOTHING, Q, SQL_KIND_OTHER, 0, 0},
	{"OPEN", MODE_NOTHING, Q, SQL_KIND_OTHER, 0, 0},
	{"ATTACH", MODE_NOTHING, Q, SQL_KIND_OTHER, 0, 1},
	{"DETACH", MODE_NOTHING, Q, SQL_KIND_OTHER, 0, 0},
	{"CHECKPOINT", MODE_NOTHING, Q, SQL_KIND_OTHER, 0, 0},
	{"KILL", MODE_NOTHING, Q, SQL_KIND_OTHER, 0, 0},
	{"FLUSH", MODE_NOTHING, Q, SQL_KIND_OTHER, 0, 0},
	{"PURGE", MODE_NOTHING, Q, SQL_KIND_OTHER, 0, 0},
	{"STOP", MODE_NOTHING, Q, SQL_KIND_OTHER, 0, 0},
	{"CHANGE", MODE_NOTHING, Q, SQL_KIND_OTHER, 0, 0},
	{"INSTALL", MODE_NOTHING, Q, SQL_KIND_OTHER, 0, 0},
	{"BACKUP", MODE_NOTHING, Q, SQL_KIND_OTHER, 0, 0},
	{"RESTORE", MODE_NOTHING, Q, SQL_KIND_OTHER, 0, 0},
	{"CONNECT", MODE_NOTHING, Q, SQL_KIND_OTHER, 0, 0},
	{"SIGNAL", MODE_NOTHING, Q, SQL_KIND_OTHER, 0, 0},
	{"WITH", MODE_WITH, Q, SQL_KIND_OTHER, 1, 0},
};

static char upper_of(char c)
{
	return c >= 'a' && c <= 'z' ? (char)(c - 32) : c;
}

static int word_is(const struct sql_token *t, const char *word)
{
	size_t i;

	for (i = 0; i < t->len && word[i]; i++)
		if (upper_of(t->ptr[i]) != word[i])
			return 0;
	return i == t->len && !word[i];
}

static const struct reader_verb *verb_of(const struct sql_token *t)
{
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (upper_of(*t->ptr) == *verbs[i].word && word_is(t, verbs[i].word))
			return &verbs[i];
	return NULL;
}

void sql_reader_init(struct sql_reader *rd, const struct sql_rules *rules, char *summary, char *names,
		     size_t names_cap)
{
	memset(rd, 0, offsetof(struct sql_reader, name_hash));
	rd->rules = rules;
	rd->summary = summary;
	rd->names = names;
	rd->names_cap = names_cap;
	rd->with_depth = -1;
	memset(&rd->frame[0], 0, sizeof(rd->frame[0]));
	rd->frame[0].start = 1;
	rd->op_text = (struct str){NULL, 0};
	rd->stmt_class = SQL_CLASS_EMPTY;
	rd->kind = SQL_KIND_OTHER;
}

static struct reader_frame *frame_of(struct sql_reader *rd)
{
	return &rd->frame[rd->depth < READER_DEPTH ? rd->depth : READER_DEPTH - 1];
}

/* Appends one word to the summary, or closes it: cut between words only. */
static void add_summary(struct sql_reader *rd, const char *text, size_t len, int space)
{
	if (rd->summary_full || rd->summary_len + len + 1 > SQL_SUMMARY_MAX) {
		rd->summary_full = 1;
		return;
	}
	if (rd->summary_len && space)
		rd->summary[rd->summary_len++] = ' ';
	memcpy(rd->summary + rd->summary_len, text, len);
	rd->summary_len += len;
}

static void add_summary_word(struct sql_reader *rd, const struct sql_token *t)
{
	size_t before = rd->summary_len;

	add_summary(rd, t->ptr, t->len, 1);
	for (size_t i = before; i < rd->summary_len; i++)
		rd->summary[i] = upper_of(rd->summary[i]);
}

/* The part without its quotes, folded; returns its length. out has room for part.len bytes. */
static size_t unquote(const struct sql_reader *rd, struct str part, int quoted, char *out)
{
	size_t len = 0;
	char close;

	if (!quoted) {
		for (; len < part.len; len++) {
			char c = part.ptr[len];

			out[len] = rd->rules->fold && c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
		}
		return len;
	}
	if ((*part.ptr | 0x20) == 'u' && part.len > 2) {
		part.ptr += 2;
		part.len -= 2;
	}
	close = *part.ptr == '[' ? ']' : *part.ptr;
	for (size_t i = 1; i < part.len; i++) {
		if (part.ptr[i] == close && (i + 1 == part.len || part.ptr[++i] != close))
			break;
		out[len++] = part.ptr[i] == '\n' ? ' ' : part.ptr[i];
	}
	return len;
}

static int known(const uint64_t *hashes, uint32_t count, uint64_t hash)
{
	for (uint32_t i = 0; i < count; i++)
		if (hashes[i] == hash)
			return 1;
	return 0;
}

/* Writes the pending name, unquoted and with dots, behind the names so far. Its length, 0 when there is no
 * room. */
static size_t write_name(struct sql_reader *rd)
{
	char *out = rd->names + rd->names_len + 1;
	size_t len = 0, need = 1;

	for (int i = 0; i < rd->parts; i++)
		need += rd->part[i].len + 1;
	if (rd->names_len + need > rd->names_cap)
		return 0;
	for (int i = 0; i < rd->parts; i++) {
		if (i)
			out[len++] = '.';
		len += unquote(rd, rd->part[i], rd->part_quoted[i], out + len);
	}
	return len;
}

static void add_name_summary(struct sql_reader *rd)
{
	size_t len = rd->summary_len;

	for (int i = 0; i < rd->parts; i++) {
		if (i)
			add_summary(rd, ".", 1, 0);
		add_summary(rd, rd->part[i].ptr, rd->part[i].len, !i);
	}
	if (rd->summary_full)
		rd->summary_len = len;
}

/* The pending name is complete; `next` is the token behind it. */
static void end_name(struct sql_reader *rd, const struct sql_token *next)
{
	uint8_t use = rd->name_use;
	size_t len;
	uint64_t hash;

	rd->name_use = USE_NONE;
	/* GRANT … ON db.* */
	if (use == USE_NOWHERE || (rd->part_open && next->kind == TOK_OP))
		return;
	if (use == USE_FROM && (next->kind == TOK_LPAREN || next->id == KW_FROM))
		return;
	if (use == USE_DELETE && (next->id == KW_FROM || next->kind == TOK_COMMA))
		return;
	if (use == USE_TARGET) {
		add_name_summary(rd);
		return;
	}
	len = write_name(rd);
	if (!len)
		return;
	hash = sql_fingerprint_of(rd->names + rd->names_len + 1, len);
	if (rd->parts == 1 && known(rd->cte_hash, rd->cte_count, hash))
		return;
	add_name_summary(rd);
	if (rd->name_count == SQL_NAMES_MAX || known(rd->name_hash, rd->name_count, hash))
		return;
	rd->name_hash[rd->name_count++] = hash;
	if (rd->names_len)
		rd->names[rd->names_len++] = '\n';
	else
		memmove(rd->names, rd->names + 1, len);
	rd->names_len += len;
}

static void begin_name(struct sql_reader *rd, const struct sql_token *t, uint8_t use)
{
	rd->name_use = use;
	rd->parts = 1;
	rd->part_open = 0;
	rd->part[0] = (struct str){t->ptr, t->len};
	rd->part_quoted[0] = t->kind != TOK_WORD;
}

/* "…" where strings are written so: in a table's place it can only be a name (ANSI_QUOTES). */
static int is_name(const struct sql_token *t)
{
	return t->kind == TOK_WORD || t->kind == TOK_QUOTED || (t->kind == TOK_STRING && *t->ptr == '"');
}

/* A dot or a further part of the pending name: 1 when taken. */
static int continue_name(struct sql_reader *rd, const struct sql_token *t)
{
	if (t->kind == TOK_DOT && !rd->part_open) {
		rd->part_open = 1;
		return 1;
	}
	if (!rd->part_open || !is_name(t))
		return 0;
	rd->part_open = 0;
	if (rd->parts < 4) {
		rd->part[rd->parts] = (struct str){t->ptr, t->len};
		rd->part_quoted[rd->parts++] = t->kind != TOK_WORD;
	}
	return 1;
}

static void expect_table(struct reader_frame *f, enum reader_use use, int list)
{
	f->expect = EXPECT_TABLE;
	f->use = (uint8_t)use;
	f->from_list = (uint8_t)list;
}

static void push_frame(struct sql_reader *rd)
{
	struct reader_frame *parent = frame_of(rd), *f;
	int tables = parent->expect == EXPECT_TABLE && parent->from_list;
	int body =
		parent->with && parent->cte_pending && (rd->last_id == KW_AS || rd->last_id == KW_MODIFIER);

	if (parent->expect == EXPECT_TABLE)
		parent->expect = tables ? EXPECT_ALIAS : EXPECT_NOTHING;
	rd->depth++;
	if (rd->depth >= READER_DEPTH)
		return;
	f = frame_of(rd);
	memset(f, 0, sizeof(*f));
	f->start = 1;
	f->body = (uint8_t)body;
	if (tables) {
		f->stmt = KW_SELECT;
		expect_table(f, USE_FROM, 1);
	}
}

static void add_cte(struct sql_reader *rd, uint64_t hash)
{
	if (rd->cte_count < SQL_NAMES_MAX)
		rd->cte_hash[rd->cte_count++] = hash;
}

static void pop_frame(struct sql_reader *rd)
{
	int body = rd->depth < READER_DEPTH && frame_of(rd)->body;
	struct reader_frame *f;

	if (!rd->depth)
		return;
	rd->depth--;
	f = frame_of(rd);
	if (body) {
		/* From here on the name hides a table; before, only in its own body when RECURSIVE. */
		if (!rd->recursive)
			add_cte(rd, f->cte_hash);
		f->cte_pending = 0;
		f->start = 1;
	}
}

static void start_verb(struct sql_reader *rd, const struct sql_token *t, const struct reader_verb *verb)
{
	struct reader_frame *f = frame_of(rd);

	f->start = 0;
	f->from_list = 0;
	f->expect = EXPECT_NOTHING;
	f->stmt = t->id;
	if (verb->mode == MODE_WITH) {
		if (rd->with_depth < 0 && !rd->verb)
			rd->with_depth = (int)rd->depth;
		f->with = 1;
		f->expect = EXPECT_CTE;
		return;
	}
	f->with = 0;
	if (t->id == KW_FROM)
		add_summary(rd, "SELECT", 6, 1);
	else
		add_summary_word(rd, t);
	if (!rd->verb && (rd->with_depth < 0 || (int)rd->depth == rd->with_depth)) {
		rd->verb = verb;
		rd->verb_depth = rd->depth;
		rd->op = t->id;
		rd->op_text = str_from(verb->mode == MODE_QUERY ? "SELECT" : verb->word);
		rd->stmt_class = (enum sql_class)verb->stmt_class;
		rd->kind = (enum sql_kind)verb->kind;
		rd->count_state =
			verb->kind == SQL_KIND_READ && t->id == KW_SELECT ? COUNT_FIRST : COUNT_NONE;
	}
	switch (verb->mode) {
	case MODE_TABLE:
		expect_table(f, t->id == KW_DELETE ? USE_DELETE : USE_TABLE, 0);
		break;
	case MODE_LIST:
		expect_table(f, USE_TABLE, 1);
		break;
	case MODE_OBJECT:
		f->expect = EXPECT_OBJECT;
		break;
	case MODE_TARGET:
		f->expect = EXPECT_TARGET;
		break;
	case MODE_PREFIX:
		f->start = 1;
		break;
	default:
		break;
	}
	if (t->id == KW_FROM) {
		f->stmt = KW_SELECT;
		expect_table(f, USE_FROM, 1);
	}
}

static int is_query(uint8_t stmt)
{
	return stmt == KW_SELECT || stmt == KW_UPDATE || stmt == KW_DELETE || stmt == KW_INSERT ||
	       stmt == KW_MERGE || stmt == KW_REPLACE;
}

/* A word where a table is expected. Returns READ_TABLE when it is (part of) a name. */
static int read_table(struct sql_reader *rd, struct reader_frame *f, const struct sql_token *t, char next)
{
	int more = sql_byte_is(next, BYTE_START | BYTE_DIGIT) || (next && strchr("\"`[", next));

	switch (t->id) {
	case KW_VALUES:
	case KW_OUTFILE:
	case KW_DEFAULT:
	case KW_SET:
		if (t->id == KW_SET && f->stmt == KW_SELECT)
			break;
		f->expect = EXPECT_NOTHING;
		f->from_list = 0;
		return 0;
	case KW_FROM:
		if (f->stmt != KW_DELETE)
			break;
		expect_table(f, USE_TABLE, 1);
		return 0;
	case KW_INTO:
	case KW_ONLY:
	case KW_LATERAL:
		return 0;
	case KW_INSERT:
	case KW_UPDATE:
	case KW_DELETE:
	case KW_TO:
		/* CREATE RULE … ON UPDATE TO t */
		if (rd->op != KW_CREATE || f->stmt != KW_CREATE)
			break;
		return 0;
	case KW_IF:
	case KW_NOT:
	case KW_EXISTS:
	case KW_OR:
	case KW_TABLE:
	case KW_VIEW:
	case KW_MODIFIER:
	case KW_OBJECT:
	case KW_FULL:
	case KW_ANALYZE:
	case KW_DATA:
	case KW_INDEX:
		if (f->stmt == KW_SELECT || !more)
			break;
		if (t->id == KW_TABLE || (t->id == KW_OBJECT && word_is(t, "TABLES")))
			if (!is_query(f->stmt))
				add_summary_word(rd, t);
		return 0;
	default:
		if (rd->last_id == KW_OR && more)
			return 0;
		break;
	}
	begin_name(rd, t, f->use);
	f->expect = is_query(f->stmt) ? EXPECT_ALIAS : EXPECT_NOTHING;
	return t->kind == TOK_STRING ? 0 : READ_TABLE;
}

/* A word between a DDL verb and the name of its object: as good as a part of the verb, if known. */
static int read_object(struct sql_reader *rd, struct reader_frame *f, const struct sql_token *t)
{
	switch (t->id) {
	case KW_MODIFIER:
	case KW_OR:
	case KW_REPLACE:
	case KW_ON:
	case KW_RECURSIVE:
		return READ_VERB;
	case KW_TABLE:
	case KW_VIEW:
		rd->object = t->id;
		add_summary_word(rd, t);
		expect_table(f, USE_TABLE, rd->op == KW_DROP || rd->op == KW_OTHER);
		return READ_VERB;
	case KW_NONE:
	case KW_OTHER:
		/* GRANT … ON t */
		if (rd->op == KW_GRANT && rd->last_id == KW_ON) {
			begin_name(rd, t, USE_TABLE);
			f->expect = EXPECT_NOTHING;
			return READ_TABLE;
		}
		f->expect = EXPECT_NOTHING;
		return 0;
	default:
		rd->object = t->id;
		rd->routine = rd->op == KW_CREATE && (t->id == KW_FUNCTION || t->id == KW_PROCEDURE ||
						      t->id == KW_TRIGGER || t->id == KW_EVENT);
		add_summary_word(rd, t);
		f->expect = EXPECT_TARGET;
		return READ_VERB;
	}
}

/* BEGIN … END and what nests in it, in the body of a routine. */
static void read_block(struct sql_reader *rd, struct reader_frame *f, uint8_t id)
{
	int closes = rd->last_id == KW_END;

	switch (id) {
	case KW_BEGIN:
		rd->block += rd->block < 255;
		f->start = 1;
		break;
	case KW_CASE:
		rd->block += rd->block && !closes && rd->block < 255;
		break;
	case KW_IF:
	case KW_LOOP:
		/* END IF closes what was not counted. */
		rd->block += closes && rd->block < 255;
		break;
	case KW_END:
		rd->block -= rd->block > 0;
		break;
	case KW_THEN:
	case KW_ELSE:
	case KW_DO:
		f->start = rd->block > 0;
		break;
	}
}

/* Words that begin a clause. */
static void read_clause(struct sql_reader *rd, struct reader_frame *f, const struct sql_token *t, char next)
{
	switch (t->id) {
	case KW_FROM:
		if (is_query(f->stmt) && rd->last_id != KW_DISTINCT)
			expect_table(f, f->stmt == KW_DELETE ? USE_TABLE : USE_FROM, 1);
		break;
	case KW_JOIN:
	case KW_STRAIGHT_JOIN:
		if (f->from_list)
			expect_table(f, USE_FROM, 1);
		break;
	case KW_USING:
		if (f->stmt == KW_MERGE)
			expect_table(f, USE_FROM, 0);
		else if (f->stmt == KW_DELETE && next != '(')
			expect_table(f, USE_FROM, 1);
		break;
	case KW_INTO:
		if (f->stmt == KW_LOAD || (f->stmt == KW_SELECT && rd->rules->select_into))
			expect_table(f, USE_TABLE, 0);
		break;
	case KW_AS:
		if (f->expect == EXPECT_ALIAS)
			f->expect = EXPECT_WORD;
		else if (!is_query(f->stmt))
			f->start = 1;
		break;
	case KW_ON:
		if ((rd->object == KW_INDEX || rd->object == KW_TRIGGER || rd->object == KW_OBJECT) &&
		    !rd->depth && !rd->block && rd->op != KW_GRANT && rd->op != KW_COMMENT) {
			expect_table(f, USE_TABLE, 0);
			rd->object = KW_TABLE;
		} else if (rd->op == KW_GRANT || rd->op == KW_COMMENT) {
			f->expect = EXPECT_OBJECT;
		}
		break;
	case KW_LIKE:
		if (rd->op != KW_CREATE || rd->object != KW_TABLE || is_query(f->stmt))
			break;
		expect_table(f, USE_TABLE, 0);
		break;
	case KW_REFERENCES:
		if (rd->op == KW_CREATE || rd->op == KW_ALTER)
			expect_table(f, USE_TABLE, 0);
		break;
	case KW_UNION:
	case KW_INTERSECT:
	case KW_EXCEPT:
	case KW_MINUS:
		f->start = 1;
		f->from_list = 0;
		f->expect = EXPECT_NOTHING;
		break;
	case KW_WHERE:
	case KW_GROUP:
	case KW_HAVING:
	case KW_ORDER:
	case KW_LIMIT:
	case KW_OFFSET:
	case KW_SET:
	case KW_VALUES:
	case KW_RETURNING:
	case KW_FOR:
		f->from_list = 0;
		f->expect = EXPECT_NOTHING;
		break;
	default:
		if (f->expect == EXPECT_ALIAS && t->id == KW_NONE)
			f->expect = EXPECT_NOTHING;
		break;
	}
}

/* The second word decides what BEGIN, START, PREPARE, ROLLBACK … mean. */
static void read_second(struct sql_reader *rd, struct reader_frame *f, const struct sql_token *t)
{
	static const char *const modes[] = {"WORK",	 "TRAN",       "DEFERRED",  "IMMEDIATE",
					    "EXCLUSIVE", "CONCURRENT", "ISOLATION", "READ",
					    "NOT",	 "DEFERRABLE", NULL};

	rd->second = 1;
	if (rd->kind == SQL_KIND_BEGIN && t->id != KW_TRANSACTION && t->kind != TOK_SEMICOLON) {
		for (const char *const *mode = modes; *mode; mode++)
			if (t->kind == TOK_WORD && word_is(t, *mode))
				return;
		rd->stmt_class = SQL_CLASS_QUERY;
		rd->kind = SQL_KIND_OTHER;
		rd->block = 1;
		f->start = 1;
	} else if (rd->op == KW_START && t->id == KW_TRANSACTION) {
		rd->stmt_class = SQL_CLASS_CONTROL;
		rd->kind = SQL_KIND_BEGIN;
	} else if (rd->op == KW_PREPARE && t->id == KW_TRANSACTION) {
		rd->kind = SQL_KIND_COMMIT;
	}
}

/* A SELECT whose list is one COUNT(…) or EXISTS(…). */
static void read_count(struct sql_reader *rd, const struct sql_token *t, char next)
{
	if (rd->depth != rd->verb_depth + (rd->count_state == COUNT_OPEN))
		return;
	switch (rd->count_state) {
	case COUNT_FIRST:
		rd->count_state =
			(t->id == KW_COUNT || t->id == KW_EXISTS) && next == '(' ? COUNT_OPEN : COUNT_NONE;
		break;
	case COUNT_OPEN:
		if (t->kind == TOK_RPAREN)
			rd->count_state = COUNT_CLOSED;
		break;
	case COUNT_CLOSED:
		if (t->id == KW_FROM || t->kind == TOK_RPAREN || t->kind == TOK_END ||
		    t->kind == TOK_SEMICOLON) {
			rd->kind = SQL_KIND_COUNT;
			rd->count_state = COUNT_NONE;
		} else if (t->kind != TOK_WORD && t->kind != TOK_QUOTED && t->kind != TOK_CAST) {
			rd->count_state = COUNT_NONE;
		}
		break;
	}
}

/* Words behind PASSWORD that are none. */
static int is_password_option(const struct sql_token *t)
{
	static const char *const options[] = {"EXPIRE", "HISTORY",  "REUSE",	"REQUIRE",  "NULL",
					      "FOR",	"DEFAULT",  "OPTIONAL", "LIFETIME", "LOCK",
					      "UNLOCK", "INTERVAL", "NEVER",	NULL};

	for (const char *const *option = options; *option; option++)
		if (word_is(t, *option))
			return 1;
	return 0;
}

/* Unquoted credentials: IDENTIFIED BY x, PASSWORD x, PRAGMA key = x, ATTACH … KEY x. 1 when this word is one.
 */
static int read_secret(struct sql_reader *rd, const struct sql_token *t, char next)
{
	int utility = !rd->verb || (!is_query(rd->op) && rd->object != KW_TABLE && rd->object != KW_VIEW &&
				    rd->object != KW_INDEX && !rd->routine);

	if (rd->secret) {
		if (t->kind == TOK_OP || t->kind == TOK_LPAREN || t->id == KW_PASSWORD || t->id == KW_VALUES)
			return 0;
		rd->secret = 0;
		rd->in_secret = (t->kind == TOK_WORD || t->kind == TOK_QUOTED) &&
				(!t->flags || t->flags & WORD_OPERAND) && !is_password_option(t);
		return rd->in_secret;
	}
	if (t->kind != TOK_WORD || !utility)
		return 0;
	rd->secret = (t->id == KW_PASSWORD && !rd->depth && next != '(') ||
		     (t->id == KW_BY && rd->last_id == KW_IDENTIFIED) || (t->id == KW_BY && rd->identified) ||
		     (t->id == KW_KEY && rd->verb && rd->verb->keyed);
	if (rd->verb && rd->verb->keyed)
		rd->secret |= word_is(t, "REKEY") || word_is(t, "HEXKEY") || word_is(t, "HEXREKEY") ||
			      word_is(t, "TEXTKEY");
	rd->identified |= t->id == KW_IDENTIFIED;
	return 0;
}

static int read_name(struct sql_reader *rd, struct reader_frame *f, const struct sql_token *t, char next)
{
	const struct reader_verb *verb;
	int may_start = f->start && t->kind == TOK_WORD;

	if (f->expect == EXPECT_WORD) {
		f->expect = EXPECT_NOTHING;
		return 0;
	}
	if (f->expect == EXPECT_CTE) {
		if (t->id == KW_RECURSIVE) {
			rd->recursive = 1;
			return 0;
		}
		begin_name(rd, t, USE_NONE);
		f->cte_hash = sql_fingerprint_of(rd->names + rd->names_len + 1, write_name(rd));
		f->cte_pending = 1;
		f->expect = EXPECT_NOTHING;
		if (rd->recursive)
			add_cte(rd, f->cte_hash);
		return 0;
	}
	if (t->kind == TOK_WORD && (may_start || t->id == KW_SELECT) &&
	    !(rd->last_id == KW_FOR && rd->op == KW_CREATE) && rd->op != KW_GRANT &&
	    (!may_start || !(t->id == KW_REPLACE && next == '(')) &&
	    !(t->id == KW_SELECT && f->expect == EXPECT_TABLE && !f->start)) {
		verb = verb_of(t);
		if (verb && (t->id || next != '.') && (verb->inner || (!rd->verb && !rd->depth))) {
			start_verb(rd, t, verb);
			return READ_VERB;
		}
	}
	switch (f->expect) {
	case EXPECT_TABLE:
		return read_table(rd, f, t, next);
	case EXPECT_OBJECT:
		if (t->kind == TOK_WORD)
			return read_object(rd, f, t);
		f->expect = EXPECT_NOTHING;
		return 0;
	case EXPECT_TARGET:
		if (t->id == KW_IF || t->id == KW_NOT || t->id == KW_EXISTS || t->id == KW_MODIFIER)
			return 0;
		f->expect = EXPECT_NOTHING;
		if (t->id == KW_ON || t->kind == TOK_STRING)
			break;
		begin_name(rd, t, USE_TARGET);
		return READ_TABLE;
	default:
		break;
	}
	if (t->kind == TOK_WORD) {
		if (rd->routine || rd->block)
			read_block(rd, f, t->id);
		read_clause(rd, f, t, next);
		if (rd->kind == SQL_KIND_ROLLBACK && t->id == KW_TO)
			rd->kind = SQL_KIND_SAVEPOINT;
	} else if (f->expect == EXPECT_ALIAS) {
		f->expect = EXPECT_NOTHING;
	}
	return 0;
}

/* Whether a statement may still start behind this token. */
static int keeps_start(const struct sql_reader *rd, const struct sql_token *t)
{
	if (t->kind == TOK_HINT || t->kind == TOK_HINT_END || t->kind == TOK_LPAREN || t->kind == TOK_RPAREN)
		return 1;
	if (rd->verb && rd->verb->mode == MODE_PREFIX && !rd->depth)
		return 1;
	return t->id == KW_ALL || t->id == KW_DISTINCT || rd->block;
}

int sql_reader_read(struct sql_reader *rd, const struct sql_token *t, char next)
{
	struct reader_frame *f = frame_of(rd);
	int read = 0, start = f->start;

	if (rd->stmt_class == SQL_CLASS_EMPTY)
		rd->stmt_class = SQL_CLASS_QUERY;
	if (rd->verb && !rd->second)
		read_second(rd, f, t);
	if (rd->count_state)
		read_count(rd, t, next);
	if (rd->name_use != USE_NONE) {
		if (continue_name(rd, t)) {
			read = t->kind == TOK_DOT || t->kind == TOK_STRING ? 0 : READ_TABLE;
			goto out;
		}
		end_name(rd, t);
	}
	if (rd->in_secret) {
		/* What sticks to an unquoted password belongs to it. */
		rd->in_secret = t->glued &&
				!(1U << t->kind & (1U << TOK_COMMA | 1U << TOK_RPAREN | 1U << TOK_SEMICOLON));
		if (rd->in_secret) {
			read = READ_SECRET | READ_MORE;
			goto out;
		}
	}
	if ((rd->secret || t->kind == TOK_WORD) && read_secret(rd, t, next)) {
		read = READ_SECRET;
		goto out;
	}
	switch (t->kind) {
	case TOK_LPAREN:
		push_frame(rd);
		goto out;
	case TOK_RPAREN:
		pop_frame(rd);
		goto out;
	case TOK_COMMA:
		if (f->with && !f->cte_pending)
			f->expect = EXPECT_CTE;
		else if (f->from_list)
			f->expect = EXPECT_TABLE;
		break;
	case TOK_SEMICOLON:
		f->expect = EXPECT_NOTHING;
		f->from_list = 0;
		f->stmt = KW_NONE;
		f->start = 1;
		goto out;
	case TOK_WORD:
	case TOK_QUOTED:
		read = read_name(rd, f, t, next);
		break;
	case TOK_OP:
		if (rd->verb && *t->ptr == '=' && rd->verb->keyed)
			rd->stmt_class = SQL_CLASS_CONTROL;
		if (f->expect != EXPECT_OBJECT)
			f->expect = EXPECT_NOTHING;
		break;
	case TOK_STRING:
		if (is_name(t) && f->expect == EXPECT_TABLE) {
			read = read_name(rd, f, t, next);
			break;
		}
		/* fall through */
	case TOK_NUMBER:
	case TOK_PARAM:
		/* A value in a table's place takes it as a name would. */
		if (f->expect == EXPECT_TABLE) {
			begin_name(rd, t, USE_NOWHERE);
			f->expect = is_query(f->stmt) ? EXPECT_ALIAS : EXPECT_NOTHING;
			break;
		}
		f->expect = EXPECT_NOTHING;
		break;
	case TOK_HINT:
	case TOK_HINT_END:
		break;
	default:
		f->expect = EXPECT_NOTHING;
		break;
	}
	/* Once used, or once another token came first, the place for a statement is gone. */
	if (start && f->start && !keeps_start(rd, t))
		f->start = 0;
out:
	rd->last_id = t->id;
	f = frame_of(rd);
	rd->idle = rd->verb && !rd->verb->keyed && rd->second &&
		   !(f->expect | f->start | rd->name_use | rd->secret | rd->in_secret | rd->count_state);
	return read;
}

void sql_reader_finish(struct sql_reader *rd)
{
	static const struct sql_token end = {.kind = TOK_END};

	if (rd->count_state)
		read_count(rd, &end, 0);
	if (rd->name_use != USE_NONE)
		end_name(rd, &end);
	if (!rd->verb && rd->with_depth >= 0)
		rd->op_text = STR("WITH");
}
