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

	while (begin < text.len) {
		for (end = begin; end < text.len && in_word(text.ptr[end]); end++)
			;
		for (int i = 0; end > begin && words[i]; i++) {
			if (strlen(words[i]) == end - begin &&
			    strncasecmp(words[i], text.ptr + begin, end - begin) == 0)
				return 1;
		}
		begin = end + 1;
	}
	return 0;
}
