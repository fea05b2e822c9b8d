/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What `apm-bpf top` shows, without a terminal: figures copied from a report now and then, keys that change
 * what is looked at, and the lines of the screen made of both. No clock and no descriptor; foreign text is
 * cleaned and cut to the screen's width.
 */
#ifndef APM_SCREEN_BOARD_H
#define APM_SCREEN_BOARD_H

#include <stddef.h>

#include "base/str.h"
#include "report/model.h"

struct board;

struct board *board_new(const char *target); /* NULL with errno */
void board_free(struct board *b);	     /* accepts NULL */

/* Copies what the report says, unless the board is paused. 0 or -ENOMEM: then it shows what it had. */
int board_take(struct board *b, const struct report *r);
/* What the program and this tool have written of late: replaces what was there. 0 or -ENOMEM. */
int board_output(struct board *b, struct str text);

/* A key is a Unicode character or one of these. */
enum board_key {
	BOARD_KEY_NONE = 0,
	BOARD_KEY_UP = 0x110000,
	BOARD_KEY_DOWN,
	BOARD_KEY_PAGE_UP,
	BOARD_KEY_PAGE_DOWN,
	BOARD_KEY_HOME,
	BOARD_KEY_END,
	BOARD_KEY_ENTER,
	BOARD_KEY_ESCAPE,
	BOARD_KEY_BACKSPACE,
};
/* 1 = leave. */
int board_key(struct board *b, int key);

enum board_style {
	BOARD_PLAIN = 0,
	BOARD_TITLE,
	BOARD_HEAD, /* of a table */
	BOARD_SELECTED,
	BOARD_DIM,
	BOARD_WARNING,
	BOARD_SEVERITY, /* BOARD_SEVERITY + enum severity */
};

struct board_line {
	int style;
	struct strbuf text; /* UTF-8, clean, no wider than the screen */
};

/* The lines from the top of a screen of that size; at most `rows`, valid until the next
 * call. NULL = out of memory. */
const struct board_line *board_draw(struct board *b, int rows, int columns, size_t *count);

#endif
