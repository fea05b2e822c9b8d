/* SPDX-License-Identifier: BSD-2-Clause */
#include "collect/span_place.h"

#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <capstone/capstone.h>

#include "collect/site_code.h"
#include "collect/span_symbols.h"
#include "collect/span_usdt.h"

#define OVERLOADS_MAX 16
#define REGIONS_MAX   64
#define SWEEP_MAX     (1u << 20) /* bytes of code looked through for one function */
#define PROLOGUE_MAX  6

/*
 * Offsets in struct pt_regs of the registers that carry arguments, first to last. System V ABI for AMD64;
 * Go's register ABI (cmd/compile/abi-internal.md); AAPCS64.
 */
static const uint16_t x86_args[] = {112, 104, 96, 88, 72, 64};
static const uint16_t go_args[] = {80, 40, 88, 112, 104, 72, 64, 56, 48};
static const uint16_t arm64_args[] = {0, 8, 16, 24, 32, 40, 48, 56};
#define X86_RET 80

struct registers {
	const uint16_t *arg;
	size_t count;
	uint16_t ret;
};

struct region {
	uint64_t start, size;
};

struct search {
	const struct span_rule *rule;
	uint32_t span;
	struct elf_file *file;
	struct code *code;
	struct span_symbols *symbols;
	struct span_places *out;
	struct registers regs;
	char *why;
	size_t why_len;

	/* of one function */
	struct region region[REGIONS_MAX];
	size_t region_count;
	size_t swept;
	uint64_t jump_to[REGIONS_MAX]; /* tail calls: the jumps */
	size_t jump_count;
	char jump_name[64]; /* what the last of them goes to; "" = not known */
	int follow;	    /* go on into functions that are jumped to */
	int unclear;	    /* an exit that could not be placed */
};

static int refuse(const struct search *s, int err, const char *what)
{
	snprintf(s->why, s->why_len, "%s", what);
	return err;
}

static struct span_spot *spot_add(struct search *s, uint64_t addr, uint8_t role)
{
	struct span_places *out = s->out;
	struct span_spot *spot;
	size_t i;

	for (i = 0; i < out->count; i++)
		if (out->spot[i].addr == addr && out->spot[i].site.role == role && !out->spot[i].at_return)
			return &out->spot[i];
	if (out->count == SPAN_SPOTS_MAX)
		return NULL;
	spot = &out->spot[out->count];
	*spot = (struct span_spot){.addr = addr, .cost = SITE_COST_STEPPED};
	spot->site = (struct apm_span_site){.span = s->span, .role = role, .pairing = out->pairing};
	if (elf_addr_to_offset(s->file, addr, &spot->file_off))
		return NULL;
	out->count++;
	return spot;
}

/* ---- values ---- */

static int place_register(const struct search *s, unsigned int number, const struct value_type *type,
			  struct apm_place *out)
{
	if (number > s->regs.count)
		return -ENOENT;
	*out = (struct apm_place){.reg = s->regs.arg[number - 1],
				  .index = APM_NO_INDEX,
				  .where = APM_WHERE_REGISTER,
				  .size = type->size,
				  .is_signed = type->is_signed};
	return 0;
}

static int place_operand(const char *args, unsigned int number, const struct value_type *type,
			 struct apm_place *out)
{
	int err = usdt_argument(args, number, out);

	/* The probe says what its numbers are; a type that was given says more. */
	if (!err && type->size && out->size >= type->size) {
		out->size = type->size;
		out->is_signed = type->is_signed;
	}
	return err;
}

/* Where an argument stands: in a register of a function (args is NULL), or as a static probe says. */
static int place_argument(const struct search *s, const char *args, const struct span_argument *arg,
			  struct apm_place *out)
{
	int err = args ? place_operand(args, arg->number, arg->type, out)
		       : place_register(s, arg->number, arg->type, out);

	if (err == -ENOENT)
		snprintf(s->why, s->why_len, "has no argument %u there%s", arg->number,
			 args ? "" : " that stands in a register");
	else if (err)
		snprintf(s->why, s->why_len, "argument %u cannot be read (%s)", arg->number, args);
	return err;
}

static int site_match(const struct search *s, const char *args, struct apm_span_site *site)
{
	const struct span_rule *rule = s->rule;

	if (!rule->match.number)
		return 0;
	site->match = rule->match.type->is_text ? 2 : 1;
	site->match_number = rule->match_number;
	memcpy(site->match_text, rule->match_text, sizeof(site->match_text));
	return place_argument(s, args, &rule->match, &site->match_place);
}

static int site_values(const struct search *s, const char *args, struct apm_span_site *site)
{
	const struct span_rule *rule = s->rule;
	size_t i;
	int err = site_match(s, args, site);

	for (i = 0; i < rule->arg_count && !err; i++) {
		err = place_argument(s, args, &rule->arg[i], &site->arg[i]);
		site->text_args |= (uint8_t)(rule->arg[i].type->is_text << i);
	}
	site->arg_count = (uint8_t)rule->arg_count;
	return err;
}

static void site_ret(const struct search *s, struct apm_span_site *site)
{
	site->ret = (struct apm_place){.reg = s->regs.ret,
				       .index = APM_NO_INDEX,
				       .where = APM_WHERE_REGISTER,
				       .size = s->rule->ret_type->size,
				       .is_signed = s->rule->ret_type->is_signed};
}

/* ---- the exits of a function ---- */

static void region_add(struct search *s, uint64_t start, uint64_t size)
{
	size_t i;

	for (i = 0; i < s->region_count; i++)
		if (s->region[i].start == start)
			return;
	if (s->region_count == REGIONS_MAX || !size)
		s->unclear = 1;
	else
		s->region[s->region_count++] = (struct region){start, size};
}

static int is_in_regions(const struct search *s, uint64_t addr)
{
	size_t i;

	for (i = 0; i < s->region_count; i++)
		if (addr >= s->region[i].start && addr - s->region[i].start < s->region[i].size)
			return 1;
	return 0;
}

static void jump_add(struct search *s, uint64_t addr, const char *name)
{
	if (s->jump_count < REGIONS_MAX)
		s->jump_to[s->jump_count++] = addr;
	snprintf(s->jump_name, sizeof(s->jump_name), "%s", name);
}

/* A jump whose target the instruction does not say: through a table of the
 * function's own (switch), or away. */
static int is_table_jump(const cs_insn *insn, int after_add)
{
	const cs_x86_op *op = &insn->detail->x86.operands[0];

	if (insn->bytes[0] == 0x3e) /* notrack: compilers use it for tables only */
		return 1;
	if (op->type == X86_OP_REG)
		return after_add;
	return op->type == X86_OP_MEM && op->mem.scale == 8 && op->mem.index != X86_REG_INVALID;
}

/* A jump or branch out of the region: into a part of the same function, or into another one. */
static void leave(struct search *s, const cs_insn *insn, uint64_t target, enum insn_flow flow)
{
	const struct span_function *fn = span_symbols_at(s->symbols, target);
	uint64_t at = insn->address, addr;
	const char *name = "";

	if (is_in_regions(s, target))
		return;
	if (fn && strstr(fn->name, ".cold")) {
		region_add(s, fn->addr, fn->size);
		return;
	}
	if (flow == INSN_JUMP && !fn && !code_callee(s->code, insn, &addr, &name) && *name) {
		jump_add(s, at, name);
		s->unclear = 1;
		return;
	}
	if (s->follow && fn) {
		region_add(s, fn->addr, fn->size);
		return;
	}
	if (flow == INSN_JUMP)
		jump_add(s, at, fn ? fn->name : "");
	s->unclear = 1;
}

static void sweep(struct search *s, struct region r)
{
	uint64_t addr = r.start, end = r.start + r.size, target;
	int after_add = 0;

	while (addr < end && s->swept < SWEEP_MAX) {
		const cs_insn *insn = code_insn(s->code, addr);
		enum insn_flow flow;
		size_t size;

		if (!insn) {
			s->unclear = 1;
			return;
		}
		size = insn->size;
		flow = insn_flow(s->code, insn, &target);
		if (flow == INSN_RETURN) {
			struct span_spot *spot = spot_add(s, addr, APM_SPAN_END);

			if (spot)
				site_ret(s, &spot->site);
			else
				s->unclear = 1;
		} else if ((flow == INSN_JUMP || flow == INSN_BRANCH) && target) {
			leave(s, insn, target, flow);
		} else if (flow == INSN_JUMP && !is_table_jump(insn, after_add)) {
			jump_add(s, addr, "");
			s->unclear = 1;
		}
		after_add = insn->id == X86_INS_ADD;
		addr += size;
		s->swept += size;
	}
	s->unclear |= addr < end;
}

/* Notes the exits of a function as ends. *complete: all of them were found. */
static void find_exits(struct search *s, const struct span_function *fn, int follow, int *complete)
{
	size_t i;

	s->region_count = s->jump_count = s->swept = 0;
	s->unclear = 0;
	s->jump_name[0] = '\0';
	s->follow = follow;
	region_add(s, fn->addr, fn->size);
	for (i = 0; i < s->region_count; i++)
		sweep(s, s->region[i]);
	*complete = !s->unclear;
}

static void end_by_return_probe(struct search *s, struct span_spot *begin)
{
	struct span_spot *spot;

	if (s->out->count == SPAN_SPOTS_MAX)
		return;
	spot = &s->out->spot[s->out->count++];
	*spot = *begin;
	spot->at_return = 1;
}

/* The end is where the function hands over to one that cannot be followed. */
static void end_at_jumps(struct search *s)
{
	size_t i;

	for (i = 0; i < s->jump_count; i++)
		spot_add(s, s->jump_to[i], APM_SPAN_END);
	snprintf(s->out->note, sizeof(s->out->note), "it ends with a call of %s, which is not counted",
		 s->jump_name[0] ? s->jump_name : "a function that is not known");
}

/*
 * spot_add() may be called after `begin` was taken: it never moves spots.
 */
static void find_ends(struct search *s, struct span_spot *begin, const struct span_function *fn,
		      int returns_allowed)
{
	size_t before = s->out->count;
	int complete, throws = span_symbols_unwinds(s->symbols);

	site_ret(s, &begin->site);
	if (!code_is_x86(s->code)) {
		end_by_return_probe(s, begin);
		return;
	}
	find_exits(s, fn, 0, &complete);
	if (complete)
		return;
	if (returns_allowed && !throws) {
		s->out->count = before;
		end_by_return_probe(s, begin);
		return;
	}
	s->out->count = before;
	find_exits(s, fn, 1, &complete);
	if (!complete)
		end_at_jumps(s);
}

/* ---- functions ---- */

/* Behind the check for room on the stack, which the function begins anew with when the stack was moved. */
static uint64_t go_begin(struct search *s, const struct span_function *fn)
{
	uint64_t addr = fn->addr;
	int i;

	for (i = 0; i < PROLOGUE_MAX; i++) {
		const cs_insn *insn = code_insn(s->code, addr);

		if (!insn)
			break;
		addr += insn->size;
		if (insn->id == X86_INS_JBE)
			return addr;
		if (insn->id != X86_INS_CMP && insn->id != X86_INS_LEA && insn->id != X86_INS_MOV &&
		    insn->id != X86_INS_SUB && insn->id != X86_INS_JB)
			break;
	}
	return fn->addr;
}

static uint32_t args_used(const struct span_rule *rule)
{
	uint32_t mask = rule->match.number ? 1u << (rule->match.number - 1) : 0;
	size_t i;

	for (i = 0; i < rule->arg_count; i++)
		mask |= 1u << (rule->arg[i].number - 1);
	return mask;
}

static struct span_spot *begin_of(struct search *s, const struct span_function *fn)
{
	struct site site;
	struct span_spot *spot;
	uint32_t extra = 0;
	uint64_t addr = fn->addr;

	if (s->out->pairing == APM_PAIR_ROUTINE)
		addr = go_begin(s, fn);
	else if (!site_find_in(s->code, fn->addr, fn->size, &site, &extra) && !(extra & args_used(s->rule)))
		addr = site.addr;
	spot = spot_add(s, addr, APM_SPAN_BEGIN);
	if (spot) {
		const cs_insn *insn = code_insn(s->code, addr);

		spot->cost = insn ? insn_cost(s->code, insn) : SITE_COST_STEPPED;
	}
	return spot;
}

/* Whether the function jumps to `to`: then the probe there is hit more than once in a call. */
static int jumps_to(struct search *s, const struct span_function *fn, uint64_t to)
{
	uint64_t addr = fn->addr, target;

	while (addr < fn->addr + fn->size && addr - fn->addr < SWEEP_MAX) {
		const cs_insn *insn = code_insn(s->code, addr);

		if (!insn)
			return 1;
		insn_flow(s->code, insn, &target);
		if (target == to)
			return 1;
		addr += insn->size;
	}
	return 0;
}

static int add_functions(struct search *s, const struct span_function **fn, size_t count, int returns_allowed)
{
	struct span_spot *begin[OVERLOADS_MAX];
	size_t i;
	int err;

	for (i = 0; i < count; i++) {
		if (fn[i]->type == STT_GNU_IFUNC)
			return refuse(s, -ENOTSUP,
				      "is chosen when the program starts (IFUNC): name the variant");
		begin[i] = begin_of(s, fn[i]);
		if (!begin[i])
			return refuse(s, -ENOTSUP, "stands in no segment that is executed");
		begin[i]->site.loops = (uint8_t)(code_is_x86(s->code) && jumps_to(s, fn[i], begin[i]->addr));
		err = site_values(s, NULL, &begin[i]->site);
		if (err)
			return err;
	}
	s->out->begins = s->out->count;
	for (i = 0; i < count; i++)
		find_ends(s, begin[i], fn[i], returns_allowed);
	return 0;
}

static int find_function(struct search *s, int is_go, int returns_allowed)
{
	const struct span_function *fn[OVERLOADS_MAX];
	const char *name = s->rule->function;
	size_t count;
	int clones;

	s->symbols = span_symbols_read(s->file);
	s->code = code_open(s->file);
	if (!s->symbols || !s->code)
		return refuse(s, -errno, strerror(errno));
	count = span_symbols_named(s->symbols, name, fn, OVERLOADS_MAX, &clones);
	if (!count) {
		span_symbols_explain(s->symbols, name, s->why, s->why_len);
		return -ENOENT;
	}
	if (clones && args_used(s->rule)) {
		snprintf(s->why, s->why_len,
			 "has it as %s only, whose arguments the compiler may have changed", fn[0]->name);
		return -ENOTSUP;
	}
	s->regs = (struct registers){x86_args, sizeof(x86_args) / sizeof(x86_args[0]), X86_RET};
	if (!code_is_x86(s->code))
		s->regs = (struct registers){arm64_args, sizeof(arm64_args) / sizeof(arm64_args[0]), 0};
	s->out->pairing = is_go ? APM_PAIR_ROUTINE : APM_PAIR_STACK;
	if (is_go && !code_is_x86(s->code))
		return refuse(s, -ENOTSUP, "is a Go program: spans in it need x86-64");
	if (is_go)
		s->regs = (struct registers){go_args, sizeof(go_args) / sizeof(go_args[0]), X86_RET};
	else if (!returns_allowed)
		return refuse(s, -ENOTSUP,
			      "switches stacks: what a thread does in a call of it cannot be told");
	return add_functions(s, fn, count, returns_allowed && !is_go);
}

/* ---- static probes ---- */

/* How the names of two probes that belong together end. */
static const char *const pairs[][2] = {
	{"__entry", "__return"}, {"__startup", "__shutdown"}, {"__start", "__done"},  {"__start", "__end"},
	{"__start", "__stop"},	 {"__begin", "__end"},	      {"_entry", "_exit"},    {"_start", "_done"},
	{"_start", "_end"},	 {"_begin", "_end"},	      {"_enter", "_leave"},   {"_entry", "_return"},
	{"_start", "_stop"},	 {"__enter", "__exit"},	      {"__enter", "__leave"},
};

struct mark {
	struct search *s;
	const char *name;
	uint8_t role;
	size_t found;
	int err;
};

static int add_mark(const struct usdt_probe *probe, void *arg)
{
	struct mark *m = arg;
	struct span_spot *spot;

	if (strcmp(probe->provider, m->s->rule->provider) || strcmp(probe->name, m->name))
		return 0;
	spot = spot_add(m->s, probe->addr, m->role);
	if (!spot) {
		m->err = refuse(m->s, -ENOTSUP, "has too many places of it");
		return 1;
	}
	m->found++;
	spot->cost = SITE_COST_EMULATED; /* a nop */
	if (probe->semaphore && elf_addr_to_offset(m->s->file, probe->semaphore, &spot->semaphore_off)) {
		m->err = refuse(m->s, -ENOTSUP, "has a semaphore for it that is not in the file");
		return 1;
	}
	m->err = m->role == APM_SPAN_BEGIN ? site_values(m->s, probe->args, &spot->site)
					   : site_match(m->s, probe->args, &spot->site);
	return m->err != 0;
}

static size_t add_marks(struct search *s, const char *name, uint8_t role, int *err)
{
	struct mark m = {.s = s, .name = name, .role = role};

	usdt_each(s->file, add_mark, &m);
	*err = m.err;
	return m.found;
}

/* The name of the end follows from that of the beginning. */
static size_t add_partner(struct search *s, int *err)
{
	const char *begin = s->rule->begin;
	char name[128];
	size_t i, found = 0;

	for (i = 0; i < sizeof(pairs) / sizeof(pairs[0]) && !found && !*err; i++) {
		size_t len = strlen(begin), tail = strlen(pairs[i][0]);

		if (len <= tail || strcmp(begin + len - tail, pairs[i][0]))
			continue;
		snprintf(name, sizeof(name), "%.*s%s", (int)(len - tail), begin, pairs[i][1]);
		found = add_marks(s, name, APM_SPAN_END, err);
	}
	return found;
}

static int find_marks(struct search *s, int returns_allowed)
{
	const struct span_rule *rule = s->rule;
	int err;

	s->out->pairing = APM_PAIR_ORDER;
	if (!returns_allowed)
		return refuse(s, -ENOTSUP,
			      "switches stacks: what a thread does between two probes cannot be told");
	if (elf_machine(s->file) != EM_X86_64)
		return refuse(s, -ENOTSUP, "static probes are read on x86-64 only");
	if (!add_marks(s, rule->begin, APM_SPAN_BEGIN, &err)) {
		snprintf(s->why, s->why_len, "has no static probe %s:%s", rule->provider, rule->begin);
		return -ENOENT;
	}
	s->out->begins = s->out->count;
	if (err)
		return err;
	if (!(rule->end ? add_marks(s, rule->end, APM_SPAN_END, &err) : add_partner(s, &err))) {
		snprintf(s->why, s->why_len,
			 "has no static probe that ends %s:%s%s%s: give both as %s:BEGIN..END",
			 rule->provider, rule->begin, rule->end ? " called " : "", rule->end ? rule->end : "",
			 rule->provider);
		return -ENOENT;
	}
	return err;
}

int span_places_find(const struct span_rule *rule, uint32_t span, struct elf_file *f, int returns_allowed,
		     struct span_places *out, char *why, size_t why_len)
{
	struct search *s = calloc(1, sizeof(*s));
	size_t len;
	uint64_t addr;
	int err, is_go;

	if (!s)
		return -ENOMEM;
	*s = (struct search){
		.rule = rule, .span = span, .file = f, .out = out, .why = why, .why_len = why_len};
	out->count = out->begins = 0;
	out->note[0] = '\0';
	is_go = elf_section(f, ".go.buildinfo", &len, &addr) ||
		elf_section(f, ".note.go.buildid", &len, &addr);
	err = rule->function ? find_function(s, is_go, returns_allowed) : find_marks(s, returns_allowed);
	code_close(s->code);
	span_symbols_free(s->symbols);
	free(s);
	return err;
}

int span_binary_matches(const struct span_rule *rule, const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	const char *want = strrchr(rule->binary, '/') ? strrchr(rule->binary, '/') + 1 : rule->binary;
	size_t len = strlen(want);

	return !strncmp(name, want, len) && (!name[len] || name[len] == '.');
}
