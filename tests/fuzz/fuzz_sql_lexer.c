/* SPDX-License-Identifier: BSD-2-Clause */
/* The lexer: tokens follow one another inside the text, and every call gets on. */
#include "fuzz_sql.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sql_options opt;
	char tag_buf[SQL_TAGS_MAX];
	struct sql_tags tags = {.buf = tag_buf};
	struct sql_lexer lx;
	struct sql_token t;
	char *text;
	const char *last;

	if (!size)
		return 0;
	opt = fuzz_options(data[0]);
	text = malloc(size - 1 ? size - 1 : 1); /* its own block: reading behind the end shows */
	REQUIRE(text);
	memcpy(text, data + 1, size - 1);
	last = text;
	sql_lexer_init(&lx, text, size - 1, &opt, &tags);
	for (;;) {
		sql_lexer_next(&lx, &t);
		REQUIRE(t.ptr >= last && t.ptr + t.len <= text + size - 1);
		REQUIRE(lx.p >= t.ptr + t.len && lx.p <= text + size - 1);
		if (t.kind == TOK_END)
			break;
		REQUIRE(t.len > 0);
		last = t.ptr + t.len;
	}
	REQUIRE(lx.p == text + size - 1);
	REQUIRE(tags.len <= SQL_TAGS_MAX);
	free(text);
	return 0;
}
