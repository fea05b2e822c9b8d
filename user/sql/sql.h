/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SQL as text: one allocation-free pass over a statement that gives its normalised form, its fingerprint,
 * what it does to which tables, and advice. Pure: no clock, file, log or global state.
 */
#ifndef APM_SQL_SQL_H
#define APM_SQL_SQL_H

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

enum sql_dialect {
	SQL_GENERIC = 0,
	SQL_POSTGRESQL = 1,
	SQL_MYSQL = 2,
	SQL_SQLITE = 3,
};

/* What a statement counts as (see "statement" in ARCHITECTURE.md). Numbers are part of the capture format. */
enum sql_class {
	SQL_CLASS_QUERY = 0,
	SQL_CLASS_CONTROL = 1, /* BEGIN, COMMIT, ROLLBACK, SAVEPOINT, RELEASE, SET, DEALLOCATE, DISCARD … */
	SQL_CLASS_EMPTY = 2,   /* nothing but comments and white space: not a statement */
};

/* Shape, for detectors. Numbers are part of the capture format. */
enum sql_kind {
	SQL_KIND_OTHER = 0,
	SQL_KIND_READ = 1,	  /* SELECT, VALUES, TABLE, SHOW … */
	SQL_KIND_COUNT = 2,	  /* a read whose select list is one COUNT(…) or EXISTS(…) */
	SQL_KIND_INSERT = 3,	  /* one row or INSERT … SELECT */
	SQL_KIND_INSERT_MANY = 4, /* several VALUES rows, or COPY / LOAD DATA */
	SQL_KIND_UPDATE = 5,
	SQL_KIND_DELETE = 6,
	SQL_KIND_DDL = 7,
	SQL_KIND_BEGIN = 8,
	SQL_KIND_COMMIT = 9,
	SQL_KIND_ROLLBACK = 10,
	SQL_KIND_SAVEPOINT = 11,
	SQL_KIND_PREPARE = 12,	      /* the SQL command PREPARE, DESCRIBE: counted as control */
	SQL_KIND_AUTOCOMMIT_OFF = 13, /* MySQL: SET autocommit = 0 */
	SQL_KIND_AUTOCOMMIT_ON = 14,
};

#define SQL_NAMES_MAX	64  /* tables kept */
#define SQL_SUMMARY_MAX 255 /* OpenTelemetry db.query.summary */
#define SQL_TAGS_MAX	2048

struct sql_options {
	enum sql_dialect dialect;
	uint64_t hash_key[2];	  /* keys literal_hash */
	int no_backslash_escapes; /* MySQL: NO_BACKSLASH_ESCAPES; PostgreSQL: 0 means
				     standard_conforming_strings = on */
};

/* Everything about one statement. Strings point into `buf` as given to sql_analyse(). */
struct sql_info {
	uint64_t fingerprint;  /* of `normalized`; stable across machines and within a major version */
	uint64_t literal_hash; /* keyed hash of the literals in order; 0 when there are none */
	uint32_t literal_count;
	uint32_t param_count; /* placeholders ($1, ?, :name); of a list that was left out, one */
	enum sql_class stmt_class;
	enum sql_kind kind;
	struct str normalized;
	struct str operation;	/* "SELECT", "INSERT" … upper case */
	struct str summary;	/* OpenTelemetry db.query.summary */
	struct str collections; /* table names, unquoted, in order of appearance, without repeats, separated
				   by \n */
	struct str
		tags; /* key=value separated by \n, from sqlcommenter, marginalia, Rails QueryLogs comments */
	size_t consumed; /* bytes of text up to and with the `;` that ends this statement: call again from
			    there */
};

/* Bytes of `buf` that are always enough for a text of `len` bytes. */
size_t sql_buffer_size(size_t len);

/*
 * Analyses the first statement of text[0..len). Results go into buf[0..cap) and *out. Linear in len; no
 * allocation, no recursion. Returns 0; -ENOBUFS when cap is too small. Any bytes are accepted; text that is
 * no SQL gives some normalised form in which no literal survives. Empty statements (`;;`, comments only) have
 * class SQL_CLASS_EMPTY.
 */
int sql_analyse(const char *text, size_t len, const struct sql_options *opt, char *buf, size_t cap,
		struct sql_info *out);

/* Version of the normaliser: changes when fingerprints may change. */
uint32_t sql_version(void);

/* fingerprint as 16 lower-case hex digits and a NUL. */
void sql_fingerprint_format(uint64_t fingerprint, char out[17]);
/* The reverse. 0 or -EINVAL. */
int sql_fingerprint_parse(const char *text, uint64_t *fingerprint);

/* Name ("postgresql", "mysql", "sqlite", "generic") to dialect; unknown names are SQL_GENERIC. */
enum sql_dialect sql_dialect_from(struct str name);

/*
 * Redacts a database's error message: quoted values go, names of constraints, relations and columns stay.
 * Appends to out at most `max` bytes. Works on PostgreSQL, MySQL and SQLite messages.
 */
void sql_redact_message(struct strbuf *out, struct str message, size_t max);

/* Facts a piece of advice may rest on; plan-free. */
struct sql_advice_input {
	struct str normalized;
	enum sql_dialect dialect;
	uint64_t calls;
	uint64_t rows;	      /* of the worst execution */
	uint64_t duration_ns; /* of the worst execution */
};

/*
 * Appends one or two sentences that name the column or clause they mean. Returns 1; 0 when no rule applies,
 * and then nothing is appended.
 */
int sql_advise(const struct sql_advice_input *in, struct strbuf *out);

#endif
