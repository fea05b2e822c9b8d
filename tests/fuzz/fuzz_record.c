/* SPDX-License-Identifier: BSD-2-Clause */
/* Any bytes give a verdict; what decodes can be encoded, and decodes to the same again. */
#include <stdlib.h>
#include <string.h>

#include "record.h"

#define CHECK(condition)          \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void round_trip(const struct record *rec)
{
	struct strbuf once = {0}, twice = {0};
	struct apm_hdr want = *rec->hdr;
	struct record again;

	CHECK(record_encode(&once, rec) == 0);
	CHECK(record_decode(once.ptr, once.len, &again) == (int)once.len);
	want.len = (uint32_t)once.len;
	want.check = 0; /* the capture writer adds it */
	CHECK(memcmp(again.hdr, &want, sizeof(want)) == 0);
	CHECK(record_encode(&twice, &again) == 0);
	CHECK(once.len == twice.len && memcmp(once.ptr, twice.ptr, once.len) == 0);
	strbuf_free(&once);
	strbuf_free(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t pos = 0;

	while (pos < size) {
		size_t left = size - pos;
		char *copy = malloc(left); /* of the exact size, and aligned */
		struct record rec;
		int ret;

		memcpy(copy, data + pos, left);
		ret = record_decode(copy, left, &rec);
		CHECK(ret <= (int)left);
		if (ret > 0) {
			round_trip(&rec);
			pos += (size_t)ret;
		}
		free(copy);
		if (ret <= 0)
			break;
	}
	return 0;
}
