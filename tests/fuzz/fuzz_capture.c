/* SPDX-License-Identifier: BSD-2-Clause */
/* Any file gives a verdict; the records it gave, written to another file, are read back as they were. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "capture.h"

#define CHECK(condition)          \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct copier {
	struct strbuf bytes;
	struct capture_writer *to;
};

static int copy_record(const struct record *rec, void *arg)
{
	struct copier *copier = arg;

	CHECK(record_encode(&copier->bytes, rec) == 0);
	if (copier->to)
		CHECK(capture_write(copier->to, rec) == 0);
	return 0;
}

static int memory_file(char path[32])
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	CHECK(fd >= 0);
	snprintf(path, 32, "/proc/self/fd/%d", fd);
	return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char from[32], to[32];
	int from_fd = memory_file(from), to_fd = memory_file(to);
	struct copier first = {.to = capture_create(to)}, second = {0};
	struct capture_result result, again;
	int err;

	CHECK(write(from_fd, data, size) == (ssize_t)size);
	CHECK(first.to);
	err = capture_read(from, copy_record, &first, &result);
	CHECK(capture_close(first.to) == 0);
	CHECK(result.offset <= size);
	CHECK(!err || (result.records == 0 && result.offset == 0));
	if (!err && result.end != CAPTURE_CORRUPT) {
		CHECK(result.end != CAPTURE_WHOLE || result.offset == size);
		CHECK(capture_read(to, copy_record, &second, &again) == 0);
		CHECK(again.records == result.records && again.end != CAPTURE_CORRUPT);
		CHECK(first.bytes.len == second.bytes.len);
		CHECK(first.bytes.len == 0 ||
		      memcmp(first.bytes.ptr, second.bytes.ptr, first.bytes.len) == 0);
	}
	strbuf_free(&first.bytes);
	strbuf_free(&second.bytes);
	close(from_fd);
	close(to_fd);
	return 0;
}
