/* SPDX-License-Identifier: BSD-2-Clause */
#include "record.h"

static const struct {
	const char *name;
	const char *text;
	int lossy;
} counters[APM_CNT_MAX] = {
#define COUNTER_ROW(id, json_name, is_lossy, sentence) [APM_CNT_##id] = {json_name, sentence, is_lossy},
	APM_COUNTERS(COUNTER_ROW)
#undef COUNTER_ROW
};

static int in_range(enum apm_counter counter)
{
	return (unsigned int)counter < APM_CNT_MAX;
}

const char *counter_name(enum apm_counter counter)
{
	return in_range(counter) ? counters[counter].name : NULL;
}

const char *counter_text(enum apm_counter counter)
{
	return in_range(counter) ? counters[counter].text : NULL;
}

int counter_lossy(enum apm_counter counter)
{
	return in_range(counter) && counters[counter].lossy;
}
