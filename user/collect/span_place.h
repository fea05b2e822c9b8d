/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where the probes of a span stand in one file: found by decoding, nothing is attached.
 *
 * The end of a function is probed at its `ret` instructions: a return probe would put its own address into
 * the stack, which an exception (C++, Rust) cannot be thrown past, and which a stack that is moved (Go)
 * cannot hold. Where the function leaves by a jump to another one (a tail call) and neither exceptions nor
 * switched stacks are possible, a return probe is taken; else the end is looked for in the function that it
 * jumps to.
 */
#ifndef APM_COLLECT_SPAN_PLACE_H
#define APM_COLLECT_SPAN_PLACE_H

#include "base/elf.h"
#include "collect/site.h"
#include "collect/span_rule.h"

#define SPAN_SPOTS_MAX 256

struct span_spot {
	uint64_t addr, file_off;
	uint64_t semaphore_off; /* in the file; 0 = none */
	enum site_cost cost;
	uint8_t at_return; /* a return probe */
	struct apm_span_site site;
};

struct span_places {
	struct span_spot spot[SPAN_SPOTS_MAX]; /* beginnings first */
	size_t count, begins;
	uint8_t pairing; /* enum apm_span_pairing */
	char note[200];	 /* what is not as one would expect; empty = nothing */
};

/*
 * Finds them. `returns_allowed`: stacks are not switched in the program (targets.h). 0; -ENOENT with a reason
 * in why when the file does not have what the rule names; -ENOTSUP with a reason when it cannot be probed;
 * -ENOMEM.
 */
int span_places_find(const struct span_rule *rule, uint32_t span, struct elf_file *f, int returns_allowed,
		     struct span_places *out, char *why, size_t why_len);

/* Whether a file of this name (the last part of a path) is the rule's BINARY. */
int span_binary_matches(const struct span_rule *rule, const char *path);

#endif
