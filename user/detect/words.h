/* SPDX-License-Identifier: BSD-2-Clause */
/* Looking at normalised text, where no literal can be mistaken for a keyword. */
#ifndef APM_DETECT_WORDS_H
#define APM_DETECT_WORDS_H

#include "base/str.h"

/* Whether one of the words (NULL-terminated list, upper case) stands in the text, in any case;
 * names in quotes are none. */
int words_any(struct str text, const char *const *words);

#endif
