/* SPDX-License-Identifier: BSD-2-Clause */
/* One function of the program that takes a large part of the CPU time. */
#include "detect/detectors.h"

#include <string.h>

#define SAMPLES_MIN 200 /* about two seconds at the usual rate */
#define PER_CENT    25

/* That an interpreter interprets says nothing: the main loops of CPython, Ruby, PHP, Perl, Lua, SQLite. */
static const char *const interpreters[] = {"_PyEval_EvalFrameDefault",
					   "vm_exec_core",
					   "execute_ex",
					   "Perl_runops_standard",
					   "luaV_execute",
					   "sqlite3VdbeExec",
					   NULL};

static int says_nothing(const struct detect_function *fn)
{
	size_t i;

	for (i = 0; interpreters[i]; i++) {
		if (strcmp(fn->name, interpreters[i]) == 0)
			return 1;
	}
	/* Not resolved, or the kernel's. */
	return !fn->name[0] || fn->name[0] == '[' || strncmp(fn->name, "0x", 2) == 0 || fn->module[0] == '[';
}

void hot_function_function(struct detect *d, const struct detector *self, const struct detect_function *fn)
{
	uint64_t name = hash_bytes(HASH_SEED, fn->name, strlen(fn->name));
	struct finding *f;

	if (fn->samples < SAMPLES_MIN || fn->self * 100 < fn->samples * PER_CENT || says_nothing(fn))
		return;
	f = detect_finding(d, self, 0, hash_bytes(name, fn->module, strlen(fn->module)));
	if (!f)
		return;
	f->count = fn->self;
	f->worst_count = fn->samples;
	f->total_ns = (uint64_t)((double)fn->weight_ns * (double)fn->self / (double)fn->samples);
	f->confidence = CONFIDENCE_EXACT;
	memcpy(f->code, fn->name, strnlen(fn->name, sizeof(f->code) - 1));
	detect_certain(d, f);
}

enum severity hot_function_severity(const struct finding *f)
{
	return f->count * 2 >= f->worst_count ? SEVERITY_MEDIUM : SEVERITY_LOW;
}

void hot_function_describe(const struct detect *d, const struct finding *f, struct strbuf *title,
			   struct strbuf *evidence, struct strbuf *recommendation)
{
	strbuf_addf(title, "%.0f %% of the CPU time is %s", 100.0 * (double)f->count / (double)f->worst_count,
		    f->code);
	strbuf_addf(evidence, "%llu of %llu samples, about ", (unsigned long long)f->count,
		    (unsigned long long)f->worst_count);
	detect_add_ms(evidence, f->total_ns);
	strbuf_adds(evidence, " of CPU time, were in the function itself.");
	strbuf_adds(recommendation, "The flame graph (apm-bpf flame) shows who calls it: call it less often, "
				    "with less, or with a "
				    "better algorithm.");
}
