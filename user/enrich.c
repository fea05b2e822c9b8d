/* SPDX-License-Identifier: BSD-2-Clause */
#include "enrich.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/table.h"
#include "collect/connname.h"
#include "collect/targets.h"
#include "enrich_text.h"
#include "profile/profile.h"
#include "redis_command.h"
#include "sqlite_codes.h"

#define FRAMES_MAX 65536
#define SITES_MAX  16384

struct enrich {
	struct enrich_options opt;
	struct symbolizer *symbols;
	struct enrich_text *texts;
	struct table *frame_ids; /* hash of a frame -> its number */
	struct table *sites;	 /* call sites already told, by (tgid, address) */
	uint32_t next_frame;
	uint64_t calls;
	int status;
	struct strbuf line; /* scratch for one record's strings */
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
}

static void emit(struct enrich *e, const struct record *rec)
{
	int err = e->opt.sink(rec, e->opt.sink_arg);

	if (err && !e->status)
		e->status = err;
}

static int emit_record(const struct record *rec, void *arg)
{
	emit(arg, rec);
	return 0;
}

struct enrich *enrich_new(const struct enrich_options *opt)
{
	struct enrich *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->opt = *opt;
	e->symbols = symbolizer_new();
	e->texts = enrich_text_new(opt->show_literals, opt->hash_key, emit_record, e);
	e->frame_ids = table_new(FRAMES_MAX, sizeof(uint32_t), NULL, NULL);
	e->sites = table_new(SITES_MAX, 1, NULL, NULL);
	if (!e->symbols || !e->texts || !e->frame_ids || !e->sites) {
		enrich_free(e);
		errno = ENOMEM;
		return NULL;
	}
	return e;
}

void enrich_free(struct enrich *e)
{
	if (!e)
		return;
	symbolizer_free(e->symbols);
	enrich_text_free(e->texts);
	table_free(e->frame_ids);
	table_free(e->sites);
	strbuf_free(&e->line);
	free(e);
}

int enrich_status(const struct enrich *e)
{
	return e->status;
}

uint64_t enrich_calls(const struct enrich *e)
{
	return e->calls;
}

uint64_t enrich_evicted(const struct enrich *e)
{
	return enrich_text_evicted(e->texts);
}

static struct apm_hdr header(const struct apm_hdr *like, uint16_t kind)
{
	struct apm_hdr h = *like;

	h.kind = kind;
	h.flags = 0;
	h.len = sizeof(h);
	return h;
}

/* ---- frames ---- */

/* The number of a frame, told the first time it is seen. A frame that was evicted gets a new number. */
static uint32_t frame_id(struct enrich *e, const struct apm_hdr *like, const struct resolved_frame *f)
{
	uint64_t a = hash_bytes(HASH_SEED, f->name.ptr, f->name.len);
	uint64_t b = hash_bytes(HASH_SEED ^ f->kind, f->module.ptr, f->module.len);
	struct apm_hdr hdr = header(like, REC_FRAME);
	struct record rec = {.hdr = &hdr};
	int is_new = 0;
	uint32_t *id;

	if (!f->name.len)
		a = hash_mix(a, f->file_off);
	id = table_put(e->frame_ids, (struct table_key){a, b}, &is_new);
	if (!id)
		return 0;
	if (is_new) {
		*id = ++e->next_frame;
		rec.frame = (struct rec_frame){.frame_id = *id,
					       .kind = f->kind,
					       .file_off = f->file_off,
					       .name = f->name,
					       .module = f->module,
					       .build_id = f->build_id};
		emit(e, &rec);
	}
	return *id;
}

static enum rec_stack_end stack_end(const struct apm_ev_sample *s)
{
	if (s->user_count < 0)
		return REC_STACK_ERROR;
	return s->user_count == APM_STACK_USER ? REC_STACK_LIMIT : REC_STACK_COMPLETE;
}

/* Whether the outermost frame is one that threads and programs start in. */
static int is_root(struct str name)
{
	static const char *const roots[] = {
		"_start",  "__libc_start_main", "__libc_start_call_main", "clone", "clone3",
		"__clone", "start_thread"};
	size_t i;

	for (i = 0; i < sizeof(roots) / sizeof(roots[0]); i++)
		if (str_eq(name, str_from(roots[i])))
			return 1;
	return 0;
}

static void add_sample(struct enrich *e, const struct apm_ev_sample *s)
{
	uint32_t frames[APM_STACK_KERNEL + APM_STACK_USER];
	struct apm_hdr hdr = header(&s->hdr, REC_SAMPLE);
	struct record rec = {.hdr = &hdr};
	struct resolved_frame f = {0};
	uint16_t kernel = 0, user = 0;
	enum rec_stack_end end = stack_end(s);
	int i;

	for (i = 0; i < s->kernel_count && i < APM_STACK_KERNEL; i++) {
		symbolizer_kernel(e->symbols, s->kernel[i], &f);
		frames[kernel++] = frame_id(e, &s->hdr, &f);
	}
	for (i = 0; i < s->user_count && i < APM_STACK_USER; i++) {
		symbolizer_user(e->symbols, s->hdr.tgid, s->user[i], i > 0, s->hdr.ts, &f);
		if (f.kind == REC_FRAME_UNKNOWN && i > 0) {
			end = REC_STACK_BROKEN; /* no code there: the frame pointer was something else */
			break;
		}
		frames[kernel + user++] = frame_id(e, &s->hdr, &f);
	}
	if (end == REC_STACK_COMPLETE && (!user || !is_root(f.name)))
		end = REC_STACK_BROKEN;
	rec.sample = (struct rec_sample){.weight_ns = s->weight_ns,
					 .user_end = end,
					 .kernel_count = kernel,
					 .user_count = user,
					 .frames = frames,
					 .comm = {s->comm, strnlen(s->comm, sizeof(s->comm))}};
	emit(e, &rec);
}

/* Tells once per process what a call site is. The trampoline of somebody else's return probe is none. */
static void tell_site(struct enrich *e, const struct apm_ev_stmt *s)
{
	struct apm_hdr hdr = header(&s->hdr, REC_SITE);
	struct record rec = {.hdr = &hdr};
	struct resolved_frame f;
	int is_new = 0;

	if (!s->call_site || !table_put(e->sites, (struct table_key){s->hdr.tgid, s->call_site}, &is_new) ||
	    !is_new)
		return;
	symbolizer_user(e->symbols, s->hdr.tgid, s->call_site, 1, s->hdr.ts, &f);
	if (!f.name.len && (!f.module.len || str_eq(f.module, STR("[uprobes]"))))
		return;
	rec.site = (struct rec_site){.address = s->call_site, .frame_id = frame_id(e, &s->hdr, &f)};
	emit(e, &rec);
}

/* ---- connections and errors ---- */

static void add_conn(struct enrich *e, const struct apm_ev_conn *c)
{
	struct apm_hdr hdr = header(&c->hdr, REC_CONN);
	struct record rec = {.hdr = &hdr};
	char peer[256] = "", database[sizeof(c->database)];

	snprintf(database, sizeof(database), "%.*s", (int)sizeof(c->database) - 1, c->database);
	if (c->system == APM_SYSTEM_SQLITE && !database[0])
		connname_sqlite_file(c->hdr.tgid, database, sizeof(database));
	else
		connname_peer(c->family, c->addr, c->port, c->path, peer, sizeof(peer));
	rec.conn = (struct rec_conn){.conn = c->conn,
				     .conn_gen = c->conn_gen,
				     .fd = c->fd,
				     .lib_id = c->lib_id,
				     .system = c->system,
				     .database = str_from(database),
				     .user = {c->user, strnlen(c->user, sizeof(c->user))},
				     .peer = str_from(peer)};
	emit(e, &rec);
}

static void add_error(struct enrich *e, const struct apm_ev_error *err)
{
	struct apm_hdr hdr = header(&err->hdr, REC_ERROR);
	struct record rec = {.hdr = &hdr};
	struct str message = {err->message,
			      err->size < sizeof(err->message) ? err->size : sizeof(err->message)};

	/* Nobody has asked the connection for its text yet when it is read. */
	if (!message.len && err->system == APM_SYSTEM_SQLITE)
		message = str_from(sqlite_code_text(err->number));
	strbuf_reset(&e->line);
	if (e->opt.show_literals)
		strbuf_add_clean(&e->line, message, 0);
	else
		sql_redact_message(&e->line, message, sizeof(err->message));
	rec.error = (struct rec_error){
		.number = err->number, .system = err->system, .message = {e->line.ptr, e->line.len}};
	if (err->system == APM_SYSTEM_SQLITE)
		rec.error.code = str_from(sqlite_code_name(err->number));
	else if (err->system == APM_SYSTEM_REDIS)
		rec.error.code = redis_error_code(message);
	else
		rec.error.code = (struct str){err->sqlstate, strnlen(err->sqlstate, sizeof(err->sqlstate))};
	emit(e, &rec);
}

/* ---- processes ---- */

void enrich_process(struct enrich *e, pid_t pid)
{
	struct target_info info;
	struct apm_hdr hdr = {.kind = REC_PROCESS, .len = sizeof(hdr), .ts = now_ns(), .tgid = (uint32_t)pid};
	struct record rec = {.hdr = &hdr};

	if (target_info_read(pid, &info))
		return; /* gone already: its events still carry the number */
	rec.process = (struct rec_process){.start_ns = info.start_boottime_ns,
					   .ns_pid = info.ns_pid == pid ? 0 : (uint32_t)info.ns_pid,
					   .uid = info.uid,
					   .comm = str_from(info.comm),
					   .cmdline = str_from(info.program),
					   .container = str_from(info.container)};
	emit(e, &rec);
	strbuf_reset(&e->line);
	strbuf_addf(&e->line, "%u thread%s at the start", info.threads, info.threads == 1 ? "" : "s");
	if (info.ns_pid != pid)
		strbuf_addf(&e->line, ", pid %d in its namespace", (int)info.ns_pid);
	if (info.container)
		strbuf_addf(&e->line, ", container %s", info.container);
	rec.coverage = (struct rec_coverage){.kind = REC_COVERED_PROCESS,
					     .tgid = (uint32_t)pid,
					     .subject = str_from(info.comm),
					     .text = {e->line.ptr, e->line.len}};
	hdr.kind = REC_COVERAGE;
	emit(e, &rec);
	target_info_free(&info);
	symbolizer_snapshot(e->symbols, (uint32_t)pid);
}

void enrich_pass(struct enrich *e, uint16_t kind, uint32_t tgid, struct record *rec)
{
	enrich_pass_at(e, kind, now_ns(), tgid, 0, rec);
}

void enrich_pass_at(struct enrich *e, uint16_t kind, uint64_t ts, uint32_t tgid, uint32_t tid,
		    struct record *rec)
{
	struct apm_hdr hdr = {
		.kind = kind, .len = sizeof(hdr), .ts = ts, .tgid = tgid, .tid = tid, .ctx_id = tid};

	rec->hdr = &hdr;
	emit(e, rec);
}

/* ---- events ---- */

static void add_statement(struct enrich *e, const struct apm_ev_stmt *s)
{
	struct record rec = {.hdr = &s->hdr, .stmt = s};

	tell_site(e, s);
	/* The results of one text share its calls: the last one has them all. */
	if (!(s->hdr.flags & (APM_STMT_OPEN | APM_STMT_MORE)))
		e->calls += s->calls;
	emit(e, &rec);
}

static void add_process_event(struct enrich *e, const struct apm_ev_proc *p)
{
	struct record rec = {.hdr = &p->hdr, .proc = p};

	emit(e, &rec);
	if (p->hdr.kind == APM_EV_EXEC) {
		symbolizer_forget(e->symbols, p->hdr.tgid);
		enrich_process(e, (pid_t)p->hdr.tgid);
	} else if (p->hdr.kind == APM_EV_EXIT) {
		symbolizer_forget(e->symbols, p->hdr.tgid);
	}
}

/* The smallest length that an event of each kind may have; 0 = not an event. */
static size_t least_length(uint16_t kind)
{
	static const size_t least[] = {
		[APM_EV_STMT] = sizeof(struct apm_ev_stmt),
		[APM_EV_TEXT] = sizeof(struct apm_ev_text),
		[APM_EV_PREPARE] = sizeof(struct apm_ev_prepare),
		[APM_EV_CLOSE] = sizeof(struct apm_ev_close),
		[APM_EV_CONN] = sizeof(struct apm_ev_conn),
		[APM_EV_ERROR] = sizeof(struct apm_ev_error),
		[APM_EV_SAMPLE] = sizeof(struct apm_ev_sample),
		[APM_EV_FORK] = sizeof(struct apm_ev_proc),
		[APM_EV_EXEC] = sizeof(struct apm_ev_proc),
		[APM_EV_EXIT] = sizeof(struct apm_ev_proc),
		[APM_EV_SPAN_BEGIN] = sizeof(struct apm_ev_span_begin),
		[APM_EV_SPAN_END] = sizeof(struct apm_ev_span),
	};

	return kind < sizeof(least) / sizeof(least[0]) ? least[kind] : 0;
}

void enrich_event(struct enrich *e, const struct apm_hdr *ev)
{
	size_t least = least_length(ev->kind);
	struct record rec = {.hdr = ev};

	if (!least || ev->len < least)
		return;
	switch (ev->kind) {
	case APM_EV_STMT:
		add_statement(e, (const struct apm_ev_stmt *)ev);
		break;
	case APM_EV_TEXT:
		enrich_text_chunk(e->texts, (const struct apm_ev_text *)ev);
		break;
	case APM_EV_PREPARE:
		rec.prepare = (const struct apm_ev_prepare *)ev;
		emit(e, &rec);
		break;
	case APM_EV_CLOSE:
		rec.close = (const struct apm_ev_close *)ev;
		emit(e, &rec);
		break;
	case APM_EV_SPAN_BEGIN:
		rec.span_begin = (const struct apm_ev_span_begin *)ev;
		emit(e, &rec);
		break;
	case APM_EV_SPAN_END:
		rec.span_end = (const struct apm_ev_span *)ev;
		emit(e, &rec);
		break;
	case APM_EV_CONN:
		add_conn(e, (const struct apm_ev_conn *)ev);
		break;
	case APM_EV_ERROR:
		add_error(e, (const struct apm_ev_error *)ev);
		break;
	case APM_EV_SAMPLE:
		add_sample(e, (const struct apm_ev_sample *)ev);
		break;
	default:
		add_process_event(e, (const struct apm_ev_proc *)ev);
	}
}
