/* SPDX-License-Identifier: BSD-2-Clause */
/* Records made by hand, fed to an analysis: one thread's view of a traced program, with a
 * clock that only moves forward. */
#ifndef TESTS_UNIT_STREAM_H
#define TESTS_UNIT_STREAM_H

#include <stdio.h>
#include <string.h>

#include "analysis.h"
#include "sql/sql.h"

#define MS     1000000ULL
#define SECOND (1000 * MS)

struct stream {
	struct analysis *analysis;
	uint64_t now;
	uint64_t seq, text_id;
	uint32_t tgid, tid;
	uint64_t conn, call_site;
	uint64_t app_ns;	/* the application's time after each statement */
	struct strbuf findings; /* detectors announced while running, each with a newline */
};

static inline void stream_finding(const struct report_finding *f, void *arg)
{
	strbuf_addf(&((struct stream *)arg)->findings, "%s\n", f->detector);
}

static inline struct apm_hdr stream_hdr(struct stream *s, uint16_t kind)
{
	return (struct apm_hdr){.kind = kind,
				.len = sizeof(struct apm_hdr),
				.ts = s->now,
				.tgid = s->tgid,
				.tid = s->tid,
				.ctx_id = s->tid};
}

static inline int stream_feed(struct stream *s, struct record *rec, struct apm_hdr hdr)
{
	rec->hdr = &hdr;
	return analysis_feed(rec, s->analysis);
}

static inline void stream_open(struct stream *s, const struct analysis_options *given)
{
	struct analysis_options opt = given ? *given : (struct analysis_options){0};
	struct record rec = {.meta = {.mono_ns = 1000 * SECOND,
				      .realtime_ns = 1700000000 * SECOND,
				      .slow_ns = 100 * MS,
				      .unit_gap_ns = 100 * MS,
				      .n_plus_one = 5,
				      .target = STR("--pid 1")}};

	if (!opt.on_finding) {
		opt.on_finding = stream_finding;
		opt.arg = s;
	}
	*s = (struct stream){.analysis = analysis_new(&opt),
			     .now = 1000 * SECOND,
			     .tgid = 10,
			     .tid = 11,
			     .conn = 0x1000,
			     .app_ns = MS / 10};
	stream_feed(s, &rec, stream_hdr(s, REC_META));
}

static inline void stream_close(struct stream *s)
{
	analysis_free(s->analysis);
	strbuf_free(&s->findings);
}

/* A text of one statement. `normalized` names it: its fingerprint is its hash. Returns the text_id. */
static inline uint64_t stream_text(struct stream *s, const char *normalized, enum sql_kind kind,
				   uint64_t literals)
{
	int control = kind >= SQL_KIND_BEGIN;
	struct record rec = {.text = {.text_id = ++s->text_id,
				      .parts = 1,
				      .fingerprint = hash_bytes(HASH_SEED, normalized, strlen(normalized)),
				      .literal_hash = literals,
				      .literal_count = literals != 0,
				      .stmt_class = control ? SQL_CLASS_CONTROL : SQL_CLASS_QUERY,
				      .kind = (uint8_t)kind,
				      .system = APM_SYSTEM_POSTGRESQL,
				      .normalized = str_from(normalized),
				      .summary = str_from(normalized)}};

	stream_feed(s, &rec, stream_hdr(s, REC_TEXT));
	return s->text_id;
}

static inline struct apm_ev_stmt stream_stmt(struct stream *s, uint64_t text_id, uint64_t duration_ns,
					     uint64_t rows)
{
	struct apm_ev_stmt ev = {.hdr = stream_hdr(s, APM_EV_STMT),
				 .t_start = s->now,
				 .t_end = s->now + duration_ns,
				 .duration_ns = duration_ns,
				 .rows = rows,
				 .text_id = text_id,
				 .conn = s->conn,
				 .conn_gen = 1,
				 .call_site = s->call_site,
				 .system = APM_SYSTEM_POSTGRESQL};

	ev.hdr.stmt_seq = ++s->seq;
	ev.hdr.ts = ev.t_end;
	return ev;
}

static inline int stream_send(struct stream *s, struct apm_ev_stmt ev)
{
	struct record rec = {.stmt = &ev};

	if (ev.hdr.ts > s->now)
		s->now = ev.hdr.ts;
	return stream_feed(s, &rec, ev.hdr);
}

/* Executes a statement with parameters that hash to `params` (0 = none) and then
 * the application's own time. */
static inline void stream_run(struct stream *s, uint64_t text_id, uint64_t duration_ns, uint64_t rows,
			      uint64_t params)
{
	struct apm_ev_stmt ev = stream_stmt(s, text_id, duration_ns, rows);

	ev.param_hash = params;
	ev.param_count = params != 0;
	stream_send(s, ev);
	s->now += s->app_ns;
}

static inline void stream_proc(struct stream *s, uint16_t kind, uint32_t other)
{
	struct apm_ev_proc ev = {.hdr = stream_hdr(s, kind), .other = other, .comm = "worker"};
	struct record rec = {.proc = &ev};

	stream_feed(s, &rec, ev.hdr);
}

static inline const struct report *stream_report(struct stream *s)
{
	return analysis_finish(s->analysis, 0);
}

static inline const struct report_finding *stream_found(const struct report *r, const char *detector,
							const char *query)
{
	size_t i;

	for (i = 0; i < r->findings.count; i++) {
		const struct report_finding *f = &r->findings.item[i];

		if (strcmp(f->detector, detector) == 0 &&
		    (!query || (f->query && strcmp(f->query, query) == 0)))
			return f;
	}
	return NULL;
}

static inline const struct report_query *stream_query(const struct report *r, const char *query)
{
	size_t i;

	for (i = 0; i < r->queries.count; i++) {
		if (strcmp(r->queries.item[i].query, query) == 0)
			return &r->queries.item[i];
	}
	return NULL;
}

#endif
