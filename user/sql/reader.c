/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads what a statement does to which tables from its tokens, one after another: a state per bracket level,
 * no tree. The summary follows OpenTelemetry's rules for db.query.summary.
 */
#include "sql/internal.h"

#include <stddef.h>
#include <string.h>

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

static void push_frame(struct sql_reader *rd)
{
	struct reader_frame *parent = frame_of(rd), *f;
	int expected = parent->expect == EXPECT_TABLE && !rd->top;
	int tables = expected && parent->from_list && sql_is_query(parent->stmt);
	int body =
		parent->with && parent->cte_pending && (rd->last_id == KW_AS || rd->last_id == KW_MODIFIER);

	/* VACUUM (options) t, UPDATE TOP (5) t: the table is still to come. */
	if (tables)
		parent->expect = EXPECT_ALIAS;
	else if (expected && !parent->from_list)
		parent->expect = EXPECT_NOTHING;
	rd->top = 0;
	rd->depth++;
	if (rd->depth >= READER_DEPTH)
		return;
	f = frame_of(rd);
	memset(f, 0, sizeof(*f));
	f->start = 1;
	f->body = (uint8_t)body;
	if (tables) {
		f->stmt = KW_SELECT;
		sql_expect_table(f, USE_FROM, TABLES_LIST);
	}
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
			sql_cte_add(rd, f->cte_hash);
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
		sql_summary_add(rd, "SELECT", 6, 1);
	else
		sql_summary_add_word(rd, t);
	if (!rd->verb && (rd->with_depth < 0 || (int)rd->depth == rd->with_depth)) {
		rd->verb = verb;
		rd->verb_depth = rd->depth;
		rd->op = t->id;
		rd->op_text = str_from(verb->mode == MODE_QUERY ? "SELECT" : verb->word);
		rd->stmt_class = (enum sql_class)verb->stmt_class;
		rd->kind = (enum sql_kind)verb->kind;
		rd->autocommit = t->id == KW_SET;
		rd->count_state =
			verb->kind == SQL_KIND_READ && t->id == KW_SELECT ? COUNT_FIRST : COUNT_NONE;
	}
	switch (verb->mode) {
	case MODE_TABLE:
		sql_expect_table(f, t->id == KW_DELETE ? USE_DELETE : USE_TABLE, TABLES_NONE);
		break;
	case MODE_LIST:
		sql_expect_table(f, USE_TABLE, TABLES_LIST);
		/* MariaDB: ANALYZE SELECT … */
		f->start = t->id == KW_ANALYZE;
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
		sql_expect_table(f, USE_FROM, TABLES_LIST);
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

/* Words behind which a statement that is no query names another table. */
static void read_utility_clause(struct sql_reader *rd, struct reader_frame *f, const struct sql_token *t)
{
	switch (t->id) {
	case KW_TABLE:
		/* ANALYZE NO_WRITE_TO_BINLOG TABLE … */
		if (rd->verb && rd->verb->mode == MODE_LIST && !rd->depth && !rd->name_count) {
			sql_summary_add_word(rd, t);
			sql_expect_table(f, USE_TABLE, TABLES_LIST);
		}
		break;
	case KW_ON:
		if ((rd->object == KW_INDEX || rd->object == KW_TRIGGER || rd->object == KW_OBJECT) &&
		    !rd->depth && !rd->block && rd->op != KW_GRANT && rd->op != KW_COMMENT) {
			sql_expect_table(f, USE_QUIET, TABLES_NONE);
			rd->object = KW_TABLE;
		} else if (rd->op == KW_GRANT || rd->op == KW_COMMENT) {
			f->expect = EXPECT_OBJECT;
		}
		break;
	case KW_LIKE:
		if (rd->op == KW_CREATE && rd->object == KW_TABLE && !sql_is_query(f->stmt))
			sql_expect_table(f, USE_QUIET, TABLES_NONE);
		break;
	case KW_REFERENCES:
		if (rd->op == KW_CREATE || rd->op == KW_ALTER)
			sql_expect_table(f, USE_QUIET, TABLES_NONE);
		break;
	default:
		break;
	}
}

/* Words that begin a clause. */
static void read_clause(struct sql_reader *rd, struct reader_frame *f, const struct sql_token *t, char next)
{
	switch (t->id) {
	case KW_FROM:
		if (rd->last_id == KW_ROWS && f->from_list)
			break;
		if (sql_is_query(f->stmt) && rd->last_id != KW_DISTINCT)
			sql_expect_table(f, f->stmt == KW_DELETE ? USE_TABLE : USE_FROM, TABLES_LIST);
		break;
	case KW_JOIN:
	case KW_STRAIGHT_JOIN:
		if (f->from_list)
			sql_expect_table(f, USE_FROM, TABLES_JOINED);
		break;
	case KW_USING:
		if (f->stmt == KW_MERGE)
			sql_expect_table(f, USE_FROM, TABLES_NONE);
		else if (f->stmt == KW_DELETE && (next != '(' || f->from_list != TABLES_JOINED))
			sql_expect_table(f, USE_FROM, TABLES_LIST);
		break;
	case KW_INTO:
		if (f->stmt == KW_LOAD || (f->stmt == KW_SELECT && rd->rules->select_into))
			sql_expect_table(f, USE_TABLE, TABLES_NONE);
		break;
	case KW_AS:
		if (f->expect == EXPECT_ALIAS)
			f->expect = EXPECT_WORD;
		else if (!sql_is_query(f->stmt))
			f->start = 1;
		break;
	case KW_UNION:
	case KW_INTERSECT:
	case KW_EXCEPT:
	case KW_MINUS:
		f->start = 1;
		f->from_list = 0;
		f->expect = EXPECT_NOTHING;
		break;
	case KW_VALUES:
		/* A column may be called value. */
		if (f->from_list)
			break;
		/* fall through */
	case KW_WHERE:
	case KW_GROUP:
	case KW_HAVING:
	case KW_ORDER:
	case KW_LIMIT:
	case KW_OFFSET:
	case KW_SET:
	case KW_RETURNING:
	case KW_FOR:
		f->from_list = 0;
		f->expect = EXPECT_NOTHING;
		break;
	default:
		if (f->expect == EXPECT_ALIAS && t->id == KW_NONE)
			f->expect = EXPECT_NOTHING;
		else
			read_utility_clause(rd, f, t);
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
			if (t->kind == TOK_WORD && sql_token_is(t, *mode))
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

/* Whether a statement may begin with the word here. */
static int may_begin(const struct sql_reader *rd, const struct reader_frame *f, const struct sql_token *t,
		     char next)
{
	if (t->kind != TOK_WORD || (rd->last_id == KW_FOR && rd->op == KW_CREATE) || rd->op == KW_GRANT)
		return 0;
	switch (t->id) {
	case KW_SELECT:
		return f->start || f->expect != EXPECT_TABLE;
	case KW_REPLACE:
		return f->start && next != '(';
	case KW_TABLE:
		/* PL/SQL: TYPE t IS TABLE OF u */
		return sql_starts_name(next) && rd->op != KW_ANALYZE && rd->last_id != KW_IS &&
		       (f->start || (f->stmt == KW_INSERT && f->expect != EXPECT_TABLE));
	default:
		return f->start;
	}
}

static int read_name(struct sql_reader *rd, struct reader_frame *f, const struct sql_token *t, char next)
{
	const struct reader_verb *verb;

	if (f->expect == EXPECT_WORD) {
		f->expect = EXPECT_NOTHING;
		return 0;
	}
	if (f->expect == EXPECT_CTE) {
		if (t->id == KW_RECURSIVE) {
			rd->recursive = 1;
			return 0;
		}
		sql_name_begin(rd, t, USE_NONE);
		f->cte_hash = sql_fingerprint_of(rd->names + rd->names_len + 1, sql_name_write(rd));
		f->cte_pending = 1;
		f->expect = EXPECT_NOTHING;
		if (rd->recursive)
			sql_cte_add(rd, f->cte_hash);
		return 0;
	}
	if (may_begin(rd, f, t, next)) {
		verb = sql_verb_find(t);
		if (verb && (t->id || next != '.') && (verb->inner || (!rd->verb && !rd->depth))) {
			start_verb(rd, t, verb);
			return READ_VERB;
		}
	}
	switch (f->expect) {
	case EXPECT_TABLE:
		return sql_read_table(rd, f, t, next);
	case EXPECT_OBJECT:
		if (t->kind == TOK_WORD)
			return sql_read_object(rd, f, t, next);
		f->expect = EXPECT_NOTHING;
		return 0;
	case EXPECT_OPTION:
		f->expect = EXPECT_OBJECT;
		return 0;
	case EXPECT_TARGET:
		if (t->id == KW_IF || t->id == KW_NOT || t->id == KW_EXISTS || t->id == KW_MODIFIER ||
		    t->id == KW_MANNER)
			return 0;
		f->expect = EXPECT_NOTHING;
		if (t->id == KW_ON || t->kind == TOK_STRING)
			break;
		sql_name_begin(rd, t, USE_TARGET);
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
	if (t->kind == TOK_LPAREN || t->kind == TOK_RPAREN)
		return 1;
	if (rd->verb && !rd->depth && (rd->verb->mode == MODE_PREFIX || rd->op == KW_ANALYZE))
		return t->id != KW_TABLE;
	return t->id == KW_ALL || t->id == KW_DISTINCT || rd->block;
}

/* A token that is no part of a pending name or password. */
static int read_token(struct sql_reader *rd, struct reader_frame *f, const struct sql_token *t, char next)
{
	int read = 0, start = f->start;

	switch (t->kind) {
	case TOK_LPAREN:
		push_frame(rd);
		return 0;
	case TOK_RPAREN:
		pop_frame(rd);
		return 0;
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
		return 0;
	case TOK_WORD:
	case TOK_QUOTED:
		read = read_name(rd, f, t, next);
		break;
	case TOK_OP:
		if (rd->verb && *t->ptr == '=' && rd->verb->keyed)
			rd->stmt_class = SQL_CLASS_CONTROL;
		/* DEFINER = `u`@`h` */
		f->expect = f->expect == EXPECT_OBJECT ? EXPECT_OPTION : EXPECT_NOTHING;
		break;
	case TOK_VARIABLE:
		if (f->expect != EXPECT_OBJECT)
			f->expect = EXPECT_NOTHING;
		break;
	case TOK_STRING:
		if (sql_token_is_name(t) && f->expect == EXPECT_TABLE) {
			read = read_name(rd, f, t, next);
			break;
		}
		/* fall through */
	case TOK_NUMBER:
	case TOK_PARAM:
		/* A value in a table's place takes it as a name would. */
		if (f->expect == EXPECT_TABLE) {
			sql_name_begin(rd, t, USE_NOWHERE);
			f->expect = sql_is_query(f->stmt) ? EXPECT_ALIAS : EXPECT_NOTHING;
			break;
		}
		f->expect = f->expect == EXPECT_OPTION ? EXPECT_OBJECT : EXPECT_NOTHING;
		break;
	default:
		f->expect = EXPECT_NOTHING;
		break;
	}
	/* Once used, or once another token came first, the place for a statement is gone. */
	if (start && f->start && !keeps_start(rd, t))
		f->start = 0;
	return read;
}

/* What sticks to an unquoted password belongs to it. */
static int is_more_secret(const struct sql_reader *rd, const struct sql_token *t)
{
	return rd->in_secret && t->glued && t->kind != TOK_COMMA && t->kind != TOK_RPAREN &&
	       t->kind != TOK_SEMICOLON;
}

int sql_reader_read(struct sql_reader *rd, const struct sql_token *t, char next)
{
	struct reader_frame *f = frame_of(rd);
	int read = 0;

	if (rd->in_hint || t->kind == TOK_HINT) {
		rd->in_hint = t->kind != TOK_HINT_END;
		return 0;
	}
	if (rd->stmt_class == SQL_CLASS_EMPTY)
		rd->stmt_class = SQL_CLASS_QUERY;
	if (rd->verb && !rd->second)
		read_second(rd, f, t);
	if (rd->autocommit)
		sql_read_autocommit(rd, t);
	if (rd->count_state)
		read_count(rd, t, next);
	if (rd->name_use != USE_NONE && sql_name_continue(rd, t)) {
		read = t->kind == TOK_DOT || t->kind == TOK_STRING ? 0 : READ_TABLE;
		goto out;
	}
	if (rd->name_use != USE_NONE)
		sql_name_end(rd, t);
	rd->in_secret = (uint8_t)is_more_secret(rd, t);
	if (rd->in_secret)
		read = READ_SECRET | READ_MORE;
	else if ((rd->secret || t->kind == TOK_WORD) && sql_reader_secret(rd, t, next))
		read = READ_SECRET;
	else
		read = read_token(rd, f, t, next);
out:
	rd->last_id = t->id;
	f = frame_of(rd);
	rd->idle = rd->verb && !rd->verb->keyed && rd->second &&
		   !(f->expect | f->start | rd->name_use | rd->secret | rd->in_secret | rd->count_state |
		     rd->autocommit);
	return read;
}

void sql_reader_finish(struct sql_reader *rd)
{
	static const struct sql_token end = {.kind = TOK_END};

	if (rd->count_state)
		read_count(rd, &end, 0);
	if (rd->name_use != USE_NONE)
		sql_name_end(rd, &end);
	if (!rd->verb && rd->with_depth >= 0)
		rd->op_text = STR("WITH");
}
