/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The capture file: an 16-byte header ("APMCAP\0\0", u32 version, u32 reserved) and records (record.h) back to back.
 * Files are created 0600. A file without REC_END was cut short and is read to its last whole record.
 */
#ifndef APM_CAPTURE_H
#define APM_CAPTURE_H

#include "record.h"

struct capture_writer;

/* Creates or replaces `path` ("-" = stdout). NULL with errno set. */
struct capture_writer *capture_create(const char *path);
/* Buffers one record. 0, or -errno (-ENOSPC: the disk is full; what was written before stays readable). */
int capture_write(struct capture_writer *w, const struct record *rec);
/* Writes the buffer out: a recorder calls it about once a second, so that a kill loses little. */
int capture_flush(struct capture_writer *w);
/* Flushes, closes, frees. 0 or the first -errno that any write met. Accepts NULL. */
int capture_close(struct capture_writer *w);
uint64_t capture_bytes(const struct capture_writer *w);

enum capture_end {
	CAPTURE_WHOLE = 0,     /* ended with REC_END */
	CAPTURE_TRUNCATED = 1, /* cut inside or after a record */
	CAPTURE_CORRUPT = 2,   /* a record made no sense; read up to there */
};

struct capture_result {
	enum capture_end end;
	uint64_t records;
	uint64_t skipped; /* records of kinds this version does not know */
	uint64_t offset;  /* where reading stopped */
};

/*
 * Reads `path` ("-" = stdin) and hands each record to `fn`. Returns 0 with *result filled (also for truncated and
 * corrupt files, as long as the header is good), -errno when the file cannot be opened or read, -EBADMSG when
 * it is no capture, -ENODATA when it is empty, -EPROTONOSUPPORT for a newer format version, or what fn returned.
 * Memory use does not depend on the file's size.
 */
int capture_read(const char *path, record_fn fn, void *arg, struct capture_result *result);

#endif
