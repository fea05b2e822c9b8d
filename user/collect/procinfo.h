/* SPDX-License-Identifier: BSD-2-Clause */
/* What the text of files under /proc/PID says; formats from proc(5). Pure: text in, facts out. */
#ifndef APM_COLLECT_PROCINFO_H
#define APM_COLLECT_PROCINFO_H

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

/* The name between the first '(' and the last ')' of stat. */
void procinfo_comm(const char *stat, char *out, size_t size);
/* Field `n` (from 3) of stat, a number; 0 when it is not there. */
uint64_t procinfo_stat(const char *stat, int n);
/* The first (or last) number of the line that begins with `key` ("Uid:") in status; -1 when there is none. */
long procinfo_status(const char *status, const char *key, int last);

/*
 * The container that a process's cgroup file names: the first twelve digits of an id of 64 (docker,
 * containerd, cri-o, podman, Kubernetes), or the name that LXC or systemd-nspawn use. Allocated; NULL when it
 * is in none.
 */
char *procinfo_container(const char *cgroup);

/*
 * The script that interpreter `exe` runs, from the NUL-separated arguments: the first that is no option,
 * "module" of
 * `-m module`. Empty when exe is no interpreter, or code stands on the command line. Other arguments are not
 * looked at.
 */
struct str procinfo_script(const char *exe, const char *args, size_t len);

#endif
