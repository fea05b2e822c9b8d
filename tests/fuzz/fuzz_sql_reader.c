/* SPDX-License-Identifier: BSD-2-Clause */
/* The reader, and what works on its results: names and summaries keep their form, advice
 * and redaction hold any text. */
#include "fuzz_sql.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_names(const struct sql_info *info)
{
	struct str left = info->collections;
	unsigned int count = 0;

	REQUIRE(info->operation.len < 16);
	while (left.len) {
		const char *newline = memchr(left.ptr, '\n', left.len);
		size_t len = newline ? (size_t)(newline - left.ptr) : left.len;

		REQUIRE(len || newline);
		count++;
		left.ptr += len + (newline != NULL);
		left.len -= len + (newline != NULL);
	}
	REQUIRE(count <= SQL_NAMES_MAX);
	REQUIRE(info->stmt_class != SQL_CLASS_EMPTY || (!info->normalized.len && !info->collections.len));
	REQUIRE(info->literal_count || !info->literal_hash);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sql_options opt;
	const char *text = (const char *)data + 1;
	struct strbuf out = {0};
	size_t at = 0;

	if (!size--)
		return 0;
	opt = fuzz_options(data[0]);
	while (at < size) {
		struct sql_info info;
		char *buf = fuzz_analyse(text + at, size - at, &opt, &info);
		struct sql_advice_input in = {
			.normalized = info.normalized,
			.dialect = opt.dialect,
			.calls = 1,
			.rows = 5000,
			.duration_ns = 1000000000,
		};

		check_names(&info);
		strbuf_reset(&out);
		REQUIRE(sql_advise(&in, &out) == (out.len > 0));
		at += info.consumed;
		free(buf);
	}
	strbuf_reset(&out);
	sql_redact_message(&out, (struct str){text, size}, 200);
	REQUIRE(out.len <= 200);
	strbuf_free(&out);
	return 0;
}
