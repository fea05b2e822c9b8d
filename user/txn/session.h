/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Records in, statements out: joins an execution with its text (by text_id, through a prepared statement's
 * name, part by part where one text holds several statements), with its error, and with the later events of
 * the same execution.
 *
 * An OPEN statement (first row came, cursor still open) is announced with `opening` set, for those who care
 * about order, and counted once: when its end comes, when event time has passed its last row by the unit gap,
 * or when its handle, connection or process goes. An end that comes after that is an amendment.
 */
#ifndef APM_TXN_SESSION_H
#define APM_TXN_SESSION_H

#include "record.h"
#include "txn/span.h"

struct session_sink {
	/* A statement to count; or, with `opening` set, one not to count yet. */
	int (*on_statement)(const struct statement *stmt, void *arg);
	/* `was` was counted; it has become `now` (same seq, same fingerprint). */
	int (*on_amend)(const struct statement *was, const struct statement *now, void *arg);
	/* Before on_statement() of a failed one. `error` has empty strings when its record was lost. */
	int (*on_error)(const struct statement *stmt, const struct rec_error *error, void *arg);
	/* A fingerprint that no REC_TEXT has: a label, or a text of several statements taken as one. */
	int (*on_text)(const struct rec_text *text, void *arg);
	void *arg;
};

struct session;

struct session *session_new(const struct session_sink *sink); /* NULL with errno */
void session_free(struct session *s);			      /* accepts NULL */

/* Takes every kind of record and uses those it knows. 0, -ENOMEM, or what a sink returned. */
int session_feed(struct session *s, const struct record *rec);
/* Event time has reached now_ns. */
int session_time(struct session *s, uint64_t now_ns, uint64_t unit_gap_ns);
/* Delivers what is still held. */
int session_finish(struct session *s);

/*
 * Names and errors dropped because their table was full. Texts are not among them: most are used once, and
 * one that is missed is told by its label. Open statements that must go are counted as they are.
 */
uint64_t session_evicted(const struct session *s);

/* What struct statement calls the name of a prepared statement; 0 for the unnamed one. */
uint64_t session_name_hash(struct str name);

#endif
