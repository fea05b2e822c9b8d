/* SPDX-License-Identifier: BSD-2-Clause */
/* Starting COMMAND: nothing runs before it is let go, and then it runs as if a shell had started it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <inttypes.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "collect/targets.h"
#include "skip.h"

static char dir[] = "/tmp/apm-launch-XXXXXX";
static char out_path[64];

static int setup(void **state)
{
	if (!mkdtemp(dir) || chmod(dir, 0777))
		return -1;
	snprintf(out_path, sizeof(out_path), "%s/out", dir);
	unsetenv("SUDO_UID");
	return 0;
}

static int teardown(void **state)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

/* What the program wrote, without the last newline. */
static const char *output(void)
{
	static char text[4096];
	int fd = open(out_path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = 0;
	text[strcspn(text, "\n")] = 0;
	unlink(out_path);
	return text;
}

static int wait_end(struct launch *l)
{
	int status = -1;

	for (int i = 0; i < 2000 && !launch_poll(l, &status); i++)
		usleep(5000);
	return status;
}

/* Runs `sh -c script` to its end; the wait status. */
static int run(const char *script, const char *user)
{
	char *argv[] = {(char *)"sh", (char *)"-c", (char *)script, NULL};
	char err[128];
	struct launch *l = launch_prepare(argv, user, err, sizeof(err));
	int status;

	if (!l)
		fail_msg("%s", err);
	assert_int_equal(launch_go(l), 0);
	status = wait_end(l);
	launch_free(l);
	return status;
}

static char *script_to_out(const char *body)
{
	static char script[256];

	snprintf(script, sizeof(script), "%s > %s", body, out_path);
	return script;
}

static void nothing_runs_before_it_is_let_go(void **state)
{
	char *argv[] = {(char *)"touch", out_path, NULL};
	char err[128], exe[256], link[64];
	struct launch *l = launch_prepare(argv, NULL, err, sizeof(err));
	ssize_t n;
	int status;

	assert_non_null(l);
	assert_string_equal(err, "");
	assert_int_equal(kill(launch_pid(l), 0), 0);
	snprintf(link, sizeof(link), "/proc/%d/exe", launch_pid(l));
	n = readlink(link, exe, sizeof(exe) - 1);
	assert_true(n > 0);
	exe[n] = 0;
	assert_null(strstr(exe, "touch"));
	assert_int_equal(access(out_path, F_OK), -1);
	assert_int_equal(launch_poll(l, &status), 0);
	assert_int_equal(launch_go(l), 0);
	assert_int_equal(wait_end(l), 0);
	assert_int_equal(access(out_path, F_OK), 0);
	assert_int_equal(launch_go(l), -EINVAL);
	launch_free(l);
	unlink(out_path);
}

static void the_exit_status_is_its_own(void **state)
{
	int status = run("exit 7", NULL);

	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 7);
	status = run("kill -TERM $$", NULL);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGTERM);
}

static void one_that_is_not_let_go_is_gone(void **state)
{
	char *argv[] = {(char *)"touch", out_path, NULL};
	char err[128];
	struct launch *l = launch_prepare(argv, NULL, err, sizeof(err));
	pid_t pid;

	assert_non_null(l);
	pid = launch_pid(l);
	launch_free(l);
	assert_int_equal(kill(pid, 0), -1);
	assert_int_equal(errno, ESRCH);
	assert_int_equal(access(out_path, F_OK), -1);
	launch_free(NULL);
}

static void one_that_is_let_go_lives_on(void **state)
{
	char *argv[] = {(char *)"sleep", (char *)"60", NULL};
	char err[128];
	struct launch *l = launch_prepare(argv, NULL, err, sizeof(err));
	pid_t pid;
	int status;

	assert_non_null(l);
	pid = launch_pid(l);
	assert_int_equal(launch_go(l), 0);
	launch_free(l);
	assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
}

/* When the tool dies before it said go, the child must not run the program. */
static void a_dead_tool_lets_nothing_run(void **state)
{
	char *argv[] = {(char *)"touch", out_path, NULL};
	pid_t tool = fork();
	int status;

	assert_true(tool >= 0);
	if (!tool) {
		char err[128];

		_exit(launch_prepare(argv, NULL, err, sizeof(err)) ? 0 : 1);
	}
	assert_int_equal(waitpid(tool, &status, 0), tool);
	assert_int_equal(status, 0);
	usleep(200000);
	assert_int_equal(access(out_path, F_OK), -1);
}

static void the_program_is_sought_in_the_path(void **state)
{
	char *argv[] = {(char *)"apm-test-program", NULL};
	char *path_before = strdup(getenv("PATH")), path[256], program[128], err[128];
	struct launch *l;
	FILE *f;

	assert_null(launch_prepare(argv, NULL, err, sizeof(err)));
	assert_int_equal(errno, ENOENT);
	assert_string_equal(err, "apm-test-program: command not found");

	snprintf(program, sizeof(program), "%s/apm-test-program", dir);
	f = fopen(program, "w");
	fprintf(f, "#!/bin/sh\nexit 3\n");
	fclose(f);
	snprintf(path, sizeof(path), "/nonexistent:%s:%s", dir, path_before);
	setenv("PATH", path, 1);
	assert_null(launch_prepare(argv, NULL, err, sizeof(err))); /* not executable */
	chmod(program, 0755);
	l = launch_prepare(argv, NULL, err, sizeof(err));
	setenv("PATH", path_before, 1);
	free(path_before);
	assert_non_null(l);
	assert_string_equal(launch_program(l), program);
	assert_int_equal(launch_go(l), 0);
	assert_int_equal(WEXITSTATUS(wait_end(l)), 3);
	launch_free(l);
}

static void an_exec_that_fails_says_why(void **state)
{
	char program[128], err[128];
	char *argv[] = {program, NULL};
	struct launch *l;
	FILE *f;

	snprintf(program, sizeof(program), "%s/missing", dir);
	l = launch_prepare(argv, NULL, err, sizeof(err));
	assert_non_null(l);
	assert_null(launch_program(l));
	assert_int_equal(launch_go(l), -ENOENT);
	launch_free(l);

	snprintf(program, sizeof(program), "%s/not-executable", dir);
	f = fopen(program, "w");
	fclose(f);
	l = launch_prepare(argv, NULL, err, sizeof(err));
	assert_non_null(l);
	assert_int_equal(launch_go(l), -EACCES);
	launch_free(l);
}

static void a_script_without_interpreter_line_runs_in_the_shell(void **state)
{
	char program[128], err[128];
	char *argv[] = {program, (char *)"nine", NULL};
	struct launch *l;
	FILE *f;

	snprintf(program, sizeof(program), "%s/script", dir);
	f = fopen(program, "w");
	fprintf(f, "test \"$1\" = nine && exit 9\n");
	fclose(f);
	chmod(program, 0755);
	l = launch_prepare(argv, NULL, err, sizeof(err));
	assert_non_null(l);
	assert_int_equal(launch_go(l), 0);
	assert_int_equal(WEXITSTATUS(wait_end(l)), 9);
	launch_free(l);
}

/* The tool ignores and blocks signals for itself; the program must find them as a
 * shell would hand them over. */
#define GLIBC_SIGNALS (3ULL << 31)

static void signals_are_at_their_defaults(void **state)
{
	uint64_t blocked = 0, ignored = 0;
	sigset_t block, before;

	sigemptyset(&block);
	sigaddset(&block, SIGTERM);
	sigprocmask(SIG_BLOCK, &block, &before);
	signal(SIGINT, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	run(script_to_out("grep -E '^Sig(Ign|Blk)' /proc/self/status | cut -f2 | tr -d '\\n'"), NULL);
	sigprocmask(SIG_SETMASK, &before, NULL);
	signal(SIGINT, SIG_DFL);
	signal(SIGPIPE, SIG_DFL);
	/* Two signals are glibc's own (32 and 33): a parent that ignores them cannot be
	 * undone through sigaction(). */
	assert_int_equal(sscanf(output(), "%16" SCNx64 "%16" SCNx64, &blocked, &ignored), 2);
	assert_int_equal(blocked & ~GLIBC_SIGNALS, 0);
	assert_int_equal(ignored & ~GLIBC_SIGNALS, 0);
}

/* Not even the one on which it waited: as if it had been started without the tool. */
static void no_descriptor_is_left_behind(void **state)
{
	char script[256], without[4096];

	snprintf(script, sizeof(script), "cd /proc/$$/fd && echo * > %s", out_path);
	assert_int_equal(system(script), 0);
	snprintf(without, sizeof(without), "%s", output());
	run(script, NULL);
	assert_string_equal(output(), without);
}

static void another_user_is_taken_on(void **state)
{
	if (geteuid())
		skip_because("needs root");
	run(script_to_out("echo $(id -u) $(id -g) $(id -G) $HOME $USER $LOGNAME"), "nobody");
	assert_string_equal(output(), "65534 65534 65534 /nonexistent nobody nobody");
}

static void the_caller_of_sudo_is_the_default(void **state)
{
	if (geteuid())
		skip_because("needs root");
	setenv("SUDO_UID", "65534", 1);
	run(script_to_out("echo $(id -un) $HOME"), NULL);
	setenv("SUDO_UID", "junk", 1);
	assert_string_equal(output(), "nobody /nonexistent");
	{
		char *argv[] = {(char *)"true", NULL};
		char err[128];

		assert_null(launch_prepare(argv, NULL, err, sizeof(err)));
		assert_string_equal(err, "SUDO_UID names no user: junk");
	}
	unsetenv("SUDO_UID");
}

static void an_unknown_user_is_refused(void **state)
{
	char *argv[] = {(char *)"true", NULL};
	char err[128];

	assert_null(launch_prepare(argv, "no-such-user-here", err, sizeof(err)));
	assert_string_equal(err, "no such user: no-such-user-here");
}

static void without_a_change_of_user_the_environment_stays(void **state)
{
	char *home = getenv("HOME") ? strdup(getenv("HOME")) : NULL;

	setenv("HOME", "/some/where", 1);
	run(script_to_out("echo $HOME"), NULL);
	assert_string_equal(output(), "/some/where");
	if (home)
		setenv("HOME", home, 1);
	free(home);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_runs_before_it_is_let_go),
		cmocka_unit_test(the_exit_status_is_its_own),
		cmocka_unit_test(one_that_is_not_let_go_is_gone),
		cmocka_unit_test(one_that_is_let_go_lives_on),
		cmocka_unit_test(a_dead_tool_lets_nothing_run),
		cmocka_unit_test(the_program_is_sought_in_the_path),
		cmocka_unit_test(an_exec_that_fails_says_why),
		cmocka_unit_test(a_script_without_interpreter_line_runs_in_the_shell),
		cmocka_unit_test(signals_are_at_their_defaults),
		cmocka_unit_test(no_descriptor_is_left_behind),
		cmocka_unit_test(another_user_is_taken_on),
		cmocka_unit_test(the_caller_of_sudo_is_the_default),
		cmocka_unit_test(an_unknown_user_is_refused),
		cmocka_unit_test(without_a_change_of_user_the_environment_stays),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
