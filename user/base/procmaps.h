/* SPDX-License-Identifier: BSD-2-Clause */
/* /proc/PID/maps, parsed. */
#ifndef APM_BASE_PROCMAPS_H
#define APM_BASE_PROCMAPS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct proc_map {
	uint64_t start, end;
	uint64_t file_off;
	uint64_t inode;
	dev_t dev; /* makedev(major, minor) as printed in maps */
	uint8_t exec, read, write;
	uint8_t deleted;  /* " (deleted)" was cut from path */
	const char *path; /* as the process sees it; "" = anonymous; "[vdso]" … */
};

struct proc_maps {
	struct proc_map *map; /* by start */
	size_t count;
	char *text; /* what the paths point into */
};

/*
 * Reads /proc/PID/maps. 0; -ESRCH when the process is gone (or is a zombie or kernel thread, which have no
 * memory); -errno. A list that is longer than 64 MB is cut there. Call proc_maps_free() in any case.
 */
int proc_maps_read(pid_t pid, struct proc_maps *out);
/*
 * The same from text in the format of proc(5), which must be from malloc() and is taken over. 0, -ENOMEM;
 * lines that make no sense are left out.
 */
int proc_maps_parse(char *text, size_t len, struct proc_maps *out);
void proc_maps_free(struct proc_maps *maps);
/* The mapping that holds addr, NULL when there is none. */
const struct proc_map *proc_maps_find(const struct proc_maps *maps, uint64_t addr);
/*
 * Opens the file behind a mapping, read-only: /proc/PID/map_files/START-END (works for deleted and replaced
 * files), else /proc/PID/root/PATH if that has the same inode, else (process gone) PATH if that has the same
 * device and inode. Only regular files are opened: devices may react to it. An fd, or -errno.
 */
int proc_map_open(pid_t pid, const struct proc_map *map);

#endif
