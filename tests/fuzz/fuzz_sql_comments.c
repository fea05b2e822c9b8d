/* SPDX-License-Identifier: BSD-2-Clause */
/* Tags in comments: each line is key=value; a comment changes neither fingerprint nor literals
 * of the statement it is in. */
#include "fuzz_sql.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_tags(struct str tags)
{
	while (tags.len) {
		const char *newline = memchr(tags.ptr, '\n', tags.len);
		size_t len = newline ? (size_t)(newline - tags.ptr) : tags.len;

		REQUIRE(memchr(tags.ptr, '=', len));
		tags.ptr += len + (newline != NULL);
		tags.len -= len + (newline != NULL);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char head[] = "SELECT a FROM t /*", tail[] = "*/ WHERE b = 'x'";
	struct sql_options opt;
	const char *inside = (const char *)data + 1;
	char tag_buf[SQL_TAGS_MAX];
	struct sql_tags tags = {.buf = tag_buf};
	struct sql_info info, plain;
	char *text, *buf, *plain_buf;
	size_t len;

	if (!size--)
		return 0;
	opt = fuzz_options(data[0]);
	sql_comment_tags(&tags, inside, size);
	REQUIRE(tags.len <= SQL_TAGS_MAX);
	check_tags((struct str){tag_buf, tags.len});

	/* As a comment of a statement, unless it ends or opens one itself or is more than a comment. */
	if (size && (memchr(inside, '*', size) || memchr(inside, '/', size) || strchr("!+M", *inside)))
		return 0;
	len = size + sizeof(head) + sizeof(tail) - 2;
	text = malloc(len);
	REQUIRE(text);
	memcpy(text, head, sizeof(head) - 1);
	memcpy(text + sizeof(head) - 1, inside, size);
	memcpy(text + sizeof(head) - 1 + size, tail, sizeof(tail) - 1);
	buf = fuzz_analyse(text, len, &opt, &info);
	plain_buf = fuzz_analyse("SELECT a FROM t WHERE b = 'x'", 29, &opt, &plain);
	REQUIRE(info.fingerprint == plain.fingerprint && info.literal_hash == plain.literal_hash);
	check_tags(info.tags);
	free(buf);
	free(plain_buf);
	free(text);
	return 0;
}
