/* SPDX-License-Identifier: BSD-2-Clause */
#include "collect/plan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/procmaps.h"
#include "collect/arm.h"
#include "collect/exits.h"
#include "collect/site.h"
#include "collect/targets.h"
#include "log.h"

#define MATCHES_MAX 4

struct plan {
	struct strbuf *out;
	struct lib_match *match;
	unsigned int libraries, probes;
	const char *unsafe; /* why the process could not stand return probes */
};

static const char *roles(const struct lib_symbol *s, const char *unsafe)
{
	return s->ret && !unsafe ? s->entry ? "entry+return" : "return" : "entry";
}

/* In place of return probes. */
static void print_exits(struct plan *p, struct elf_file *elf, const struct lib_match *m, const char *unsafe)
{
	struct exits common, exits;
	char why[128];

	strbuf_addf(p->out, "    no return probes: %s\n", unsafe);
	if (exits_find(elf, m, 0, &common, why, sizeof(why)) ||
	    exits_find(elf, m, m->facts.set, &exits, why, sizeof(why))) {
		strbuf_addf(p->out, "    would not be probed: %s\n", why);
		return;
	}
	exits.count += m->facts.set ? common.count : 0;
	p->probes += (unsigned int)exits.count;
	strbuf_addf(p->out, "    %-24s %-13s at %zu instructions  %s\n", "returns", "exit", exits.count,
		    site_cost_name(SITE_COST_STEPPED));
}

static void print_library(struct plan *p, struct elf_file *elf, const struct lib_match *m, const char *path,
			  const char *unsafe)
{
	size_t i;

	p->libraries++;
	strbuf_addf(p->out, "  %s %s  %s%s\n", m->name, m->version, path,
		    m->is_static ? " (static copy)" : "");
	for (i = 0; i < m->probe_count; i++) {
		const struct lib_probe *probe = &m->probe[i];

		if (!probe->symbol->entry && unsafe)
			continue;
		p->probes++;
		strbuf_addf(p->out, "    %-24s %-13s at 0x%llx  %s%s\n", probe->symbol->name,
			    roles(probe->symbol, unsafe), (unsigned long long)probe->site.file_off,
			    site_cost_name(probe->site.cost),
			    probe->site.thunk	? " (a place in another function)"
			    : probe->site.moved ? " (past the first instruction)"
						: "");
	}
	if (m->missing[0])
		strbuf_addf(p->out, "    not read: %s\n", m->missing);
	if (m->sets_why[0])
		strbuf_addf(p->out, "    each step is probed, also with --aggregate: not found: %s\n",
			    m->sets_why);
	if (unsafe)
		print_exits(p, elf, m, unsafe);
}

static void plan_file(struct plan *p, int fd, const char *path, const char *unsafe)
{
	struct elf_file *elf;
	const char *why = NULL;
	int count, i, safe;
	char own[64];

	safe = target_fd_returns_safe(fd, own, sizeof(own));
	if (!unsafe && !safe)
		unsafe = own;
	elf = elf_file_open(NULL, fd);
	if (!elf)
		return;
	count = lib_recognise(elf, p->match, MATCHES_MAX, &why);
	for (i = 0; i < count; i++)
		print_library(p, elf, &p->match[i], path, unsafe);
	if (!count && why)
		strbuf_addf(p->out, "  %s: %s\n", path, why);
	elf_file_close(elf);
}

static int plan_mapped(const struct target_file *file, void *arg)
{
	struct proc_map map = {.start = file->map_start,
			       .end = file->map_end,
			       .inode = file->inode,
			       .dev = file->dev,
			       .exec = 1,
			       .deleted = file->deleted,
			       .path = file->path};
	int fd = proc_map_open(file->pid, &map);
	struct plan *p = arg;

	if (fd >= 0)
		plan_file(p, fd, file->path, p->unsafe);
	return 0;
}

static int plan_process(struct plan *p, pid_t pid)
{
	struct target_info info;
	char why[256] = "";

	if (target_info_read(pid, &info)) {
		log_error("no process %d: it has ended, or the number is wrong ('sudo apm-bpf' lists what "
			  "can be traced)",
			  pid);
		return -ESRCH;
	}
	strbuf_addf(p->out, "process %d (%s), user %s, %u thread%s\n", pid, info.comm, info.user,
		    info.threads, info.threads == 1 ? "" : "s");
	p->unsafe = target_returns_safe(pid, why, sizeof(why)) ? NULL : why;
	target_files(pid, plan_mapped, p);
	target_info_free(&info);
	return 0;
}

static void plan_path(const char *path, const char *unsafe, void *arg)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd >= 0)
		plan_file(arg, fd, path, unsafe);
}

int plan_print(const pid_t *pids, size_t pid_count, char *const argv[], struct strbuf *out)
{
	struct plan p = {.out = out};
	size_t i;
	int err = 0;

	p.match = calloc(MATCHES_MAX, sizeof(*p.match));
	if (!p.match)
		return -ENOMEM;
	for (i = 0; i < pid_count && !err; i++)
		err = plan_process(&p, pids[i]);
	if (argv) {
		strbuf_addf(out, "command %s: would be armed before it runs\n", argv[0]);
		arm_each(argv[0], plan_path, &p);
	}
	if (!err)
		strbuf_addf(out, "%u client librar%s, %u probes; nothing was attached\n", p.libraries,
			    p.libraries == 1 ? "y" : "ies", p.probes);
	free(p.match);
	return err;
}
