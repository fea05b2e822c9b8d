/* SPDX-License-Identifier: BSD-2-Clause */
/* Writing: whose the file is, and what is left when a write fails. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "capture_file.h"
#include "skip.h"

static void flush_makes_records_readable(void **state)
{
	struct capture_writer *w = created();
	struct capture_result result;

	assert_int_equal(capture_write(w, &sample_records[0]), 0);
	assert_int_equal(read_back(&result, NULL), 0);
	assert_int_equal(result.records, 0);
	assert_int_equal(capture_flush(w), 0);
	assert_int_equal(read_back(&result, NULL), 0);
	assert_int_equal(result.records, 1);
	assert_int_equal(result.end, CAPTURE_TRUNCATED);
	assert_int_equal(capture_close(w), 0);
}

static void an_unencodable_record_does_no_harm(void **state)
{
	struct apm_hdr raw_text = {.kind = APM_EV_TEXT, .len = 80};
	struct record rec = {.hdr = &raw_text};
	struct capture_writer *w = created();
	struct capture_result result;

	assert_int_equal(capture_write(w, &rec), -EINVAL);
	write_samples(w);
	assert_int_equal(capture_close(w), 0);
	assert_int_equal(read_back(&result, NULL), 0);
	assert_int_equal(result.end, CAPTURE_WHOLE);
	assert_int_equal(result.records, SAMPLE_RECORDS);
}

static mode_t mode_of(const char *file)
{
	struct stat st;

	assert_int_equal(stat(file, &st), 0);
	return st.st_mode & 07777;
}

static void files_are_for_their_owner_alone(void **state)
{
	mode_t mask = umask(0);

	assert_int_equal(capture_close(created()), 0);
	assert_int_equal(mode_of(path), 0600);
	assert_int_equal(chmod(path, 0666), 0);
	assert_int_equal(capture_close(created()), 0);
	assert_int_equal(mode_of(path), 0600);
	unlink(path);
	umask(0777);
	assert_int_equal(capture_close(created()), 0);
	assert_int_equal(mode_of(path), 0600);
	umask(mask);
}

static void who_has_the_old_file_open_sees_nothing(void **state)
{
	struct stat st;
	int fd;

	put_file("old", 3);
	fd = open(path, O_RDONLY);
	assert_true(fd >= 0);
	assert_int_equal(capture_close(created()), 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, 3);
	assert_int_equal(st.st_nlink, 0);
	close(fd);
}

static void a_symbolic_link_is_followed(void **state)
{
	char target[96];
	struct stat st;

	snprintf(target, sizeof(target), "%s/target", folder);
	put_file("a longer text than the header is", 32);
	assert_int_equal(chmod(path, 0644), 0);
	assert_int_equal(rename(path, target), 0);
	assert_int_equal(symlink("target", path), 0);
	assert_int_equal(capture_close(created()), 0);
	assert_int_equal(lstat(path, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(stat(target, &st), 0);
	assert_int_equal(st.st_size, HEADER);
	assert_int_equal(mode_of(target), 0600);
	unlink(target);
}

static void descriptors_do_not_leak_into_children(void **state)
{
	int next = dup(0), kept;
	struct capture_writer *w;

	close(next);
	w = created();
	kept = fcntl(next, F_GETFD);
	assert_true(kept >= 0 && (kept & FD_CLOEXEC));
	assert_int_equal(capture_close(w), 0);
	assert_int_equal(fcntl(next, F_GETFD), -1);
}

static void what_cannot_be_opened_says_why(void **state)
{
	struct capture_result result;
	char deeper[128];

	errno = 0;
	assert_null(capture_create(folder));
	assert_int_equal(errno, EISDIR);
	snprintf(deeper, sizeof(deeper), "%s/no/x.apm", folder);
	assert_null(capture_create(deeper));
	assert_int_equal(errno, ENOENT);
	assert_int_equal(capture_read(path, look, NULL, &result), -ENOENT);
	assert_int_equal(capture_read(folder, look, NULL, &result), -EISDIR);
	assert_int_equal(capture_close(NULL), 0);
}

static void a_full_device_is_an_error_at_once(void **state)
{
	errno = 0;
	assert_null(capture_create("/dev/full"));
	assert_int_equal(errno, ENOSPC);
	assert_int_equal(mode_of("/dev/full") & 0111, 0);
	assert_int_equal(capture_close(capture_create("/dev/null")), 0);
}

/*
 * Writes until it fails with `want`. Whatever the failure left, the file must then end with a whole record,
 * and every record up to there must be readable.
 */
static void write_until(int want)
{
	struct capture_writer *w = created();
	struct capture_result result;
	uint64_t i, kept;
	struct stat st;
	int err = 0;

	for (i = 0; !err && i < 100000; i++)
		err = capture_write(w, &sample_records[i % (SAMPLE_RECORDS - 1)]);
	assert_int_equal(err, want);
	assert_int_equal(capture_write(w, &sample_records[0]), want);
	assert_int_equal(capture_flush(w), want);
	kept = capture_bytes(w);
	assert_int_equal(capture_close(w), want);

	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, kept);
	assert_int_equal(read_back(&result, NULL), 0);
	assert_int_equal(result.end, CAPTURE_TRUNCATED);
	assert_int_equal(result.offset, kept);
	assert_true(result.records > 100);
}

static void a_write_that_fails_half_way_is_cut_back(void **state)
{
	struct rlimit was, limit;
	rlim_t size;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	signal(SIGXFSZ, SIG_IGN);
	limit = was;
	/* One page of limits: wherever in a record the failure falls */
	for (size = 300000; size < 300200; size += 13) {
		limit.rlim_cur = size;
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
		write_until(-EFBIG);
	}
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	signal(SIGXFSZ, SIG_DFL);
}

static void a_full_disk_keeps_what_was_written(void **state)
{
	if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mount("tmpfs", folder, "tmpfs", 0, "size=400k") != 0)
		skip_because("a small file system cannot be mounted here (root only, and no chroot)");
	write_until(-ENOSPC);
	unlink(path);
	assert_int_equal(umount(folder), 0);
}

static int status_of(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* Runs `fn` in a child whose standard input or output is `fd`. Its exit status. */
static int in_child(int std, int fd, void (*fn)(void))
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		dup2(fd, std);
		fn();
	}
	return status_of(pid);
}

static void write_to_stdout(void)
{
	struct capture_writer *w = capture_create("-");
	size_t i;

	if (!w)
		_exit(1);
	for (i = 0; i < SAMPLE_RECORDS; i++)
		if (capture_write(w, &sample_records[i]) != 0)
			_exit(2);
	_exit(capture_close(w) ? 3 : 0);
}

static void read_from_stdin(void)
{
	struct capture_result result;
	struct seen seen = {0};

	if (capture_read("-", look, &seen, &result) != 0)
		_exit(1);
	strbuf_free(&seen.bytes);
	_exit(result.end == CAPTURE_WHOLE && result.records == SAMPLE_RECORDS ? 0 : 2);
}

static void a_dash_is_standard_input_and_output(void **state)
{
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	assert_int_equal(in_child(STDOUT_FILENO, fds[1], write_to_stdout), 0);
	close(fds[1]);
	assert_int_equal(in_child(STDIN_FILENO, fds[0], read_from_stdin), 0);
	close(fds[0]);
}

/* Until the child sleeps (or has ended): it waits for the pipe, if it waits at all. */
static void until_asleep(pid_t pid)
{
	char file[32], line[512], state = 0;
	int tries;

	snprintf(file, sizeof(file), "/proc/%d/stat", pid);
	for (tries = 0; tries < 10000 && state != 'S' && state != 'Z'; tries++) {
		FILE *f = fopen(file, "r");

		assert_non_null(f);
		assert_non_null(fgets(line, sizeof(line), f));
		fclose(f);
		state = strrchr(line, ')')[2];
		usleep(1000);
	}
}

static pid_t start_child(int std, int fd, int other, void (*fn)(void))
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		fcntl(fd, F_SETFL, O_NONBLOCK);
		dup2(fd, std);
		close(other);
		fn();
	}
	close(fd);
	until_asleep(pid);
	return pid;
}

static void an_empty_pipe_is_waited_for(void **state)
{
	struct strbuf stream = sample_stream(NULL);
	int fds[2];
	size_t i;
	pid_t pid;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	pid = start_child(STDIN_FILENO, fds[0], fds[1], read_from_stdin);
	assert_int_equal(write(fds[1], "APMCAP\0\0\1\0\0\0\0\0\0\0", HEADER), HEADER);
	for (i = 0; i < stream.len; i++)
		assert_int_equal(write(fds[1], stream.ptr + i, 1), 1);
	close(fds[1]);
	assert_int_equal(status_of(pid), 0);
	strbuf_free(&stream);
}

static void write_much_to_stdout(void)
{
	struct capture_writer *w = capture_create("-");
	int i;

	for (i = 0; w && i < 5000; i++)
		if (capture_write(w, &sample_records[0]) != 0)
			_exit(1);
	_exit(capture_close(w) ? 2 : 0);
}

static void a_full_pipe_is_waited_for(void **state)
{
	size_t total = 0;
	int fds[2];
	char chunk[4096];
	ssize_t n;
	pid_t pid;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	pid = start_child(STDOUT_FILENO, fds[1], fds[0], write_much_to_stdout);
	while ((n = read(fds[0], chunk, sizeof(chunk))) > 0)
		total += (size_t)n;
	assert_int_equal(n, 0);
	assert_int_equal(status_of(pid), 0);
	assert_true(total > 5000 * sizeof(struct apm_hdr));
	assert_int_equal((total - HEADER) % 5000, 0);
	close(fds[0]);
}

static void write_to_a_closed_pipe(void)
{
	signal(SIGPIPE, SIG_IGN);
	_exit(!capture_create("-") && errno == EPIPE ? 0 : 1);
}

static void a_closed_pipe_is_an_error(void **state)
{
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	close(fds[0]);
	assert_int_equal(in_child(STDOUT_FILENO, fds[1], write_to_a_closed_pipe), 0);
	close(fds[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(flush_makes_records_readable),
		TEST(an_unencodable_record_does_no_harm),
		TEST(files_are_for_their_owner_alone),
		TEST(who_has_the_old_file_open_sees_nothing),
		TEST(a_symbolic_link_is_followed),
		TEST(descriptors_do_not_leak_into_children),
		TEST(what_cannot_be_opened_says_why),
		TEST(a_full_device_is_an_error_at_once),
		TEST(a_write_that_fails_half_way_is_cut_back),
		TEST(a_dash_is_standard_input_and_output),
		TEST(an_empty_pipe_is_waited_for),
		TEST(a_full_pipe_is_waited_for),
		TEST(a_closed_pipe_is_an_error),
		TEST(a_full_disk_keeps_what_was_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
