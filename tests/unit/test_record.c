/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "record.h"
#include "sample_records.h"

static struct strbuf encoded(const struct record *rec)
{
	struct strbuf buf = {0};

	assert_int_equal(record_encode(&buf, rec), 0);
	assert_true(buf.len >= sizeof(struct apm_hdr));
	assert_int_equal(buf.len % 8, 0);
	return buf;
}

static struct apm_hdr *hdr_of(struct strbuf *buf)
{
	return (struct apm_hdr *)buf->ptr;
}

/* Makes the record end after `len` bytes. */
static void cut_to(struct strbuf *buf, size_t len)
{
	buf->len = len;
	hdr_of(buf)->len = (uint32_t)len;
}

static const struct record *sample_of(int kind)
{
	size_t i;

	for (i = 0; i < SAMPLE_RECORDS; i++)
		if (sample_records[i].hdr->kind == kind)
			return &sample_records[i];
	fail_msg("no sample of kind %d", kind);
	return NULL;
}

#define SAME(member)	 assert_int_equal(a->member, b->member)
#define SAME_STR(member) assert_true(str_eq(a->member, b->member) && a->member.len > 0)

static void same_meta_and_text(const struct record *a, const struct record *b)
{
	if (a->hdr->kind == REC_META) {
		SAME(meta.flags);
		SAME(meta.normaliser_version);
		SAME(meta.mono_ns);
		SAME(meta.realtime_ns);
		SAME(meta.slow_ns);
		SAME(meta.unit_gap_ns);
		SAME(meta.n_plus_one);
		SAME(meta.sample_freq);
		SAME_STR(meta.tool_version);
		SAME_STR(meta.host);
		SAME_STR(meta.kernel);
		SAME_STR(meta.target);
		SAME_STR(meta.service);
		SAME_STR(meta.environment);
		SAME(meta.slow_request_ns);
		SAME(meta.memory_kb);
		SAME(meta.sample_rate_set);
		SAME(meta.sample_ppm);
	} else {
		SAME(text.text_id);
		SAME(text.conn);
		SAME(text.fingerprint);
		SAME(text.literal_hash);
		SAME(text.literal_count);
		SAME(text.param_count);
		SAME(text.flags);
		SAME(text.true_len);
		SAME(text.part);
		SAME(text.parts);
		SAME(text.system);
		SAME(text.stmt_class);
		SAME(text.kind);
		SAME_STR(text.normalized);
		SAME_STR(text.summary);
		SAME_STR(text.operation);
		SAME_STR(text.collections);
		SAME_STR(text.tags);
		SAME_STR(text.raw);
	}
}

static void same_things(const struct record *a, const struct record *b)
{
	if (a->hdr->kind == REC_PROCESS) {
		SAME(process.start_ns);
		SAME(process.ns_pid);
		SAME(process.uid);
		SAME_STR(process.comm);
		SAME_STR(process.cmdline);
		SAME_STR(process.container);
	} else if (a->hdr->kind == REC_FRAME) {
		SAME(frame.frame_id);
		SAME(frame.kind);
		SAME(frame.file_off);
		SAME_STR(frame.name);
		SAME_STR(frame.module);
		SAME_STR(frame.build_id);
	} else if (a->hdr->kind == REC_SAMPLE) {
		SAME(sample.weight_ns);
		SAME(sample.user_end);
		SAME(sample.kernel_count);
		SAME(sample.user_count);
		assert_memory_equal(a->sample.frames, b->sample.frames, sizeof(sample_frames));
		SAME_STR(sample.comm);
	} else if (a->hdr->kind == REC_CONN) {
		SAME(conn.conn);
		SAME(conn.conn_gen);
		SAME(conn.fd);
		SAME(conn.lib_id);
		SAME(conn.system);
		SAME_STR(conn.database);
		SAME_STR(conn.user);
		SAME_STR(conn.peer);
	} else if (a->hdr->kind == REC_USAGE) {
		SAME(usage.age_ns);
		SAME(usage.rss_kb);
		SAME(usage.cpu_ns);
		SAME_STR(usage.comm);
	} else if (a->hdr->kind == REC_WAIT) {
		SAME(wait.weight_ns);
		SAME(wait.threads);
		SAME(wait.reason);
	} else if (a->hdr->kind == REC_LIBRARY) {
		SAME(library.lib_id);
		SAME(library.system);
		SAME_STR(library.name);
		SAME_STR(library.version);
		SAME_STR(library.path);
		SAME_STR(library.build_id);
	} else {
		assert_int_equal(a->hdr->kind, REC_SITE);
		SAME(site.address);
		SAME(site.frame_id);
	}
}

static void same_facts(const struct record *a, const struct record *b)
{
	if (a->hdr->kind == REC_ERROR) {
		SAME(error.number);
		SAME(error.system);
		SAME_STR(error.code);
		SAME_STR(error.message);
	} else if (a->hdr->kind == REC_LOSS) {
		SAME(loss.count);
		assert_memory_equal(a->loss.values, b->loss.values, sizeof(a->loss.values));
		SAME(loss.late_attach_ns);
	} else if (a->hdr->kind == REC_COVERAGE) {
		SAME(coverage.kind);
		SAME(coverage.tgid);
		SAME_STR(coverage.subject);
		SAME_STR(coverage.text);
	} else {
		assert_int_equal(a->hdr->kind, REC_OVERHEAD);
		assert_memory_equal(&a->overhead, &b->overhead, sizeof(a->overhead));
	}
}

static void same_body(const struct record *a, const struct record *b)
{
	const size_t head = sizeof(struct apm_hdr);

	switch (a->hdr->kind) {
	case APM_EV_STMT:
		assert_memory_equal((char *)a->stmt + head, (char *)b->stmt + head, sizeof(*a->stmt) - head);
		break;
	case APM_EV_PREPARE:
		assert_memory_equal((char *)a->prepare + head, (char *)b->prepare + head,
				    sizeof(*a->prepare) - head);
		break;
	case APM_EV_CLOSE:
		assert_memory_equal((char *)a->close + head, (char *)b->close + head,
				    sizeof(*a->close) - head);
		break;
	case APM_EV_FORK:
	case APM_EV_EXEC:
	case APM_EV_EXIT:
		assert_memory_equal((char *)a->proc + head, (char *)b->proc + head, sizeof(*a->proc) - head);
		break;
	case REC_META:
	case REC_TEXT:
		same_meta_and_text(a, b);
		break;
	case REC_ERROR:
	case REC_LOSS:
	case REC_COVERAGE:
	case REC_OVERHEAD:
		same_facts(a, b);
		break;
	case REC_WATERMARK:
	case REC_END:
		break;
	default:
		same_things(a, b);
	}
}

static void every_kind_survives_a_round_trip(void **state)
{
	size_t i;

	for (i = 0; i < SAMPLE_RECORDS; i++) {
		const struct record *rec = &sample_records[i];
		struct strbuf buf = encoded(rec);
		struct apm_hdr want = *rec->hdr;
		struct record back;

		want.len = (uint32_t)buf.len;
		assert_int_equal(record_decode(buf.ptr, buf.len, &back), buf.len);
		assert_ptr_equal(back.hdr, buf.ptr);
		assert_memory_equal(back.hdr, &want, sizeof(want));
		same_body(rec, &back);
		strbuf_free(&buf);
	}
}

static void every_kind_of_the_enum_is_known(void **state)
{
	int kind;

	for (kind = REC_META; kind <= REC_LIBRARY; kind++)
		assert_non_null(sample_of(kind));
	assert_non_null(sample_of(REC_USAGE));
	assert_non_null(sample_of(REC_WAIT));
}

static void records_stand_back_to_back(void **state)
{
	struct strbuf buf = {0};
	struct record rec;
	size_t i, pos = 0;

	for (i = 0; i < SAMPLE_RECORDS; i++)
		assert_int_equal(record_encode(&buf, &sample_records[i]), 0);
	for (i = 0; i < SAMPLE_RECORDS; i++) {
		int len = record_decode(buf.ptr + pos, buf.len - pos, &rec);

		assert_true(len > 0);
		same_body(&sample_records[i], &rec);
		pos += (size_t)len;
	}
	assert_int_equal(pos, buf.len);
	strbuf_free(&buf);
}

/* Exact-size copies, so that the sanitizer sees every byte read beyond what was given. */
static int decode_copy(const struct strbuf *buf, size_t len)
{
	char *copy = malloc(len ? len : 1);
	struct record rec;
	int ret;

	memcpy(copy, buf->ptr, len);
	ret = record_decode(copy, len, &rec);
	free(copy);
	return ret;
}

static void what_has_not_all_arrived_is_awaited(void **state)
{
	size_t i, len;

	for (i = 0; i < SAMPLE_RECORDS; i++) {
		struct strbuf buf = encoded(&sample_records[i]);

		for (len = 0; len < buf.len; len++)
			assert_int_equal(decode_copy(&buf, len), -EAGAIN);
		assert_int_equal(decode_copy(&buf, buf.len), buf.len);
		strbuf_free(&buf);
	}
}

/* A header that claims less than the body needs: never a read outside, and the
 * required fields are asked for. */
static void a_body_cut_short_is_never_overrun(void **state)
{
	size_t i, len;

	for (i = 0; i < SAMPLE_RECORDS; i++) {
		struct strbuf buf = encoded(&sample_records[i]);
		size_t whole = buf.len;

		for (len = sizeof(struct apm_hdr); len < whole; len += 8) {
			int ret;

			cut_to(&buf, len);
			ret = decode_copy(&buf, len);
			assert_true(ret == -EBADMSG || ret == (int)len);
			if (len == sizeof(struct apm_hdr))
				assert_int_equal(ret, -EBADMSG);
		}
		strbuf_free(&buf);
	}
}

static void kernel_events_need_their_whole_size(void **state)
{
	struct strbuf buf = encoded(sample_of(APM_EV_STMT));

	assert_int_equal(buf.len, sizeof(struct apm_ev_stmt));
	cut_to(&buf, buf.len - 8);
	assert_int_equal(decode_copy(&buf, buf.len), -EBADMSG);
	strbuf_free(&buf);
}

/* As an older version would have written it: the later fields are not there at all. */
static void missing_last_fields_read_as_zero(void **state)
{
	struct strbuf buf = encoded(sample_of(REC_META));
	struct record rec;

	cut_to(&buf, sizeof(struct apm_hdr) + 4 * 4 + 4 * 8);
	assert_int_equal(record_decode(buf.ptr, buf.len, &rec), buf.len);
	assert_int_equal(rec.meta.sample_freq, 8);
	assert_int_equal(rec.meta.tool_version.len, 0);
	assert_int_equal(rec.meta.environment.len, 0);
	strbuf_free(&buf);
}

/* The same with bytes that only look like the start of a field. */
static void half_a_field_is_malformed(void **state)
{
	struct strbuf buf = encoded(sample_of(REC_META));

	cut_to(&buf, sizeof(struct apm_hdr) + 4 * 4 + 4 * 8 + 8);
	assert_int_equal(decode_copy(&buf, buf.len), -EBADMSG);
	strbuf_free(&buf);
}

static void what_a_newer_version_appended_is_ignored(void **state)
{
	size_t i;

	for (i = 0; i < SAMPLE_RECORDS; i++) {
		struct strbuf buf = encoded(&sample_records[i]);
		struct record rec;

		strbuf_add(&buf, "\xff\xff\xff\xff\xff\xff\xff\xff", 8);
		hdr_of(&buf)->len = (uint32_t)buf.len;
		assert_int_equal(record_decode(buf.ptr, buf.len, &rec), buf.len);
		same_body(&sample_records[i], &rec);
		strbuf_free(&buf);
	}
}

static void impossible_lengths_are_malformed(void **state)
{
	static const uint32_t lengths[] = {
		0, 1, 8, 40, 47, 49, 52, 63, 0xffffffff, 0xfffffff8, (64u << 20) + 8};
	struct strbuf buf = encoded(sample_of(REC_END));
	size_t i;

	for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		hdr_of(&buf)->len = lengths[i];
		assert_int_equal(decode_copy(&buf, buf.len), -EBADMSG);
	}
	hdr_of(&buf)->len = 64u << 20;
	assert_int_equal(decode_copy(&buf, buf.len), -EAGAIN);
	strbuf_free(&buf);
}

static void a_string_ends_within_its_record(void **state)
{
	static const uint32_t lengths[] = {0xffffffff, 0x80000000, 4096, 17};
	struct strbuf buf = encoded(sample_of(REC_ERROR));
	size_t code_len = sizeof(struct apm_hdr) + 4 + 1;
	size_t i;

	/* Room for the code and nothing else: 3 bytes to the next multiple of 8 */
	buf.len = code_len + 4;
	strbuf_add(&buf, "1234567890123456789", 8 - buf.len % 8 + 8);
	cut_to(&buf, buf.len);
	for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		memcpy(buf.ptr + code_len, &lengths[i], sizeof(lengths[i]));
		assert_int_equal(decode_copy(&buf, buf.len), -EBADMSG);
	}
	strbuf_free(&buf);
}

static void unknown_kinds_can_be_skipped(void **state)
{
	/* Raw text, connections, errors and samples of the kernel side are no part of a stream. */
	static const uint16_t kinds[] = {0,  APM_EV_TEXT, APM_EV_CONN,	APM_EV_ERROR, APM_EV_SAMPLE,
					 13, 63,	  REC_WAIT + 1, 0xffff};
	struct strbuf buf = encoded(sample_of(REC_CONN));
	struct apm_hdr hdr = *hdr_of(&buf);
	struct record rec = {.hdr = &hdr};
	size_t i;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct record back;
		size_t before = buf.len;

		hdr_of(&buf)->kind = kinds[i];
		assert_int_equal(record_decode(buf.ptr, buf.len, &back), -ENOTSUP);
		assert_int_equal(back.hdr->len, buf.len);
		assert_int_equal(record_decode(buf.ptr, buf.len - 1, &back), -EAGAIN);
		hdr.kind = kinds[i];
		assert_int_equal(record_encode(&buf, &rec), -EINVAL);
		assert_int_equal(buf.len, before);
	}
	strbuf_free(&buf);
}

static void stacks_have_a_limit(void **state)
{
	static const uint32_t frames[REC_FRAMES_MAX + 1];
	struct record rec = *sample_of(REC_SAMPLE), back;
	struct strbuf buf = {0};
	uint16_t counts[] = {1000, 25};

	rec.sample.frames = frames;
	rec.sample.comm = (struct str){0}; /* zeros, wherever it is looked for */
	rec.sample.kernel_count = 1000;
	rec.sample.user_count = 25;
	assert_int_equal(record_encode(&buf, &rec), -EINVAL);
	rec.sample.user_count = 24;
	assert_int_equal(record_encode(&buf, &rec), 0);
	assert_int_equal(record_decode(buf.ptr, buf.len, &back), buf.len);
	assert_int_equal(back.sample.user_count, 24);

	strbuf_add(&buf, frames, 64);
	hdr_of(&buf)->len = (uint32_t)buf.len;
	memcpy(buf.ptr + sizeof(struct apm_hdr) + 8 + 1, counts, sizeof(counts));
	assert_int_equal(record_decode(buf.ptr, buf.len, &back), -EBADMSG);
	strbuf_free(&buf);
}

static void a_sample_may_have_no_frames(void **state)
{
	struct record rec = *sample_of(REC_SAMPLE), back;
	struct strbuf buf;

	rec.sample.kernel_count = rec.sample.user_count = 0;
	rec.sample.frames = NULL;
	buf = encoded(&rec);
	assert_int_equal(record_decode(buf.ptr, buf.len, &back), buf.len);
	assert_int_equal(back.sample.user_count, 0);
	assert_true(str_eq(back.sample.comm, STR("worker")));
	strbuf_free(&buf);
}

static void frames_are_aligned_wherever_the_record_stands(void **state)
{
	struct strbuf buf = encoded(sample_of(REC_END));
	size_t start = buf.len;
	struct record back;

	assert_int_equal(record_encode(&buf, sample_of(REC_SAMPLE)), 0);
	assert_true(record_decode(buf.ptr + start, buf.len - start, &back) > 0);
	assert_int_equal((uintptr_t)back.sample.frames % sizeof(uint32_t), 0);
	assert_int_equal(back.sample.frames[4], 15);
	strbuf_free(&buf);
}

static void counters_of_a_newer_version_are_passed_over(void **state)
{
	uint32_t count = APM_CNT_MAX + 5;
	struct strbuf buf = {0};
	struct record back;
	uint64_t i, late = 77;

	strbuf_add(&buf, sample_of(REC_LOSS)->hdr, sizeof(struct apm_hdr));
	strbuf_add(&buf, &count, sizeof(count));
	for (i = 0; i < count; i++)
		strbuf_add(&buf, &i, sizeof(i));
	strbuf_add(&buf, &late, sizeof(late));
	strbuf_add(&buf, "\0\0\0", 4);
	cut_to(&buf, buf.len);
	assert_int_equal(record_decode(buf.ptr, buf.len, &back), buf.len);
	assert_int_equal(back.loss.count, APM_CNT_MAX);
	assert_int_equal(back.loss.values[APM_CNT_MAX - 1], APM_CNT_MAX - 1);
	assert_int_equal(back.loss.late_attach_ns, 77);

	/* A count whose size in bytes does not fit 32 bits */
	count = 0x20000000;
	memcpy(buf.ptr + sizeof(struct apm_hdr), &count, sizeof(count));
	assert_int_equal(record_decode(buf.ptr, buf.len, &back), -EBADMSG);
	strbuf_free(&buf);
}

static void fewer_counters_leave_the_rest_zero(void **state)
{
	struct strbuf buf = encoded(sample_of(REC_LOSS));
	struct record back;

	assert_true(record_decode(buf.ptr, buf.len, &back) > 0);
	assert_int_equal(back.loss.count, 3);
	assert_int_equal(back.loss.values[2], 9);
	assert_int_equal(back.loss.values[3], 0);
	strbuf_free(&buf);
}

static void misaligned_bytes_are_refused(void **state)
{
	struct strbuf buf = encoded(sample_of(REC_END));
	char *copy = malloc(buf.len + 4);
	struct record rec;

	memcpy(copy + 4, buf.ptr, buf.len);
	assert_int_equal(record_decode(copy + 4, buf.len, &rec), -EINVAL);
	free(copy);
	strbuf_free(&buf);
}

static void too_large_a_record_is_refused_and_leaves_the_rest(void **state)
{
	size_t size = 40u << 20;
	struct record rec = *sample_of(REC_ERROR);
	struct strbuf buf = encoded(sample_of(REC_END));
	size_t before = buf.len;
	char *bytes = calloc(1, size);

	assert_non_null(bytes);
	rec.error.code = rec.error.message = (struct str){bytes, size};
	assert_int_equal(record_encode(&buf, &rec), -EINVAL);
	assert_int_equal(buf.len, before);
	rec.error.code = STR("x");
	assert_int_equal(record_encode(&buf, &rec), 0);
	free(bytes);
	strbuf_free(&buf);
}

static void a_failed_buffer_says_so(void **state)
{
	struct strbuf buf = {.failed = 1};

	assert_int_equal(record_encode(&buf, sample_of(REC_END)), -ENOMEM);
	assert_int_equal(buf.len, 0);
	strbuf_free(&buf);
}

/* Every byte of every kind set to a few values: a verdict, and no read outside. */
static void any_damaged_byte_gives_a_verdict(void **state)
{
	static const uint8_t values[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
	size_t i, pos, v;

	for (i = 0; i < SAMPLE_RECORDS; i++) {
		struct strbuf buf = encoded(&sample_records[i]);

		for (pos = 0; pos < buf.len; pos++) {
			char was = buf.ptr[pos];

			for (v = 0; v < sizeof(values); v++) {
				int ret;

				buf.ptr[pos] = (char)values[v];
				ret = decode_copy(&buf, buf.len);
				assert_true((ret > 0 && ret <= (int)buf.len) || ret == -EBADMSG ||
					    ret == -EAGAIN || ret == -ENOTSUP);
			}
			buf.ptr[pos] = was;
		}
		strbuf_free(&buf);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_survives_a_round_trip),
		cmocka_unit_test(every_kind_of_the_enum_is_known),
		cmocka_unit_test(records_stand_back_to_back),
		cmocka_unit_test(what_has_not_all_arrived_is_awaited),
		cmocka_unit_test(a_body_cut_short_is_never_overrun),
		cmocka_unit_test(kernel_events_need_their_whole_size),
		cmocka_unit_test(missing_last_fields_read_as_zero),
		cmocka_unit_test(half_a_field_is_malformed),
		cmocka_unit_test(what_a_newer_version_appended_is_ignored),
		cmocka_unit_test(impossible_lengths_are_malformed),
		cmocka_unit_test(a_string_ends_within_its_record),
		cmocka_unit_test(unknown_kinds_can_be_skipped),
		cmocka_unit_test(stacks_have_a_limit),
		cmocka_unit_test(a_sample_may_have_no_frames),
		cmocka_unit_test(frames_are_aligned_wherever_the_record_stands),
		cmocka_unit_test(counters_of_a_newer_version_are_passed_over),
		cmocka_unit_test(fewer_counters_leave_the_rest_zero),
		cmocka_unit_test(misaligned_bytes_are_refused),
		cmocka_unit_test(too_large_a_record_is_refused_and_leaves_the_rest),
		cmocka_unit_test(a_failed_buffer_says_so),
		cmocka_unit_test(any_damaged_byte_gives_a_verdict),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
