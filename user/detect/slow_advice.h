/* SPDX-License-Identifier: BSD-2-Clause */
/* What to do about a statement that takes long: it depends on what the statement does. */
#ifndef APM_DETECT_SLOW_ADVICE_H
#define APM_DETECT_SLOW_ADVICE_H

#include "detect/detect.h"

enum slow_state {
	SLOW_ENDED,
	SLOW_WAITED, /* most of its time went to a lock */
	SLOW_RUNNING,
};

/* Appends one to three sentences for the statement of a finding. */
void slow_advice(const struct detect *d, const struct finding *f, enum slow_state state, struct strbuf *out);

#endif
