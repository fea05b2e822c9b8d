/* SPDX-License-Identifier: BSD-2-Clause */
/* Which libraries a program that has not started yet is likely to map. */
#ifndef APM_COLLECT_ARM_H
#define APM_COLLECT_ARM_H

/*
 * Calls fn with the path of the program itself (NULL or no path = left out) and of every client library that
 * the dynamic loader would find for it: in LD_PRELOAD and LD_LIBRARY_PATH, and in the loader's cache. A file
 * may come twice. `unsafe`: why the program could not stand return probes, NULL = nothing is known against
 * them.
 */
void arm_each(const char *program, void (*fn)(const char *path, const char *unsafe, void *arg), void *arg);

#endif
