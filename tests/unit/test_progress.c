/* SPDX-License-Identifier: BSD-2-Clause */
/* The progress line, on a pseudo-terminal as stderr; and its absence elsewhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <poll.h>
#include <pty.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "log.h"
#include "progress.h"

#define MS 1000000ULL

static int saved = -1, master = -1;

static int attach(int columns)
{
	struct winsize size = {.ws_row = 24, .ws_col = (unsigned short)columns};
	int slave;

	if (openpty(&master, &slave, NULL, NULL, &size))
		return -1;
	saved = dup(STDERR_FILENO);
	dup2(slave, STDERR_FILENO);
	close(slave);
	log_setup(LOG_LEVEL_INFO, 0);
	return 0;
}

static int wide(void **state)
{
	return attach(120);
}

static int narrow(void **state)
{
	return attach(40);
}

static int detach(void **state)
{
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(master);
	return 0;
}

/* What has reached the terminal since the last call; line feeds arrive as CR LF. */
static const char *screen(void)
{
	static char text[4096];
	struct pollfd p = {.fd = master, .events = POLLIN};
	size_t len = 0;

	while (poll(&p, 1, 0) > 0) {
		ssize_t n = read(master, text + len, sizeof(text) - 1 - len);

		if (n <= 0)
			break;
		len += (size_t)n;
	}
	text[len] = '\0';
	return text;
}

static struct progress *make(enum log_level level)
{
	const struct options opt = {.log_level = level};
	struct progress *p = progress_new(&opt);

	assert_non_null(p);
	return p;
}

static void test_line(void **state)
{
	struct analysis_progress now = {.statements = 12345, .errors = 2, .findings = 1, .lost = 7};
	const struct report_finding finding = {.severity = SEVERITY_HIGH, .title = "N+1: \033[2Jusers"};
	struct progress *p = make(LOG_LEVEL_INFO);

	progress_update(p, &now, 2000 * MS);
	assert_string_equal(
		screen(),
		"2.00 s | 12.3 k statements | 6173/s | errors 2 | findings 1 | lost 7 | Ctrl-C: report");
	/* Not more often than can be read. */
	now.statements = 12445;
	progress_update(p, &now, 2100 * MS);
	assert_string_equal(screen(), "");
	/* A finding stands above the line, which comes again. */
	progress_finding(p, &finding);
	assert_non_null(
		strstr(screen(), "\rapm-bpf: high N+1: \xef\xbf\xbd[2Jusers\r\n2.00 s | 12.3 k statements"));
	progress_update(p, &now, 3000 * MS);
	assert_non_null(strstr(screen(), "\r3.00 s | 12.4 k statements | 100/s"));
	progress_free(p);
	/* Blanked, with the cursor at its beginning. */
	assert_non_null(strstr(screen(), "   \r"));
}

static void test_fits(void **state)
{
	struct analysis_progress now = {.statements = 12345};
	struct progress *p = make(LOG_LEVEL_INFO);
	const char *line;

	progress_update(p, &now, 2000 * MS);
	line = screen();
	assert_int_equal(strncmp(line, "2.00 s | 12.3 k statements", 26), 0);
	/* "…" is three bytes and one column. */
	assert_true(strlen(line) <= 39 + 2);
	progress_free(p);
	screen();
}

static void test_quiet(void **state)
{
	struct analysis_progress now = {.statements = 1};
	const struct report_finding finding = {.title = "t"};
	struct progress *p;

	log_setup(LOG_LEVEL_ERROR, 0);
	p = make(LOG_LEVEL_ERROR);
	progress_update(p, &now, 2000 * MS);
	progress_finding(p, &finding);
	progress_free(p);
	assert_string_equal(screen(), "");
}

static void test_no_terminal(void **state)
{
	struct analysis_progress now = {.statements = 1};
	const struct report_finding finding = {.severity = SEVERITY_LOW, .title = "t"};
	struct progress *p;
	int ends[2], kept = dup(STDERR_FILENO);
	char text[256];
	ssize_t n;

	assert_int_equal(pipe(ends), 0);
	dup2(ends[1], STDERR_FILENO);
	log_setup(LOG_LEVEL_INFO, 0);
	p = make(LOG_LEVEL_INFO);
	progress_update(p, &now, 2000 * MS);
	progress_finding(p, &finding);
	progress_free(p);
	dup2(kept, STDERR_FILENO);
	close(kept);
	close(ends[1]);
	n = read(ends[0], text, sizeof(text) - 1);
	assert_true(n >= 0);
	text[n] = '\0';
	close(ends[0]);
	/* Findings are news anywhere; a line that redraws itself is for terminals. */
	assert_string_equal(text, "apm-bpf: low t\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_line, wide, detach),
		cmocka_unit_test_setup_teardown(test_fits, narrow, detach),
		cmocka_unit_test_setup_teardown(test_quiet, wide, detach),
		cmocka_unit_test(test_no_terminal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
