/* SPDX-License-Identifier: BSD-2-Clause */
#include "report/svg.h"
#include "profile/profile.h"

#include <math.h>
#include <string.h>

enum { KIND_NATIVE, KIND_SCOPED, KIND_NAMELESS, KIND_MARKED };

const struct frame_kind frame_kinds[FRAME_KINDS] = {
	[KIND_NATIVE] = {NULL, "native", 22, 85},    [KIND_SCOPED] = {NULL, "C++, Rust", 46, 85},
	[KIND_NAMELESS] = {NULL, "no name", 30, 6},  [KIND_MARKED] = {FRAME_QUERY, "query", 280, 60},
	{FRAME_KERNEL, "kernel", 210, 60},	     {FRAME_JIT, "JIT", 120, 45},
	{FRAME_INTERPRETED, "interpreted", 172, 50},
};

static int contains(struct str s, const char *part)
{
	return memmem(s.ptr, s.len, part, strlen(part)) != NULL;
}

size_t frame_kind_of(const char *name, struct str *plain)
{
	size_t i;

	*plain = str_from(name);
	for (i = KIND_MARKED; i < FRAME_KINDS; i++) {
		size_t len = strlen(frame_kinds[i].suffix);

		if (plain->len > len && !memcmp(name + plain->len - len, frame_kinds[i].suffix, len)) {
			plain->len -= len;
			return i;
		}
	}
	/* "[unknown]", "libx.so+0x1234" */
	if (name[0] == '[' || contains(*plain, "+0x"))
		return KIND_NAMELESS;
	return contains(*plain, "::") ? KIND_SCOPED : KIND_NATIVE;
}

/* One channel of a colour given as hue (degrees), saturation and lightness (0..1): CSS Color 4, 7.1. */
static uint32_t channel(double n, double hue, double saturation, double lightness)
{
	double k = fmod(n + hue / 30, 12);
	double a = saturation * fmin(lightness, 1 - lightness);

	return (uint32_t)lround(255 * (lightness - a * fmax(-1, fmin(fmin(k - 3, 9 - k), 1))));
}

uint32_t frame_color(size_t kind, struct str plain)
{
	uint64_t hash = hash_mix(hash_bytes(HASH_SEED, plain.ptr, plain.len), 0);
	/* Light enough for dark text on all of them. */
	double hue = frame_kinds[kind].hue + (double)(hash % 17) - 8 + 360;
	double lightness = 0.66 + (double)(hash >> 8 & 0xff) / 255 * 0.14;
	double saturation = frame_kinds[kind].saturation / 100.0;

	return channel(0, hue, saturation, lightness) << 16 | channel(8, hue, saturation, lightness) << 8 |
	       channel(4, hue, saturation, lightness);
}

uint32_t change_color(double change)
{
	double hue = change > 0 ? 8 : 214;
	double lightness = 0.94 - 0.3 * fmin(fabs(change), 1), saturation = change != 0 ? 0.85 : 0;

	return channel(0, hue, saturation, lightness) << 16 | channel(8, hue, saturation, lightness) << 8 |
	       channel(4, hue, saturation, lightness);
}
