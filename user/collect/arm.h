/* SPDX-License-Identifier: BSD-2-Clause */
/* Which libraries a program that has not started yet is likely to map. */
#ifndef APM_COLLECT_ARM_H
#define APM_COLLECT_ARM_H

/*
 * Calls fn with the path of the program itself (NULL or no path = left out) and of every client library that
 * the dynamic loader would find for it: in LD_PRELOAD and LD_LIBRARY_PATH, and in the loader's cache. A file
 * may come twice. Of a program in which return probes are not safe only the program itself.
 */
void arm_each(const char *program, void (*fn)(const char *path, void *arg), void *arg);

#endif
