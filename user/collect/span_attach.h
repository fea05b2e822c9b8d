/* SPDX-License-Identifier: BSD-2-Clause */
/* Links for the probes of one span in one file. */
#ifndef APM_COLLECT_SPAN_ATTACH_H
#define APM_COLLECT_SPAN_ATTACH_H

#include "collect/loader.h"
#include "collect/span_place.h"

struct span_attachment;

/*
 * Attaches the span programs to the file open at fd; what stands at spot i is number first_site + i of the
 * map span_sites. NULL with errno.
 */
struct span_attachment *span_attach(const struct loader *l, const struct span_places *p, uint32_t first_site,
				    int fd);
void span_detach(struct span_attachment *a); /* accepts NULL */

#endif
