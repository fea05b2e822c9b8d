/* SPDX-License-Identifier: BSD-2-Clause */
/* Statement texts: chunks put together, normalised, and told as REC_TEXT, one per statement of a text. */
#ifndef APM_ENRICH_TEXT_H
#define APM_ENRICH_TEXT_H

#include "record.h"
#include "sql/sql.h"

struct enrich_text;

struct enrich_text *enrich_text_new(int show_literals, const uint64_t hash_key[2], record_fn sink,
				    void *sink_arg);
void enrich_text_free(struct enrich_text *t); /* accepts NULL */

void enrich_text_chunk(struct enrich_text *t, const struct apm_ev_text *chunk);
/* Texts dropped before their last chunk came. */
uint64_t enrich_text_evicted(const struct enrich_text *t);

#endif
