/* SPDX-License-Identifier: BSD-2-Clause */
#define _XOPEN_SOURCE_EXTENDED 1 /* curses: wide characters */
#include "screen/terminal.h"

#include <curses.h>
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define OUTPUT_SHOWN 16384	/* bytes of the end of what was written */
#define OUTPUT_MAX   (16 << 20) /* what the file may grow to before its beginning is dropped */

struct terminal {
	FILE *tty;
	SCREEN *screen;
	int color;
	int rows, columns;
	int was[3]; /* stdin, stdout, stderr as they were; -1 = left alone */
	int output; /* -1 = none */
	uint64_t dropped;
	char path[32];
};

/* ---- what others write meanwhile ---- */

/* Owned by whom the terminal belongs to, as the terminal is: a program may open /dev/stderr by name. */
static int open_output(struct terminal *t)
{
	struct stat st;
	int fd;

	strcpy(t->path, "/tmp/apm-bpf-top.XXXXXX");
	fd = mkostemp(t->path, O_APPEND | O_CLOEXEC);
	if (fd >= 0 && !fstat(fileno(t->tty), &st) && fchown(fd, st.st_uid, (gid_t)-1) < 0)
		unlink(t->path); /* then by this descriptor only */
	return fd;
}

static void divert(struct terminal *t)
{
	int null, fd;

	fflush(stdout);
	for (fd = STDOUT_FILENO; fd <= STDERR_FILENO; fd++) {
		if (!isatty(fd))
			continue;
		if (t->output < 0)
			t->output = open_output(t);
		if (t->output < 0)
			return;
		t->was[fd] = fcntl(fd, F_DUPFD_CLOEXEC, 3);
		dup2(t->output, fd);
	}
	null = isatty(STDIN_FILENO) ? open("/dev/null", O_RDONLY | O_CLOEXEC) : -1;
	if (null < 0)
		return;
	t->was[STDIN_FILENO] = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
	dup2(null, STDIN_FILENO);
	close(null);
}

static void restore(struct terminal *t)
{
	int fd;

	fflush(stdout);
	for (fd = 0; fd < 3; fd++) {
		if (t->was[fd] < 0)
			continue;
		dup2(t->was[fd], fd);
		close(t->was[fd]);
		t->was[fd] = -1;
	}
}

void terminal_output(struct terminal *t, struct strbuf *out)
{
	struct stat st;
	char bytes[OUTPUT_SHOWN];
	off_t from;
	ssize_t n;

	if (t->output < 0 || fstat(t->output, &st))
		return;
	from = st.st_size > OUTPUT_SHOWN ? st.st_size - OUTPUT_SHOWN : 0;
	n = pread(t->output, bytes, sizeof(bytes), from);
	if (n > 0)
		strbuf_add(out, bytes, (size_t)n);
	/* Those who write append: the file begins anew. */
	if (st.st_size > OUTPUT_MAX && !ftruncate(t->output, 0))
		t->dropped += (uint64_t)st.st_size;
}

/* As it came: it is what the program would have written to the terminal itself. */
static void hand_over(struct terminal *t)
{
	char bytes[OUTPUT_SHOWN];
	struct stat st;
	off_t at = 0;
	ssize_t n;

	if (fstat(t->output, &st))
		return;
	if (st.st_size > 4 * OUTPUT_SHOWN) {
		at = st.st_size - 4 * OUTPUT_SHOWN;
		dprintf(STDERR_FILENO, "apm-bpf: … of what was written meanwhile, the last %d kB:\n",
			4 * OUTPUT_SHOWN / 1024);
	}
	while ((n = pread(t->output, bytes, sizeof(bytes), at)) > 0) {
		if (write(STDERR_FILENO, bytes, (size_t)n) != n)
			break;
		at += n;
	}
}

/* ---- life ---- */

static int can_move(void)
{
	const char *sequence = tigetstr("cup");

	return sequence && sequence != (const char *)-1 && *sequence;
}

static void set_up(struct terminal *t)
{
	static const short colors[] = {COLOR_CYAN, COLOR_YELLOW, COLOR_RED};
	short i;

	cbreak();
	noecho();
	nonl();
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	curs_set(0);
	set_escdelay(25);
	/* Its handler would only say what terminal_size() finds out. */
	signal(SIGWINCH, SIG_DFL);
	if (!t->color || start_color() == ERR || use_default_colors() == ERR) {
		t->color = 0;
		return;
	}
	for (i = 0; i < 3; i++)
		init_pair((short)(i + 1), colors[i], -1);
}

struct terminal *terminal_open(int color, char *why, size_t why_len)
{
	struct terminal *t = calloc(1, sizeof(*t));
	const char *term = getenv("TERM");

	snprintf(why, why_len, "out of memory");
	if (!t)
		return NULL;
	*t = (struct terminal){.color = color, .was = {-1, -1, -1}, .output = -1};
	t->tty = fopen("/dev/tty", "r+e");
	if (!t->tty) {
		snprintf(why, why_len, "top needs a terminal (%s); for pipes and logs there is --interval 10",
			 strerror(errno));
		goto failed;
	}
	/* What is drawn is UTF-8, as everything else that this tool writes. */
	setlocale(LC_CTYPE, "C.UTF-8");
	t->screen = term && *term ? newterm(term, t->tty, t->tty) : NULL;
	if (!t->screen || !can_move()) {
		snprintf(why, why_len,
			 "TERM=%s is no terminal that can be drawn on; set TERM to what it is, or use "
			 "--interval 10",
			 term ? term : "");
		goto failed;
	}
	set_up(t);
	divert(t);
	return t;
failed:
	terminal_close(t, 0);
	return NULL;
}

void terminal_close(struct terminal *t, int keeps_writing)
{
	if (!t)
		return;
	if (t->screen) {
		endwin();
		delscreen(t->screen);
	}
	restore(t);
	if (t->output >= 0) {
		hand_over(t);
		if (keeps_writing)
			dprintf(STDERR_FILENO, "apm-bpf: the program goes on and writes to %s\n", t->path);
		else
			unlink(t->path);
		close(t->output);
	}
	if (t->tty)
		fclose(t->tty);
	free(t);
}

/* ---- in and out ---- */

int terminal_key(struct terminal *t)
{
	static const struct {
		int code, key;
	} keys[] = {
		{KEY_UP, BOARD_KEY_UP},
		{KEY_DOWN, BOARD_KEY_DOWN},
		{KEY_PPAGE, BOARD_KEY_PAGE_UP},
		{KEY_NPAGE, BOARD_KEY_PAGE_DOWN},
		{KEY_HOME, BOARD_KEY_HOME},
		{KEY_END, BOARD_KEY_END},
		{KEY_ENTER, BOARD_KEY_ENTER},
		{'\r', BOARD_KEY_ENTER},
		{'\n', BOARD_KEY_ENTER},
		{27, BOARD_KEY_ESCAPE},
		{KEY_BACKSPACE, BOARD_KEY_BACKSPACE},
		{127, BOARD_KEY_BACKSPACE},
		{8, BOARD_KEY_BACKSPACE},
	};
	int code = wgetch(stdscr);
	size_t i;

	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (keys[i].code == code)
			return keys[i].key;
	return code > 0 && code < 127 ? code : BOARD_KEY_NONE;
}

void terminal_size(struct terminal *t, int *rows, int *columns)
{
	struct winsize ws;

	if (!ioctl(fileno(t->tty), TIOCGWINSZ, &ws) && ws.ws_row && ws.ws_col &&
	    (ws.ws_row != t->rows || ws.ws_col != t->columns)) {
		resizeterm(ws.ws_row, ws.ws_col);
		clearok(curscr, TRUE);
		t->rows = ws.ws_row;
		t->columns = ws.ws_col;
	}
	getmaxyx(stdscr, *rows, *columns);
}

static attr_t attribute(const struct terminal *t, int style)
{
	static const struct {
		attr_t attr;
		short pair;
	} styles[] = {
		[BOARD_PLAIN] = {A_NORMAL, 0},
		[BOARD_TITLE] = {A_BOLD, 0},
		[BOARD_HEAD] = {A_REVERSE, 0},
		[BOARD_SELECTED] = {A_REVERSE | A_BOLD, 0},
		[BOARD_DIM] = {A_DIM, 0},
		[BOARD_WARNING] = {A_BOLD, 2},
		[BOARD_SEVERITY + SEVERITY_INFO] = {A_NORMAL, 0},
		[BOARD_SEVERITY + SEVERITY_LOW] = {A_NORMAL, 1},
		[BOARD_SEVERITY + SEVERITY_MEDIUM] = {A_NORMAL, 2},
		[BOARD_SEVERITY + SEVERITY_HIGH] = {A_BOLD, 3},
		[BOARD_SEVERITY + SEVERITY_CRITICAL] = {A_BOLD | A_REVERSE, 3},
	};

	return styles[style].attr | (t->color ? (attr_t)COLOR_PAIR(styles[style].pair) : 0);
}

void terminal_show(struct terminal *t, const struct board_line *lines, size_t count)
{
	size_t i;

	werase(stdscr);
	for (i = 0; i < count; i++) {
		attr_t attr = attribute(t, lines[i].style);

		wattrset(stdscr, (int)attr);
		if (lines[i].text.len)
			mvwaddstr(stdscr, (int)i, 0, lines[i].text.ptr);
	}
	wattrset(stdscr, A_NORMAL);
	wrefresh(stdscr);
}
