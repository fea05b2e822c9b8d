/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "capture.h"
#include "sample_records.h"

#define HEADER 16

static char folder[64];
static char path[96];

static int in_new_folder(void **state)
{
	strcpy(folder, "/tmp/apm-test-capture-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof(path), "%s/x.apm", folder);
	return 0;
}

static int remove_folder(void **state)
{
	unlink(path);
	return rmdir(folder);
}

/* What a reader saw: each record again encoded, back to back. */
struct seen {
	struct strbuf bytes;
	uint64_t count;
	uint64_t stop_at; /* return -EIO at this record, from 1 */
};

static int look(const struct record *rec, void *arg)
{
	struct seen *seen = arg;

	assert_int_equal(record_encode(&seen->bytes, rec), 0);
	return ++seen->count == seen->stop_at ? -EIO : 0;
}

/* Reads it all; *bytes (may be NULL) then holds the records. */
static int read_back(struct capture_result *result, struct strbuf *bytes)
{
	struct seen seen = {0};
	int err = capture_read(path, look, &seen, result);

	assert_int_equal(result->records, seen.count);
	if (bytes)
		*bytes = seen.bytes;
	else
		strbuf_free(&seen.bytes);
	return err;
}

/* The sample records as the file has them, and where each ends. */
static struct strbuf sample_stream(size_t ends[SAMPLE_RECORDS])
{
	struct strbuf buf = {0};
	size_t i;

	for (i = 0; i < SAMPLE_RECORDS; i++) {
		assert_int_equal(record_encode(&buf, &sample_records[i]), 0);
		if (ends)
			ends[i] = HEADER + buf.len;
	}
	return buf;
}

static void write_samples(struct capture_writer *w)
{
	size_t i;

	for (i = 0; i < SAMPLE_RECORDS; i++)
		assert_int_equal(capture_write(w, &sample_records[i]), 0);
}

static struct capture_writer *created(void)
{
	struct capture_writer *w = capture_create(path);

	assert_non_null(w);
	return w;
}

static void put_file(const void *bytes, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, len), len);
	close(fd);
}

static struct strbuf get_file(void)
{
	struct strbuf buf = {0};
	char chunk[4096];
	ssize_t n;
	int fd = open(path, O_RDONLY);

	assert_true(fd >= 0);
	while ((n = read(fd, chunk, sizeof(chunk))) > 0)
		strbuf_add(&buf, chunk, (size_t)n);
	close(fd);
	return buf;
}

static void what_is_written_is_read(void **state)
{
	struct capture_writer *w = created();
	struct strbuf want = sample_stream(NULL), got;
	struct capture_result result;

	assert_int_equal(capture_bytes(w), HEADER);
	write_samples(w);
	assert_int_equal(capture_bytes(w), HEADER + want.len);
	assert_int_equal(capture_close(w), 0);

	assert_int_equal(read_back(&result, &got), 0);
	assert_int_equal(result.end, CAPTURE_WHOLE);
	assert_int_equal(result.records, SAMPLE_RECORDS);
	assert_int_equal(result.skipped, 0);
	assert_int_equal(result.offset, HEADER + want.len);
	assert_int_equal(got.len, want.len);
	assert_memory_equal(got.ptr, want.ptr, want.len);
	strbuf_free(&want);
	strbuf_free(&got);
}

static void the_header_is_as_documented(void **state)
{
	struct strbuf file;

	assert_int_equal(capture_close(created()), 0);
	file = get_file();
	assert_int_equal(file.len, HEADER);
	assert_memory_equal(file.ptr, "APMCAP\0\0\1\0\0\0\0\0\0\0", HEADER);
	strbuf_free(&file);
}

static void cut_anywhere_it_gives_the_whole_records_before(void **state)
{
	struct capture_writer *w = created();
	struct capture_result result;
	size_t ends[SAMPLE_RECORDS], len, whole = 0;
	struct strbuf want = sample_stream(ends), file;

	write_samples(w);
	assert_int_equal(capture_close(w), 0);
	file = get_file();
	for (len = HEADER; len <= file.len; len++) {
		struct strbuf got;

		put_file(file.ptr, len);
		if (len == ends[whole])
			whole++;
		assert_int_equal(read_back(&result, &got), 0);
		assert_int_equal(result.end, whole == SAMPLE_RECORDS ? CAPTURE_WHOLE : CAPTURE_TRUNCATED);
		assert_int_equal(result.records, whole);
		assert_int_equal(result.offset, whole ? ends[whole - 1] : HEADER);
		assert_int_equal(got.len, result.offset - HEADER);
		if (got.len)
			assert_memory_equal(got.ptr, want.ptr, got.len);
		strbuf_free(&got);
	}
	assert_int_equal(whole, SAMPLE_RECORDS);
	strbuf_free(&want);
	strbuf_free(&file);
}

static void what_is_no_capture_is_refused(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		int want;
	} cases[] = {
		{"", 0, -ENODATA},
		{"A", 1, -EBADMSG},
		{"APMCAP\0\0\1\0\0\0\0\0\0", 15, -EBADMSG},
		{"APMCAP\0\1\1\0\0\0\0\0\0\0", 16, -EBADMSG},
		{"\x7f"
		 "ELF\2\1\1\0\0\0\0\0\0\0\0\0 and so on",
		 26, -EBADMSG},
		{"APMCAP\0\0\0\0\0\0\0\0\0\0", 16, -EBADMSG},
		{"APMCAP\0\0\2\0\0\0\0\0\0\0", 16, -EPROTONOSUPPORT},
		{"APMCAP\0\0\0\0\0\1\0\0\0\0", 16, -EPROTONOSUPPORT}, /* big-endian */
		{"APMCAP\0\0\1\0\0\0\0\0\0\0", 16, 0},
	};
	struct capture_result result;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		put_file(cases[i].bytes, cases[i].len);
		assert_int_equal(read_back(&result, NULL), cases[i].want);
		assert_int_equal(result.records, 0);
		assert_int_equal(result.end, CAPTURE_TRUNCATED);
	}
}

static void damage_is_reported_where_it_is(void **state)
{
	struct capture_writer *w = created();
	struct capture_result result;
	size_t ends[SAMPLE_RECORDS], i;
	struct strbuf want = sample_stream(ends), file;

	write_samples(w);
	assert_int_equal(capture_close(w), 0);
	file = get_file();
	for (i = 1; i < SAMPLE_RECORDS; i++) {
		struct apm_hdr *hdr = (struct apm_hdr *)(file.ptr + ends[i - 1]);
		uint32_t was = hdr->len;

		hdr->len = 13;
		put_file(file.ptr, file.len);
		hdr->len = was;
		assert_int_equal(read_back(&result, NULL), 0);
		assert_int_equal(result.end, CAPTURE_CORRUPT);
		assert_int_equal(result.records, i);
		assert_int_equal(result.offset, ends[i - 1]);
	}
	strbuf_free(&want);
	strbuf_free(&file);
}

static void nothing_follows_the_end(void **state)
{
	struct capture_writer *w = created();
	struct capture_result result;
	struct strbuf want = sample_stream(NULL);

	write_samples(w);
	assert_int_equal(capture_write(w, &sample_records[0]), 0);
	assert_int_equal(capture_close(w), 0);
	assert_int_equal(read_back(&result, NULL), 0);
	assert_int_equal(result.end, CAPTURE_CORRUPT);
	assert_int_equal(result.records, SAMPLE_RECORDS);
	assert_int_equal(result.offset, HEADER + want.len);
	strbuf_free(&want);
}

static void unknown_kinds_are_skipped_and_counted(void **state)
{
	struct capture_writer *w = created();
	struct capture_result result;
	struct strbuf file;

	write_samples(w);
	assert_int_equal(capture_close(w), 0);
	file = get_file();
	((struct apm_hdr *)(file.ptr + HEADER))->kind = 999;
	put_file(file.ptr, file.len);
	assert_int_equal(read_back(&result, NULL), 0);
	assert_int_equal(result.end, CAPTURE_WHOLE);
	assert_int_equal(result.records, SAMPLE_RECORDS - 1);
	assert_int_equal(result.skipped, 1);
	assert_int_equal(result.offset, file.len);
	strbuf_free(&file);
}

static void the_consumer_can_stop(void **state)
{
	struct seen seen = {.stop_at = 3};
	struct capture_writer *w = created();
	struct capture_result result;
	size_t ends[SAMPLE_RECORDS];
	struct strbuf want = sample_stream(ends);

	write_samples(w);
	assert_int_equal(capture_close(w), 0);
	assert_int_equal(capture_read(path, look, &seen, &result), -EIO);
	assert_int_equal(seen.count, 3);
	assert_int_equal(result.records, 3);
	strbuf_free(&seen.bytes);
	strbuf_free(&want);
}

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

/* Records larger than any buffer, between small ones. */
static void large_records_pass(void **state)
{
	static const size_t sizes[] = {1, 262100, 262144, 300001, 5u << 20, 3};
	struct capture_writer *w = created();
	struct record rec = {.hdr = &sample_hdrs[6], .error = {.number = 1}};
	char *bytes = malloc(5u << 20);
	struct strbuf want = {0}, got;
	struct capture_result result;
	size_t i;

	assert_non_null(bytes);
	memset(bytes, 'x', 5u << 20);
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		rec.error.message = (struct str){bytes, sizes[i]};
		assert_int_equal(capture_write(w, &rec), 0);
		assert_int_equal(record_encode(&want, &rec), 0);
	}
	assert_int_equal(capture_close(w), 0);
	assert_int_equal(read_back(&result, &got), 0);
	assert_int_equal(result.records, 6);
	assert_int_equal(got.len, want.len);
	assert_memory_equal(got.ptr, want.ptr, want.len);
	free(bytes);
	strbuf_free(&want);
	strbuf_free(&got);
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
	    mount("tmpfs", folder, "tmpfs", 0, "size=400k") != 0) {
		print_message("needs root, to mount a small file system\n");
		skip();
	}
	write_until(-ENOSPC);
	unlink(path);
	assert_int_equal(umount(folder), 0);
}

/* Runs `fn` in a child whose standard input or output is `fd`. Its exit status. */
static int in_child(int std, int fd, void (*fn)(void))
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		dup2(fd, std);
		fn();
		_exit(99);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
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

/* A reader that gets the capture byte by byte, from a pipe that is empty most of the time. */
static void a_slow_pipe_is_waited_for(void **state)
{
	struct strbuf stream = sample_stream(NULL);
	int fds[2], status;
	size_t i;
	pid_t pid;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		fcntl(fds[0], F_SETFL, O_NONBLOCK);
		dup2(fds[0], STDIN_FILENO);
		close(fds[1]);
		read_from_stdin();
	}
	close(fds[0]);
	assert_int_equal(write(fds[1], "APMCAP\0\0\1\0\0\0\0\0\0\0", HEADER), HEADER);
	for (i = 0; i < stream.len; i++)
		assert_int_equal(write(fds[1], stream.ptr + i, 1), 1);
	close(fds[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	strbuf_free(&stream);
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, in_new_folder, remove_folder)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_written_is_read),
		TEST(the_header_is_as_documented),
		TEST(cut_anywhere_it_gives_the_whole_records_before),
		TEST(what_is_no_capture_is_refused),
		TEST(damage_is_reported_where_it_is),
		TEST(nothing_follows_the_end),
		TEST(unknown_kinds_are_skipped_and_counted),
		TEST(the_consumer_can_stop),
		TEST(flush_makes_records_readable),
		TEST(an_unencodable_record_does_no_harm),
		TEST(large_records_pass),
		TEST(files_are_for_their_owner_alone),
		TEST(who_has_the_old_file_open_sees_nothing),
		TEST(a_symbolic_link_is_followed),
		TEST(descriptors_do_not_leak_into_children),
		TEST(what_cannot_be_opened_says_why),
		TEST(a_full_device_is_an_error_at_once),
		TEST(a_write_that_fails_half_way_is_cut_back),
		TEST(a_dash_is_standard_input_and_output),
		TEST(a_slow_pipe_is_waited_for),
		TEST(a_closed_pipe_is_an_error),
		TEST(a_full_disk_keeps_what_was_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
