/* SPDX-License-Identifier: BSD-2-Clause */
#include "collect/plt.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct plt {
	struct plt_slot *slot;
	size_t count;
	size_t cap;
};

/* The tables that relocations refer to. */
struct tables {
	const uint8_t *sym;
	size_t sym_len;
	const uint8_t *str;
	size_t str_len;
};

static int add_slot(struct plt *p, uint64_t slot, uint64_t addr, const char *name)
{
	if (p->count == p->cap) {
		size_t cap = p->cap ? p->cap * 2 : 256;
		struct plt_slot *grown = realloc(p->slot, cap * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		p->slot = grown;
		p->cap = cap;
	}
	p->slot[p->count++] = (struct plt_slot){slot, addr, name};
	return 0;
}

static int is_wanted(uint16_t machine, uint64_t info)
{
	uint32_t type = ELF64_R_TYPE(info);

	if (machine == EM_X86_64)
		return type == R_X86_64_JUMP_SLOT || type == R_X86_64_GLOB_DAT;
	return type == R_AARCH64_JUMP_SLOT || type == R_AARCH64_GLOB_DAT;
}

static int add_section(struct plt *p, struct elf_file *f, const struct tables *t, const char *section)
{
	uint64_t addr;
	size_t len = 0;
	const uint8_t *raw = elf_section(f, section, &len, &addr);

	for (size_t i = 0; raw && i < len / sizeof(Elf64_Rela); i++) {
		const char *name;
		Elf64_Rela rel;
		Elf64_Sym sym;
		uint64_t index;

		memcpy(&rel, raw + i * sizeof(rel), sizeof(rel));
		index = ELF64_R_SYM(rel.r_info);
		if (!is_wanted(elf_machine(f), rel.r_info) || index >= t->sym_len / sizeof(sym))
			continue;
		memcpy(&sym, t->sym + index * sizeof(sym), sizeof(sym));
		if (sym.st_name >= t->str_len || !memchr(t->str + sym.st_name, 0, t->str_len - sym.st_name))
			continue;
		name = (const char *)t->str + sym.st_name;
		if (add_slot(p, rel.r_offset, sym.st_shndx == SHN_UNDEF ? 0 : sym.st_value, name))
			return -ENOMEM;
	}
	return 0;
}

static int by_slot(const void *a, const void *b)
{
	uint64_t x = ((const struct plt_slot *)a)->slot, y = ((const struct plt_slot *)b)->slot;

	return x < y ? -1 : x > y;
}

struct plt *plt_read(struct elf_file *f)
{
	struct plt *p = calloc(1, sizeof(*p));
	struct tables t = {0};
	uint64_t addr;

	if (!p)
		return NULL;
	t.sym = elf_section(f, ".dynsym", &t.sym_len, &addr);
	t.str = elf_section(f, ".dynstr", &t.str_len, &addr);
	if (!t.sym || !t.str)
		return p;
	if (add_section(p, f, &t, ".rela.dyn") || add_section(p, f, &t, ".rela.plt")) {
		plt_free(p);
		errno = ENOMEM;
		return NULL;
	}
	if (p->count)
		qsort(p->slot, p->count, sizeof(*p->slot), by_slot);
	return p;
}

void plt_free(struct plt *p)
{
	if (!p)
		return;
	free(p->slot);
	free(p);
}

const struct plt_slot *plt_find(const struct plt *p, uint64_t slot)
{
	struct plt_slot key = {.slot = slot};

	return p->count ? bsearch(&key, p->slot, p->count, sizeof(*p->slot), by_slot) : NULL;
}

void plt_each(const struct plt *p, int (*fn)(const struct plt_slot *slot, void *arg), void *arg)
{
	for (size_t i = 0; i < p->count; i++) {
		if (fn(&p->slot[i], arg))
			return;
	}
}

static int defined_symbol(struct elf_file *f, uint64_t index, uint64_t *addr)
{
	const uint8_t *raw;
	Elf64_Sym sym;
	uint64_t at;
	size_t len = 0;

	raw = elf_section(f, ".dynsym", &len, &at);
	if (!raw || index >= len / sizeof(sym))
		return -ENOENT;
	memcpy(&sym, raw + index * sizeof(sym), sizeof(sym));
	*addr = sym.st_value;
	return sym.st_shndx == SHN_UNDEF ? -ENOENT : 0;
}

int plt_pointer(struct elf_file *f, uint64_t slot, uint64_t *addr)
{
	int is_x86 = elf_machine(f) == EM_X86_64;
	const uint8_t *raw;
	uint64_t at;
	size_t len = 0;

	raw = elf_section(f, ".rela.dyn", &len, &at);
	for (size_t i = 0; raw && i < len / sizeof(Elf64_Rela); i++) {
		Elf64_Rela rel;
		uint32_t type;

		memcpy(&rel, raw + i * sizeof(rel), sizeof(rel));
		if (rel.r_offset != slot)
			continue;
		type = ELF64_R_TYPE(rel.r_info);
		*addr = (uint64_t)rel.r_addend;
		if (type == (is_x86 ? R_X86_64_RELATIVE : R_AARCH64_RELATIVE))
			return 0;
		if (type != (is_x86 ? R_X86_64_64 : R_AARCH64_ABS64) ||
		    defined_symbol(f, ELF64_R_SYM(rel.r_info), addr))
			return -ENOENT;
		*addr += (uint64_t)rel.r_addend;
		return 0;
	}
	raw = elf_bytes(f, slot, sizeof(*addr), &len);
	if (!raw || len < sizeof(*addr))
		return -ENOENT;
	memcpy(addr, raw, sizeof(*addr));
	return *addr ? 0 : -ENOENT;
}
