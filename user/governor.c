/* SPDX-License-Identifier: BSD-2-Clause */
#include "governor.h"

#include <stddef.h>

static const char *const subjects[DETAIL_LEVELS] = {
	[DETAIL_NO_STACKS] = "CPU samples and call sites",
	[DETAIL_NO_PARAMS] = "bound parameters",
	[DETAIL_NO_PROBES] = "statements",
};

void governor_init(struct governor *g, double limit)
{
	*g = (struct governor){.limit = limit, .patience = GOVERNOR_PATIENCE};
}

static int less(struct governor *g)
{
	unsigned int wanted = g->level + 1 == DETAIL_NO_PROBES ? GOVERNOR_LAST : GOVERNOR_OVER;

	g->under = 0;
	if (++g->over < wanted)
		return 0;
	g->over = 0;
	g->level++;
	if (g->patience < GOVERNOR_PATIENCE_MAX)
		g->patience *= 2;
	return 1;
}

static int more(struct governor *g)
{
	g->over = 0;
	if (g->level == DETAIL_FULL || ++g->under < g->patience)
		return 0;
	g->under = 0;
	g->level--;
	return 1;
}

int governor_check(struct governor *g, double share)
{
	if (g->limit <= 0 || g->level == DETAIL_NO_PROBES)
		return 0;
	if (share > g->limit)
		return less(g);
	if (share < g->limit / 2)
		return more(g);
	g->over = g->under = 0;
	return 0;
}

int governor_is_about(const struct governor *g, double share)
{
	return g->limit > 0 && g->level == DETAIL_FULL && share > g->limit && g->over + 1 >= GOVERNOR_OVER;
}

const char *governor_subject(enum detail_level level)
{
	return subjects[level];
}
