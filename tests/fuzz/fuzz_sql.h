/* SPDX-License-Identifier: BSD-2-Clause */
/* What the SQL fuzz targets share: the input's first byte chooses dialect and
 * options, the rest is the text. */
#ifndef TESTS_FUZZ_SQL_H
#define TESTS_FUZZ_SQL_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sql/internal.h"

#define REQUIRE(condition)                                                              \
	do {                                                                            \
		if (!(condition)) {                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
			abort();                                                        \
		}                                                                       \
	} while (0)

static inline struct sql_options fuzz_options(uint8_t byte)
{
	return (struct sql_options){
		.dialect = (enum sql_dialect)(byte & 3),
		.no_backslash_escapes = byte >> 2 & 1,
		.hash_key = {byte, 77},
	};
}

/* Analyses the first statement into a buffer of exactly the promised size; the caller frees it. */
static inline char *fuzz_analyse(const char *text, size_t len, const struct sql_options *opt,
				 struct sql_info *info)
{
	size_t cap = sql_buffer_size(len);
	char *buf = malloc(cap);

	REQUIRE(buf);
	REQUIRE(!sql_analyse(text, len, opt, buf, cap, info));
	REQUIRE(info->normalized.len <= 2 * len + 2);
	REQUIRE(info->summary.len <= SQL_SUMMARY_MAX);
	REQUIRE(info->tags.len <= SQL_TAGS_MAX);
	REQUIRE(info->consumed <= len && (info->consumed || !len));
	return buf;
}

#endif
