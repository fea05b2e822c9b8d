/* SPDX-License-Identifier: BSD-2-Clause */
#include "detect/conditions.h"

#include <stddef.h>
#include <string.h>

#define DUPLICATE                                                                                  \
	"The row is there already: write INSERT … ON CONFLICT (MySQL: ON DUPLICATE KEY UPDATE) " \
	"where that is expected."
#define RETRY                                                                                    \
	"Two transactions wanted the same rows: retry the whole transaction after a pause that " \
	"grows, keep it short, and let all of them take rows in the same order."
#define LOCKED                                                                                          \
	"Another transaction held the lock for too long: keep transactions short, and do nothing slow " \
	"inside them."
#define CANCELLED                                                                                      \
	"It was stopped, by a timeout or by hand, before it was done: make it faster, or give it the " \
	"time that it needs."
#define ABORTED \
	"An earlier statement of the transaction failed: look for that one, and roll back when it does."
#define MISSING \
	"It names what is not there: a migration has not run, or the search path or database is another."
#define SYNTAX "The text itself is wrong: see how it is put together where it is called."
#define REFERENCE \
	"A row that it refers to is not there, or is still referred to: look at the order of writes."
#define VALUE "A value does not fit: check it before it is sent; the message names the column or type."
#define CONNECTIONS \
	"The server takes no more connections: use a pool, and see that connections are given back."
#define LOST	 "The connection broke: look at the server's log, at its restarts and at idle timeouts between."
#define DENIED	 "The user lacks a right: GRANT it, or connect as another."
#define FULL	 "There is no room left: free some, or see what grows."
#define READONLY "The database takes no writes: it is a replica, or its file may not be written."

static const struct condition {
	const char *code, *name, *advice;
} conditions[] = {
	{"08000", "connection_exception", LOST},
	{"08003", "connection_does_not_exist", LOST},
	{"08006", "connection_failure", LOST},
	{"08S01", "communication_link_failure", LOST},
	{"22001", "string_data_right_truncation", VALUE},
	{"22003", "numeric_value_out_of_range", VALUE},
	{"22007", "invalid_datetime_format", VALUE},
	{"22008", "datetime_field_overflow", VALUE},
	{"22012", "division_by_zero", VALUE},
	{"22021", "character_not_in_repertoire", VALUE},
	{"22P02", "invalid_text_representation", VALUE},
	{"23000", "integrity_constraint_violation", NULL},
	{"23502", "not_null_violation", VALUE},
	{"23503", "foreign_key_violation", REFERENCE},
	{"23505", "unique_violation", DUPLICATE},
	{"23514", "check_violation", VALUE},
	{"23P01", "exclusion_violation", NULL},
	{"25001", "active_sql_transaction", NULL},
	{"25006", "read_only_sql_transaction", READONLY},
	{"25P02", "in_failed_sql_transaction", ABORTED},
	{"25P03", "idle_in_transaction_session_timeout", NULL},
	{"26000", "invalid_sql_statement_name", NULL},
	{"40001", "serialization_failure", RETRY},
	{"40P01", "deadlock_detected", RETRY},
	{"42000", "syntax_error_or_access_rule_violation", NULL},
	{"42501", "insufficient_privilege", DENIED},
	{"42601", "syntax_error", SYNTAX},
	{"42703", "undefined_column", MISSING},
	{"42883", "undefined_function", MISSING},
	{"42P01", "undefined_table", MISSING},
	{"42P05", "duplicate_prepared_statement", NULL},
	{"42P07", "duplicate_table", NULL},
	{"42S02", "base table or view not found", MISSING},
	{"42S22", "column not found", MISSING},
	{"53100", "disk_full", FULL},
	{"53200", "out_of_memory", FULL},
	{"53300", "too_many_connections", CONNECTIONS},
	{"55P03", "lock_not_available", LOCKED},
	{"57014", "query_canceled", CANCELLED},
	{"57P01", "admin_shutdown", LOST},
	{"57P03", "cannot_connect_now", LOST},
	{"SQLITE_BUSY", NULL, LOCKED},
	{"SQLITE_BUSY_SNAPSHOT", NULL, LOCKED},
	{"SQLITE_BUSY_TIMEOUT", NULL, LOCKED},
	{"SQLITE_LOCKED", NULL, LOCKED},
	{"SQLITE_LOCKED_SHAREDCACHE", NULL, LOCKED},
	{"SQLITE_CONSTRAINT_UNIQUE", NULL, DUPLICATE},
	{"SQLITE_CONSTRAINT_PRIMARYKEY", NULL, DUPLICATE},
	{"SQLITE_CONSTRAINT_FOREIGNKEY", NULL, REFERENCE},
	{"SQLITE_CONSTRAINT_NOTNULL", NULL, VALUE},
	{"SQLITE_CONSTRAINT_CHECK", NULL, VALUE},
	{"SQLITE_FULL", NULL, FULL},
	{"SQLITE_READONLY", NULL, READONLY},
	{"SQLITE_INTERRUPT", NULL, CANCELLED},
};

static const struct condition *find(const char *code)
{
	for (size_t i = 0; i < sizeof(conditions) / sizeof(conditions[0]); i++)
		if (!strcmp(conditions[i].code, code))
			return &conditions[i];
	return NULL;
}

const char *condition_name(const char *code)
{
	const struct condition *c = find(code);

	return c ? c->name : NULL;
}

const char *condition_advice(const char *code)
{
	const struct condition *c = find(code);

	return c ? c->advice : NULL;
}
