/* SPDX-License-Identifier: BSD-2-Clause */
/* A folder for each test, and a capture file in it. After cmocka.h. */
#ifndef APM_TESTS_CAPTURE_FILE_H
#define APM_TESTS_CAPTURE_FILE_H

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "capture.h"
#include "sample_records.h"

#define HEADER 16

static char folder[64];
static char path[96];

static inline int in_new_folder(void **state)
{
	strcpy(folder, "/tmp/apm-test-capture-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof(path), "%s/x.apm", folder);
	return 0;
}

static inline int remove_folder(void **state)
{
	unlink(path);
	return rmdir(folder);
}

/* What a reader saw: each record again encoded, back to back. */
struct seen {
	struct strbuf bytes;
	uint64_t count;
	uint64_t stop_at; /* return -EIO at this record, from 1 */
};

static inline int look(const struct record *rec, void *arg)
{
	struct seen *seen = arg;

	assert_int_equal(record_encode(&seen->bytes, rec), 0);
	return ++seen->count == seen->stop_at ? -EIO : 0;
}

/* Reads it all; *bytes (may be NULL) then holds the records. */
static inline int read_back(struct capture_result *result, struct strbuf *bytes)
{
	struct seen seen = {0};
	int err = capture_read(path, look, &seen, result);

	assert_int_equal(result->records, seen.count);
	if (bytes)
		*bytes = seen.bytes;
	else
		strbuf_free(&seen.bytes);
	return err;
}

/* The sample records as the file has them, and where each ends. */
static inline struct strbuf sample_stream(size_t ends[SAMPLE_RECORDS])
{
	struct strbuf buf = {0};
	size_t i;

	for (i = 0; i < SAMPLE_RECORDS; i++) {
		assert_int_equal(record_encode(&buf, &sample_records[i]), 0);
		if (ends)
			ends[i] = HEADER + buf.len;
	}
	return buf;
}

static inline void write_samples(struct capture_writer *w)
{
	size_t i;

	for (i = 0; i < SAMPLE_RECORDS; i++)
		assert_int_equal(capture_write(w, &sample_records[i]), 0);
}

static inline struct capture_writer *created(void)
{
	struct capture_writer *w = capture_create(path);

	assert_non_null(w);
	return w;
}

static inline void put_file(const void *bytes, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, len), len);
	close(fd);
}

static inline struct strbuf get_file(void)
{
	struct strbuf buf = {0};
	char chunk[4096];
	ssize_t n;
	int fd = open(path, O_RDONLY);

	assert_true(fd >= 0);
	while ((n = read(fd, chunk, sizeof(chunk))) > 0)
		strbuf_add(&buf, chunk, (size_t)n);
	close(fd);
	return buf;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, in_new_folder, remove_folder)

#endif
