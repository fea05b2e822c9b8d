/* SPDX-License-Identifier: BSD-2-Clause */
#include "capture.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#define CAPTURE_VERSION 1
#define BUFFER_SIZE	(256u << 10)

struct file_header {
	char magic[8];
	uint32_t version;
	uint32_t reserved;
};

static const char capture_magic[8] = "APMCAP\0";

struct capture_writer {
	int fd;
	int error;	       /* the first failed write, -errno; nothing is written after it */
	uint64_t written;      /* whole records, with the header */
	struct strbuf waiting; /* whole records */
};

static int open_output(const char *path)
{
	struct stat st;
	int fd;

	if (strcmp(path, "-") == 0)
		return fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	/* Where this fails (a mount point, a directory without write permission) the file is overwritten. */
	if (lstat(path, &st) == 0 && S_ISREG(st.st_mode))
		unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600);
	if (fd < 0)
		return -1;
	if (fstat(fd, &st) != 0)
		goto fail;
	if (!S_ISREG(st.st_mode))
		return fd;
	if ((st.st_mode & 07777) != 0600 && fchmod(fd, 0600) != 0)
		goto fail;
	if (st.st_size && ftruncate(fd, 0) != 0)
		goto fail;
	return fd;
fail:
	close(fd);
	return -1;
}

/* Over all of a record but the place where it stands; never 0, which means that there is none. */
static uint32_t checksum(const void *record, size_t len)
{
	static const uint32_t none;
	const size_t at = offsetof(struct apm_hdr, check), after = at + sizeof(none);
	const unsigned char *bytes = record;
	uLong crc = crc32(0, bytes, (uInt)at);

	crc = crc32(crc, (const unsigned char *)&none, sizeof(none));
	crc = crc32(crc, bytes + after, (uInt)(len - after));
	return crc ? (uint32_t)crc : 1;
}

/* Standard input and output may be non-blocking because of whom they are shared with. 0 or -errno. */
static int wait_for(int fd, short events)
{
	struct pollfd ready = {.fd = fd, .events = events};

	return poll(&ready, 1, -1) < 0 && errno != EINTR ? -errno : 0;
}

/* Writes all of it, however slowly. *done says how much of it arrived. 0 or -errno. */
static int write_all(int fd, const char *bytes, size_t len, size_t *done)
{
	int err = 0;

	*done = 0;
	while (*done < len && !err) {
		ssize_t n = write(fd, bytes + *done, len - *done);

		if (n >= 0)
			*done += (size_t)n;
		else if (errno == EAGAIN)
			err = wait_for(fd, POLLOUT);
		else if (errno != EINTR)
			err = -errno;
	}
	return err;
}

/* The end of the last whole record (or the file header) in the first `len` bytes of what was waiting. */
static size_t last_boundary(const struct capture_writer *w, size_t len)
{
	size_t end = 0;

	for (;;) {
		size_t next = end;

		if (w->written == 0 && end == 0)
			next += sizeof(struct file_header);
		else if (end < w->waiting.len)
			next += ((const struct apm_hdr *)(w->waiting.ptr + end))->len;
		if (next == end || next > len)
			return end;
		end = next;
	}
}

/* Takes the last `len` bytes off again. Where they are not at the end of a regular
 * file, the reader has to cope. */
static void cut_back(int fd, size_t len)
{
	off_t pos = lseek(fd, 0, SEEK_CUR);
	struct stat st;

	if (len == 0 || pos < (off_t)len || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size != pos)
		return;
	if (ftruncate(fd, pos - (off_t)len) == 0)
		lseek(fd, pos - (off_t)len, SEEK_SET);
}

int capture_flush(struct capture_writer *w)
{
	size_t done, whole;

	if (w->error)
		return w->error;
	w->error = write_all(w->fd, w->waiting.ptr, w->waiting.len, &done);
	whole = done;
	if (w->error) {
		whole = last_boundary(w, done);
		cut_back(w->fd, done - whole);
	}
	w->written += whole;
	strbuf_reset(&w->waiting);
	return w->error;
}

struct capture_writer *capture_create(const char *path)
{
	struct file_header header = {.version = CAPTURE_VERSION};
	struct capture_writer *w = calloc(1, sizeof(*w));
	int err;

	if (!w)
		return NULL;
	w->fd = open_output(path);
	if (w->fd < 0) {
		err = errno;
		goto fail;
	}
	memcpy(header.magic, capture_magic, sizeof(header.magic));
	strbuf_add(&w->waiting, &header, sizeof(header));
	err = w->waiting.failed ? ENOMEM : -capture_flush(w);
	if (err)
		goto fail;
	return w;
fail:
	if (w->fd >= 0)
		close(w->fd);
	strbuf_free(&w->waiting);
	free(w);
	errno = err;
	return NULL;
}

int capture_write(struct capture_writer *w, const struct record *rec)
{
	size_t before = w->waiting.len;
	struct apm_hdr *hdr;
	int err;

	if (w->error)
		return w->error;
	err = record_encode(&w->waiting, rec);
	if (err) {
		w->waiting.failed = 0; /* the earlier records are whole, and there may be memory again */
		return err;
	}
	hdr = (struct apm_hdr *)(w->waiting.ptr + before);
	hdr->check = checksum(hdr, hdr->len);
	return w->waiting.len >= BUFFER_SIZE ? capture_flush(w) : 0;
}

int capture_close(struct capture_writer *w)
{
	int err;

	if (!w)
		return 0;
	err = capture_flush(w);
	if (close(w->fd) != 0 && !err)
		err = -errno;
	strbuf_free(&w->waiting);
	free(w);
	return err;
}

uint64_t capture_bytes(const struct capture_writer *w)
{
	return w->written + w->waiting.len;
}

/* ---- reading ---- */

struct input {
	int fd;
	int eof;
	char *buffer;
	size_t size;  /* of buffer */
	size_t start; /* of what was not consumed yet; a multiple of 8 */
	size_t end;
};

static size_t input_left(const struct input *in)
{
	return in->end - in->start;
}

/* Makes room (a record that fills the buffer doubles it) and reads once. 0 or -errno;
 * in->eof is set at the end. */
static int input_refill(struct input *in)
{
	ssize_t n;

	if (in->start) {
		memmove(in->buffer, in->buffer + in->start, input_left(in));
		in->end -= in->start;
		in->start = 0;
	}
	if (in->end == in->size) {
		size_t size = in->size ? in->size * 2 : BUFFER_SIZE;
		char *buffer = realloc(in->buffer, size);

		if (!buffer)
			return -ENOMEM;
		in->buffer = buffer;
		in->size = size;
	}
	n = read(in->fd, in->buffer + in->end, in->size - in->end);
	if (n < 0 && errno == EAGAIN)
		return wait_for(in->fd, POLLIN);
	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	in->eof = n == 0;
	in->end += (size_t)n;
	return 0;
}

static int read_header(struct input *in)
{
	struct file_header header;

	while (!in->eof && input_left(in) < sizeof(header)) {
		int err = input_refill(in);

		if (err)
			return err;
	}
	if (input_left(in) == 0)
		return -ENODATA;
	if (input_left(in) < sizeof(header))
		return -EBADMSG;
	memcpy(&header, in->buffer, sizeof(header));
	if (memcmp(header.magic, capture_magic, sizeof(header.magic)) != 0 || header.version == 0)
		return -EBADMSG;
	if (header.version > CAPTURE_VERSION)
		return -EPROTONOSUPPORT;
	in->start = sizeof(header);
	return 0;
}

/* Whether a whole record is what was written; one without a checksum is believed. */
static int is_sound(const struct apm_hdr *hdr)
{
	return !hdr->check || hdr->check == checksum(hdr, hdr->len);
}

static int read_records(struct input *in, record_fn fn, void *arg, struct capture_result *result)
{
	int ended = 0;

	for (;;) {
		struct record rec;
		int n = record_decode(in->buffer + in->start, input_left(in), &rec);

		if (ended && input_left(in)) {
			result->end = CAPTURE_CORRUPT;
			return 0;
		}
		if (n == -EAGAIN) {
			int err = input_refill(in);

			if (err)
				return err;
			if (!in->eof)
				continue;
			result->end = ended ? CAPTURE_WHOLE : CAPTURE_TRUNCATED;
			return 0;
		}
		if ((n == -ENOTSUP || n >= 0) && !is_sound(rec.hdr)) {
			result->end = CAPTURE_CORRUPT;
			return 0;
		}
		if (n == -ENOTSUP) {
			n = (int)rec.hdr->len;
			result->skipped++;
		} else if (n < 0) {
			result->end = CAPTURE_CORRUPT;
			return 0;
		} else {
			int err = fn(&rec, arg);

			result->records++;
			if (err)
				return err;
			ended = rec.hdr->kind == REC_END;
		}
		in->start += (size_t)n;
		result->offset += (size_t)n;
	}
}

int capture_read(const char *path, record_fn fn, void *arg, struct capture_result *result)
{
	int is_stdin = strcmp(path, "-") == 0;
	struct input in = {.fd = STDIN_FILENO};
	int err;

	*result = (struct capture_result){.end = CAPTURE_TRUNCATED};
	if (!is_stdin) {
		in.fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
		if (in.fd < 0)
			return -errno;
	}
	err = read_header(&in);
	if (!err) {
		result->offset = in.start;
		err = read_records(&in, fn, arg, result);
	}
	free(in.buffer);
	if (!is_stdin)
		close(in.fd);
	return err;
}
