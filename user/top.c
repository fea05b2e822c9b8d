/* SPDX-License-Identifier: BSD-2-Clause */
#include "top.h"

#include <errno.h>
#include <stdlib.h>

#include "log.h"
#include "report/model.h"
#include "screen/board.h"
#include "screen/terminal.h"

#define TAKE_EVERY_NS 1000000000ULL

struct top {
	struct board *board;
	struct terminal *terminal;
	uint64_t taken_at;
	int has_taken;
	int rows, columns;
};

static void draw(struct top *top)
{
	size_t count;
	const struct board_line *lines = board_draw(top->board, top->rows, top->columns, &count);

	/* Out of memory: what is on the screen stays there. */
	if (lines)
		terminal_show(top->terminal, lines, count);
}

struct top *top_open(const struct options *opt)
{
	struct top *top = calloc(1, sizeof(*top));
	char why[256];

	if (!top || !(top->board = board_new(opt->target))) {
		log_error("out of memory");
		top_close(top, 0);
		return NULL;
	}
	top->terminal = terminal_open(opt->color != COLOR_NEVER, why, sizeof(why));
	if (!top->terminal) {
		log_error("%s", why);
		top_close(top, 0);
		return NULL;
	}
	terminal_size(top->terminal, &top->rows, &top->columns);
	draw(top);
	return top;
}

static void take(struct top *top, struct pipeline *p)
{
	struct strbuf output = {0};
	const struct report *r;

	r = pipeline_snapshot(p);
	if (r)
		board_take(top->board, r);
	terminal_output(top->terminal, &output);
	board_output(top->board, (struct str){output.ptr, output.len});
	strbuf_free(&output);
}

int top_show(struct top *top, struct pipeline *p, uint64_t elapsed_ns)
{
	int key, leave = 0, changed = 0, rows, columns;

	while (!leave && (key = terminal_key(top->terminal)) != BOARD_KEY_NONE) {
		leave = board_key(top->board, key);
		changed = 1;
	}
	terminal_size(top->terminal, &rows, &columns);
	changed |= rows != top->rows || columns != top->columns;
	top->rows = rows;
	top->columns = columns;
	if (!top->has_taken || elapsed_ns - top->taken_at >= TAKE_EVERY_NS) {
		take(top, p);
		top->taken_at = elapsed_ns;
		changed = top->has_taken = 1;
	}
	if (changed && !leave)
		draw(top);
	return leave;
}

void top_close(struct top *top, int command_runs)
{
	if (!top)
		return;
	terminal_close(top->terminal, command_runs);
	board_free(top->board);
	free(top);
}
