/* SPDX-License-Identifier: BSD-2-Clause */
#include "collect/span_symbols.h"

#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/demangle.h"

#define FUNCTIONS_MAX (4u << 20)

struct span_symbols {
	struct elf_file *file;
	struct span_function *fn; /* by address */
	size_t count, cap;
	int unwinds, failed;
};

/* Names that only files have through which something may be thrown. */
static const char *const unwinders[] = {
	"__gxx_personality_v0", "__gcc_personality_v0",	  "__cxa_begin_catch",	"__cxa_throw",
	"_Unwind_Resume",	"_Unwind_RaiseException", "rust_eh_personality"};

static int add(const struct elf_symbol *sym, void *arg)
{
	struct span_symbols *s = arg;
	size_t i;

	for (i = 0; i < sizeof(unwinders) / sizeof(unwinders[0]); i++)
		s->unwinds |= !strcmp(sym->name, unwinders[i]);
	if (!sym->defined || !sym->addr || sym->hidden)
		return 0;
	if (s->count == s->cap) {
		size_t cap = s->cap ? s->cap * 2 : 1024;
		struct span_function *fn = cap > FUNCTIONS_MAX ? NULL : realloc(s->fn, cap * sizeof(*fn));

		if (!fn) {
			s->failed = 1;
			return 1;
		}
		s->fn = fn;
		s->cap = cap;
	}
	s->fn[s->count++] = (struct span_function){.name = sym->name,
						   .addr = sym->addr,
						   .size = sym->size ? sym->size : sym->room,
						   .type = sym->type};
	return 0;
}

static int by_address(const void *a, const void *b)
{
	const struct span_function *x = a, *y = b;

	return x->addr == y->addr ? strcmp(x->name, y->name) : x->addr < y->addr ? -1 : 1;
}

struct span_symbols *span_symbols_read(struct elf_file *f)
{
	struct span_symbols *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->file = f;
	elf_each_symbol(f, add, s);
	if (s->failed) {
		span_symbols_free(s);
		errno = ENOMEM;
		return NULL;
	}
	if (s->count)
		qsort(s->fn, s->count, sizeof(*s->fn), by_address);
	return s;
}

void span_symbols_free(struct span_symbols *s)
{
	if (!s)
		return;
	free(s->fn);
	free(s);
}

const struct span_function *span_symbols_at(const struct span_symbols *s, uint64_t addr)
{
	size_t low = 0, high = s->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (s->fn[mid].addr <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	/* Aliases share an address. */
	while (low > 0 && addr - s->fn[low - 1].addr >= s->fn[low - 1].size) {
		if (low > 1 && s->fn[low - 2].addr == s->fn[low - 1].addr)
			low--;
		else
			return NULL;
	}
	return low ? &s->fn[low - 1] : NULL;
}

int span_symbols_unwinds(const struct span_symbols *s)
{
	return s->unwinds;
}

/* ---- by name ---- */

/* Without spaces: "pay(int, char const*)" and "pay(int,char const*)" are the same. */
static int same_text(const char *a, const char *b)
{
	for (;; a++, b++) {
		a += strspn(a, " ");
		b += strspn(b, " ");
		if (*a != *b)
			return 0;
		if (!*a)
			return 1;
	}
}

/* The last word of a name: what any mangled form of it contains. */
static size_t last_word(const char *name, const char **out)
{
	size_t len = strcspn(name, "("), start;

	for (start = len;
	     start > 0 && (name[start - 1] == '_' || (name[start - 1] >= '0' && name[start - 1] <= '9') ||
			   ((name[start - 1] | 0x20) >= 'a' && (name[start - 1] | 0x20) <= 'z'));
	     start--)
		;
	*out = name + start;
	return len - start;
}

static int is_mangled_form(const char *symbol, const char *name)
{
	struct strbuf plain = {0};
	const char *word;
	size_t len = last_word(name, &word);
	int same;

	if (symbol[0] != '_' || (symbol[1] != 'Z' && symbol[1] != 'R') ||
	    !memmem(symbol, strlen(symbol), word, len))
		return 0;
	if (strchr(name, '('))
		demangle_whole(&plain, symbol);
	else
		demangle(&plain, symbol);
	same = plain.ptr && same_text(plain.ptr, name);
	strbuf_free(&plain);
	return same;
}

/* "pay.isra.0", "pay.constprop.1": a whole function, made for some of its callers. */
static int is_clone_of(const char *symbol, const char *name)
{
	size_t len = strlen(name);

	return !strncmp(symbol, name, len) &&
	       (!strncmp(symbol + len, ".isra.", 6) || !strncmp(symbol + len, ".constprop.", 11)) &&
	       !strstr(symbol + len, ".cold") && !strstr(symbol + len, ".part.");
}

/* A function once: aliases stand at one address. */
static void keep(const struct span_function *fn, const struct span_function **out, size_t *count, size_t max)
{
	size_t i;

	for (i = 0; i < *count; i++)
		if (out[i]->addr == fn->addr)
			return;
	if (*count < max)
		out[(*count)++] = fn;
}

size_t span_symbols_named(const struct span_symbols *s, const char *name, const struct span_function **out,
			  size_t max, int *clones)
{
	size_t count = 0, i;

	*clones = 0;
	for (i = 0; i < s->count; i++)
		if (!strcmp(s->fn[i].name, name))
			keep(&s->fn[i], out, &count, max);
	if (count)
		return count;
	for (i = 0; i < s->count; i++)
		if (!strchr(s->fn[i].name, '.') && is_mangled_form(s->fn[i].name, name))
			keep(&s->fn[i], out, &count, max);
	if (count)
		return count;
	for (i = 0; i < s->count; i++) {
		const char *symbol = s->fn[i].name;

		if (is_clone_of(symbol, name) ||
		    ((strstr(symbol, ".isra.") || strstr(symbol, ".constprop.")) &&
		     !strstr(symbol, ".cold") && !strstr(symbol, ".part.") && is_mangled_form(symbol, name)))
			keep(&s->fn[i], out, &count, max);
	}
	*clones = count > 0;
	return count;
}

struct import {
	const char *name;
	int found;
};

static int find_import(const struct elf_symbol *sym, void *arg)
{
	struct import *i = arg;

	i->found |= !sym->defined && !strcmp(sym->name, i->name);
	return i->found;
}

/* A name that contains what was asked for; the shortest. */
static const char *nearest(const struct span_symbols *s, const char *name)
{
	const char *best = NULL, *word;
	size_t len = last_word(name, &word), i;

	for (i = 0; i < s->count && len >= 3; i++)
		if (memmem(s->fn[i].name, strlen(s->fn[i].name), word, len) &&
		    !strstr(s->fn[i].name, ".cold") && (!best || strlen(s->fn[i].name) < strlen(best)))
			best = s->fn[i].name;
	return best;
}

void span_symbols_explain(const struct span_symbols *s, const char *name, char *why, size_t len)
{
	struct import import = {.name = name};
	const char *near = nearest(s, name);
	struct strbuf plain = {0};

	elf_each_symbol(s->file, find_import, &import);
	if (import.found) {
		snprintf(why, len, "only calls %s: name the library that has it", name);
	} else if (near) {
		demangle_whole(&plain, near);
		snprintf(why, len, "has no function %s; did you mean %s?", name,
			 plain.ptr ? plain.ptr : near);
		strbuf_free(&plain);
	} else if (!elf_has_symtab(s->file)) {
		snprintf(
			why, len,
			"has no function %s that is exported, and its symbol table was stripped: keep it, or "
			"install the debug symbols",
			name);
	} else {
		snprintf(why, len, "has no function %s (the compiler may have inlined it)", name);
	}
}
