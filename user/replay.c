/* SPDX-License-Identifier: BSD-2-Clause */
#include "replay.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "capture.h"
#include "log.h"

struct replay {
	const struct options *opt;
	record_fn fn;
	void *arg;
	uint64_t since_ns, until_ns; /* CLOCK_MONOTONIC of the traced machine */
};

/* ---- the window ---- */

static uint64_t monotonic(const struct moment *m, const struct rec_meta *meta, uint64_t otherwise)
{
	if (m->kind == MOMENT_NONE)
		return otherwise;
	if (m->kind == MOMENT_FROM_START)
		return meta->mono_ns + m->ns;
	return m->ns > meta->realtime_ns ? meta->mono_ns + (m->ns - meta->realtime_ns) : meta->mono_ns;
}

static void begin_window(struct replay *r, struct rec_meta *meta)
{
	r->since_ns = monotonic(&r->opt->since, meta, 0);
	r->until_ns = monotonic(&r->opt->until, meta, UINT64_MAX);
	if (r->since_ns > meta->mono_ns) {
		meta->realtime_ns += r->since_ns - meta->mono_ns;
		meta->mono_ns = r->since_ns;
	}
}

/* Whether a record counts something that happened outside the window. */
static int is_outside(const struct replay *r, const struct record *rec)
{
	uint64_t ts = rec->hdr->ts;

	switch (rec->hdr->kind) {
	case APM_EV_STMT:
		ts = rec->stmt->t_start;
		return ts < r->since_ns || ts >= r->until_ns;
	case REC_SAMPLE:
	case REC_WAIT:
		return ts < r->since_ns || ts >= r->until_ns;
	case APM_EV_FORK:
	case APM_EV_EXEC:
	case APM_EV_EXIT:
	case REC_WATERMARK:
		return ts >= r->until_ns;
	default:
		return 0;
	}
}

static int feed(const struct record *rec, void *arg)
{
	struct replay *r = arg;
	struct record moved = *rec;
	struct apm_hdr hdr = *rec->hdr;

	if (hdr.kind == REC_META)
		begin_window(r, &moved.meta);
	if (is_outside(r, rec))
		return 0;
	if (hdr.ts && hdr.ts < r->since_ns)
		hdr.ts = r->since_ns;
	if (hdr.ts > r->until_ns)
		hdr.ts = r->until_ns;
	moved.hdr = &hdr;
	return r->fn(&moved, r->arg);
}

/* ---- what can be wrong with the file ---- */

static void explain(const char *path, int err)
{
	switch (err) {
	case -EBADMSG:
		log_error("%s is no capture: 'apm-bpf record -o FILE' writes one", path);
		break;
	case -ENODATA:
		log_error("%s is empty: the recorder wrote nothing into it (killed at once, or the disk was "
			  "full)",
			  path);
		break;
	case -EPROTONOSUPPORT:
		log_error("%s was written by a newer apm-bpf: read it with that one", path);
		break;
	default:
		log_error("cannot read %s: %s", path, strerror(-err));
		break;
	}
}

static void warn_about_end(const char *path, const struct capture_result *result)
{
	if (result->skipped)
		log_warn("%s: %" PRIu64 " records of kinds that this version does not know were skipped",
			 path, result->skipped);
	if (result->end == CAPTURE_TRUNCATED)
		log_warn("%s was cut short at byte %" PRIu64 ", after %" PRIu64
			 " whole records: the recorder was killed, or the disk was full; the report covers "
			 "what is there",
			 path, result->offset, result->records);
	if (result->end == CAPTURE_CORRUPT)
		log_warn("%s is damaged at byte %" PRIu64 ", after %" PRIu64
			 " good records: the report covers what came before",
			 path, result->offset, result->records);
}

int replay_capture(const char *path, const struct options *opt, record_fn fn, void *arg, int *whole)
{
	struct replay r = {.opt = opt, .fn = fn, .arg = arg, .until_ns = UINT64_MAX};
	struct capture_result result = {0};
	int windowed = opt->since.kind || opt->until.kind;
	int err = capture_read(path, windowed ? feed : fn, windowed ? &r : arg, &result);

	if (err == -ENOMEM) {
		log_error("out of memory");
	} else if (err) {
		explain(path, err);
	} else if (!result.records) {
		log_error("%s holds no whole record: the recorder was stopped before it wrote one", path);
		err = -ENODATA;
	} else {
		warn_about_end(path, &result);
	}
	if (whole)
		*whole = result.end == CAPTURE_WHOLE;
	return err;
}
