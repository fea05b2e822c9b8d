/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/elf_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A section that claims more is not read: a sparse file costs its author nothing. */
#define MAX_SECTION (256UL << 20)
#define MAX_CHUNK   (16UL << 20)

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

const uint8_t *elf_section_bytes(struct elf_file *f, Elf_Scn *scn, const GElf_Shdr *shdr, size_t *len)
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

Elf_Scn *elf_find_section(struct elf_file *f, const char *name, uint32_t type, GElf_Shdr *shdr)
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
	Elf_Scn *scn = elf_find_section(f, name, SHT_NULL, &shdr);
	const uint8_t *bytes = elf_section_bytes(f, scn, &shdr, len);

	if (bytes)
		*addr = shdr.sh_addr;
	return bytes;
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
		bytes = elf_section_bytes(f, scn, &shdr, &len);
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
