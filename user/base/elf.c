/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/elf.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEBUG_ROOT "/usr/lib/debug"

/* A section that claims more is not read: a sparse file costs its author nothing. */
#define MAX_SECTION (256UL << 20)
#define MAX_CHUNK   (16UL << 20)

#define VERSION_HIDDEN 0x8000 /* in .gnu.version: not the default version (LSB 5.0 core, 10.7.2) */

struct chunk {
	struct chunk *next;
	uint64_t off;
	size_t len;
	uint8_t bytes[];
};

struct elf_file {
	int fd;
	Elf *elf;
	GElf_Ehdr ehdr;
	GElf_Phdr *phdr;
	size_t phnum;
	uint64_t size;
	struct chunk *chunks; /* what elf_bytes() handed out */
	struct elf_file *debug;
	int debug_tried;
};

static int load_headers(struct elf_file *f)
{
	struct stat st;
	size_t i;

	if (fstat(f->fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -ENOEXEC;
	f->size = (uint64_t)st.st_size;
	if (elf_version(EV_CURRENT) == EV_NONE)
		return -ENOEXEC;
	f->elf = elf_begin(f->fd, ELF_C_READ, NULL);
	if (!f->elf || elf_kind(f->elf) != ELF_K_ELF || gelf_getclass(f->elf) != ELFCLASS64)
		return -ENOEXEC;
	if (!gelf_getehdr(f->elf, &f->ehdr) || f->ehdr.e_ident[EI_DATA] != ELFDATA2LSB)
		return -ENOEXEC;
	if (elf_getphdrnum(f->elf, &f->phnum) < 0 || f->phnum > f->size / sizeof(Elf64_Phdr))
		f->phnum = 0;
	f->phdr = calloc(f->phnum + 1, sizeof(*f->phdr));
	if (!f->phdr)
		return -ENOMEM;
	for (i = 0; i < f->phnum; i++)
		if (!gelf_getphdr(f->elf, (int)i, &f->phdr[i]))
			f->phdr[i].p_type = PT_NULL;
	return 0;
}

struct elf_file *elf_file_open(const char *path, int fd)
{
	struct elf_file *f = calloc(1, sizeof(*f));
	int err = 0;

	if (!f) {
		if (!path)
			close(fd);
		errno = ENOMEM;
		return NULL;
	}
	/* O_NONBLOCK: a FIFO in the file's place must not hang the caller. */
	f->fd = path ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY) : fd;
	err = f->fd < 0 ? (path ? -errno : -EBADF) : load_headers(f);
	if (err) {
		elf_file_close(f);
		errno = -err;
		return NULL;
	}
	return f;
}

void elf_file_close(struct elf_file *f)
{
	if (!f)
		return;
	elf_file_close(f->debug);
	while (f->chunks) {
		struct chunk *next = f->chunks->next;

		free(f->chunks);
		f->chunks = next;
	}
	free(f->phdr);
	if (f->elf)
		elf_end(f->elf);
	if (f->fd >= 0)
		close(f->fd);
	free(f);
}

/* File bytes [off, off + want), cut at the end of the file; kept until the file is closed. */
static const uint8_t *file_bytes(struct elf_file *f, uint64_t off, size_t want, size_t *len)
{
	struct chunk *c;
	ssize_t got;

	if (off >= f->size)
		return NULL;
	if (want > f->size - off)
		want = f->size - off;
	if (want > MAX_CHUNK)
		want = MAX_CHUNK;
	for (c = f->chunks; c; c = c->next)
		if (off >= c->off && off - c->off < c->len && want <= c->len - (off - c->off))
			break;
	if (!c) {
		c = malloc(sizeof(*c) + want);
		if (!c)
			return NULL;
		got = pread(f->fd, c->bytes, want, (off_t)off);
		if (got <= 0) {
			free(c);
			return NULL;
		}
		c->off = off;
		c->len = (size_t)got;
		c->next = f->chunks;
		f->chunks = c;
	}
	*len = want < c->len - (off - c->off) ? want : c->len - (off - c->off);
	return c->bytes + (off - c->off);
}

static const uint8_t *section_bytes(struct elf_file *f, Elf_Scn *scn, const GElf_Shdr *shdr, size_t *len)
{
	Elf_Data *data;

	if (!scn || shdr->sh_type == SHT_NOBITS || shdr->sh_size > MAX_SECTION || shdr->sh_size > f->size ||
	    shdr->sh_offset > f->size - shdr->sh_size)
		return NULL;
	data = elf_rawdata(scn, NULL);
	if (!data || !data->d_buf || data->d_size == 0)
		return NULL;
	*len = data->d_size;
	return data->d_buf;
}

static Elf_Scn *find_section(struct elf_file *f, const char *name, uint32_t type, GElf_Shdr *shdr)
{
	Elf_Scn *scn = NULL;
	size_t names;

	if (elf_getshdrstrndx(f->elf, &names) < 0)
		names = 0;
	while ((scn = elf_nextscn(f->elf, scn))) {
		const char *has;

		if (!gelf_getshdr(scn, shdr) || (type != SHT_NULL && shdr->sh_type != type))
			continue;
		if (!name)
			return scn;
		has = elf_strptr(f->elf, names, shdr->sh_name);
		if (has && !strcmp(has, name))
			return scn;
	}
	return NULL;
}

const uint8_t *elf_section(struct elf_file *f, const char *name, size_t *len, uint64_t *addr)
{
	GElf_Shdr shdr;
	Elf_Scn *scn = find_section(f, name, SHT_NULL, &shdr);
	const uint8_t *bytes = section_bytes(f, scn, &shdr, len);

	if (bytes)
		*addr = shdr.sh_addr;
	return bytes;
}

/* ---- symbols ---- */

struct walk {
	const struct elf_file *owner; /* whose segments say where an address lies in the file */
	int (*fn)(const struct elf_symbol *sym, void *arg);
	void *arg;
	/* Names and addresses seen, as hashes (0 = free): a set of whole pairs would be several times the
	 * size. */
	uint64_t *seen;
	size_t seen_cap;
	size_t seen_count;
};

static int seen_grow(struct walk *w)
{
	size_t cap = w->seen_cap ? w->seen_cap * 2 : 1024, i;
	uint64_t *seen = calloc(cap, sizeof(*seen));

	if (!seen)
		return -ENOMEM;
	for (i = 0; i < w->seen_cap; i++) {
		size_t slot = w->seen[i] & (cap - 1);

		if (!w->seen[i])
			continue;
		while (seen[slot])
			slot = (slot + 1) & (cap - 1);
		seen[slot] = w->seen[i];
	}
	free(w->seen);
	w->seen = seen;
	w->seen_cap = cap;
	return 0;
}

/* 1 when it is new, 0 when it was there, -ENOMEM. */
static int seen_add(struct walk *w, const char *name, uint64_t addr)
{
	uint64_t hash = hash_mix(hash_bytes(HASH_SEED, name, strlen(name)), addr) | 1;
	size_t slot;

	if (w->seen_count * 2 >= w->seen_cap && seen_grow(w))
		return -ENOMEM;
	slot = hash & (w->seen_cap - 1);
	while (w->seen[slot] && w->seen[slot] != hash)
		slot = (slot + 1) & (w->seen_cap - 1);
	if (w->seen[slot])
		return 0;
	w->seen[slot] = hash;
	w->seen_count++;
	return 1;
}

struct symbol_table {
	const uint8_t *sym;
	size_t count;
	char *names; /* writable: version suffixes are cut in place */
	size_t names_len;
	const uint8_t *versions; /* .gnu.version, one 16-bit number per symbol; NULL when there is none */
	size_t version_count;
	uint8_t dynamic;
};

static int table_load(struct elf_file *f, uint32_t type, struct symbol_table *t)
{
	GElf_Shdr shdr, str;
	Elf_Scn *scn = find_section(f, NULL, type, &shdr);
	size_t len;

	*t = (struct symbol_table){.dynamic = type == SHT_DYNSYM};
	t->sym = section_bytes(f, scn, &shdr, &len);
	if (!t->sym)
		return -ENOENT;
	t->count = len / sizeof(Elf64_Sym);
	scn = elf_getscn(f->elf, shdr.sh_link);
	if (!scn || !gelf_getshdr(scn, &str) || str.sh_type != SHT_STRTAB)
		return -ENOENT;
	/* A private copy in libelf's memory, as nothing is mapped. */
	t->names = (char *)section_bytes(f, scn, &str, &t->names_len);
	if (!t->names || t->names[t->names_len - 1] != '\0')
		return -ENOENT;
	if (t->dynamic) {
		scn = find_section(f, NULL, SHT_GNU_versym, &shdr);
		t->versions = section_bytes(f, scn, &shdr, &len);
		t->version_count = t->versions ? len / 2 : 0;
	}
	return 0;
}

/* Fills *out from entry i. 0 when it is a named function. */
static int symbol_at(const struct walk *w, const struct symbol_table *t, size_t i, struct elf_symbol *out)
{
	Elf64_Sym sym;
	uint16_t version = 0;
	char *name, *at;

	memcpy(&sym, t->sym + i * sizeof(sym), sizeof(sym));
	*out = (struct elf_symbol){
		.addr = sym.st_value,
		.size = sym.st_size,
		.type = ELF64_ST_TYPE(sym.st_info),
		.dynamic = t->dynamic,
		.defined = sym.st_shndx != SHN_UNDEF,
	};
	if ((out->type != STT_FUNC && out->type != STT_GNU_IFUNC) || sym.st_name == 0 ||
	    sym.st_name >= t->names_len)
		return -ENOENT;
	name = t->names + sym.st_name;
	/* .symtab has the version in the name: name@VERS, name@@VERS. What it says is in .dynsym, which comes
	 * first. */
	at = strchr(name + 1, '@');
	if (at)
		*at = '\0';
	if (i < t->version_count) {
		memcpy(&version, t->versions + i * 2, sizeof(version));
		out->hidden = out->defined && (version & VERSION_HIDDEN);
	}
	out->name = name;
	if (*name == '\0' || (out->defined && elf_addr_to_offset(w->owner, out->addr, &out->file_off)))
		out->file_off = 0;
	return *name ? 0 : -ENOENT;
}

static int walk_table(struct walk *w, struct elf_file *f, uint32_t type)
{
	struct symbol_table t;
	size_t i;

	if (table_load(f, type, &t))
		return 0;
	for (i = 0; i < t.count; i++) {
		struct elf_symbol sym;
		int ret;

		if (symbol_at(w, &t, i, &sym))
			continue;
		ret = seen_add(w, sym.name, sym.addr);
		if (ret == 1)
			ret = w->fn(&sym, w->arg);
		if (ret)
			return ret;
	}
	return 0;
}

/* CRC-32 as .gnu_debuglink uses it (that of IEEE 802.3, reflected), of the whole file. */
static uint32_t file_crc(int fd)
{
	static uint32_t table[256];
	uint8_t buf[65536];
	uint32_t crc = ~0U, i, k;
	off_t off = 0;
	ssize_t n;

	for (i = 0; i < 256 && !table[255]; i++) {
		table[i] = i;
		for (k = 0; k < 8; k++)
			table[i] = table[i] & 1 ? table[i] >> 1 ^ 0xedb88320U : table[i] >> 1;
	}
	while ((n = pread(fd, buf, sizeof(buf), off)) > 0) {
		for (i = 0; i < (uint32_t)n; i++)
			crc = table[(crc ^ buf[i]) & 0xff] ^ crc >> 8;
		off += n;
	}
	return ~crc;
}

static struct elf_file *debug_by_link(struct elf_file *f)
{
	char self[64], dir[4096], path[sizeof(dir) + 320];
	struct elf_file *debug;
	size_t len, name_len;
	uint64_t addr;
	uint32_t crc;
	ssize_t n;
	const uint8_t *link = elf_section(f, ".gnu_debuglink", &len, &addr);
	char *slash;

	if (!link)
		return NULL;
	name_len = strnlen((const char *)link, len);
	/* The name is padded with zeros to four bytes, then comes the checksum. */
	if (name_len == 0 || name_len > 255 || (name_len / 4 + 1) * 4 + 4 > len ||
	    memchr(link, '/', name_len))
		return NULL;
	memcpy(&crc, link + (name_len / 4 + 1) * 4, sizeof(crc));
	snprintf(self, sizeof(self), "/proc/self/fd/%d", f->fd);
	n = readlink(self, dir, sizeof(dir) - 1);
	if (n <= 0 || dir[0] != '/')
		return NULL;
	dir[n] = '\0';
	slash = strrchr(dir, '/');
	*slash = '\0';
	snprintf(path, sizeof(path), DEBUG_ROOT "%s/%.*s", dir, (int)name_len, (const char *)link);
	debug = elf_file_open(path, -1);
	if (debug && file_crc(debug->fd) != crc) {
		elf_file_close(debug);
		return NULL;
	}
	return debug;
}

static struct elf_file *debug_file(struct elf_file *f)
{
	char id[65], path[128];
	GElf_Shdr shdr;

	if (f->debug_tried)
		return f->debug;
	f->debug_tried = 1;
	if (elf_build_id(f, id) && strlen(id) > 2) {
		snprintf(path, sizeof(path), DEBUG_ROOT "/.build-id/%.2s/%s.debug", id, id + 2);
		f->debug = elf_file_open(path, -1);
	}
	if (!f->debug)
		f->debug = debug_by_link(f);
	if (f->debug && !find_section(f->debug, NULL, SHT_SYMTAB, &shdr)) {
		elf_file_close(f->debug);
		f->debug = NULL;
	}
	return f->debug;
}

int elf_each_symbol(struct elf_file *f, int (*fn)(const struct elf_symbol *sym, void *arg), void *arg)
{
	struct walk w = {.owner = f, .fn = fn, .arg = arg};
	int ret = walk_table(&w, f, SHT_DYNSYM);

	if (!ret)
		ret = walk_table(&w, f, SHT_SYMTAB);
	if (!ret && !elf_has_symtab(f) && debug_file(f))
		ret = walk_table(&w, f->debug, SHT_SYMTAB);
	free(w.seen);
	return ret;
}

struct find {
	const char *name;
	struct elf_symbol *out;
	int found;
};

static int match_name(const struct elf_symbol *sym, void *arg)
{
	struct find *find = arg;

	if (!sym->defined || strcmp(sym->name, find->name))
		return 0;
	if (!find->found || !sym->hidden)
		*find->out = *sym;
	find->found = 1;
	return !sym->hidden;
}

int elf_find_symbol(struct elf_file *f, const char *name, struct elf_symbol *out)
{
	struct find find = {.name = name, .out = out};

	elf_each_symbol(f, match_name, &find);
	return find.found ? 0 : -ENOENT;
}

int elf_has_symtab(const struct elf_file *f)
{
	GElf_Shdr shdr;

	return find_section((struct elf_file *)f, NULL, SHT_SYMTAB, &shdr) != NULL &&
	       shdr.sh_size > sizeof(Elf64_Sym);
}

/* ---- notes and headers ---- */

static int note_build_id(const uint8_t *p, size_t len, char out[65])
{
	Elf64_Nhdr note;
	size_t name, desc, i;

	while (len >= sizeof(note)) {
		memcpy(&note, p, sizeof(note));
		p += sizeof(note);
		len -= sizeof(note);
		name = ((size_t)note.n_namesz + 3) & ~3UL;
		if (name > len)
			return 0;
		desc = note.n_descsz;
		if (desc > len - name)
			return 0;
		if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && !memcmp(p, "GNU", 4) &&
		    desc > 0 && desc <= 32) {
			for (i = 0; i < desc; i++)
				snprintf(out + 2 * i, 3, "%02x", p[name + i]);
			return 1;
		}
		desc = (desc + 3) & ~3UL;
		if (desc > len - name)
			return 0;
		p += name + desc;
		len -= name + desc;
	}
	return 0;
}

int elf_build_id(struct elf_file *f, char out[65])
{
	const uint8_t *bytes;
	GElf_Shdr shdr;
	Elf_Scn *scn = NULL;
	size_t i, len;

	out[0] = '\0';
	while ((scn = elf_nextscn(f->elf, scn))) {
		if (!gelf_getshdr(scn, &shdr) || shdr.sh_type != SHT_NOTE)
			continue;
		bytes = section_bytes(f, scn, &shdr, &len);
		if (bytes && note_build_id(bytes, len, out))
			return 1;
	}
	for (i = 0; i < f->phnum; i++) {
		if (f->phdr[i].p_type != PT_NOTE)
			continue;
		bytes = file_bytes(f, f->phdr[i].p_offset, f->phdr[i].p_filesz, &len);
		if (bytes && note_build_id(bytes, len, out))
			return 1;
	}
	return 0;
}

int elf_is_executable(const struct elf_file *f)
{
	int interpreter = 0, soname = 0, pie = 0;
	size_t i, k, len;

	if (f->ehdr.e_type == ET_EXEC)
		return 1;
	if (f->ehdr.e_type != ET_DYN)
		return 0;
	for (i = 0; i < f->phnum; i++) {
		const uint8_t *bytes;
		Elf64_Dyn dyn;

		interpreter |= f->phdr[i].p_type == PT_INTERP;
		if (f->phdr[i].p_type != PT_DYNAMIC)
			continue;
		bytes = file_bytes((struct elf_file *)f, f->phdr[i].p_offset, f->phdr[i].p_filesz, &len);
		for (k = 0; bytes && k < len / sizeof(dyn); k++) {
			memcpy(&dyn, bytes + k * sizeof(dyn), sizeof(dyn));
			if (dyn.d_tag == DT_NULL)
				break;
			soname |= dyn.d_tag == DT_SONAME;
			pie |= dyn.d_tag == DT_FLAGS_1 && (dyn.d_un.d_val & DF_1_PIE);
		}
	}
	/* Linkers before 2018 set no DF_1_PIE. */
	return pie || (interpreter && !soname);
}

uint16_t elf_machine(const struct elf_file *f)
{
	return f->ehdr.e_machine;
}

/* ---- segments ---- */

/* The PT_LOAD whose file part holds the address. */
static const GElf_Phdr *load_at(const struct elf_file *f, uint64_t addr)
{
	size_t i;

	for (i = 0; i < f->phnum; i++) {
		const GElf_Phdr *p = &f->phdr[i];

		if (p->p_type == PT_LOAD && addr >= p->p_vaddr && addr - p->p_vaddr < p->p_filesz)
			return p;
	}
	return NULL;
}

int elf_addr_to_offset(const struct elf_file *f, uint64_t addr, uint64_t *off)
{
	const GElf_Phdr *p = load_at(f, addr);

	if (!p)
		return -ENOENT;
	*off = p->p_offset + (addr - p->p_vaddr);
	return 0;
}

int elf_offset_to_addr(const struct elf_file *f, uint64_t off, uint64_t *addr)
{
	const GElf_Phdr *found = NULL;
	size_t i;

	for (i = 0; i < f->phnum; i++) {
		const GElf_Phdr *p = &f->phdr[i];

		if (p->p_type != PT_LOAD || off < p->p_offset || off - p->p_offset >= p->p_filesz)
			continue;
		if (!found || (p->p_flags & PF_X))
			found = p;
		if (p->p_flags & PF_X)
			break;
	}
	if (!found)
		return -ENOENT;
	*addr = found->p_vaddr + (off - found->p_offset);
	return 0;
}

int elf_text_range(const struct elf_file *f, uint64_t addr, uint64_t *start, uint64_t *end)
{
	const GElf_Phdr *p = load_at(f, addr);

	if (!p || !(p->p_flags & PF_X) || p->p_filesz > UINT64_MAX - p->p_vaddr)
		return -ENOENT;
	*start = p->p_vaddr;
	*end = p->p_vaddr + p->p_filesz;
	return 0;
}

const uint8_t *elf_bytes(const struct elf_file *f, uint64_t addr, size_t want, size_t *len)
{
	const GElf_Phdr *p = load_at(f, addr);

	*len = 0;
	if (!p)
		return NULL;
	if (want > p->p_filesz - (addr - p->p_vaddr))
		want = p->p_filesz - (addr - p->p_vaddr);
	return file_bytes((struct elf_file *)f, p->p_offset + (addr - p->p_vaddr), want, len);
}

int elf_segment(const struct elf_file *f, uint32_t type, uint64_t *addr, uint64_t *len)
{
	size_t i;

	for (i = 0; i < f->phnum; i++) {
		if (f->phdr[i].p_type != type)
			continue;
		*addr = f->phdr[i].p_vaddr;
		*len = f->phdr[i].p_filesz;
		return 0;
	}
	return -ENOENT;
}
