/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The terminal that a board is shown on: the controlling one, whatever stdin and stdout are. While it is
 * open, stdout and stderr where they are terminals go to a file, and stdin is /dev/null: messages of this
 * tool and what COMMAND writes do not garble the screen, and COMMAND does not take its keys. The only file
 * that knows curses.
 */
#ifndef APM_SCREEN_TERMINAL_H
#define APM_SCREEN_TERMINAL_H

#include "screen/board.h"

struct terminal;

/* NULL with the reason, and what to use instead, in `why`. */
struct terminal *terminal_open(int color, char *why, size_t why_len);
/*
 * Gives the terminal back as it was, and writes to stderr what came meanwhile, or the last of it.
 * `keeps_writing`: a program has that file open still; it stays where it is, and its name is told. Accepts
 * NULL.
 */
void terminal_close(struct terminal *t, int keeps_writing);

/* The next key, BOARD_KEY_NONE when there is none. */
int terminal_key(struct terminal *t);
/* The size now. */
void terminal_size(struct terminal *t, int *rows, int *columns);
void terminal_show(struct terminal *t, const struct board_line *lines, size_t count);
/* The last of what was written to stdout and stderr. Added to `out`. */
void terminal_output(struct terminal *t, struct strbuf *out);

#endif
