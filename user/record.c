/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The record codec. A kind is one row of layouts[]: kinds that come from the kernel pass through as they are,
 * the others are a list of fields, written back to back in that order: integer   its width, little-endian
 *   string    u32 length and the bytes
 *   frames    at the next multiple of 4: kernel_count + user_count u32
 *   counters  `count` u64
 * Zeros fill the record up to a multiple of 8. To extend a body, append fields to its list and leave
 * `required` alone.
 */
#include "record.h"

#include <errno.h>
#include <string.h>

#include "base/cursor.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the format is little-endian and read in place");

#define RECORD_ALIGN 8
#define RECORD_MAX   (64u << 20) /* a longer record is taken for damage */

enum field_type {
	FIELD_U8 = 1, /* integers: the value is the width */
	FIELD_U16 = 2,
	FIELD_U32 = 4,
	FIELD_U64 = 8,
	FIELD_STR,
	FIELD_FRAMES,
	FIELD_COUNTERS,
};

struct field {
	uint8_t type;	 /* enum field_type */
	uint16_t offset; /* in struct record */
};

/* The type follows from the member, so that the two cannot disagree. */
#define FIELD(member)                                                                                          \
	{                                                                                                      \
		_Generic(((struct record *)0)->member, uint8_t: FIELD_U8, uint16_t: FIELD_U16,               \
			 uint32_t: FIELD_U32, int32_t: FIELD_U32, uint64_t: FIELD_U64,                       \
			 struct str: FIELD_STR, const uint32_t *: FIELD_FRAMES, uint64_t *: FIELD_COUNTERS), \
			offsetof(struct record, member) \
	}

static const struct field meta_fields[] = {
	FIELD(meta.flags),	     FIELD(meta.normaliser_version),
	FIELD(meta.mono_ns),	     FIELD(meta.realtime_ns),
	FIELD(meta.slow_ns),	     FIELD(meta.unit_gap_ns),
	FIELD(meta.n_plus_one),	     FIELD(meta.sample_freq),
	FIELD(meta.tool_version),    FIELD(meta.host),
	FIELD(meta.kernel),	     FIELD(meta.target),
	FIELD(meta.service),	     FIELD(meta.environment),
	FIELD(meta.slow_request_ns), FIELD(meta.memory_kb),
	FIELD(meta.sample_rate_set), FIELD(meta.sample_ppm),
};

static const struct field text_fields[] = {
	FIELD(text.text_id),	   FIELD(text.conn),	FIELD(text.fingerprint), FIELD(text.literal_hash),
	FIELD(text.literal_count), FIELD(text.flags),	FIELD(text.true_len),	 FIELD(text.part),
	FIELD(text.parts),	   FIELD(text.system),	FIELD(text.stmt_class),	 FIELD(text.kind),
	FIELD(text.normalized),	   FIELD(text.summary), FIELD(text.operation),	 FIELD(text.collections),
	FIELD(text.tags),	   FIELD(text.raw),	FIELD(text.param_count),
};

static const struct field process_fields[] = {
	FIELD(process.start_ns), FIELD(process.ns_pid),	 FIELD(process.uid),
	FIELD(process.comm),	 FIELD(process.cmdline), FIELD(process.container),
};

static const struct field frame_fields[] = {
	FIELD(frame.frame_id), FIELD(frame.kind),   FIELD(frame.file_off),
	FIELD(frame.name),     FIELD(frame.module), FIELD(frame.build_id),
};

static const struct field sample_fields[] = {
	FIELD(sample.weight_ns),  FIELD(sample.user_end), FIELD(sample.kernel_count),
	FIELD(sample.user_count), FIELD(sample.frames),	  FIELD(sample.comm),
};

static const struct field conn_fields[] = {
	FIELD(conn.conn),   FIELD(conn.conn_gen), FIELD(conn.fd),   FIELD(conn.lib_id),
	FIELD(conn.system), FIELD(conn.database), FIELD(conn.user), FIELD(conn.peer),
};

static const struct field error_fields[] = {
	FIELD(error.number),
	FIELD(error.system),
	FIELD(error.code),
	FIELD(error.message),
};

static const struct field loss_fields[] = {
	FIELD(loss.count),
	FIELD(loss.values),
	FIELD(loss.late_attach_ns),
};

static const struct field coverage_fields[] = {
	FIELD(coverage.kind),
	FIELD(coverage.tgid),
	FIELD(coverage.subject),
	FIELD(coverage.text),
};

static const struct field overhead_fields[] = {
	FIELD(overhead.probe_hits),	FIELD(overhead.probe_ns),	 FIELD(overhead.program_ns),
	FIELD(overhead.agent_cpu_ns),	FIELD(overhead.agent_rss_kb),	 FIELD(overhead.probes),
	FIELD(overhead.price_entry_ns), FIELD(overhead.price_return_ns), FIELD(overhead.limit_ppm),
	FIELD(overhead.peak_ppm),	FIELD(overhead.changes),	 FIELD(overhead.level),
	FIELD(overhead.events_read),	FIELD(overhead.cpu_wait_ns),	 FIELD(overhead.cpu_window_ns),
};

static const struct field site_fields[] = {
	FIELD(site.address),
	FIELD(site.frame_id),
};

static const struct field library_fields[] = {
	FIELD(library.lib_id),	FIELD(library.system), FIELD(library.name),
	FIELD(library.version), FIELD(library.path),   FIELD(library.build_id),
};

static const struct field span_fields[] = {
	FIELD(span.span), FIELD(span.work),   FIELD(span.error_test), FIELD(span.error_value),
	FIELD(span.name), FIELD(span.binary), FIELD(span.args),	      FIELD(span.ret_name),
};

static const struct field usage_fields[] = {
	FIELD(usage.age_ns),
	FIELD(usage.rss_kb),
	FIELD(usage.cpu_ns),
	FIELD(usage.comm),
};

static const struct field wait_fields[] = {
	FIELD(wait.weight_ns),
	FIELD(wait.threads),
	FIELD(wait.reason),
};

struct layout {
	uint16_t fixed;	  /* bytes before the fields, header included; 0 = no such kind */
	uint8_t required; /* fields that must be there; later ones read as zero in a body that ends before
			     them */
	uint8_t count;
	const struct field *fields;
};

#define AS_IS(type)                      \
	{                                \
		sizeof(type), 0, 0, NULL \
	}
#define HEADER_ONLY                                \
	{                                          \
		sizeof(struct apm_hdr), 0, 0, NULL \
	}
#define BODY(list, required)                                                             \
	{                                                                                \
		sizeof(struct apm_hdr), required, sizeof(list) / sizeof((list)[0]), list \
	}

static const struct layout layouts[] = {
	[APM_EV_STMT] = AS_IS(struct apm_ev_stmt),
	[APM_EV_PREPARE] = AS_IS(struct apm_ev_prepare),
	[APM_EV_CLOSE] = AS_IS(struct apm_ev_close),
	[APM_EV_FORK] = AS_IS(struct apm_ev_proc),
	[APM_EV_EXEC] = AS_IS(struct apm_ev_proc),
	[APM_EV_EXIT] = AS_IS(struct apm_ev_proc),
	[APM_EV_SPAN_BEGIN] = AS_IS(struct apm_ev_span_begin),
	[APM_EV_SPAN_END] = AS_IS(struct apm_ev_span),
	[REC_META] = BODY(meta_fields, 8),
	[REC_TEXT] = BODY(text_fields, 13),
	[REC_PROCESS] = BODY(process_fields, 4),
	[REC_FRAME] = BODY(frame_fields, 4),
	[REC_SAMPLE] = BODY(sample_fields, 5),
	[REC_CONN] = BODY(conn_fields, 5),
	[REC_ERROR] = BODY(error_fields, 3),
	[REC_LOSS] = BODY(loss_fields, 2),
	[REC_COVERAGE] = BODY(coverage_fields, 3),
	[REC_WATERMARK] = HEADER_ONLY,
	[REC_END] = HEADER_ONLY,
	[REC_OVERHEAD] = BODY(overhead_fields, 8),
	[REC_SITE] = BODY(site_fields, 2),
	[REC_LIBRARY] = BODY(library_fields, 3),
	[REC_SPAN] = BODY(span_fields, 8),
	[REC_USAGE] = BODY(usage_fields, 3),
	[REC_WAIT] = BODY(wait_fields, 3),
};

static const struct layout *layout_of(uint16_t kind)
{
	if (kind >= sizeof(layouts) / sizeof(layouts[0]) || !layouts[kind].fixed)
		return NULL;
	return &layouts[kind];
}

static size_t frame_count(const struct record *rec)
{
	return (size_t)rec->sample.kernel_count + rec->sample.user_count;
}

static int decode_frames(struct cursor *c, struct record *out)
{
	size_t count = frame_count(out);

	if (count > REC_FRAMES_MAX || !cursor_align(c, sizeof(uint32_t)))
		return 0;
	out->sample.frames = cursor_take(c, count * sizeof(uint32_t));
	return out->sample.frames != NULL;
}

/* A newer stream may have counters that this version has no name for: they are passed over. */
static int decode_counters(struct cursor *c, struct record *out)
{
	const void *values = cursor_take(c, (uint64_t)out->loss.count * sizeof(uint64_t));

	if (!values)
		return 0;
	if (out->loss.count > APM_CNT_MAX)
		out->loss.count = APM_CNT_MAX;
	memcpy(out->loss.values, values, out->loss.count * sizeof(uint64_t));
	return 1;
}

/* 1, or 0 when the record ends before the field does. */
static int decode_field(struct cursor *c, const struct field *field, struct record *out)
{
	void *member = (char *)out + field->offset;

	switch (field->type) {
	case FIELD_STR:
		return cursor_str(c, member);
	case FIELD_FRAMES:
		return decode_frames(c, out);
	case FIELD_COUNTERS:
		return decode_counters(c, out);
	default:
		return cursor_copy(c, member, field->type);
	}
}

/* What an older writer, which knew fewer fields, has at the end of a body:
 * nothing, or the zeros that fill up. */
static int is_padding(const struct cursor *c)
{
	static const uint8_t zeros[RECORD_ALIGN];
	size_t left = cursor_left(c);

	return left < sizeof(zeros) && memcmp(c->pos, zeros, left) == 0;
}

static int decode_body(const void *bytes, const struct layout *l, struct record *out)
{
	struct cursor c = cursor_of(bytes, out->hdr->len);
	size_t i;

	if (!cursor_take(&c, l->fixed))
		return -EBADMSG;
	/* The union's pointers to kernel events share one slot. */
	if (l->fixed > sizeof(struct apm_hdr))
		out->stmt = bytes;
	for (i = 0; i < l->count; i++) {
		if (decode_field(&c, &l->fields[i], out))
			continue;
		return i >= l->required && is_padding(&c) ? 0 : -EBADMSG;
	}
	return 0;
}

int record_decode(const void *bytes, size_t len, struct record *out)
{
	const struct apm_hdr *hdr = bytes;
	const struct layout *l;
	int err;

	memset(out, 0, sizeof(*out));
	if ((uintptr_t)bytes % RECORD_ALIGN)
		return -EINVAL;
	if (len < sizeof(*hdr))
		return -EAGAIN;
	if (hdr->len < sizeof(*hdr) || hdr->len > RECORD_MAX || hdr->len % RECORD_ALIGN)
		return -EBADMSG;
	if (len < hdr->len)
		return -EAGAIN;
	out->hdr = hdr;
	l = layout_of(hdr->kind);
	if (!l)
		return -ENOTSUP;
	err = decode_body(bytes, l, out);
	return err ? err : (int)hdr->len;
}

static void encode_padding(struct strbuf *out, size_t start, size_t align)
{
	static const uint8_t zeros[RECORD_ALIGN];

	strbuf_add(out, zeros, -(out->len - start) & (align - 1));
}

static void encode_field(struct strbuf *out, size_t start, const struct field *field,
			 const struct record *rec)
{
	const void *member = (const char *)rec + field->offset;

	switch (field->type) {
	case FIELD_STR: {
		const struct str *s = member;
		uint32_t len = (uint32_t)s->len;

		strbuf_add(out, &len, sizeof(len));
		strbuf_add(out, s->ptr, s->len);
		break;
	}
	case FIELD_FRAMES:
		encode_padding(out, start, sizeof(uint32_t));
		strbuf_add(out, rec->sample.frames, frame_count(rec) * sizeof(uint32_t));
		break;
	case FIELD_COUNTERS:
		strbuf_add(out, rec->loss.values, rec->loss.count * sizeof(uint64_t));
		break;
	default:
		strbuf_add(out, member, field->type);
	}
}

/* Whether record_decode() would take it back. */
static int is_encodable(const struct record *rec, const struct layout *l)
{
	size_t i;

	if (rec->hdr->kind == REC_SAMPLE && frame_count(rec) > REC_FRAMES_MAX)
		return 0;
	if (rec->hdr->kind == REC_LOSS && rec->loss.count > APM_CNT_MAX)
		return 0;
	for (i = 0; i < l->count; i++) {
		const struct str *s = (const void *)((const char *)rec + l->fields[i].offset);

		if (l->fields[i].type == FIELD_STR && s->len > RECORD_MAX)
			return 0;
	}
	return 1;
}

int record_encode(struct strbuf *out, const struct record *rec)
{
	const struct layout *l = layout_of(rec->hdr->kind);
	struct apm_hdr hdr = *rec->hdr;
	size_t start = out->len, i;
	int err = 0;

	if (!l || !is_encodable(rec, l))
		return -EINVAL;
	hdr.check = 0;
	strbuf_add(out, &hdr, sizeof(hdr));
	if (l->fixed > sizeof(hdr))
		strbuf_add(out, (const char *)rec->stmt + sizeof(hdr), l->fixed - sizeof(hdr));
	for (i = 0; i < l->count; i++)
		encode_field(out, start, &l->fields[i], rec);
	encode_padding(out, start, RECORD_ALIGN);

	if (out->failed)
		err = -ENOMEM;
	else if (out->len - start > RECORD_MAX)
		err = -EINVAL;
	if (err) {
		out->len = start;
		return err;
	}
	hdr.len = (uint32_t)(out->len - start);
	memcpy(out->ptr + start, &hdr, sizeof(hdr));
	return 0;
}

const char *record_system_name(uint8_t system)
{
	static const char *const names[] = {
		[APM_SYSTEM_UNKNOWN] = "other_sql", [APM_SYSTEM_POSTGRESQL] = "postgresql",
		[APM_SYSTEM_SQLITE] = "sqlite",	    [APM_SYSTEM_MYSQL] = "mysql",
		[APM_SYSTEM_REDIS] = "redis",
	};

	return system < sizeof(names) / sizeof(names[0]) ? names[system] : names[0];
}

const char *record_detail_name(uint8_t level)
{
	static const char *const name[DETAIL_LEVELS] = {
		[DETAIL_FULL] = "full",
		[DETAIL_NO_STACKS] = "no_stacks",
		[DETAIL_NO_PARAMS] = "no_params",
		[DETAIL_NO_PROBES] = "no_probes",
	};

	return level < DETAIL_LEVELS ? name[level] : "unknown";
}
