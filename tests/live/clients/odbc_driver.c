/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An ODBC driver that stands for those whose database is reached through no library that is probed. It reads
 * from a text only what it needs: the number behind the last LIMIT is how many rows there are, no_such is an
 * error, a semicolon begins another result.
 */
/* CFLAGS: -shared -fPIC -Wl,-Bsymbolic */
#include <sql.h>
#include <sqlext.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct statement {
	char text[4096];
	const char *part; /* NULL = nothing executed */
	long left;
	SQLULEN array;
	SQLULEN *fetched;
};

static long rows_of(const char *part)
{
	const char *end = strchr(part, ';'), *limit = NULL, *at = part;

	while ((at = strstr(at, "LIMIT ")) && (!end || at < end))
		limit = at++;
	return limit ? atol(limit + 6) : 1;
}

static SQLRETURN run(struct statement *s)
{
	s->part = s->text;
	s->left = rows_of(s->part);
	return strstr(s->text, "no_such") ? SQL_ERROR : SQL_SUCCESS;
}

SQLRETURN SQL_API SQLAllocHandle(SQLSMALLINT type, SQLHANDLE parent, SQLHANDLE *out)
{
	struct statement *s = calloc(1, sizeof(*s));

	s->array = 1;
	*out = s;
	return SQL_SUCCESS;
}

SQLRETURN SQL_API SQLFreeHandle(SQLSMALLINT type, SQLHANDLE handle)
{
	free(handle);
	return SQL_SUCCESS;
}

SQLRETURN SQL_API SQLDriverConnect(SQLHDBC dbc, SQLHWND window, SQLCHAR *in, SQLSMALLINT in_len, SQLCHAR *out,
				   SQLSMALLINT out_size, SQLSMALLINT *out_len, SQLUSMALLINT completion)
{
	return SQL_SUCCESS;
}

SQLRETURN SQL_API SQLDisconnect(SQLHDBC dbc)
{
	return SQL_SUCCESS;
}

SQLRETURN SQL_API SQLSetEnvAttr(SQLHENV env, SQLINTEGER attribute, SQLPOINTER value, SQLINTEGER len)
{
	return SQL_SUCCESS;
}

SQLRETURN SQL_API SQLSetConnectAttr(SQLHDBC dbc, SQLINTEGER attribute, SQLPOINTER value, SQLINTEGER len)
{
	return SQL_SUCCESS;
}

SQLRETURN SQL_API SQLSetStmtAttr(SQLHSTMT stmt, SQLINTEGER attribute, SQLPOINTER value, SQLINTEGER len)
{
	struct statement *s = stmt;

	if (attribute == SQL_ATTR_ROW_ARRAY_SIZE)
		s->array = (SQLULEN)value;
	if (attribute == SQL_ATTR_ROWS_FETCHED_PTR)
		s->fetched = value;
	return SQL_SUCCESS;
}

/* The manager asks for the four descriptors of a new handle. */
SQLRETURN SQL_API SQLGetStmtAttr(SQLHSTMT stmt, SQLINTEGER attribute, SQLPOINTER value, SQLINTEGER size,
				 SQLINTEGER *len)
{
	static char descriptors[4];

	*(SQLPOINTER *)value = &descriptors[attribute & 3];
	return SQL_SUCCESS;
}

SQLRETURN SQL_API SQLPrepare(SQLHSTMT stmt, SQLCHAR *text, SQLINTEGER len)
{
	struct statement *s = stmt;

	snprintf(s->text, sizeof(s->text), "%.*s", len == SQL_NTS ? (int)sizeof(s->text) : (int)len,
		 (const char *)text);
	s->part = NULL;
	return SQL_SUCCESS;
}

SQLRETURN SQL_API SQLExecute(SQLHSTMT stmt)
{
	return run(stmt);
}

SQLRETURN SQL_API SQLExecDirect(SQLHSTMT stmt, SQLCHAR *text, SQLINTEGER len)
{
	SQLPrepare(stmt, text, len);
	return SQLExecute(stmt);
}

SQLRETURN SQL_API SQLBindParameter(SQLHSTMT stmt, SQLUSMALLINT number, SQLSMALLINT io, SQLSMALLINT c_type,
				   SQLSMALLINT type, SQLULEN size, SQLSMALLINT digits, SQLPOINTER value,
				   SQLLEN value_size, SQLLEN *len)
{
	return SQL_SUCCESS;
}

SQLRETURN SQL_API SQLNumResultCols(SQLHSTMT stmt, SQLSMALLINT *count)
{
	*count = !strncmp(((struct statement *)stmt)->text, "SELECT", 6);
	return SQL_SUCCESS;
}

SQLRETURN SQL_API SQLFetch(SQLHSTMT stmt)
{
	struct statement *s = stmt;
	SQLULEN n = (SQLULEN)s->left < s->array ? (SQLULEN)s->left : s->array;

	if (s->left <= 0)
		return SQL_NO_DATA;
	s->left -= (long)n;
	if (s->fetched)
		*s->fetched = n;
	return SQL_SUCCESS;
}

SQLRETURN SQL_API SQLMoreResults(SQLHSTMT stmt)
{
	struct statement *s = stmt;
	const char *next = s->part ? strchr(s->part, ';') : NULL;

	if (!next)
		return SQL_NO_DATA;
	s->part = next + 1;
	s->left = rows_of(s->part);
	return SQL_SUCCESS;
}

SQLRETURN SQL_API SQLRowCount(SQLHSTMT stmt, SQLLEN *rows)
{
	struct statement *s = stmt;

	*rows = strncmp(s->text, "SELECT", 6) ? s->left : -1;
	return SQL_SUCCESS;
}

SQLRETURN SQL_API SQLFreeStmt(SQLHSTMT stmt, SQLUSMALLINT option)
{
	return SQL_SUCCESS;
}

SQLRETURN SQL_API SQLCloseCursor(SQLHSTMT stmt)
{
	return SQL_SUCCESS;
}

/* The manager asks a driver for errors only when it has this too. */
SQLRETURN SQL_API SQLGetDiagField(SQLSMALLINT type, SQLHANDLE handle, SQLSMALLINT number, SQLSMALLINT field,
				  SQLPOINTER value, SQLSMALLINT size, SQLSMALLINT *len)
{
	return SQL_NO_DATA;
}

SQLRETURN SQL_API SQLGetDiagRec(SQLSMALLINT type, SQLHANDLE handle, SQLSMALLINT number, SQLCHAR *state,
				SQLINTEGER *native, SQLCHAR *message, SQLSMALLINT size, SQLSMALLINT *len)
{
	static const char text[] = "there is no such table";

	if (number > 1)
		return SQL_NO_DATA;
	strcpy((char *)state, "42S02");
	if (native)
		*native = 7;
	if (message)
		snprintf((char *)message, (size_t)size, "%s", text);
	if (len)
		*len = sizeof(text) - 1;
	return SQL_SUCCESS;
}
