/* SPDX-License-Identifier: BSD-2-Clause */
/* Programs for the tests of detectors: statements by name, and the table of what must be found in each. */
#ifndef TESTS_UNIT_PROGRAM_H
#define TESTS_UNIT_PROGRAM_H

#include "stream.h"

#define READ   "SELECT * FROM users WHERE id = ?"
#define ITEMS  "SELECT * FROM items WHERE user_id = ?"
#define PRICE  "SELECT price FROM prices WHERE item = ?"
#define LIST   "SELECT id FROM users LIMIT ?"
#define UPDATE "UPDATE items SET n = ? WHERE id = ?"
#define INSERT "INSERT INTO log VALUES (?)"
#define REPORT "SELECT * FROM report WHERE day = ?"
#define PAGE   "GET page:?"
#define MINUTE (60 * SECOND)
#define MB     1024

struct program {
	struct stream s;
	uint64_t read, items, price, list, update, insert, report, page, begin, commit, rollback;
	uint64_t id;
};

static inline void texts(struct program *p)
{
	struct stream *s = &p->s;

	p->read = stream_text(s, READ, SQL_KIND_READ, 0);
	p->items = stream_text(s, ITEMS, SQL_KIND_READ, 0);
	p->price = stream_text(s, PRICE, SQL_KIND_READ, 0);
	p->list = stream_text(s, LIST, SQL_KIND_READ, 0);
	p->update = stream_text(s, UPDATE, SQL_KIND_UPDATE, 0);
	p->insert = stream_text(s, INSERT, SQL_KIND_INSERT, 0);
	p->report = stream_text(s, REPORT, SQL_KIND_READ, 0);
	p->page = stream_text(s, PAGE, SQL_KIND_READ, 0);
	p->begin = stream_text(s, "BEGIN", SQL_KIND_BEGIN, 0);
	p->commit = stream_text(s, "COMMIT", SQL_KIND_COMMIT, 0);
	p->rollback = stream_text(s, "ROLLBACK", SQL_KIND_ROLLBACK, 0);
}

static inline void one(struct program *p, uint64_t text, uint64_t rows)
{
	stream_run(&p->s, text, MS / 5, rows, ++p->id * 2654435761u);
}

static inline void same(struct program *p, uint64_t text, uint64_t rows)
{
	stream_run(&p->s, text, MS / 5, rows, 77);
}

static inline void took(struct program *p, uint64_t text, uint64_t ns)
{
	stream_run(&p->s, text, ns, 1, ++p->id * 2654435761u);
}

static inline void pause_for(struct program *p, uint64_t ns)
{
	p->s.now += ns;
}

/* Executes a statement that fails after `ns`. */
static inline void fails_after(struct program *p, uint64_t text, const char *code, uint64_t params,
			       uint64_t ns)
{
	struct apm_ev_stmt ev = stream_stmt(&p->s, text, ns, 0);
	struct record rec = {
		.error = {.system = APM_SYSTEM_POSTGRESQL, .code = str_from(code), .message = STR("no")}};
	struct apm_hdr hdr = stream_hdr(&p->s, REC_ERROR);

	hdr.stmt_seq = ev.hdr.stmt_seq;
	stream_feed(&p->s, &rec, hdr);
	ev.hdr.flags |= APM_STMT_ERROR;
	ev.param_hash = params;
	ev.param_count = 1;
	stream_send(&p->s, ev);
	p->s.now += p->s.app_ns;
}

static inline void fails(struct program *p, uint64_t text, const char *code, uint64_t params)
{
	fails_after(p, text, code, params, MS / 5);
}

static inline void times(struct program *p, int count, void (*fn)(struct program *p))
{
	while (count-- > 0)
		fn(p);
}

static inline void transaction_that_works(struct program *p)
{
	same(p, p->begin, 0);
	one(p, p->insert, 1);
	same(p, p->commit, 0);
}

struct row {
	const char *detector;
	void (*program)(struct program *p);
	int found; /* findings of the detector */
};

static inline void test_row(void **state)
{
	const struct row *row = *state;
	const struct analysis_options opt = {.memory_kb = 512 * MB};
	struct program p = {0};
	const struct report *r;
	int found = 0;
	size_t i;

	stream_open(&p.s, &opt);
	texts(&p);
	row->program(&p);
	r = stream_report(&p.s);
	assert_non_null(r);
	for (i = 0; i < r->findings.count; i++) {
		const struct report_finding *f = &r->findings.item[i];

		assert_non_null(f->title);
		assert_non_null(f->evidence);
		assert_true(f->saved_ns <= f->total_ns);
		found += strcmp(f->detector, row->detector) == 0;
	}
	assert_int_equal(found, row->found);
	assert_int_equal(r->memory_warnings.count,
			 strcmp(row->detector, "memory_growth") == 0 ? row->found : 0);
	stream_close(&p.s);
}

#define ROWS_MAX 64

/* A test for each row, then the `more` of them that look at something else. */
static inline int run_rows(const struct row *rows, size_t count, const struct CMUnitTest *more,
			   size_t more_count)
{
	static struct CMUnitTest tests[ROWS_MAX + 8];
	static char names[ROWS_MAX][96];
	size_t i;

	for (i = 0; i < count && i < ROWS_MAX; i++) {
		snprintf(names[i], sizeof(names[i]), "%s, row %zu: %d", rows[i].detector, i, rows[i].found);
		tests[i] = (struct CMUnitTest){
			.name = names[i], .test_func = test_row, .initial_state = (void *)&rows[i]};
	}
	for (i = 0; i < more_count; i++)
		tests[count + i] = more[i];
	return _cmocka_run_group_tests("detectors", tests, count + more_count, NULL, NULL);
}

#endif
