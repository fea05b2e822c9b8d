/* SPDX-License-Identifier: BSD-2-Clause */
#include "output.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "log.h"
#include "report/report.h"

static int is_stdout(const char *path)
{
	return !path || !strcmp(path, "-");
}

/* 0 or -errno; a non-blocking descriptor (a terminal shared with the traced program
 * may be one) is waited for. */
static int write_all(int fd, const char *bytes, size_t len)
{
	while (len) {
		ssize_t n = write(fd, bytes, len);

		if (n < 0 && errno == EAGAIN)
			usleep(1000);
		else if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			bytes += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

/* A descriptor to write `path` from its beginning, or -errno. */
static int open_output(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);

	return fd < 0 ? -errno : fd;
}

static int complain(const char *what, const char *path, int err)
{
	log_error("cannot write the %s to %s: %s", what, path ? path : "standard output", strerror(-err));
	return err;
}

/* ---- before the work ---- */

static int check_path(const char *what, const char *path)
{
	struct stat st;
	int fd, existed;

	if (is_stdout(path))
		return 0;
	existed = !stat(path, &st);
	/* Opening a pipe or a device can block or act: its turn comes when there is something to write. */
	if (existed && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
		return 0;
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return complain(what, path, -errno);
	close(fd);
	if (!existed)
		unlink(path);
	return 0;
}

int output_check(const struct options *opt)
{
	const struct {
		const char *what, *path;
	} outputs[] = {
		{"report", opt->report_path},
		{opt->command == COMMAND_FLAME ? "flame graph" : "capture", opt->output_path},
		{"flame graph", opt->flame_path},
		{"folded stacks", opt->folded_path},
	};
	size_t i;
	int err;

	for (i = 0; i < sizeof(outputs) / sizeof(outputs[0]); i++) {
		err = check_path(outputs[i].what, outputs[i].path);
		if (err)
			return err;
	}
	return 0;
}

/* ---- writing ---- */

int output_color(const struct options *opt, int fd)
{
	return opt->color == COLOR_ALWAYS || (opt->color == COLOR_AUTO && isatty(fd));
}

int output_wants_stacks(const struct options *opt)
{
	return opt->flame_path || opt->folded_path || !strcmp(opt->format, "html");
}

int output_text(const struct strbuf *text)
{
	int err = text->failed ? -ENOMEM : write_all(STDOUT_FILENO, text->ptr, text->len);

	/* Who reads has seen enough (head, less): nothing to complain about. */
	if (err && err != -EPIPE)
		complain("report", NULL, err);
	return err;
}

int output_open(const char *path)
{
	int fd = is_stdout(path) ? STDOUT_FILENO : open_output(path);

	return fd < 0 ? complain("report", path, fd) : fd;
}

int output_write(int fd, const char *path, const struct strbuf *text)
{
	int err = text->failed ? -ENOMEM : write_all(fd, text->ptr, text->len);

	if (err && err != -EPIPE)
		complain("report", is_stdout(path) ? NULL : path, err);
	return err;
}

int output_close(int fd, const char *path)
{
	if (is_stdout(path) || !close(fd))
		return 0;
	return complain("report", path, -errno);
}

/* The terminal's width; 0 for files and pipes, so that their content does not depend on who looks on. */
static int width_of(int fd)
{
	struct winsize ws;

	return ioctl(fd, TIOCGWINSZ, &ws) ? 0 : ws.ws_col;
}

static int render(const struct options *opt, const struct report *r, const struct stacks *stacks, int fd,
		  struct strbuf *out)
{
	const struct report_writer *writer = report_writer_find(opt->format);
	struct report_style style = {
		.top = opt->top,
		.color = output_color(opt, fd),
		.width = width_of(fd),
		.whole = opt->log_level >= LOG_LEVEL_DEBUG,
		.stacks = stacks,
	};

	strbuf_reset(out);
	return writer->write(r, &style, out);
}

static int write_file(const struct options *opt, const struct report *r, const struct stacks *stacks,
		      struct strbuf *text)
{
	int fd = open_output(opt->report_path), err;

	if (fd < 0)
		return fd;
	err = render(opt, r, stacks, fd, text);
	if (!err)
		err = write_all(fd, text->ptr, text->len);
	if (close(fd) && !err)
		err = -errno;
	return err;
}

static int write_report(const struct options *opt, const struct report *r, const struct stacks *stacks)
{
	struct strbuf text = {0};
	int err = 0, failed = 0;

	/* There the intervals are. */
	if (opt->interval_ns && is_stdout(opt->report_path))
		return 0;
	if (!is_stdout(opt->report_path)) {
		failed = write_file(opt, r, stacks, &text);
		if (failed)
			complain("report", opt->report_path, failed);
	}
	/* What took minutes to measure is not thrown away because a disk is full. */
	if (is_stdout(opt->report_path) || failed) {
		err = render(opt, r, stacks, STDOUT_FILENO, &text);
		if (err)
			complain("report", NULL, err);
		else
			err = output_text(&text);
	}
	strbuf_free(&text);
	return failed ? failed : err;
}

/* What is written to a file of its own. */
struct drawing {
	const char *what;
	const struct stacks *stacks, *before;
	const struct flame_options *flame; /* NULL = folded stacks */
};

static int draw(const struct drawing *d, int fd)
{
	if (d->flame)
		return stacks_write_svg(d->stacks, d->flame, fd);
	return d->before ? stacks_write_folded_diff(d->before, d->stacks, fd)
			 : stacks_write_folded(d->stacks, fd);
}

static int with_output(const char *path, const struct drawing *d)
{
	int fd = is_stdout(path) ? STDOUT_FILENO : open_output(path), err;

	if (fd < 0)
		return complain(d->what, path, fd);
	err = draw(d, fd);
	if (!is_stdout(path) && close(fd) && !err)
		err = -errno;
	return err ? complain(d->what, is_stdout(path) ? NULL : path, err) : 0;
}

int output_svg(const char *path, const struct stacks *stacks, const struct flame_options *flame)
{
	return with_output(path, &(struct drawing){.what = "flame graph", .stacks = stacks, .flame = flame});
}

int output_folded(const char *path, const struct stacks *stacks)
{
	return with_output(path, &(struct drawing){.what = "folded stacks", .stacks = stacks});
}

int output_folded_diff(const char *path, const struct stacks *a, const struct stacks *b)
{
	return with_output(path, &(struct drawing){.what = "folded stacks", .stacks = b, .before = a});
}

static int fails(const struct options *opt, const struct report *r)
{
	size_t i;

	for (i = 0; opt->fail_on != OPTIONS_NO_FAIL_ON && i < r->findings.count; i++)
		if ((int)r->findings.item[i].severity >= opt->fail_on)
			return 1;
	return 0;
}

int output_report(const struct options *opt, const struct report *r, const struct stacks *stacks)
{
	struct strbuf title = {0};
	struct flame_options flame = {.unit = "samples"};
	int failed = write_report(opt, r, stacks);

	if (stacks && opt->folded_path)
		failed |= output_folded(opt->folded_path, stacks);
	if (stacks && opt->flame_path) {
		strbuf_addf(&title, "CPU profile of %s", r->target ? r->target : "the target");
		flame.title = title.failed ? "CPU profile" : title.ptr;
		failed |= output_svg(opt->flame_path, stacks, &flame);
	}
	strbuf_free(&title);
	if (failed)
		return EXIT_STATUS_FAILED;
	return fails(opt, r) ? EXIT_STATUS_FINDINGS : EXIT_STATUS_OK;
}

int output_command_status(int status, int wait_status)
{
	if (status != EXIT_STATUS_OK)
		return status;
	return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}
