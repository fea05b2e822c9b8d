/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Advice that needs no plan: facts are read once from the normalised text, then each rule of the table looks
 * at them. The first rule that applies speaks.
 */
#include "sql/internal.h"

#include <string.h>

#define SLOW_NS	  (10 * 1000 * 1000ULL) /* below that, how a statement reads its rows is not worth a word */
#define MANY_ROWS 1000

struct facts {
	const struct sql_advice_input *in;
	uint8_t verb; /* enum sql_keyword */
	int where;
	int limit;
	int offset;
	int star;
	int join_or_group;
	int count_all;
	int random_order;
	int not_in_select;
	int sleeps;
	unsigned int from_tables;
	struct str table;
	struct str second_table;
	struct str order_column;
	struct str function; /* around a column that is compared in WHERE … */
	struct str column;   /* … and that column */
	struct str searched; /* column that is searched with LIKE in WHERE */
};

static int token_is(const struct sql_token *t, const char *lower)
{
	size_t len = strlen(lower);

	if (t->kind != TOK_WORD || t->len != len)
		return 0;
	for (size_t i = 0; i < len; i++)
		if (sql_upper(t->ptr[i]) != sql_upper(lower[i]))
			return 0;
	return 1;
}

static struct str text_of(const struct sql_token *t)
{
	return (struct str){t->ptr, t->len};
}

#define WINDOW 8

/* The last tokens read: at(0) is the newest. */
struct window {
	struct sql_token token[WINDOW];
	size_t count;
};

static const struct sql_token *at(const struct window *w, size_t back)
{
	static const struct sql_token none;

	return back < w->count && back < WINDOW ? &w->token[(w->count - 1 - back) % WINDOW] : &none;
}

/* column LIKE, or name(column) LIKE, at the end of the window. */
static void find_search(struct facts *f, const struct window *w)
{
	const struct sql_token *column = at(w, 1);

	if (f->searched.len || (!token_is(at(w, 0), "like") && !token_is(at(w, 0), "ilike")))
		return;
	if (token_is(column, "not"))
		column = at(w, 2);
	if (column->kind == TOK_RPAREN)
		column = column == at(w, 1) ? at(w, 2) : at(w, 3);
	if ((column->kind == TOK_WORD || column->kind == TOK_QUOTED) && !(column->flags & WORD_RESERVED))
		f->searched = text_of(column);
}

/* name(column) <comparison> at the end of the window; the column may be qualified. */
static void find_function(struct facts *f, const struct window *w)
{
	static const char *const functions[] = {
		"lower", "upper",  "date",	"trim",	   "ltrim", "rtrim", "year",	       "month",
		"day",	 "substr", "substring", "to_char", "left",  "right", "unix_timestamp", NULL};
	const struct sql_token *op = at(w, 0), *column = at(w, 2), *name;
	size_t open = 3;

	if (f->function.len || op->kind != TOK_OP || !strchr("=<>", *op->ptr) || at(w, 1)->kind != TOK_RPAREN)
		return;
	if ((column->kind != TOK_WORD && column->kind != TOK_QUOTED) || column->flags & WORD_RESERVED)
		return;
	if (at(w, open)->kind == TOK_DOT)
		open = 5;
	name = at(w, open + 1);
	if (at(w, open)->kind != TOK_LPAREN || name->kind != TOK_WORD)
		return;
	for (const char *const *function = functions; *function; function++) {
		if (token_is(name, *function)) {
			f->function = text_of(name);
			f->column = text_of(column);
		}
	}
}

static void read_outer(struct facts *f, const struct window *w, uint8_t *clause)
{
	const struct sql_token *t = at(w, 0), *before = at(w, 1);

	switch (t->id) {
	case KW_FROM:
	case KW_WHERE:
	case KW_ORDER:
	case KW_SET:
	case KW_HAVING:
	case KW_SELECT:
		*clause = t->id;
		f->where |= t->id == KW_WHERE;
		break;
	case KW_GROUP:
	case KW_UNION:
	case KW_JOIN:
		f->join_or_group = 1;
		*clause = t->id;
		break;
	case KW_LIMIT:
		f->limit = 1;
		*clause = t->id;
		break;
	case KW_OFFSET:
		f->offset = 1;
		break;
	default:
		break;
	}
	if (*clause == KW_LIMIT && t->kind == TOK_COMMA)
		f->offset = 1;
	if (*clause == KW_SELECT && t->kind == TOK_OP && *t->ptr == '*' && t->len == 1 &&
	    before->kind != TOK_PARAM)
		f->star = 1;
	if (*clause == KW_FROM && (before->id == KW_FROM || before->kind == TOK_COMMA) &&
	    (t->kind == TOK_WORD || t->kind == TOK_QUOTED)) {
		if (!f->from_tables)
			f->table = text_of(t);
		else if (f->from_tables == 1)
			f->second_table = text_of(t);
		f->from_tables++;
	}
	if (f->verb == KW_UPDATE && before->id == KW_UPDATE)
		f->table = text_of(t);
	if (*clause == KW_ORDER && before->id == KW_BY && (t->kind == TOK_WORD || t->kind == TOK_QUOTED))
		f->order_column = text_of(t);
	else if (*clause == KW_ORDER && before->kind == TOK_DOT && at(w, 3)->id == KW_BY)
		f->order_column = text_of(t);
}

/* PostgreSQL, "Delaying Execution"; MySQL, "Miscellaneous Functions". */
static int is_sleep(const struct sql_token *t, enum sql_dialect dialect)
{
	static const struct {
		enum sql_dialect dialect;
		const char *name;
	} functions[] = {
		{SQL_POSTGRESQL, "pg_sleep"},
		{SQL_POSTGRESQL, "pg_sleep_for"},
		{SQL_POSTGRESQL, "pg_sleep_until"},
		{SQL_MYSQL, "sleep"},
	};

	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++)
		if (functions[i].dialect == dialect && token_is(t, functions[i].name))
			return 1;
	return 0;
}

static void read_facts(struct facts *f, struct sql_lexer *lx)
{
	struct window w = {.count = 0};
	unsigned int depth = 0;
	uint8_t clause = KW_NONE, where = 0;

	for (;;) {
		struct sql_token *t = &w.token[w.count % WINDOW];

		sql_lexer_next(lx, t);
		if (t->kind == TOK_END)
			return;
		w.count++;
		if (w.count == 1)
			f->verb = t->id;
		if (t->id == KW_WHERE)
			where = 1;
		if (where) {
			find_function(f, &w);
			find_search(f, &w);
		}
		if (t->id == KW_SELECT && at(&w, 1)->kind == TOK_LPAREN && at(&w, 2)->id == KW_IN &&
		    at(&w, 3)->id == KW_NOT)
			f->not_in_select = 1;
		if (at(&w, 1)->id == KW_BY && (token_is(t, "random") || token_is(t, "rand")) &&
		    sql_lexer_peek(lx) == '(')
			f->random_order = 1;
		if (t->kind == TOK_WORD && sql_lexer_peek(lx) == '(' && is_sleep(t, f->in->dialect))
			f->sleeps = 1;
		if (clause == KW_SELECT && !depth && t->kind == TOK_LPAREN && token_is(at(&w, 1), "count") &&
		    at(&w, 2)->id == KW_SELECT && sql_lexer_peek(lx) == '*')
			f->count_all = 1;
		if (t->kind == TOK_RPAREN)
			depth -= depth > 0;
		if (!depth)
			read_outer(f, &w, &clause);
		if (t->kind == TOK_LPAREN)
			depth++;
	}
}

static void add(struct strbuf *out, struct str s)
{
	strbuf_add(out, s.ptr, s.len);
}

static int sleeps(const struct facts *f, struct strbuf *out)
{
	if (!f->sleeps)
		return 0;
	strbuf_adds(out, "It sleeps because it is told to: the time is that of the function it calls.");
	return 1;
}

static int every_row(const struct facts *f, struct strbuf *out)
{
	if ((f->verb != KW_UPDATE && f->verb != KW_DELETE) || f->where || f->limit || !f->table.len ||
	    f->from_tables > 1)
		return 0;
	strbuf_addf(out, "%s without WHERE touches every row of ",
		    f->verb == KW_UPDATE ? "UPDATE" : "DELETE");
	add(out, f->table);
	strbuf_adds(out, ". If that is meant, do it in batches by primary key, so that locks stay short.");
	return 1;
}

static int random_order(const struct facts *f, struct strbuf *out)
{
	if (!f->random_order)
		return 0;
	strbuf_adds(out, "ORDER BY a random number reads and sorts all rows. Pick random keys first, then "
			 "fetch those rows.");
	return 1;
}

static int no_join_condition(const struct facts *f, struct strbuf *out)
{
	if (f->verb != KW_SELECT || f->from_tables < 2 || f->where || f->join_or_group ||
	    !f->second_table.len)
		return 0;
	strbuf_adds(out, "FROM lists ");
	add(out, f->table);
	strbuf_adds(out, " and ");
	add(out, f->second_table);
	strbuf_adds(out, " with no condition between them: every row of one meets every row of the other. "
			 "Join them ON a key.");
	return 1;
}

static int text_search(const struct facts *f, struct strbuf *out)
{
	if (!f->searched.len || f->in->duration_ns < SLOW_NS)
		return 0;
	strbuf_adds(out, "LIKE on ");
	add(out, f->searched);
	strbuf_adds(out, " reads every row unless its pattern begins with fixed text and the plain column is "
			 "indexed. ");
	if (f->in->dialect == SQL_POSTGRESQL)
		strbuf_adds(out,
			    "To search inside the text use a trigram index (pg_trgm) or full-text search.");
	else if (f->in->dialect == SQL_MYSQL)
		strbuf_adds(out, "To search inside the text use a FULLTEXT index and MATCH … AGAINST.");
	else if (f->in->dialect == SQL_SQLITE)
		strbuf_adds(out, "To search inside the text use a full-text table (FTS5).");
	else
		strbuf_adds(out, "To search inside the text use full-text search.");
	return 1;
}

static int column_in_function(const struct facts *f, struct strbuf *out)
{
	if (!f->function.len || f->in->duration_ns < SLOW_NS)
		return 0;
	strbuf_adds(out, "WHERE compares ");
	add(out, f->function);
	strbuf_adds(out, "(");
	add(out, f->column);
	strbuf_adds(out, "), which a plain index on ");
	add(out, f->column);
	strbuf_adds(out, " cannot serve. ");
	strbuf_adds(out, f->in->dialect == SQL_MYSQL
				 ? "Compare the bare column with a range, or index a generated column."
				 : "Compare the bare column with a range, or index the expression.");
	return 1;
}

static int not_in_subquery(const struct facts *f, struct strbuf *out)
{
	if (!f->not_in_select || f->in->duration_ns < SLOW_NS)
		return 0;
	strbuf_adds(out, "NOT IN (SELECT …) finds nothing as soon as the inner query gives a NULL, and is "
			 "often run as a scan. "
			 "Write NOT EXISTS instead.");
	return 1;
}

static int deep_offset(const struct facts *f, struct strbuf *out)
{
	if (f->verb != KW_SELECT || !f->offset || f->in->duration_ns < SLOW_NS)
		return 0;
	strbuf_adds(out, "OFFSET reads and throws away all rows before the page. ");
	if (f->order_column.len) {
		strbuf_adds(out, "Remember the last ");
		add(out, f->order_column);
		strbuf_adds(out, " shown and continue with WHERE ");
		add(out, f->order_column);
		strbuf_adds(out, " beyond it.");
	} else {
		strbuf_adds(out, "Order by a key, and continue with WHERE behind the last one shown.");
	}
	return 1;
}

static int counts_everything(const struct facts *f, struct strbuf *out)
{
	if (!f->count_all || f->where || f->join_or_group || !f->table.len || f->in->duration_ns < SLOW_NS)
		return 0;
	strbuf_adds(out, "COUNT(*) without WHERE reads all of ");
	add(out, f->table);
	strbuf_adds(out, ". Keep a counter, or use the database's estimate where one will do.");
	return 1;
}

static int no_limit(const struct facts *f, struct strbuf *out)
{
	if (f->verb != KW_SELECT || f->limit || f->in->rows < MANY_ROWS || !f->table.len)
		return 0;
	strbuf_adds(out, "No LIMIT: one call returned ");
	strbuf_addf(out, "%llu rows of ", (unsigned long long)f->in->rows);
	add(out, f->table);
	strbuf_adds(out, ". Page it, or read it in batches");
	strbuf_adds(out, f->star ? "; and name the columns that are used instead of *." : ".");
	return 1;
}

static int (*const rules[])(const struct facts *f, struct strbuf *out) = {
	sleeps,		 every_row,   random_order,	 no_join_condition, text_search, column_in_function,
	not_in_subquery, deep_offset, counts_everything, no_limit,
};

int sql_advise(const struct sql_advice_input *in, struct strbuf *out)
{
	struct sql_options opt = {.dialect = in->dialect};
	struct facts facts = {.in = in};
	char unused[SQL_TAGS_MAX];
	struct sql_tags tags = {.buf = unused};
	struct sql_lexer lx;

	sql_lexer_init(&lx, in->normalized.ptr, in->normalized.len, &opt, &tags);
	read_facts(&facts, &lx);
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (rules[i](&facts, out))
			return 1;
	return 0;
}
