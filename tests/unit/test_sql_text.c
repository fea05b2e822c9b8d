/* SPDX-License-Identifier: BSD-2-Clause */
/* Redaction of error messages, and advice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "sql/sql.h"

static void test_redact(void **state)
{
	static const struct {
		const char *message;
		const char *want;
	} messages[] = {
		{"duplicate key value violates unique constraint \"users_email_key\"\nDETAIL:  Key "
		 "(email)=(a@b.c) already exists.",
		 "duplicate key value violates unique constraint \"users_email_key\"\nDETAIL:  Key "
		 "(email)=(?) already exists."},
		{"invalid input syntax for type integer: \"4111\"",
		 "invalid input syntax for type integer: \"?\""},
		{"column \"x\" of relation \"t\" does not exist",
		 "column \"x\" of relation \"t\" does not exist"},
		{"Failing row contains (1, bob (jr), 2).", "Failing row contains (?)."},
		{"unterminated quoted string at or near \"'secret\"",
		 "unterminated quoted string at or near \"?\""},
		{"syntax error\nLINE 1: select 'secret'\n   ^", "syntax error\nLINE ?\n   ^"},
		{"Duplicate entry 'O'Brien, x' for key 'users.email'",
		 "Duplicate entry '?' for key 'users.email'"},
		{"Unknown column 'a.b' in 'where clause'", "Unknown column 'a.b' in 'where clause'"},
		{"Table 'shop.orders' doesn't exist", "Table 'shop.orders' doesn't exist"},
		{"... near 'secret' and x' at line 1", "... near '?' at line 1"},
		{"Incorrect integer value: 'abc' for column 'n' at row 1",
		 "Incorrect integer value: '?' for column 'n' at row 1"},
		{"Access denied for user 'bob'@'10.0.0.1'", "Access denied for user '?'@'?'"},
		{"a foreign key constraint fails (`d`.`t`, CONSTRAINT `fk`)",
		 "a foreign key constraint fails (`d`.`t`, CONSTRAINT `fk`)"},
		{"UNIQUE constraint failed: users.email", "UNIQUE constraint failed: users.email"},
		{"unrecognized token: \"'secret\"", "unrecognized token: \"?\""},
		{"invalid byte sequence for encoding \"UTF8\": 0xff 0x41",
		 "invalid byte sequence for encoding \"UTF8\": ? ?"},
		{"value 'unclosed", "value '?'"},
	};
	struct strbuf out = {0};

	for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
		strbuf_reset(&out);
		sql_redact_message(&out, str_from(messages[i].message), 1000);
		assert_string_equal(out.ptr, messages[i].want);
	}
	strbuf_reset(&out);
	sql_redact_message(&out, STR("no such table: users"), 7);
	assert_string_equal(out.ptr, "no such");
	strbuf_free(&out);
}

static void test_advice(void **state)
{
	static const struct {
		const char *normalized;
		uint64_t rows;
		uint64_t ms;
		const char *part; /* NULL: no advice */
	} cases[] = {
		{"DELETE FROM sessions", 5, 1, "every row of sessions"},
		{"DELETE FROM sessions WHERE id = ?", 5, 1, NULL},
		{"UPDATE users SET a = ?", 5, 1, "every row of users"},
		{"UPDATE users SET a = ? WHERE id = ?", 5, 1, NULL},
		{"SELECT * FROM a, b", 5, 1, "a and b"},
		{"SELECT * FROM a, b WHERE a.x = b.x", 5, 1, NULL},
		{"SELECT id FROM a ORDER BY random() LIMIT ?", 5, 1, "random"},
		{"SELECT id FROM a WHERE lower(u.email) = ?", 1, 50, "lower(email)"},
		{"SELECT id FROM a WHERE lower(email) = ?", 1, 1, NULL},
		{"SELECT lower(email) = ? FROM a", 1, 50, NULL},
		{"SELECT id FROM a WHERE to_char(day) = ?", 1, 50, "to_char(day)"},
		{"SELECT id FROM a WHERE lower(a.body) LIKE ?", 1, 50, "LIKE on body"},
		{"SELECT id FROM a WHERE name NOT ILIKE ?", 1, 50, "LIKE on name"},
		{"SELECT id FROM a WHERE name LIKE ?", 1, 1, NULL},
		{"SELECT name LIKE ? FROM a", 1, 50, NULL},
		{"SELECT id FROM a WHERE b NOT IN (SELECT c FROM d)", 1, 50, "NOT EXISTS"},
		{"SELECT id FROM a ORDER BY a.created LIMIT ? OFFSET ?", 1, 50, "last created shown"},
		{"SELECT id FROM a ORDER BY created LIMIT ?", 1, 50, NULL},
		{"SELECT count(*) FROM a", 1, 50, "reads all of a"},
		{"SELECT count(*) FROM a WHERE x = ?", 1, 50, NULL},
		{"SELECT * FROM a WHERE x = ?", 5000, 1, "5000 rows of a"},
		{"SELECT * FROM a WHERE x = ? LIMIT ?", 5000, 1, NULL},
		{"SELECT * FROM a WHERE id = ?", 1, 1, NULL},
		{"SELECT pg_sleep(?)", 1, 1, "told to"},
		{"SELECT pg_sleep FROM a", 1, 1, NULL},
		{"SELECT sleep(?)", 1, 50, NULL}, /* of MySQL */
		{"", 1, 1, NULL},
	};
	struct strbuf out = {0};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sql_advice_input in = {
			.normalized = str_from(cases[i].normalized),
			.dialect = SQL_POSTGRESQL,
			.calls = 10,
			.rows = cases[i].rows,
			.duration_ns = cases[i].ms * 1000000,
		};
		int said;

		strbuf_reset(&out);
		said = sql_advise(&in, &out);
		if (said != (cases[i].part != NULL) || (said && !strstr(out.ptr, cases[i].part)) ||
		    (!said && out.len))
			fail_msg("%s: %d [%s]", cases[i].normalized, said, out.ptr ? out.ptr : "");
	}
	strbuf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_redact),
		cmocka_unit_test(test_advice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
