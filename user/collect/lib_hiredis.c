/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hiredis has no accessors: redisContext and redisReply are public (hiredis.h), and programs read their
 * fields. They have had two layouts: since 1.0 a pointer comes first in redisContext, and a double follows
 * the integer of redisReply. redisSetPushCallback came with the same release, and tells which of the two it
 * is.
 */
#include "collect/lib.h"

#include "abi/event.h"
#include "lib/hiredis.h"

static const struct lib_symbol symbols[] = {APM_HIREDIS_SYMBOLS(LIB_SYMBOL)};

static void prove(const struct lib_file *lf, struct lib_match *m)
{
	/* int err; char errstr[128]; int fd; … and int type; long long integer; size_t len;
	 * char *str; size_t elements; */
	static const int32_t before_1_0[] = {4, 132, 16, 32};
	/* funcs, err, errstr, fd … and type, integer, dval, len, str, char vtype[4], elements */
	static const int32_t since_1_0[] = {12, 140, 24, 48};
	const int32_t *layout = lib_find(lf, "redisSetPushCallback") ? since_1_0 : before_1_0;

	m->facts.off[APM_OFF_RE_CONTEXT_ERRSTR] = layout[0];
	m->facts.off[APM_OFF_RE_CONTEXT_FD] = layout[1];
	m->facts.off[APM_OFF_RE_REPLY_LEN] = layout[2];
	m->facts.off[APM_OFF_RE_REPLY_ELEMENTS] = layout[3];
}

const struct lib_row lib_hiredis = {
	.name = "hiredis",
	.programs = "hiredis",
	.system = APM_SYSTEM_REDIS,
	.file_hint = {"hiredis"},
	.prefix = {"redis", "__redis"},
	.public_prefix = "redis",
	.symbol = symbols,
	.symbol_count = sizeof(symbols) / sizeof(*symbols),
	.wrapper_levels = APM_WRAP_LEVELS,
	.prove = prove,
};
