/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An ODBC client with one mode per way of calling the driver manager; ODBC_CONN is the connection string. It
 * counts what it executes (truth.h, under the system that SYSTEM names).
 */
/* LIBS: -lodbc */
#include <sql.h>
#include <sqlext.h>
#include <sqlucode.h>

#include "truth.h"

#define CREATE	    "CREATE TABLE item (id INTEGER PRIMARY KEY, name VARCHAR(40))"
#define SELECT_ONE  "SELECT name FROM item WHERE id = 1"
#define SELECT_SOME "SELECT id, name FROM item WHERE id < 7 LIMIT 5"
#define SELECT_BIND "SELECT name FROM item WHERE id = ? LIMIT 1"
#define INSERT	    "INSERT INTO item (id, name) VALUES (1, 'x')"
#define UPDATE	    "UPDATE item SET name = 'y' WHERE id < 10"
#define MARK	    "SELECT 'here' AS mark"
#define MISSING	    "SELECT * FROM no_such_table"
#define ITEMS	    40

static SQLHENV env;
static SQLHDBC dbc;

static int repeat(void)
{
	return env_int("N", 20);
}

static SQLHSTMT statement(void)
{
	SQLHSTMT stmt;

	if (!SQL_SUCCEEDED(SQLAllocHandle(SQL_HANDLE_STMT, dbc, &stmt)))
		die("no statement handle");
	return stmt;
}

static void dial(void)
{
	const char *how = getenv("ODBC_CONN");
	SQLCHAR state[6] = "", message[256] = "";

	SQLAllocHandle(SQL_HANDLE_ENV, SQL_NULL_HANDLE, &env);
	SQLSetEnvAttr(env, SQL_ATTR_ODBC_VERSION, (SQLPOINTER)SQL_OV_ODBC3, 0);
	SQLAllocHandle(SQL_HANDLE_DBC, env, &dbc);
	if (!SQL_SUCCEEDED(SQLDriverConnect(dbc, NULL, (SQLCHAR *)how, SQL_NTS, NULL, 0, NULL,
					    SQL_DRIVER_NOPROMPT))) {
		SQLGetDiagRec(SQL_HANDLE_DBC, dbc, 1, state, NULL, message, sizeof(message), NULL);
		fprintf(stderr, "%s %s\n", state, message);
		die("no connection");
	}
}

static void hang_up(void)
{
	SQLDisconnect(dbc);
	SQLFreeHandle(SQL_HANDLE_DBC, dbc);
	SQLFreeHandle(SQL_HANDLE_ENV, env);
}

/* Fetches what there is, row by row. */
static long fetch(SQLHSTMT stmt)
{
	long rows = 0;

	while (SQL_SUCCEEDED(SQLFetch(stmt)))
		rows++;
	return rows;
}

static void failed(SQLHSTMT stmt, const char *label)
{
	SQLCHAR state[6], message[256];
	SQLINTEGER native;

	if (SQLGetDiagRec(SQL_HANDLE_STMT, stmt, 1, state, &native, message, sizeof(message), NULL))
		die("no diagnosis");
	if (getenv("WORDS"))
		fprintf(stderr, "%s: %s %s\n", label, state, message);
	truth_error(label, 0);
}

static void query(SQLHSTMT stmt, const char *sql, const char *label)
{
	if (SQL_SUCCEEDED(SQLExecDirect(stmt, (SQLCHAR *)sql, SQL_NTS)))
		truth_ok(label, fetch(stmt));
	else
		failed(stmt, label);
	SQLFreeStmt(stmt, SQL_CLOSE);
}

static void change(SQLHSTMT stmt, const char *sql, const char *label)
{
	SQLLEN rows = 0;

	if (!SQL_SUCCEEDED(SQLExecDirect(stmt, (SQLCHAR *)sql, (SQLINTEGER)strlen(sql)))) {
		failed(stmt, label);
		return;
	}
	SQLRowCount(stmt, &rows);
	truth_ok(label, rows);
}

/* Text of two-byte characters; a euro sign stands for what is none of ASCII. */
static SQLWCHAR *wide(const char *text)
{
	static SQLWCHAR out[4096];
	size_t i;

	for (i = 0; text[i]; i++)
		out[i] = text[i] == '$' ? 0x20ac : (SQLWCHAR)text[i];
	out[i] = 0;
	return out;
}

static void fill(void)
{
	SQLHSTMT stmt = statement();
	char sql[128];

	SQLExecDirect(stmt, (SQLCHAR *)CREATE, SQL_NTS);
	for (int i = 0; i < ITEMS; i++) {
		snprintf(sql, sizeof(sql), "INSERT INTO item (id, name) VALUES (%d, 'item %d')", i, i);
		SQLExecDirect(stmt, (SQLCHAR *)sql, SQL_NTS);
	}
	SQLFreeHandle(SQL_HANDLE_STMT, stmt);
}

/* With FILLED the table is there, and a mark in the server's log tells what follows
 * from what it took to connect. */
static void ready(void)
{
	SQLHSTMT stmt;

	dial();
	if (!getenv("FILLED")) {
		fill();
	} else {
		stmt = statement();
		SQLExecDirect(stmt, (SQLCHAR *)MARK, SQL_NTS);
		SQLFreeHandle(SQL_HANDLE_STMT, stmt);
	}
	truth_barrier();
}

static void mode_direct(void)
{
	SQLHSTMT stmt;
	char sql[128];

	ready();
	stmt = statement();
	for (int i = 0; i < repeat(); i++) {
		snprintf(sql, sizeof(sql), "SELECT name FROM item WHERE id = %d", i);
		query(stmt, sql, SELECT_ONE);
		snprintf(sql, sizeof(sql), "INSERT INTO item (id, name) VALUES (%d, 'n')", 1000 + i);
		change(stmt, sql, INSERT);
	}
	query(stmt, SELECT_SOME, SELECT_SOME);
	change(stmt, UPDATE, UPDATE);
	SQLFreeHandle(SQL_HANDLE_STMT, stmt);
	for (int i = 0; i < repeat(); i++) { /* a handle each */
		stmt = statement();
		query(stmt, SELECT_SOME, SELECT_SOME);
		SQLFreeHandle(SQL_HANDLE_STMT, stmt);
	}
	hang_up();
}

static void mode_prepared(void)
{
	SQLHSTMT stmt;
	SQLINTEGER id;

	ready();
	for (int part = 0; part < 2; part++) {
		stmt = statement();
		if (part ? SQLPrepareW(stmt, wide(SELECT_BIND), SQL_NTS)
			 : SQLPrepare(stmt, (SQLCHAR *)SELECT_BIND, SQL_NTS))
			die("prepare");
		SQLBindParameter(stmt, 1, SQL_PARAM_INPUT, SQL_C_SLONG, SQL_INTEGER, 0, 0, &id, 0, NULL);
		for (id = 0; id < repeat(); id++) {
			if (!SQL_SUCCEEDED(SQLExecute(stmt)))
				die("execute");
			truth_ok(SELECT_BIND, fetch(stmt));
			SQLCloseCursor(stmt);
		}
		SQLFreeHandle(SQL_HANDLE_STMT, stmt);
	}
	hang_up();
}

static void mode_wide(void)
{
	static const char euro[] = "SELECT '$' AS price, name FROM item WHERE name = 'a $' LIMIT 0";
	char longer[2048] = "SELECT name FROM item WHERE id IN (1";
	SQLHSTMT stmt;

	ready();
	stmt = statement();
	for (int i = 0; i < 300; i++)
		strcat(longer, ",22");
	strcat(longer, ") AND id < 0 LIMIT 0");
	for (int i = 0; i < repeat(); i++) {
		SQLWCHAR *text = wide(i & 1 ? longer : euro);

		if (!SQL_SUCCEEDED(SQLExecDirectW(
			    stmt, text, i & 2 ? (SQLINTEGER)strlen(i & 1 ? longer : euro) : SQL_NTS)))
			die("execute");
		truth_ok(i & 1 ? longer : euro, fetch(stmt));
		SQLFreeStmt(stmt, SQL_CLOSE);
	}
	SQLFreeHandle(SQL_HANDLE_STMT, stmt);
	hang_up();
}

static void mode_errors(void)
{
	SQLHSTMT stmt;

	ready();
	stmt = statement();
	for (int i = 0; i < repeat(); i++) {
		query(stmt, MISSING, MISSING);
		query(stmt, SELECT_ONE, SELECT_ONE);
		if (SQL_SUCCEEDED(SQLExecDirectW(stmt, wide("SELECT 1 FROM no_such_other"), SQL_NTS)))
			die("no error");
		truth_error("SELECT 1 FROM no_such_other", 0); /* and nobody asks why */
	}
	SQLFreeHandle(SQL_HANDLE_STMT, stmt);
	hang_up();
}

/* Two results of one text. */
static void mode_results(void)
{
	static const char text[] =
		"SELECT id FROM item WHERE id < 3 LIMIT 3; SELECT name FROM item WHERE id < 2 LIMIT 2";
	SQLHSTMT stmt;

	ready();
	stmt = statement();
	for (int i = 0; i < repeat(); i++) {
		if (!SQL_SUCCEEDED(SQLExecDirect(stmt, (SQLCHAR *)text, SQL_NTS)))
			die("execute");
		truth_ok("SELECT id FROM item WHERE id < 3 LIMIT 3", fetch(stmt));
		if (!SQL_SUCCEEDED(SQLMoreResults(stmt)))
			die("no second result");
		truth_ok("SELECT name FROM item WHERE id < 2 LIMIT 2", fetch(stmt));
		if (SQLMoreResults(stmt) != SQL_NO_DATA)
			die("a third result");
	}
	SQLFreeHandle(SQL_HANDLE_STMT, stmt);
	hang_up();
}

/* Rows that cannot be counted: several at once, and none fetched. */
static void mode_arrays(void)
{
	SQLULEN fetched = 0;
	SQLHSTMT stmt;

	ready();
	stmt = statement();
	SQLSetStmtAttr(stmt, SQL_ATTR_ROW_ARRAY_SIZE, (SQLPOINTER)4, 0);
	SQLSetStmtAttr(stmt, SQL_ATTR_ROWS_FETCHED_PTR, &fetched, 0);
	for (int i = 0; i < repeat(); i++)
		query(stmt, SELECT_SOME, SELECT_SOME);
	SQLFreeHandle(SQL_HANDLE_STMT, stmt);
	stmt = statement();
	for (int i = 0; i < repeat(); i++) {
		SQLExecDirect(stmt, (SQLCHAR *)SELECT_ONE, SQL_NTS);
		truth_ok(SELECT_ONE, 0);
		SQLFreeStmt(stmt, SQL_CLOSE);
	}
	SQLFreeHandle(SQL_HANDLE_STMT, stmt);
	hang_up();
}

int main(int argc, char **argv)
{
	static const struct mode modes[] = {
		{"direct", mode_direct},
		{"prepared", mode_prepared},
		{"wide", mode_wide},
		{"errors", mode_errors},
		{"results", mode_results},
		{"arrays", mode_arrays},
		{NULL, NULL},
	};

	return truth_main(getenv("SYSTEM") ? getenv("SYSTEM") : "other_sql", modes, argc, argv);
}
