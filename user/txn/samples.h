/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * CPU samples: joins each with the statement that was running, and counts functions. A sample names a
 * statement by its number and mostly comes before the statement's own event, so it waits, bounded, until that
 * is there.
 */
#ifndef APM_TXN_SAMPLES_H
#define APM_TXN_SAMPLES_H

#include "record.h"

/* frames root first: the process, its functions, then the kernel's with the suffix "_[k]".
 * Strings are valid in the call. */
typedef void (*samples_stack_fn)(uint64_t fingerprint, uint64_t weight_ns, uint64_t count,
				 const char *const *frames, size_t frame_count, void *arg);

struct samples;

struct samples *samples_new(samples_stack_fn fn, void *arg); /* fn may be NULL; NULL with errno */
void samples_free(struct samples *s);			     /* accepts NULL */

/* REC_FRAME and REC_SITE. 0 or -ENOMEM. */
int samples_frame(struct samples *s, const struct record *rec);
int samples_site(struct samples *s, const struct record *rec);

/*
 * REC_SAMPLE. When its statement is known already, returns 1 and stores its fingerprint; else 0 or -ENOMEM.
 */
int samples_add(struct samples *s, const struct record *rec, uint64_t *fingerprint);
/* The fingerprint of a statement has become known. Returns how many samples waited for it. */
uint64_t samples_statement(struct samples *s, uint64_t seq, uint64_t fingerprint);
/* What still waits has lost its statement. */
void samples_finish(struct samples *s);

struct samples_totals {
	uint64_t samples, attributed, unattributed, complete;
	uint64_t weight_ns;
	uint64_t evicted;
};
void samples_totals(const struct samples *s, struct samples_totals *out);

struct samples_function {
	const char *name, *module;
	uint64_t self, total;
	uint64_t last; /* number of the last sample it was counted in */
};
void samples_each_function(struct samples *s, void (*fn)(const struct samples_function *f, void *arg),
			   void *arg);

/* Appends "function (module)" of a call site. Returns 0 when it is not known. */
int samples_site_name(const struct samples *s, uint32_t tgid, uint64_t address, struct strbuf *out);

#endif
