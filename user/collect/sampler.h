/* SPDX-License-Identifier: BSD-2-Clause */
/* CPU sampling: a cpu-clock perf event on each CPU, filtered to the targets in the kernel. */
#ifndef APM_COLLECT_SAMPLER_H
#define APM_COLLECT_SAMPLER_H

#include <stdint.h>

#include "collect/loader.h"

struct sampler;

/* NULL with errno. freq in Hz, > 0. */
struct sampler *sampler_open(const struct loader *l, uint32_t freq);
void sampler_close(struct sampler *s); /* accepts NULL */

#endif
