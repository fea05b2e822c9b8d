/* SPDX-License-Identifier: BSD-2-Clause */
#include "collect/span_plan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/procmaps.h"
#include "collect/span_place.h"
#include "collect/targets.h"

struct span_plan {
	const struct span_rule *rule;
	struct span_places *places;
	struct strbuf *out;
	int found, wrong;
};

static void print_spot(struct span_plan *p, const struct span_spot *spot)
{
	const char *role = spot->at_return ? "return" : spot->site.role == APM_SPAN_BEGIN ? "begins" : "ends";

	strbuf_addf(p->out, "    %-24s %-13s at 0x%llx  %s%s\n", p->rule->name, role,
		    (unsigned long long)spot->file_off, site_cost_name(spot->cost),
		    spot->semaphore_off ? " (and its semaphore)" : "");
}

/* Takes fd over. */
static void plan_file(struct span_plan *p, int fd, const char *path, int returns_allowed)
{
	struct elf_file *elf = elf_file_open(NULL, fd);
	char why[512] = "is no program or library";
	size_t i;
	int err = elf ? span_places_find(p->rule, 0, elf, returns_allowed, p->places, why, sizeof(why))
		      : -ENOEXEC;

	p->found = 1;
	if (err) {
		p->wrong = 1;
		strbuf_addf(p->out, "  span %s: %s %s\n", p->rule->text, path, why);
	} else {
		strbuf_addf(p->out, "  span %s  %s\n", p->rule->text, path);
		for (i = 0; i < p->places->count; i++)
			print_spot(p, &p->places->spot[i]);
		if (p->places->note[0])
			strbuf_addf(p->out, "    %s\n", p->places->note);
	}
	elf_file_close(elf);
}

static int plan_mapped(const struct target_file *file, void *arg)
{
	struct span_plan *p = arg;
	struct proc_map map = {.start = file->map_start,
			       .end = file->map_end,
			       .inode = file->inode,
			       .dev = file->dev,
			       .exec = 1,
			       .deleted = file->deleted,
			       .path = file->path};
	char why[256];
	int fd;

	if (!span_binary_matches(p->rule, file->path))
		return 0;
	fd = proc_map_open(file->pid, &map);
	if (fd >= 0)
		plan_file(p, fd, file->path, target_returns_safe(file->pid, why, sizeof(why)));
	return 0;
}

static void plan_path(struct span_plan *p, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd >= 0)
		plan_file(p, fd, path, target_file_returns_safe(path));
}

int span_plan_print(const struct span_rule *rules, size_t count, const pid_t *pids, size_t pid_count,
		    const char *program, struct strbuf *out)
{
	struct span_plan p = {.out = out, .places = calloc(1, sizeof(*p.places))};
	size_t i, k;

	if (!p.places)
		return -ENOMEM;
	for (i = 0; i < count; i++) {
		p.rule = &rules[i];
		p.found = 0;
		for (k = 0; k < pid_count; k++)
			target_files(pids[k], plan_mapped, &p);
		if (!p.found && strchr(p.rule->binary, '/'))
			plan_path(&p, p.rule->binary);
		if (!p.found && program && strchr(program, '/') && span_binary_matches(p.rule, program))
			plan_path(&p, program);
		if (!p.found) {
			strbuf_addf(out, "  span %s: %s is not there yet\n", p.rule->text, p.rule->binary);
			p.wrong |= !program && pid_count;
		}
	}
	free(p.places);
	return p.wrong ? -ENOENT : 0;
}
