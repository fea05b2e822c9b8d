/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/elf_file.h"
#include "base/str.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEBUG_ROOT "/usr/lib/debug"

#define VERSION_HIDDEN 0x8000 /* in .gnu.version: not the default version (LSB 5.0 core, 10.7.2) */

struct walk {
	const struct elf_file *owner; /* whose segments say where an address lies in the file */
	int (*fn)(const struct elf_symbol *sym, void *arg);
	void *arg;
	/* Names and addresses seen, as hashes (0 = free): whole pairs would take several times the space. */
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
	struct elf_file *file;
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
	Elf_Scn *scn = elf_find_section(f, NULL, type, &shdr);
	size_t len;

	*t = (struct symbol_table){.file = f, .dynamic = type == SHT_DYNSYM};
	t->sym = elf_section_bytes(f, scn, &shdr, &len);
	if (!t->sym)
		return -ENOENT;
	t->count = len / sizeof(Elf64_Sym);
	scn = elf_getscn(f->elf, shdr.sh_link);
	if (!scn || !gelf_getshdr(scn, &str) || str.sh_type != SHT_STRTAB)
		return -ENOENT;
	/* A private copy in libelf's memory, as nothing is mapped. */
	t->names = (char *)elf_section_bytes(f, scn, &str, &t->names_len);
	if (!t->names || t->names[t->names_len - 1] != '\0')
		return -ENOENT;
	if (t->dynamic) {
		scn = elf_find_section(f, NULL, SHT_GNU_versym, &shdr);
		t->versions = elf_section_bytes(f, scn, &shdr, &len);
		t->version_count = t->versions ? len / 2 : 0;
	}
	return 0;
}

static uint64_t room_in_section(struct elf_file *f, const Elf64_Sym *sym)
{
	Elf_Scn *scn = sym->st_shndx < SHN_LORESERVE ? elf_getscn(f->elf, sym->st_shndx) : NULL;
	GElf_Shdr shdr;

	if (!scn || !gelf_getshdr(scn, &shdr) || sym->st_value < shdr.sh_addr ||
	    sym->st_value - shdr.sh_addr >= shdr.sh_size)
		return 0;
	return shdr.sh_size - (sym->st_value - shdr.sh_addr);
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
	if (out->defined && !out->size)
		out->room = room_in_section(t->file, &sym);
	name = t->names + sym.st_name;
	/* .symtab has the version in the name: name@VERS, name@@VERS. What it says is in
	 * .dynsym, which comes first. */
	at = strchr(name, '@');
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

/* Entries of one kind: those of old versions, or the rest. */
static int walk_entries(struct walk *w, const struct symbol_table *t, int hidden)
{
	size_t i;

	for (i = 0; i < t->count; i++) {
		struct elf_symbol sym;
		int ret;

		if (symbol_at(w, t, i, &sym) || sym.hidden != hidden)
			continue;
		ret = seen_add(w, sym.name, sym.addr);
		if (ret == 1)
			ret = w->fn(&sym, w->arg);
		if (ret)
			return ret;
	}
	return 0;
}

/* A function may have an old and a current version at one address: then it is told as current. */
static int walk_table(struct walk *w, struct elf_file *f, uint32_t type)
{
	struct symbol_table t;
	int ret;

	if (table_load(f, type, &t))
		return 0;
	ret = walk_entries(w, &t, 0);
	return ret || !t.version_count ? ret : walk_entries(w, &t, 1);
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
	if (f->debug && !elf_find_section(f->debug, NULL, SHT_SYMTAB, &shdr)) {
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

	return elf_find_section((struct elf_file *)f, NULL, SHT_SYMTAB, &shdr) != NULL &&
	       shdr.sh_size > sizeof(Elf64_Sym);
}
