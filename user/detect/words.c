/* SPDX-License-Identifier: BSD-2-Clause */
#include "detect/words.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

static int in_word(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

int words_any(struct str text, const char *const *words)
{
	size_t begin = 0, end;
	const char *quote;

	while (begin < text.len) {
		if (text.ptr[begin] == '"' || text.ptr[begin] == '`') {
			quote = memchr(text.ptr + begin + 1, text.ptr[begin], text.len - begin - 1);
			if (!quote)
				return 0;
			begin = (size_t)(quote - text.ptr) + 1;
			continue;
		}
		for (end = begin; end < text.len && in_word(text.ptr[end]); end++)
			;
		for (int i = 0; end > begin && words[i]; i++) {
			if (strlen(words[i]) == end - begin &&
			    strncasecmp(words[i], text.ptr + begin, end - begin) == 0)
				return 1;
		}
		/* What ended the word may be a quote. */
		begin = end > begin ? end : end + 1;
	}
	return 0;
}
