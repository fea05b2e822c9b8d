/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A value that comes with every call of a span: of numbers the sum and the bounds, of texts the commonest.
 * Bounded: of many different texts the rarest are counted together.
 */
#ifndef APM_TXN_ATTRIBUTE_H
#define APM_TXN_ATTRIBUTE_H

#include <stddef.h>
#include <stdint.h>

#include "abi/span.h"

#define ATTRIBUTE_VALUES 64

struct attribute_value {
	char text[APM_SPAN_TEXT];
	uint64_t count, errors, total_ns;
};

/* Zero-initialise before use; attribute_free() when done. */
struct attribute {
	uint64_t count;	  /* calls of which it is known */
	uint64_t unknown; /* could not be read */
	int is_text;
	double sum;
	int64_t min, max;
	struct attribute_value *value; /* of texts: `values` of them, unordered */
	size_t values;
	struct attribute_value other; /* those that found no place; text is "" */
};

void attribute_free(struct attribute *a);
void attribute_number(struct attribute *a, int64_t value);
/* `text` has a NUL in its APM_SPAN_TEXT bytes, or is taken as cut there. 0 or -ENOMEM. */
int attribute_text(struct attribute *a, const char *text, int error, uint64_t duration_ns);

#endif
