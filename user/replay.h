/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading a capture again: with the reason when that fails, and only a part of its time when asked for. */
#ifndef APM_REPLAY_H
#define APM_REPLAY_H

#include "options.h"
#include "record.h"

/*
 * Hands the records of the capture at `path` ("-" = stdin) to `fn`. With --since or --until in `opt`, only
 * statements and samples that began in that window; what describes them (texts, processes, frames, losses)
 * is handed on in any case, and REC_META says that the trace began with the window. Losses cannot be told
 * apart by time: they are those of the whole capture.
 *
 * Returns 0 and *whole (may be NULL): whether the capture ended in good order. Else -errno: the reason has
 * been logged. fn is expected to return nothing but 0 and -ENOMEM.
 */
int replay_capture(const char *path, const struct options *opt, record_fn fn, void *arg, int *whole);

#endif
