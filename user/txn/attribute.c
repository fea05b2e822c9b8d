/* SPDX-License-Identifier: BSD-2-Clause */
#include "txn/attribute.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void attribute_free(struct attribute *a)
{
	free(a->value);
	*a = (struct attribute){0};
}

void attribute_number(struct attribute *a, int64_t value)
{
	if (!a->count || value < a->min)
		a->min = value;
	if (!a->count || value > a->max)
		a->max = value;
	a->sum += (double)value;
	a->count++;
}

static struct attribute_value *value_of(struct attribute *a, const char *text)
{
	struct attribute_value *value;
	size_t i;

	for (i = 0; i < a->values; i++)
		if (!strncmp(a->value[i].text, text, APM_SPAN_TEXT - 1))
			return &a->value[i];
	if (a->values == ATTRIBUTE_VALUES)
		return &a->other;
	if (!a->value)
		a->value = calloc(ATTRIBUTE_VALUES, sizeof(*a->value));
	if (!a->value)
		return NULL;
	value = &a->value[a->values++];
	memcpy(value->text, text, strnlen(text, APM_SPAN_TEXT - 1));
	return value;
}

int attribute_text(struct attribute *a, const char *text, int error, uint64_t duration_ns)
{
	struct attribute_value *value = value_of(a, text);

	if (!value)
		return -ENOMEM;
	a->is_text = 1;
	a->count++;
	value->count++;
	value->errors += error != 0;
	value->total_ns += duration_ns;
	return 0;
}
