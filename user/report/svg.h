/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of the flame graph share. */
#ifndef APM_REPORT_SVG_H
#define APM_REPORT_SVG_H

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

extern const char svg_style[];
extern const char svg_script[];

/* What a frame is, by its name: how it is coloured, and the word for it. */
struct frame_kind {
	const char *suffix; /* that marks it, see profile.h; NULL = told by other means */
	const char *word;
	uint16_t hue;	    /* degrees */
	uint8_t saturation; /* per cent */
};

enum { FRAME_KINDS = 7 };
extern const struct frame_kind frame_kinds[FRAME_KINDS];

/* The row of frame_kinds for a name, and the name without the suffix. */
size_t frame_kind_of(const char *name, struct str *plain);

/* A frame's colour as 0xRRGGBB: the hue is the kind's, the shade the name's, so that
 * it is the same in every graph. */
uint32_t frame_color(size_t kind, struct str plain);

/* The colour of a change from -1 (blue) to 1 (red); nearly white for 0. */
uint32_t change_color(double change);

#endif
