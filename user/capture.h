/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The capture file: a 16-byte header ("APMCAP\0\0", u32 version, u32 reserved) and records (record.h) back to
 * back, little-endian, each with its CRC-32 in hdr.check (taken with 0 there; 0 itself is written as 1); on a big-endian machine a capture would look like one of a newer version. Files are
 * created 0600. A file without REC_END was cut short and is read to its last whole record.
 */
#ifndef APM_CAPTURE_H
#define APM_CAPTURE_H

#include "record.h"

struct capture_writer;

/*
 * Creates or replaces `path` ("-" = stdout) and writes the header. NULL with errno set.
 *
 * A regular file of that name is unlinked and made anew: its owner, whoever has it open and its other hard
 * links never see the capture. A symbolic link is followed, as a shell's ">" would (captures on another disk,
 * /dev/stdout); the kernel's fs.protected_symlinks and fs.protected_regular guard /tmp. Whatever regular file
 * results is 0600 before a byte goes in, else EPERM. Devices and pipes are left as they are; a program that
 * writes into a pipe should ignore SIGPIPE.
 */
struct capture_writer *capture_create(const char *path);
/*
 * Buffers one record, and writes when 256 KiB are waiting. 0; -EINVAL, -ENOMEM as record_encode(), and the
 * capture goes on without the record; or the -errno of the write that failed (-ENOSPC: the disk is full),
 * which every later call gives again. A regular file is then cut back to its last whole record.
 */
int capture_write(struct capture_writer *w, const struct record *rec);
/* Writes the buffer out: a recorder calls it about once a second, so that a kill loses
 * little. 0 or as capture_write(). */
int capture_flush(struct capture_writer *w);
/* Flushes, closes, frees. 0 or the first -errno that any write met. Accepts NULL. */
int capture_close(struct capture_writer *w);
/* Bytes of header and whole records so far, with those that wait; after a failed write what the file kept. */
uint64_t capture_bytes(const struct capture_writer *w);

enum capture_end {
	CAPTURE_WHOLE = 0,     /* ended with REC_END */
	CAPTURE_TRUNCATED = 1, /* cut inside or after a record */
	CAPTURE_CORRUPT =
		2, /* a record made no sense or is not what was written, or something follows REC_END; read up to there */
};

struct capture_result {
	enum capture_end end;
	uint64_t records; /* handed to fn */
	uint64_t skipped; /* records of kinds this version does not know */
	uint64_t offset;  /* where reading stopped: the end of the last whole record */
};

/*
 * Reads `path` ("-" = stdin) and hands each record to `fn`. Returns 0 with *result filled (also for truncated
 * and corrupt files, as long as the header is good), -errno when the file cannot be opened or read, -EBADMSG
 * when it is no capture, -ENODATA when it is empty, -EPROTONOSUPPORT for a newer format version, or what fn
 * returned
 * (*result then says how far it got). Records live until fn returns. Memory is bounded by the largest record,
 * not by the file's size, and is taken only as bytes arrive.
 */
int capture_read(const char *path, record_fn fn, void *arg, struct capture_result *result);

#endif
