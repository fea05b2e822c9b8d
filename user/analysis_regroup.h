/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Captures of an older normaliser: their texts are normalised anew where the raw text is in them
 * (--show-literals), so that queries group as this version groups them.
 */
#ifndef APM_ANALYSIS_REGROUP_H
#define APM_ANALYSIS_REGROUP_H

#include "record.h"

struct regroup {
	char *buf; /* what the strings of the last text point into */
	size_t cap;
};

/*
 * Replaces what the normaliser makes in *text. Its strings are valid until the next call. The literal hash
 * stays: it is keyed by the capture. 1 when done, 0 when there is no raw text, -ENOMEM.
 */
int regroup_text(struct regroup *g, struct rec_text *text);
void regroup_free(struct regroup *g);

#endif
