/* SPDX-License-Identifier: BSD-2-Clause */
#include "collect/lib.h"

#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <capstone/capstone.h>

#include "collect/accessor.h"
#include "collect/site_code.h"

#define MAX_SYMBOLS    65536
#define MAX_CALL_SITES 1024
#define MAX_CALLEES    64
#define MARKED_PIECE   (1 << 20)
#define MARKER_MAX     64
#define MAX_MARKED     (256 << 20) /* bytes of a file searched for markers */
#define MAX_SCAN       (64u << 20) /* bytes of code searched for wrappers */

static const struct lib_row *const rows[] = {
	&lib_libpq, &lib_mysql, &lib_sqlite, &lib_hiredis, &lib_odbc,
};
#define ROW_COUNT (sizeof(rows) / sizeof(*rows))

int lib_name_is_likely(const char *name)
{
	for (size_t i = 0; i < ROW_COUNT; i++) {
		for (size_t k = 0; k < 2 && rows[i]->file_hint[k]; k++) {
			if (strstr(name, rows[i]->file_hint[k]))
				return 1;
		}
	}
	return 0;
}

static int is_import_of(const struct elf_symbol *sym, void *arg)
{
	const struct lib_row *row = arg;

	return !sym->defined && row->public_prefix &&
	       !strncmp(sym->name, row->public_prefix, strlen(row->public_prefix));
}

/* By reading, not by mapping: a file that shrinks meanwhile must not end us. Pieces
 * overlap by a marker's length. */
const char *lib_stripped_copy(struct elf_file *f, int fd)
{
	const char *found = NULL;
	char *piece = malloc(MARKED_PIECE);
	off_t off = 0;
	ssize_t n;

	while (piece && !found && off < MAX_MARKED &&
	       (n = pread(fd, piece, MARKED_PIECE, off)) > MARKER_MAX) {
		for (size_t i = 0; i < ROW_COUNT && !found; i++) {
			const char *marker = rows[i]->marker;

			if (marker && memmem(piece, (size_t)n, marker, strlen(marker)) &&
			    elf_each_symbol(f, is_import_of, (void *)(uintptr_t)rows[i]) != 1)
				found = rows[i]->name;
		}
		off += n - MARKER_MAX;
	}
	free(piece);
	return found;
}

void lib_missing(struct lib_match *m, const char *what, const char *where)
{
	size_t len = strlen(m->missing);

	snprintf(m->missing + len, sizeof(m->missing) - len, "%s%s (%s)", len ? ", " : "", what, where);
}

void lib_version(const struct lib_file *lf, struct lib_match *m, const char *fn, int64_t unit)
{
	int64_t v;

	if (!accessor_constant(lf->code, lib_find(lf, fn), &v) && v >= unit * unit)
		snprintf(m->version, sizeof(m->version), "%d.%d.%d", (int)(v / unit / unit),
			 (int)(v / unit % unit), (int)(v % unit));
}

static void prove_fields(const struct lib_row *row, const struct lib_file *lf, struct lib_match *m)
{
	for (size_t i = 0; i < row->field_count; i++) {
		const struct lib_field *f = &row->field[i];
		const struct elf_symbol *fn = lib_find(lf, f->fn);
		int32_t *off = &m->facts.off[f->off];

		if (f->sizes == LIB_ADDRESS ? accessor_address(lf->code, fn, off)
					    : accessor_field(lf->code, fn, f->sizes, off, NULL))
			lib_missing(m, f->what, f->fn);
	}
}

/* ---- the functions of each library, collected in one pass over the file's symbols ---- */

struct collect {
	struct lib_file lf[ROW_COUNT];
	int failed;
};

static int has_prefix(const struct lib_row *row, const char *name)
{
	for (size_t i = 0; i < 3 && row->prefix[i]; i++) {
		if (!strncmp(name, row->prefix[i], strlen(row->prefix[i])))
			return 1;
	}
	return 0;
}

static int keep_symbol(struct lib_file *lf, const struct elf_symbol *sym)
{
	if (lf->count == lf->cap) {
		size_t cap = lf->cap ? lf->cap * 2 : 256;
		struct elf_symbol *grown;

		if (cap > MAX_SYMBOLS)
			return 0;
		grown = realloc(lf->symbol, cap * sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		lf->symbol = grown;
		lf->cap = cap;
	}
	lf->symbol[lf->count++] = *sym;
	/* The linker puts the unlikely parts of all functions together, before main(). */
	if (strstr(sym->name, ".cold"))
		return 0;
	if (!lf->high || sym->addr < lf->low)
		lf->low = sym->addr;
	if (sym->addr + sym->size > lf->high)
		lf->high = sym->addr + sym->size;
	return 0;
}

static int collect_symbol(const struct elf_symbol *sym, void *arg)
{
	struct collect *all = arg;

	if (!sym->defined || !sym->addr || sym->hidden)
		return 0;
	for (size_t i = 0; i < ROW_COUNT; i++) {
		if (has_prefix(rows[i], sym->name) && keep_symbol(&all->lf[i], sym))
			all->failed = 1;
	}
	return all->failed;
}

static int by_name(const void *a, const void *b)
{
	const struct elf_symbol *x = a, *y = b;
	int order = strcmp(x->name, y->name);

	return order ? order : (int)y->dynamic - (int)x->dynamic;
}

const struct elf_symbol *lib_find(const struct lib_file *lf, const char *name)
{
	size_t low = 0, high = lf->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (strcmp(lf->symbol[mid].name, name) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low < lf->count && !strcmp(lf->symbol[low].name, name) ? &lf->symbol[low] : NULL;
}

/* The name of a function that the library is useless without and that is not there; NULL when all are. *have
 * counts those that are. */
static const char *first_missing(const struct lib_row *row, const struct lib_file *lf, size_t *have)
{
	const char *missing = NULL;

	*have = 0;
	for (size_t i = 0; i < row->symbol_count; i++) {
		if (row->symbol[i].optional)
			continue;
		if (lib_find(lf, row->symbol[i].name))
			++*have;
		else if (!missing)
			missing = row->symbol[i].name;
	}
	return missing;
}

/* ---- probes ---- */

static void add_probes(const struct lib_row *row, const struct lib_file *lf, struct lib_match *m)
{
	for (size_t i = 0; i < row->symbol_count && m->probe_count < LIB_PROBES_MAX; i++) {
		const struct lib_symbol *symbol = &row->symbol[i];
		struct lib_probe *p = &m->probe[m->probe_count];
		const struct elf_symbol *named = lib_find(lf, symbol->name);
		struct elf_symbol fn;
		uint32_t extra, args = (1u << symbol->args) - 1;

		if (!symbol->entry && !symbol->ret)
			continue; /* there to recognise the library */
		if (row->locate ? !row->locate(lf, m, symbol, &fn) : !named)
			continue;
		if (!row->locate)
			fn = *named;
		if (fn.type == STT_GNU_IFUNC || site_find_in(lf->code, fn.addr, fn.size, &p->site, &extra))
			continue;
		if (extra & args) {
			/* further on an argument is gone: the entry, whatever it costs */
			if (elf_addr_to_offset(code_file(lf->code), fn.addr, &p->site.file_off))
				continue;
			p->site.addr = fn.addr;
			p->site.moved = 0;
			p->site.cost = SITE_COST_STEPPED;
		}
		p->site.thunk = !named || named->addr != fn.addr;
		p->symbol = symbol;
		m->probe_count++;
	}
}

/* ---- wrappers: functions of the library that call a probed one ---- */

struct call_site {
	uint64_t ret;  /* the return address */
	size_t callee; /* which of the functions below */
	int is_public; /* in a function of the public interface */
};

struct call_scan {
	const struct lib_file *lf;
	const struct lib_match *m;
	/* Functions whose callers are looked for: probed ones, in the order of the table, and then their callers */
	uint64_t callee[MAX_CALLEES];
	size_t callee_count, from; /* those before `from` are done */
	struct call_site site[MAX_CALL_SITES];
	size_t count;
};

static int is_public(const struct lib_row *row, const struct lib_file *lf, uint64_t ret)
{
	for (size_t i = 0; i < lf->count; i++) {
		const struct elf_symbol *s = &lf->symbol[i];

		if (ret > s->addr && ret <= s->addr + s->size &&
		    !strncmp(s->name, row->public_prefix, strlen(row->public_prefix)))
			return 1;
	}
	return 0;
}

static void add_callee(struct call_scan *w, uint64_t addr)
{
	for (size_t i = 0; i < w->callee_count; i++) {
		if (w->callee[i] == addr)
			return;
	}
	if (w->callee_count < MAX_CALLEES)
		w->callee[w->callee_count++] = addr;
}

/* The functions in which the calls number `first` and later were found: also those without a name. */
static void add_callers(struct call_scan *w, size_t first)
{
	uint64_t start, end;

	for (size_t i = first; i < w->count; i++) {
		if (!elf_cfi_range(code_file(w->lf->code), w->site[i].ret - 1, &start, &end))
			add_callee(w, start);
	}
}

/* The number of the function that is sought at `addr`; -1 = none. */
static int callee_at(const struct call_scan *w, uint64_t addr)
{
	for (size_t i = w->from; i < w->callee_count; i++) {
		if (addr == w->callee[i])
			return (int)i;
	}
	return -1;
}

/* Which of the functions the call at `at` ends up in; -1 = none. */
static int sought_callee(struct call_scan *w, uint64_t at, uint64_t *ret)
{
	const cs_insn *insn = code_insn(w->lf->code, at);
	const char *name;
	uint64_t callee;

	if (!insn || code_callee(w->lf->code, insn, &callee, &name))
		return -1;
	*ret = at + insn->size;
	return callee_at(w, callee);
}

/* Whether a direct call to `target` is worth decoding: it goes to one of the functions, or to a PLT stub. */
static int may_be_sought(const struct call_scan *w, const uint8_t *code, size_t len, uint64_t target)
{
	uint64_t start = w->m->facts.text_start;

	if (callee_at(w, target) >= 0)
		return 1;
	if (target < start || target - start + 4 > len)
		return 0;
	code += target - start;
	return !memcmp(code, "\xff\x25", 2) || !memcmp(code, "\xf3\x0f\x1e\xfa", 4);
}

/*
 * Finds the calls in the library's code by their bytes (e8 rel32, ff 15 disp32): one that is none by chance
 * does no harm, for no return address will ever equal it.
 */
static void find_calls(struct call_scan *w, const struct lib_row *row)
{
	uint64_t start = w->m->facts.text_start, ret;
	size_t len = 0, size = w->m->facts.text_end - start;
	const uint8_t *code =
		elf_bytes(code_file(w->lf->code), start, size < MAX_SCAN ? size : MAX_SCAN, &len);

	for (size_t i = 0; code && i + 6 <= len && w->count < MAX_CALL_SITES; i++) {
		int32_t rel;
		int callee;

		if (code[i] == 0xe8) {
			memcpy(&rel, code + i + 1, 4);
			if (!may_be_sought(w, code, len, start + i + 5 + (uint64_t)(int64_t)rel))
				continue;
		} else if (code[i] != 0xff || code[i + 1] != 0x15) {
			continue;
		}
		callee = sought_callee(w, start + i, &ret);
		if (callee >= 0)
			w->site[w->count++] =
				(struct call_site){ret, (size_t)callee, is_public(row, w->lf, ret)};
	}
}

static void add_wrapper(const struct lib_file *lf, struct lib_match *m, uint64_t ret)
{
	struct apm_lib *facts = &m->facts;
	struct cfi_row row;
	int32_t off;

	/* The row of the call itself: the return address may already belong to the next function. */
	if (elf_cfi_row(code_file(lf->code), ret - 1, &row) || row.outermost || !row.ra_off ||
	    (row.base != CFI_SP && row.base != CFI_FP))
		return;
	/* At entry of the callee the stack pointer stands on the slot, eight bytes
	 * below that of its caller. */
	off = row.cfa_off + row.ra_off + (row.base == CFI_SP ? 8 : 0);
	if (off < INT16_MIN || off > INT16_MAX || ret > UINT32_MAX)
		return;
	facts->wrapper[facts->wrapper_count++] = (struct apm_wrapper){
		.ret_off = (uint32_t)ret,
		.off = (int16_t)off,
		.base = row.base == CFI_SP ? APM_BASE_SLOT : APM_BASE_FP,
	};
}

/* Public functions first, and in each half those that call what stands first in the table. */
static int by_importance(const void *a, const void *b)
{
	const struct call_site *x = a, *y = b;

	if (x->is_public != y->is_public)
		return y->is_public - x->is_public;
	if (x->callee != y->callee)
		return x->callee < y->callee ? -1 : 1;
	return (x->ret > y->ret) - (x->ret < y->ret);
}

static void add_wrappers(const struct lib_row *row, const struct lib_file *lf, struct lib_match *m)
{
	struct call_scan *w = calloc(1, sizeof(*w));
	int level = 0;

	if (!w || !code_is_x86(lf->code))
		goto out;
	w->lf = lf;
	w->m = m;
	for (size_t i = 0; i < m->probe_count && (!row->wrapper_levels || !i); i++)
		add_callee(w, m->probe[i].site.addr - m->probe[i].site.moved);
	do {
		size_t first = w->count, done = w->callee_count;

		find_calls(w, row);
		w->from = done;
		add_callers(w, first);
	} while (++level < row->wrapper_levels && w->from < w->callee_count);
	qsort(w->site, w->count, sizeof(*w->site), by_importance);
	for (size_t i = 0; i < w->count && m->facts.wrapper_count < APM_MAX_WRAPPERS; i++)
		add_wrapper(lf, m, w->site[i].ret);
out:
	free(w);
}

/* ---- recognition ---- */

/* Whether functions are named that the file does not export: then it is known where
 * the library begins and ends. */
static int knows_its_bounds(const struct lib_file *lf)
{
	/* by name, the exported one first: see by_name() */
	for (size_t i = 0; i < lf->count; i++) {
		if (!lf->symbol[i].dynamic && (!i || strcmp(lf->symbol[i].name, lf->symbol[i - 1].name)))
			return 1;
	}
	return 0;
}

static void recognise_one(const struct lib_row *row, const struct lib_file *lf, struct lib_match *m)
{
	struct elf_file *f = code_file(lf->code);
	const struct elf_symbol *first = lib_find(lf, row->symbol[0].name);
	uint64_t start, end;

	memset(m, 0, sizeof(*m));
	m->name = row->name;
	m->programs = row->programs;
	m->system = row->system;
	m->facts.system = row->system;
	elf_build_id(f, m->build_id);
	m->is_static = !first->dynamic || elf_is_executable(f);
	/*
	 * A static copy has no segment of its own: the span of its named functions stands for one. Functions
	 * of the program that the linker placed in between would count as the library's; its own unlikely
	 * parts do not count. A module that exports the library inside it has its own functions beside it
	 * too.
	 */
	if (m->is_static || knows_its_bounds(lf) || elf_text_range(f, first->addr, &start, &end)) {
		start = lf->low;
		end = lf->high;
	}
	m->facts.text_start = start;
	m->facts.text_end = end;
	for (int i = 0; i < APM_OFF_MAX; i++)
		m->facts.off[i] = -1;
	prove_fields(row, lf, m);
	if (row->prove)
		row->prove(lf, m);
	add_probes(row, lf, m);
	add_wrappers(row, lf, m);
}

int lib_recognise(struct elf_file *f, struct lib_match *match, size_t max, const char **why)
{
	static char reason[160];
	struct collect all = {0};
	struct code *code = NULL;
	size_t found = 0;

	if (why)
		*why = NULL;
	elf_each_symbol(f, collect_symbol, &all);
	for (size_t i = 0; i < ROW_COUNT && found < max && !all.failed; i++) {
		struct lib_file *lf = &all.lf[i];
		const char *missing;
		size_t have;

		if (!lf->count)
			continue;
		qsort(lf->symbol, lf->count, sizeof(*lf->symbol), by_name);
		missing = first_missing(rows[i], lf, &have);
		if (missing) {
			if (why && have) {
				snprintf(reason, sizeof(reason), "%s without %s", rows[i]->name, missing);
				*why = rows[i]->part ? rows[i]->part : reason;
			}
			continue;
		}
		if (!code)
			code = code_open(f);
		if (!code)
			break;
		lf->code = code;
		recognise_one(rows[i], lf, &match[found++]);
	}
	for (size_t i = 0; i < ROW_COUNT; i++)
		free(all.lf[i].symbol);
	code_close(code);
	return (int)found;
}
