/* SPDX-License-Identifier: BSD-2-Clause */
/* Processes chosen by name and cgroup: what is refused, and which are found now. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "collect/select.h"

static void test_names(void **state)
{
	const char *const names[] = {"web", "a-name-that-the-kernel-cuts"};
	struct selection sel;
	char err[256];

	assert_int_equal(selection_make(&sel, NULL, 0, NULL, 0, 0, err, sizeof(err)), 0);
	assert_false(selection_any(&sel));
	selection_free(&sel);
	assert_int_equal(selection_make(&sel, names, 2, NULL, 0, 0, err, sizeof(err)), 0);
	assert_true(selection_any(&sel));
	assert_memory_equal(sel.comm[0], "web\0\0\0\0\0\0\0\0\0\0\0\0", SELECT_COMM_LEN);
	assert_memory_equal(sel.comm[1], "a-name-that-the", SELECT_COMM_LEN);
	selection_free(&sel);
}

static void test_no_cgroup(void **state)
{
	const char *const names[] = {"no/such/group", "/tmp"};
	struct selection sel;
	char err[256];

	for (int i = 0; i < 2; i++) {
		assert_true(selection_make(&sel, NULL, 0, &names[i], 1, 0, err, sizeof(err)) < 0);
		assert_non_null(strstr(err, names[i]));
		selection_free(&sel);
	}
}

struct search {
	pid_t pid, parent;
	int found;
};

static int look(pid_t pid, void *arg)
{
	struct search *s = arg;

	assert_int_not_equal(pid, getpid());
	s->found += pid == s->pid;
	return 0;
}

static int look_parent(pid_t pid, pid_t parent, void *arg)
{
	struct search *s = arg;

	if (pid == s->pid)
		s->parent = parent;
	return 0;
}

static int stop(pid_t pid, void *arg)
{
	return 7;
}

static void test_found(void **state)
{
	char name[SELECT_COMM_LEN], err[256], byte;
	const char *const names[] = {name};
	struct selection sel;
	struct search s = {0};
	int ready[2];

	snprintf(name, sizeof(name), "sel (%d", (int)getpid());
	assert_int_equal(pipe(ready), 0);
	s.pid = fork();
	if (s.pid == 0) {
		prctl(PR_SET_NAME, name);
		if (write(ready[1], "x", 1) != 1)
			_exit(1);
		pause();
		_exit(0);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(selection_make(&sel, names, 1, NULL, 0, 0, err, sizeof(err)), 0);
	assert_int_equal(selection_each(&sel, look, &s), 0);
	assert_int_equal(s.found, 1);
	assert_int_equal(selection_each(&sel, stop, NULL), 7);
	selection_free(&sel);

	assert_int_equal(selection_make(&sel, NULL, 0, NULL, 0, 1, err, sizeof(err)), 0);
	assert_int_equal(selection_each(&sel, look, &s), 0);
	assert_int_equal(s.found, 2);
	selection_free(&sel);

	assert_int_equal(select_parents(look_parent, &s), 0);
	assert_int_equal(s.parent, getpid());
	kill(s.pid, SIGKILL);
	waitpid(s.pid, NULL, 0);
	close(ready[0]);
	close(ready[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_no_cgroup),
		cmocka_unit_test(test_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
