/* SPDX-License-Identifier: BSD-2-Clause */
#include "profile/symtab.h"
#include "profile/profile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Functions without a size are written in assembler, and short. */
#define OPEN_ROOM 4096

/* How many symbols before an address may start and still hold it: nested ones are rare. */
#define MAX_NESTING 8

#define DEMANGLED 0x80000000U
#define OPEN	  0x80000000U

struct symbol {
	uint64_t start;
	uint32_t size; /* with OPEN: at most, and only to the next symbol */
	uint32_t name; /* offset in names; DEMANGLED when that is done */
};

struct symtab {
	struct symbol *symbol;
	size_t count, cap;
	struct strbuf names; /* each ends in NUL */
	size_t max_bytes;
};

struct symtab *symtab_new(size_t max_bytes)
{
	struct symtab *t = calloc(1, sizeof(*t));

	if (t)
		t->max_bytes = max_bytes < DEMANGLED ? max_bytes : DEMANGLED - 1;
	return t;
}

void symtab_free(struct symtab *t)
{
	if (!t)
		return;
	strbuf_free(&t->names);
	free(t->symbol);
	free(t);
}

static uint32_t clip(uint64_t size)
{
	return size < OPEN ? (uint32_t)size : OPEN - 1;
}

int symtab_add(struct symtab *t, uint64_t start, uint64_t size, uint64_t room, const char *name)
{
	size_t len = strlen(name) + 1, at = t->names.len;

	if (t->names.len + len + (t->count + 1) * sizeof(struct symbol) > t->max_bytes)
		return -ENOSPC;
	if (t->count == t->cap) {
		size_t cap = t->cap ? t->cap * 2 : 256;
		struct symbol *more = realloc(t->symbol, cap * sizeof(*more));

		if (!more)
			return -ENOMEM;
		t->symbol = more;
		t->cap = cap;
	}
	strbuf_add(&t->names, name, len);
	if (t->names.failed)
		return -ENOMEM;
	t->symbol[t->count++] = (struct symbol){
		.start = start,
		.size = size ? clip(size) : OPEN | clip(room),
		.name = (uint32_t)at,
	};
	return 0;
}

/* Less is plainer: fewer leading underscores, then shorter, then by bytes. */
static int compare_names(const char *a, const char *b)
{
	size_t under_a = strspn(a, "_"), under_b = strspn(b, "_"), len_a = strlen(a), len_b = strlen(b);

	if (under_a != under_b)
		return under_a < under_b ? -1 : 1;
	if (len_a != len_b)
		return len_a < len_b ? -1 : 1;
	return memcmp(a, b, len_a);
}

static int compare_symbols(const void *left, const void *right, void *arg)
{
	const struct symbol *a = left, *b = right;
	const char *names = arg;

	if (a->start != b->start)
		return a->start < b->start ? -1 : 1;
	return compare_names(names + a->name, names + b->name);
}

/* A known size says more than an open one. */
static int larger(uint32_t a, uint32_t b)
{
	return (a & OPEN) == (b & OPEN) ? a > b : !(a & OPEN);
}

void symtab_finish(struct symtab *t)
{
	struct symbol *fit;
	uint64_t end = 0; /* of the sized symbols so far */
	size_t i, kept = 0;
	char *names;

	if (!t->count)
		return;
	qsort_r(t->symbol, t->count, sizeof(*t->symbol), compare_symbols, t->names.ptr);
	for (i = 0; i < t->count; i++) {
		struct symbol *last = kept ? &t->symbol[kept - 1] : NULL;

		if (last && last->start == t->symbol[i].start) {
			if (larger(t->symbol[i].size, last->size))
				last->size = t->symbol[i].size;
		} else if (!(t->symbol[i].size & OPEN) || t->symbol[i].start >= end) {
			t->symbol[kept++] = t->symbol[i];
			last = &t->symbol[kept - 1];
		} else {
			continue; /* a label within a function */
		}
		if (!(last->size & OPEN) && last->start + last->size > end)
			end = last->start + last->size;
	}
	t->count = kept;
	fit = realloc(t->symbol, kept * sizeof(*fit));
	if (fit) {
		t->symbol = fit;
		t->cap = kept;
	}
	names = realloc(t->names.ptr, t->names.len + 1);
	if (names) {
		t->names.ptr = names;
		t->names.cap = t->names.len + 1;
	}
}

static struct symbol *find(struct symtab *t, uint64_t addr)
{
	size_t low = 0, high = t->count, i;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (t->symbol[mid].start <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	for (i = 0; i < MAX_NESTING && i < low; i++) {
		struct symbol *s = &t->symbol[low - 1 - i];

		if (!(s->size & OPEN) && addr - s->start < s->size)
			return s;
	}
	if (low && (t->symbol[low - 1].size & OPEN) &&
	    addr - t->symbol[low - 1].start < (t->symbol[low - 1].size & ~OPEN))
		return &t->symbol[low - 1];
	return NULL;
}

struct str symtab_find(struct symtab *t, uint64_t addr)
{
	struct symbol *s = find(t, addr);
	struct strbuf plain = {0};

	if (!s)
		return (struct str){0};
	/* Only names that are met are demangled, and each once: most of a table is never asked for. */
	if (!(s->name & DEMANGLED)) {
		const char *name = t->names.ptr + s->name;

		demangle(&plain, name);
		if (!plain.failed && strcmp(plain.ptr, name) && t->names.len + plain.len + 1 < DEMANGLED) {
			size_t at = t->names.len;

			strbuf_add(&t->names, plain.ptr, plain.len + 1);
			if (!t->names.failed)
				s->name = (uint32_t)at;
			t->names.failed = 0;
		}
		strbuf_free(&plain);
		s->name |= DEMANGLED;
	}
	return str_from(t->names.ptr + (s->name & ~DEMANGLED));
}

size_t symtab_count(const struct symtab *t)
{
	return t->count;
}

size_t symtab_bytes(const struct symtab *t)
{
	return sizeof(*t) + t->cap * sizeof(*t->symbol) + t->names.cap;
}

static int add_elf_symbol(const struct elf_symbol *sym, void *arg)
{
	int ret;

	if (!sym->defined || !sym->file_off)
		return 0;
	ret = symtab_add(arg, sym->file_off, sym->size, sym->room < OPEN_ROOM ? sym->room : OPEN_ROOM,
			 sym->name);
	return ret == -ENOMEM ? ret : 0;
}

struct symtab *symtab_of_elf(struct elf_file *f, size_t max_bytes)
{
	struct symtab *t = symtab_new(max_bytes);
	int ret;

	if (!t)
		return NULL;
	ret = elf_each_symbol(f, add_elf_symbol, t);
	if (ret) {
		symtab_free(t);
		errno = -ret;
		return NULL;
	}
	symtab_finish(t);
	return t;
}
