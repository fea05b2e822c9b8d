/* SPDX-License-Identifier: BSD-2-Clause */
/* What a probe costs on this machine: measured on a function of our own before the trace begins. */
#ifndef APM_COLLECT_CALIBRATE_H
#define APM_COLLECT_CALIBRATE_H

#include <stdint.h>

#include "collect/loader.h"

struct calibration {
	uint64_t entry_ns;  /* CPU time of one probe with an empty program at a function's entry */
	uint64_t return_ns; /* what a probe at its return adds */
};

/* Takes some tens of milliseconds. 0, or -errno with *out zeroed: the report then has hits but no price. */
int calibrate(const struct loader *l, struct calibration *out);

#endif
