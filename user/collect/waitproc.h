/* SPDX-License-Identifier: BSD-2-Clause */
/* What /proc and the memory of a sleeping process say about what one of its threads waits for. Only reads. */
#ifndef APM_COLLECT_WAITPROC_H
#define APM_COLLECT_WAITPROC_H

#include "collect/waiting.h"

#define WAITPROC_FDS 32

/*
 * The descriptors that a thread waits for, of one with WAITING_FD to WAITING_EPOLL: at most WAITPROC_FDS. How
 * many, or -errno when it has gone or they cannot be read.
 */
int waitproc_fds(const struct apm_look *look, enum waiting how, int fds[WAITPROC_FDS]);
int waitproc_is_socket(const struct apm_look *look, int fd);

/* Whether a thread with WAITING_LOCK is kept from working by whoever holds the lock: not by one who itself
 * waits for work, as in a pool whose threads take turns at it. */
int waitproc_is_kept(const struct apm_look *look);

#endif
