/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Addresses to names. A struct symbolizer belongs to the live side: it reads mappings and ELF files of running processes
 * and gives each distinct frame a number once (REC_FRAME). Replay needs none of this.
 */
#ifndef APM_PROFILE_PROFILE_H
#define APM_PROFILE_PROFILE_H

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct symbolizer;

struct resolved_frame {
	uint8_t kind; /* enum rec_frame_kind */
	uint64_t file_off;
	struct str name;     /* demangled, empty = not found; valid until the next call */
	struct str module;
	struct str build_id; /* hex */
};

/* Reads kernel symbols lazily. NULL with errno. */
struct symbolizer *symbolizer_new(void);
void symbolizer_free(struct symbolizer *s); /* accepts NULL */

/*
 * Resolves a user address of process `tgid`. Mappings are read from /proc/TGID/maps on first sight of the process, and read
 * again when an address falls outside all of them (at most once a second of `now_ns`). ELF files are opened through
 * /proc/TGID/root or map_files, so that containers and deleted files work. Always fills *out: an address that cannot be
 * resolved has kind REC_FRAME_UNKNOWN or an empty name with module and file_off. `is_return_address`: look up addr - 1.
 */
void symbolizer_user(struct symbolizer *s, uint32_t tgid, uint64_t addr, int is_return_address, uint64_t now_ns,
		     struct resolved_frame *out);
void symbolizer_kernel(struct symbolizer *s, uint64_t addr, struct resolved_frame *out);

/* Forgets a process: at its exit (mappings stay until then, so that late samples resolve) or exec. */
void symbolizer_forget(struct symbolizer *s, uint32_t tgid);
/* Reads /proc/TGID/maps now, while the process is certainly alive. */
void symbolizer_snapshot(struct symbolizer *s, uint32_t tgid);

/* Demangles C++ and Rust names; others are appended as they are. */
void demangle(struct strbuf *out, const char *name);

/*
 * Folded stacks: a counted set of stacks. Bounded: beyond max_stacks the rarest is merged into "[other]" and counted.
 */
struct stacks;
struct stacks *stacks_new(size_t max_stacks);
void stacks_free(struct stacks *st);
/* frames root first. 0 or -ENOMEM. */
int stacks_add(struct stacks *st, const char *const *frames, size_t count, uint64_t weight);
uint64_t stacks_total(const struct stacks *st);
/* Calls fn for each stack, in byte order of the folded form. */
void stacks_each(const struct stacks *st, void (*fn)(const char *const *frames, size_t count, uint64_t weight, void *arg),
		 void *arg);

/* Writers: 0 or -errno. `title` and frames may hold any bytes. In folded form `;` and control characters in names are replaced. */
int stacks_write_folded(const struct stacks *st, int fd);
struct flame_options {
	const char *title;
	const char *subtitle;
	const char *unit; /* "samples", "ms" */
};
int stacks_write_svg(const struct stacks *st, const struct flame_options *opt, int fd);

#endif
