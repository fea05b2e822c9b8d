/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Addresses to names. A struct symbolizer belongs to the live side: it reads mappings and ELF files of
 * running processes and gives each distinct frame a number once (REC_FRAME). Replay needs none of this.
 */
#ifndef APM_PROFILE_PROFILE_H
#define APM_PROFILE_PROFILE_H

#include <stddef.h>
#include <stdint.h>

#include "base/demangle.h"
#include "base/str.h"

struct symbolizer;

struct resolved_frame {
	uint8_t kind; /* enum rec_frame_kind */
	uint64_t file_off;
	struct str name; /* demangled, empty = not found; valid until the next call */
	struct str module;
	struct str build_id; /* hex */
};

/* Reads kernel symbols lazily. NULL with errno. */
struct symbolizer *symbolizer_new(void);
void symbolizer_free(struct symbolizer *s); /* accepts NULL */

/*
 * Resolves a user address of process `tgid`. Mappings are read from /proc/TGID/maps on first sight of the
 * process, and read again when an address falls outside all of them (at most once a second of `now_ns`). ELF
 * files are opened through /proc/TGID/root or map_files, so that containers and deleted files work. Always
 * fills *out: an address that cannot be resolved has kind REC_FRAME_UNKNOWN or an empty name with module and
 * file_off. `is_return_address`: look up addr - 1.
 */
void symbolizer_user(struct symbolizer *s, uint32_t tgid, uint64_t addr, int is_return_address,
		     uint64_t now_ns, struct resolved_frame *out);
void symbolizer_kernel(struct symbolizer *s, uint64_t addr, struct resolved_frame *out);

/* Forgets a process: at its exit (mappings stay until then, so that late samples resolve) or exec. */
void symbolizer_forget(struct symbolizer *s, uint32_t tgid);
/* Reads /proc/TGID/maps now, while the process is certainly alive. */
void symbolizer_snapshot(struct symbolizer *s, uint32_t tgid);

/*
 * Folded stacks: a counted set of stacks. Beyond max_stacks the rarest become one stack "[other]", so that
 * memory is bounded and a stack that shows up late can still win its place. Frames are cleaned as they come
 * in: what is not UTF-8 and control characters become U+FFFD, `;` becomes `:`.
 *
 * How a frame's name tells its kind, as other tools have it: a suffix. No suffix is native code.
 */
#define FRAME_KERNEL	  "_[k]"
#define FRAME_JIT	  "_[j]"
#define FRAME_INTERPRETED "_[i]"
#define FRAME_QUERY	  "_[q]" /* a root frame that names a statement */

struct stacks;
struct stacks *stacks_new(size_t max_stacks); /* NULL with errno; max_stacks > 0 */
void stacks_free(struct stacks *st);	      /* accepts NULL */
/* frames root first; of more than 1024 the leaf-most are left out. 0 or -ENOMEM. */
int stacks_add(struct stacks *st, const char *const *frames, size_t count, uint64_t weight);
uint64_t stacks_total(const struct stacks *st); /* sum of all weights ever added */
size_t stacks_count(const struct stacks *st);	/* distinct stacks that stacks_each() gives */
/* Calls fn for each stack, in byte order of the folded form. Stacks with the same
 * beginning follow each other. */
void stacks_each(const struct stacks *st,
		 void (*fn)(const char *const *frames, size_t count, uint64_t weight, void *arg), void *arg);

/* Writers: 0 or -errno. */
int stacks_write_folded(const struct stacks *st, int fd);
/* Lines "root;…;leaf A B" of the stacks of either. */
int stacks_write_folded_diff(const struct stacks *a, const struct stacks *b, int fd);

struct flame_options {
	const char *title;    /* any bytes */
	const char *subtitle; /* any bytes; NULL = none */
	const char *unit;     /* "samples", "ms" */
	/* Colours frames by how their share differs from that in these stacks: red is more, blue
	 * less. NULL = by what they are. */
	const struct stacks *before;
};
/*
 * One SVG that needs nothing else: static boxes with tooltips, and a script that adds zoom and search where
 * scripts may run. A link's fragment preselects: #q=TERM searches, #x=ROOT;…;FRAME zooms (each
 * percent-encoded).
 */
int stacks_write_svg(const struct stacks *st, const struct flame_options *opt, int fd);
/* The same, appended to `out`. */
int stacks_add_svg(const struct stacks *st, const struct flame_options *opt, struct strbuf *out);

#endif
