/* SPDX-License-Identifier: BSD-2-Clause */
#include "collect/site.h"

#include <errno.h>
#include <string.h>
#include <capstone/capstone.h>

#include "collect/insn.h"
#include "collect/plt.h"
#include "collect/site_code.h"

#define MAX_WALK     8	   /* instructions looked at for a cheaper one */
#define MAX_SWEEP    65536 /* bytes of a function searched for jumps back to it */
#define UNKNOWN_SIZE 4096  /* searched where the symbol has no size */

const char *site_cost_name(enum site_cost cost)
{
	static const char *const name[] = {[SITE_COST_NOP5] = "nop5",
					   [SITE_COST_EMULATED] = "emulated",
					   [SITE_COST_STEPPED] = "stepped"};

	return (size_t)cost < sizeof(name) / sizeof(*name) ? name[cost] : "unknown";
}

/*
 * Whether something in the function jumps to an address after `entry`, up to and including `site`: a probe
 * there would then fire more often than the function is called.
 */
static int is_jumped_to(struct code *c, uint64_t entry, uint64_t size, uint64_t site)
{
	uint64_t addr = entry, end = entry + (size ? size : UNKNOWN_SIZE), target;

	while (addr < end && addr - entry < MAX_SWEEP) {
		const cs_insn *insn = code_insn(c, addr);

		if (!insn)
			return 1; /* cannot be ruled out */
		insn_flow(c, insn, &target);
		if (target > entry && target <= site)
			return 1;
		addr += insn->size;
	}
	return addr < end;
}

static int site_at(struct code *c, uint64_t entry, uint64_t addr, enum site_cost cost, struct site *out)
{
	memset(out, 0, sizeof(*out));
	out->addr = addr;
	out->cost = cost;
	out->moved = (uint8_t)(addr - entry);
	return elf_addr_to_offset(code_file(c), addr, &out->file_off);
}

int site_find_in(struct code *c, uint64_t entry, uint64_t size, struct site *out, uint32_t *extra_regs)
{
	uint64_t addr = entry, target;
	enum site_cost entry_cost = SITE_COST_STEPPED;
	uint32_t changed = 0;

	*extra_regs = 0;
	for (int i = 0; i < MAX_WALK; i++) {
		const cs_insn *insn = code_insn(c, addr);
		enum insn_flow flow;
		enum site_cost cost;

		if (!insn)
			break;
		flow = insn_flow(c, insn, &target);
		cost = insn_cost(c, insn);
		if (addr == entry)
			entry_cost = cost;
		if (cost != SITE_COST_STEPPED) {
			/* With an argument register changed it is a thunk only if nothing
			 * but the jump is left to do. */
			if (changed &&
			    !(flow == INSN_JUMP && target && (target < entry || target >= entry + size)))
				break;
			if (addr != entry && is_jumped_to(c, entry, size, addr))
				break;
			*extra_regs = changed;
			return site_at(c, entry, addr, cost, out);
		}
		if (flow != INSN_NEXT)
			break;
		changed |= insn_is_landing_pad(c, insn) ? 0 : insn_writes(c, insn);
		if (changed & ~0x3fu)
			break; /* the stack or frame pointer, or not known */
		addr += insn->size;
	}
	return site_at(c, entry, entry, entry_cost, out);
}

int site_find(struct elf_file *f, const struct elf_symbol *sym, struct site *out, uint32_t *extra_regs)
{
	struct code *c = code_open(f);
	uint32_t extra;
	int err;

	if (!c)
		return -errno;
	err = site_find_in(c, sym->addr, sym->size, out, extra_regs ? extra_regs : &extra);
	code_close(c);
	return err;
}

/* ---- return probes ---- */

#define DEFINED 1
#define IMPORT	2

/* Names that tell of a stack that is switched while functions are under way. */
static const struct switch_name {
	const char *name;
	uint8_t where; /* DEFINED, IMPORT or both */
	uint8_t is_suffix;
	const char *why;
} switch_names[] = {
	{"swapcontext", IMPORT, 0, "imports swapcontext"},
	{"makecontext", IMPORT, 0, "imports makecontext"},
	{"jump_fcontext", DEFINED | IMPORT, 1, "has Boost.Context (jump_fcontext)"},
	{"make_fcontext", DEFINED | IMPORT, 1, "has Boost.Context (make_fcontext)"},
	{"ontop_fcontext", DEFINED | IMPORT, 1, "has Boost.Context (ontop_fcontext)"},
	{"co_switch", DEFINED | IMPORT, 0, "has libco (co_switch)"},
	{"co_swap", DEFINED | IMPORT, 0, "has libco (co_swap)"},
	{"co_resume", DEFINED | IMPORT, 0, "has libco (co_resume)"},
	{"coro_transfer", DEFINED | IMPORT, 0, "has libcoro (coro_transfer)"},
	/*
	 * Not greenlet by itself: SQLAlchemy loads it into every program, and like PHP's fibers greenlets are
	 * switched by Python code, between the calls of a database library. A program that makes all it does
	 * wait by switching may do so in an SQL function written in Python, inside sqlite3_step.
	 */
	{"PyInit__gevent_cgreenlet", DEFINED, 0, "is gevent"},
	{"swoole_coroutine_create", DEFINED, 0, "is swoole"},
	{"swoole_coroutine_resume", DEFINED, 0, "is swoole"},
	{"runtime.goexit", DEFINED, 0, "is a Go program"},
	{"poll", DEFINED, 0, "defines poll"},
	{"recv", DEFINED, 0, "defines recv"},
	{"read", DEFINED, 0, "defines read"},
	{"connect", DEFINED, 0, "defines connect"},
};

/* Files that have some of these names for another reason. */
static const struct harmless_name {
	const char *name;
	uint8_t hides_io_only;
} harmless_names[] = {
	{"__libc_start_main", 1}, /* a C library */
	{"pthread_create", 1},	  /* libpthread before glibc 2.34 */
	{"__tls_get_addr", 1},	  /* the loader */
	/* The interceptors of the sanitizers call through on the same stack. */
	{"__sanitizer_set_report_path", 0},
	/* OpenSSL's asynchronous jobs: used only by programs that ask for them (SSL_MODE_ASYNC), which no
	   database library does. */
	{"ASYNC_start_job", 0},
	/*
	 * PHP's own fibers: they are switched by PHP code, between the calls of a database library. Left open
	 * is an SQL function written in PHP that suspends the fiber inside sqlite3_step.
	 */
	{"zend_fiber_switch_context", 0},
};

struct judge {
	const char *why;
	int why_is_io;
	int harmless_io, harmless;
};

static int ends_with(const char *name, const char *suffix)
{
	size_t n = strlen(name), s = strlen(suffix);

	return n >= s && !strcmp(name + n - s, suffix);
}

/* mysql_real_query_start, mysql_stmt_execute_cont …: MariaDB's non-blocking calls
 * run on a stack of their own. */
static int is_mysql_nonblocking(const char *name)
{
	return !strncmp(name, "mysql_", 6) && (ends_with(name, "_start") || ends_with(name, "_cont"));
}

static int judge_symbol(const struct elf_symbol *sym, void *arg)
{
	struct judge *j = arg;
	uint8_t where = sym->defined ? DEFINED : IMPORT;

	for (size_t i = 0; sym->defined && i < sizeof(harmless_names) / sizeof(*harmless_names); i++) {
		if (strcmp(sym->name, harmless_names[i].name))
			continue;
		*(harmless_names[i].hides_io_only ? &j->harmless_io : &j->harmless) = 1;
	}
	if (!sym->defined && is_mysql_nonblocking(sym->name)) {
		j->why = "imports MariaDB's non-blocking calls";
		j->why_is_io = 0;
	}
	for (size_t i = 0; i < sizeof(switch_names) / sizeof(*switch_names); i++) {
		const struct switch_name *s = &switch_names[i];
		int is_io = !strncmp(s->why, "defines ", 8);

		if (!(s->where & where) || (j->why && (is_io || !j->why_is_io)))
			continue;
		if (is_io && !sym->dynamic)
			continue; /* a program's own function of that name replaces nobody's */
		if (s->is_suffix ? !ends_with(sym->name, s->name) : strcmp(sym->name, s->name) != 0)
			continue;
		j->why = s->why;
		j->why_is_io = is_io;
	}
	return 0;
}

/* Modules that leave their libraries to the program that loads them import names without a type. */
static int judge_slot(const struct plt_slot *slot, void *arg)
{
	struct elf_symbol sym = {.name = slot->name, .dynamic = 1};

	return slot->addr ? 0 : judge_symbol(&sym, arg);
}

int site_returns_safe(struct elf_file *f, const char **why)
{
	struct judge j = {0};
	struct plt *slots;
	uint64_t addr;
	size_t len;

	*why = "";
	if (elf_section(f, ".go.buildinfo", &len, &addr) || elf_section(f, ".note.go.buildid", &len, &addr)) {
		*why = "is a Go program";
		return 0;
	}
	elf_each_symbol(f, judge_symbol, &j);
	slots = plt_read(f);
	if (slots)
		plt_each(slots, judge_slot, &j);
	plt_free(slots);
	if (!j.why || j.harmless || (j.why_is_io && j.harmless_io))
		return 1;
	*why = j.why;
	return 0;
}
