/* SPDX-License-Identifier: BSD-2-Clause */
#include "profile/profile.h"

#include <elf.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/elf.h"
#include "base/procmaps.h"
#include "base/table.h"
#include "profile/perfmap.h"
#include "profile/symtab.h"
#include "record.h"

#define MAX_PROCESSES 1024
#define MAX_MAPPINGS  16384 /* executable ones, of one process */
#define MAX_FILES     4096
#define MAX_JITS      256

/* Bytes of symbols in memory: of all files together, of one file, of all perf maps together. */
#define MAX_FILE_TOTAL (48UL << 20)
#define MAX_FILE       (24UL << 20)
#define MAX_JIT_TOTAL  (32UL << 20)

#define RETRY_NS 1000000000ULL

/* An ELF file, shared by all processes that map it. */
struct file {
	struct symtab *symbols; /* NULL = no ELF file */
	char build_id[65];
	off_t size;
	struct timespec mtime;
	uint64_t bytes;	 /* as counted in *total */
	uint64_t *total; /* of all files */
};

struct mapping {
	struct proc_map map; /* map.path is in the process's text */
	struct str module;
	uint8_t checked; /* that the file is the one in the table */
	uint8_t failed;	 /* to open it: not tried again */
};

struct process {
	struct mapping *mapping; /* executable, by start */
	size_t count;
	char *text;
	uint64_t read_ns; /* when the mappings were read; 0 = by symbolizer_snapshot() */
};

struct jit {
	struct perfmap *map;
	uint64_t read_ns;
	uint64_t bytes;	 /* as counted in *total */
	uint64_t *total; /* of all perf maps */
};

struct symbolizer {
	struct table *processes;	/* tgid -> struct process */
	struct table *files;		/* device, inode -> struct file */
	struct table *jits;		/* tgid -> struct jit */
	uint64_t file_total, jit_total; /* bytes of symbols */
	struct symtab *kernel, *modules;
	int kernel_tried;
	struct symtab *vdso;
	size_t vdso_size;
	int vdso_tried;
};

static void process_clear(struct process *p)
{
	free(p->mapping);
	free(p->text);
	*p = (struct process){0};
}

static void drop_process(struct table_key key, void *value, void *arg)
{
	process_clear(value);
}

static void drop_file(struct table_key key, void *value, void *arg)
{
	struct file *file = value;

	if (file->total)
		*file->total -= file->bytes;
	symtab_free(file->symbols);
}

static void drop_jit(struct table_key key, void *value, void *arg)
{
	struct jit *jit = value;

	if (jit->total)
		*jit->total -= jit->bytes;
	perfmap_free(jit->map);
}

struct symbolizer *symbolizer_new(void)
{
	struct symbolizer *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->processes = table_new(MAX_PROCESSES, sizeof(struct process), drop_process, NULL);
	s->files = table_new(MAX_FILES, sizeof(struct file), drop_file, NULL);
	s->jits = table_new(MAX_JITS, sizeof(struct jit), drop_jit, NULL);
	if (!s->processes || !s->files || !s->jits) {
		symbolizer_free(s);
		errno = ENOMEM;
		return NULL;
	}
	return s;
}

void symbolizer_free(struct symbolizer *s)
{
	if (!s)
		return;
	table_free(s->processes);
	table_free(s->files);
	table_free(s->jits);
	symtab_free(s->kernel);
	symtab_free(s->modules);
	symtab_free(s->vdso);
	free(s);
}

/* ---- processes ---- */

static struct str module_of(const char *path)
{
	const char *slash = path[0] == '/' ? strrchr(path, '/') : NULL;

	return str_from(slash ? slash + 1 : path[0] ? path : "[anon]");
}

/* Keeps the executable mappings of `maps`: of a list of 60 000 they are a few hundred. 0 or -ENOMEM. */
static int process_fill(struct process *p, const struct proc_maps *maps)
{
	size_t i, count = 0, bytes = 1;
	char *text;

	for (i = 0; i < maps->count; i++) {
		count += maps->map[i].exec;
		bytes += maps->map[i].exec ? strlen(maps->map[i].path) + 1 : 0;
	}
	p->mapping = calloc(count + 1, sizeof(*p->mapping));
	p->text = text = malloc(bytes);
	if (!p->mapping || !text)
		return -ENOMEM;
	for (i = 0; i < maps->count && p->count < MAX_MAPPINGS; i++) {
		struct mapping *m = &p->mapping[p->count];

		if (!maps->map[i].exec)
			continue;
		m->map = maps->map[i];
		m->map.path = text;
		text = stpcpy(text, maps->map[i].path) + 1;
		m->module = module_of(m->map.path);
		p->count++;
	}
	return 0;
}

/* Reads the mappings of a process anew; keeps the old ones when it is gone. NULL = ENOMEM. */
static struct process *process_read(struct symbolizer *s, uint32_t tgid, uint64_t now_ns)
{
	struct process *p = table_put(s->processes, (struct table_key){.a = tgid}, NULL), fresh = {0};
	struct proc_maps maps;

	if (!p)
		return NULL;
	p->read_ns = now_ns;
	if (!proc_maps_read((pid_t)tgid, &maps) && !process_fill(&fresh, &maps)) {
		fresh.read_ns = now_ns;
		process_clear(p);
		*p = fresh;
	} else {
		process_clear(&fresh);
	}
	proc_maps_free(&maps);
	return p;
}

static struct mapping *find_mapping(const struct process *p, uint64_t addr)
{
	size_t low = 0, high = p->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (p->mapping[mid].map.end <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	return low < p->count && addr >= p->mapping[low].map.start ? &p->mapping[low] : NULL;
}

static struct mapping *mapping_of(struct symbolizer *s, uint32_t tgid, uint64_t addr, uint64_t now_ns)
{
	struct process *p = table_get(s->processes, (struct table_key){.a = tgid});
	struct mapping *m;

	if (p) {
		m = find_mapping(p, addr);
		if (m || now_ns < p->read_ns + RETRY_NS)
			return m;
	}
	p = process_read(s, tgid, now_ns);
	return p ? find_mapping(p, addr) : NULL;
}

void symbolizer_snapshot(struct symbolizer *s, uint32_t tgid)
{
	process_read(s, tgid, 0);
}

void symbolizer_forget(struct symbolizer *s, uint32_t tgid)
{
	table_remove(s->processes, (struct table_key){.a = tgid});
	table_remove(s->jits, (struct table_key){.a = tgid});
}

/* ---- files ---- */

/* Counts an entry's new size and drops the least recently used others when all together are too large. */
struct trim {
	struct table_key keep;
	uint64_t *total;
	uint64_t limit;
};

static int over_limit(struct table_key key, void *value, void *arg)
{
	const struct trim *trim = arg;

	return *trim->total > trim->limit && (key.a != trim->keep.a || key.b != trim->keep.b);
}

static void count_bytes(struct table *t, struct trim trim, uint64_t *counted, uint64_t bytes)
{
	*trim.total += bytes - *counted;
	*counted = bytes;
	if (*trim.total > trim.limit)
		table_visit(t, over_limit, &trim);
}

static void load_file(struct symbolizer *s, struct table_key key, struct file *file, int fd,
		      const struct stat *st)
{
	struct elf_file *elf = elf_file_open(NULL, fd);

	drop_file(key, file, NULL);
	*file = (struct file){.size = st->st_size, .mtime = st->st_mtim, .total = &s->file_total};
	if (!elf)
		return;
	elf_build_id(elf, file->build_id);
	file->symbols = symtab_of_elf(elf, MAX_FILE);
	elf_file_close(elf);
	if (file->symbols)
		count_bytes(s->files, (struct trim){key, &s->file_total, MAX_FILE_TOTAL}, &file->bytes,
			    symtab_bytes(file->symbols));
}

/* The file behind a mapping; NULL when it cannot be opened. */
static struct file *file_of(struct symbolizer *s, uint32_t tgid, struct mapping *m)
{
	struct table_key key = {.a = m->map.dev, .b = m->map.inode};
	struct file *file = table_get(s->files, key);
	struct stat st;
	int fd, is_new;

	if (file && (m->checked || m->failed))
		return file;
	if (m->failed)
		return NULL;
	fd = proc_map_open((pid_t)tgid, &m->map);
	if (fd < 0 || fstat(fd, &st) < 0) {
		if (fd >= 0)
			close(fd);
		m->failed = 1;
		return file;
	}
	m->checked = 1;
	/* An inode number is used again after its file is deleted, and a file can be written over. */
	if (file && file->size == st.st_size && file->mtime.tv_sec == st.st_mtim.tv_sec &&
	    file->mtime.tv_nsec == st.st_mtim.tv_nsec) {
		close(fd);
		return file;
	}
	file = table_put(s->files, key, &is_new);
	if (!file) {
		close(fd);
		return NULL;
	}
	load_file(s, key, file, fd, &st);
	return file;
}

/* ---- what is behind an address ---- */

/* The kernel maps the same vDSO into every process of our kind, so ours has the names. */
static void load_vdso(struct symbolizer *s)
{
	const struct proc_map *map;
	struct proc_maps maps;
	struct elf_file *elf;
	int fd = -1;

	s->vdso_tried = 1;
	if (proc_maps_read(getpid(), &maps))
		goto out;
	map = proc_maps_find(&maps, getauxval(AT_SYSINFO_EHDR));
	fd = map ? memfd_create("vdso", MFD_CLOEXEC) : -1;
	if (fd < 0)
		goto out;
	s->vdso_size = map->end - map->start;
	if (write(fd, (const void *)(uintptr_t)map->start, s->vdso_size) != (ssize_t)s->vdso_size)
		goto out;
	elf = elf_file_open(NULL, fd);
	fd = -1;
	if (elf)
		s->vdso = symtab_of_elf(elf, MAX_FILE);
	elf_file_close(elf);
out:
	if (fd >= 0)
		close(fd);
	proc_maps_free(&maps);
}

static void resolve_special(struct symbolizer *s, const struct mapping *m, struct resolved_frame *out)
{
	if (!strcmp(m->map.path, "[vdso]")) {
		if (!s->vdso_tried)
			load_vdso(s);
		if (s->vdso && m->map.end - m->map.start == s->vdso_size)
			out->name = symtab_find(s->vdso, out->file_off);
	}
	if (!out->name.len)
		out->name = m->module;
}

/* The pid that a process has in its own namespace, and its user. */
static int read_identity(uint32_t tgid, uint32_t *ns_pid, uid_t *uid)
{
	char path[64], line[256];
	FILE *in;

	*ns_pid = tgid;
	*uid = (uid_t)-1;
	snprintf(path, sizeof(path), "/proc/%" PRIu32 "/status", tgid);
	in = fopen(path, "re");
	if (!in)
		return -errno;
	while (fgets(line, sizeof(line), in)) {
		char *last = strrchr(line, '\t');

		if (!strncmp(line, "Uid:", 4))
			*uid = (uid_t)strtoul(line + 4, NULL, 10);
		if (!strncmp(line, "NSpid:", 6) && last)
			*ns_pid = (uint32_t)strtoul(last, NULL, 10);
	}
	fclose(in);
	return 0;
}

static struct jit *jit_of(struct symbolizer *s, uint32_t tgid, uint64_t now_ns)
{
	struct table_key key = {.a = tgid};
	struct jit *jit = table_get(s->jits, key);
	uint32_t ns_pid;
	uid_t uid;

	if (jit && now_ns < jit->read_ns + RETRY_NS)
		return jit;
	if (!jit) {
		jit = table_put(s->jits, key, NULL);
		if (!jit)
			return NULL;
		jit->total = &s->jit_total;
		read_identity(tgid, &ns_pid, &uid);
		jit->map = perfmap_new(tgid, ns_pid, uid);
	}
	jit->read_ns = now_ns;
	if (jit->map && perfmap_refresh(jit->map))
		count_bytes(s->jits, (struct trim){key, &s->jit_total, MAX_JIT_TOTAL}, &jit->bytes,
			    perfmap_bytes(jit->map));
	return jit;
}

/* Memory that no ELF file is behind. `anonymous`: nor any other file, so that a runtime
 * must have written the code. */
static void resolve_jit(struct symbolizer *s, uint32_t tgid, uint64_t addr, uint64_t now_ns, int anonymous,
			struct resolved_frame *out)
{
	struct jit *jit = jit_of(s, tgid, now_ns);

	if (jit && jit->map)
		out->name = perfmap_find(jit->map, addr);
	if (!anonymous && !out->name.len)
		return;
	out->kind = REC_FRAME_JIT;
	out->module = STR("[jit]");
	out->file_off = 0;
}

void symbolizer_user(struct symbolizer *s, uint32_t tgid, uint64_t addr, int is_return_address,
		     uint64_t now_ns, struct resolved_frame *out)
{
	struct mapping *m;
	struct file *file;

	*out = (struct resolved_frame){.kind = REC_FRAME_UNKNOWN};
	if (is_return_address && addr)
		addr--;
	m = mapping_of(s, tgid, addr, now_ns);
	if (!m)
		return;
	out->kind = REC_FRAME_NATIVE;
	out->module = m->module;
	/* Never the address minus one base: the same file can be mapped several times. */
	out->file_off = addr - m->map.start + m->map.file_off;
	if (m->map.path[0] == '[' && strncmp(m->map.path, "[anon", 5) && strcmp(m->map.path, "[heap]") &&
	    strncmp(m->map.path, "[stack", 6)) {
		resolve_special(s, m, out);
		return;
	}
	if (!m->map.inode) {
		resolve_jit(s, tgid, addr, now_ns, 1, out);
		return;
	}
	file = file_of(s, tgid, m);
	if (!file)
		return;
	if (file->symbols) {
		out->name = symtab_find(file->symbols, out->file_off);
		s->file_total += symtab_bytes(file->symbols) - file->bytes; /* demangling adds names */
		file->bytes = symtab_bytes(file->symbols);
		out->build_id = str_from(file->build_id);
	} else {
		resolve_jit(s, tgid, addr, now_ns, 0, out);
	}
}

void symbolizer_kernel(struct symbolizer *s, uint64_t addr, struct resolved_frame *out)
{
	*out = (struct resolved_frame){.kind = REC_FRAME_KERNEL, .module = STR("[kernel]")};
	if (!s->kernel_tried) {
		s->kernel_tried = 1;
		symtab_of_kernel(&s->kernel, &s->modules);
	}
	if (s->kernel)
		out->name = symtab_find(s->kernel, addr);
	if (out->name.len && s->modules) {
		struct str module = symtab_find(s->modules, addr);

		if (module.len)
			out->module = module;
	}
}
