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
	uint8_t deleted; /* " (deleted)" was cut from path */
	char *path;	 /* as the process sees it; "" = anonymous; "[vdso]" … */
};

struct proc_maps {
	struct proc_map *map; /* by start */
	size_t count;
};

/* Reads /proc/PID/maps. 0; -ESRCH when the process is gone; -errno. Call proc_maps_free() in any case. */
int proc_maps_read(pid_t pid, struct proc_maps *out);
void proc_maps_free(struct proc_maps *maps);
const struct proc_map *proc_maps_find(const struct proc_maps *maps, uint64_t addr);
/*
 * Opens the file behind a mapping, read-only: /proc/PID/map_files/START-END (works for deleted and replaced files), else
 * /proc/PID/root/PATH if that has the same inode. An fd, or -errno.
 */
int proc_map_open(pid_t pid, const struct proc_map *map);

#endif
