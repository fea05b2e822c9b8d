/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading: what a capture holds, however damaged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "capture_file.h"

static void what_is_written_is_read(void **state)
{
	struct capture_writer *w = created();
	struct strbuf want = sample_stream(NULL), got;
	struct capture_result result;

	assert_int_equal(capture_bytes(w), HEADER);
	write_samples(w);
	assert_int_equal(capture_bytes(w), HEADER + want.len);
	assert_int_equal(capture_close(w), 0);

	assert_int_equal(read_back(&result, &got), 0);
	assert_int_equal(result.end, CAPTURE_WHOLE);
	assert_int_equal(result.records, SAMPLE_RECORDS);
	assert_int_equal(result.skipped, 0);
	assert_int_equal(result.offset, HEADER + want.len);
	assert_int_equal(got.len, want.len);
	assert_memory_equal(got.ptr, want.ptr, want.len);
	strbuf_free(&want);
	strbuf_free(&got);
}

static void the_header_is_as_documented(void **state)
{
	struct strbuf file;

	assert_int_equal(capture_close(created()), 0);
	file = get_file();
	assert_int_equal(file.len, HEADER);
	assert_memory_equal(file.ptr, "APMCAP\0\0\1\0\0\0\0\0\0\0", HEADER);
	strbuf_free(&file);
}

static void cut_anywhere_it_gives_the_whole_records_before(void **state)
{
	struct capture_writer *w = created();
	struct capture_result result;
	size_t ends[SAMPLE_RECORDS], len, whole = 0;
	struct strbuf want = sample_stream(ends), file;

	write_samples(w);
	assert_int_equal(capture_close(w), 0);
	file = get_file();
	for (len = HEADER; len <= file.len; len++) {
		struct strbuf got;

		put_file(file.ptr, len);
		if (len == ends[whole])
			whole++;
		assert_int_equal(read_back(&result, &got), 0);
		assert_int_equal(result.end, whole == SAMPLE_RECORDS ? CAPTURE_WHOLE : CAPTURE_TRUNCATED);
		assert_int_equal(result.records, whole);
		assert_int_equal(result.offset, whole ? ends[whole - 1] : HEADER);
		assert_int_equal(got.len, result.offset - HEADER);
		if (got.len)
			assert_memory_equal(got.ptr, want.ptr, got.len);
		strbuf_free(&got);
	}
	assert_int_equal(whole, SAMPLE_RECORDS);
	strbuf_free(&want);
	strbuf_free(&file);
}

static void what_is_no_capture_is_refused(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		int want;
	} cases[] = {
		{"", 0, -ENODATA},
		{"A", 1, -EBADMSG},
		{"APMCAP\0\0\1\0\0\0\0\0\0", 15, -EBADMSG},
		{"APMCAP\0\1\1\0\0\0\0\0\0\0", 16, -EBADMSG},
		{"\x7f"
		 "ELF\2\1\1\0\0\0\0\0\0\0\0\0 and so on",
		 26, -EBADMSG},
		{"APMCAP\0\0\0\0\0\0\0\0\0\0", 16, -EBADMSG},
		{"APMCAP\0\0\2\0\0\0\0\0\0\0", 16, -EPROTONOSUPPORT},
		{"APMCAP\0\0\0\0\0\1\0\0\0\0", 16, -EPROTONOSUPPORT}, /* big-endian */
		{"APMCAP\0\0\1\0\0\0\0\0\0\0", 16, 0},
	};
	struct capture_result result;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		put_file(cases[i].bytes, cases[i].len);
		assert_int_equal(read_back(&result, NULL), cases[i].want);
		assert_int_equal(result.records, 0);
		assert_int_equal(result.end, CAPTURE_TRUNCATED);
	}
}

static void damage_is_reported_where_it_is(void **state)
{
	struct capture_writer *w = created();
	struct capture_result result;
	size_t ends[SAMPLE_RECORDS], i;
	struct strbuf want = sample_stream(ends), file;

	write_samples(w);
	assert_int_equal(capture_close(w), 0);
	file = get_file();
	for (i = 1; i < SAMPLE_RECORDS; i++) {
		struct apm_hdr *hdr = (struct apm_hdr *)(file.ptr + ends[i - 1]);
		uint32_t was = hdr->len;

		hdr->len = 13;
		put_file(file.ptr, file.len);
		hdr->len = was;
		assert_int_equal(read_back(&result, NULL), 0);
		assert_int_equal(result.end, CAPTURE_CORRUPT);
		assert_int_equal(result.records, i);
		assert_int_equal(result.offset, ends[i - 1]);
	}
	strbuf_free(&want);
	strbuf_free(&file);
}

/* A changed bit anywhere in a record: nothing of it is handed on. */
static void no_changed_record_is_believed(void **state)
{
	struct capture_writer *w = created();
	struct capture_result result;
	size_t ends[SAMPLE_RECORDS], i = 0;
	struct strbuf want = sample_stream(ends), file;

	write_samples(w);
	assert_int_equal(capture_close(w), 0);
	file = get_file();
	for (size_t at = ends[0]; at < file.len; at++) {
		while (at >= ends[i + 1])
			i++;
		file.ptr[at] ^= 0x10;
		put_file(file.ptr, file.len);
		file.ptr[at] ^= 0x10;
		assert_int_equal(read_back(&result, NULL), 0);
		assert_int_not_equal(result.end, CAPTURE_WHOLE);
		assert_int_equal(result.records, i + 1);
	}
	strbuf_free(&want);
	strbuf_free(&file);
}

static void nothing_follows_the_end(void **state)
{
	struct capture_writer *w = created();
	struct capture_result result;
	struct strbuf want = sample_stream(NULL);

	write_samples(w);
	assert_int_equal(capture_write(w, &sample_records[0]), 0);
	assert_int_equal(capture_close(w), 0);
	assert_int_equal(read_back(&result, NULL), 0);
	assert_int_equal(result.end, CAPTURE_CORRUPT);
	assert_int_equal(result.records, SAMPLE_RECORDS);
	assert_int_equal(result.offset, HEADER + want.len);
	strbuf_free(&want);
}

static void unknown_kinds_are_skipped_and_counted(void **state)
{
	struct capture_writer *w = created();
	struct capture_result result;
	struct strbuf file;

	write_samples(w);
	assert_int_equal(capture_close(w), 0);
	file = get_file();
	((struct apm_hdr *)(file.ptr + HEADER))->kind = 999;
	((struct apm_hdr *)(file.ptr + HEADER))->check = 0;
	put_file(file.ptr, file.len);
	assert_int_equal(read_back(&result, NULL), 0);
	assert_int_equal(result.end, CAPTURE_WHOLE);
	assert_int_equal(result.records, SAMPLE_RECORDS - 1);
	assert_int_equal(result.skipped, 1);
	assert_int_equal(result.offset, file.len);
	strbuf_free(&file);
}

static void the_consumer_can_stop(void **state)
{
	struct seen seen = {.stop_at = 3};
	struct capture_writer *w = created();
	struct capture_result result;
	size_t ends[SAMPLE_RECORDS];
	struct strbuf want = sample_stream(ends);

	write_samples(w);
	assert_int_equal(capture_close(w), 0);
	assert_int_equal(capture_read(path, look, &seen, &result), -EIO);
	assert_int_equal(seen.count, 3);
	assert_int_equal(result.records, 3);
	strbuf_free(&seen.bytes);
	strbuf_free(&want);
}

/* Records larger than any buffer, between small ones. */
static void large_records_pass(void **state)
{
	static const size_t sizes[] = {1, 262100, 262144, 300001, 5u << 20, 3};
	struct capture_writer *w = created();
	struct record rec = {.hdr = &sample_hdrs[6], .error = {.number = 1}};
	char *bytes = malloc(5u << 20);
	struct strbuf want = {0}, got;
	struct capture_result result;
	size_t i;

	assert_non_null(bytes);
	memset(bytes, 'x', 5u << 20);
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		rec.error.message = (struct str){bytes, sizes[i]};
		assert_int_equal(capture_write(w, &rec), 0);
		assert_int_equal(record_encode(&want, &rec), 0);
	}
	assert_int_equal(capture_close(w), 0);
	assert_int_equal(read_back(&result, &got), 0);
	assert_int_equal(result.records, 6);
	assert_int_equal(got.len, want.len);
	assert_memory_equal(got.ptr, want.ptr, want.len);
	free(bytes);
	strbuf_free(&want);
	strbuf_free(&got);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_written_is_read),
		TEST(the_header_is_as_documented),
		TEST(cut_anywhere_it_gives_the_whole_records_before),
		TEST(what_is_no_capture_is_refused),
		TEST(damage_is_reported_where_it_is),
		TEST(no_changed_record_is_believed),
		TEST(nothing_follows_the_end),
		TEST(unknown_kinds_are_skipped_and_counted),
		TEST(the_consumer_can_stop),
		TEST(large_records_pass),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
