/* SPDX-License-Identifier: BSD-2-Clause */
#include "report/model.h"

#include <errno.h>
#include <string.h>

static const char *const severities[] = {"info", "low", "medium", "high", "critical"};
static const char *const confidences[] = {"none", "likely", "exact"};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

const char *severity_name(enum severity severity)
{
	return (size_t)severity < COUNT(severities) ? severities[severity] : "unknown";
}

int severity_parse(const char *name, enum severity *out)
{
	size_t i;

	for (i = 0; i < COUNT(severities); i++) {
		if (strcmp(name, severities[i]) == 0) {
			*out = (enum severity)i;
			return 0;
		}
	}
	return -EINVAL;
}

const char *confidence_name(enum confidence confidence)
{
	return (size_t)confidence < COUNT(confidences) ? confidences[confidence] : "unknown";
}

uint64_t report_time_after(const struct report_finding *f)
{
	return f->total_ns > f->saved_ns ? f->total_ns - f->saved_ns : 0;
}
