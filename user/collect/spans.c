/* SPDX-License-Identifier: BSD-2-Clause */
#include "collect/spans.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "abi/event.h"
#include "abi/state.h"
#include "base/procmaps.h"
#include "collect/span_attach.h"
#include "collect/span_place.h"
#include "collect/targets.h"
#include "log.h"

#define FILES_MAX 16 /* in which one rule's BINARY is found */

/* A file that was looked at for a rule. */
struct span_file {
	dev_t dev;
	ino_t inode;
	struct span_attachment *attachment; /* NULL: it does not have it */
};

struct span_state {
	struct span_file file[FILES_MAX];
	size_t file_count;
	unsigned int attached;
	char *wrong; /* why a file that was found cannot be probed */
};

struct spans {
	const struct loader *loader;
	const struct span_rule *rule;
	size_t count;
	struct spans_events events;
	struct span_state *state;
	struct span_places *places;
	uint32_t next_site;
	int checked;
};

struct spans *spans_new(const struct loader *l, const struct span_rule *rules, size_t count,
			const struct spans_events *events)
{
	struct spans *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->loader = l;
	s->rule = rules;
	s->count = count;
	s->events = *events;
	s->next_site = 1; /* 0 is no site */
	s->state = calloc(count + 1, sizeof(*s->state));
	s->places = calloc(1, sizeof(*s->places));
	if (!s->state || !s->places) {
		spans_free(s);
		errno = ENOMEM;
		return NULL;
	}
	return s;
}

void spans_detach(struct spans *s)
{
	size_t i, k;

	for (i = 0; s && s->state && i < s->count; i++) {
		for (k = 0; k < s->state[i].file_count; k++) {
			span_detach(s->state[i].file[k].attachment);
			s->state[i].file[k].attachment = NULL;
		}
	}
}

void spans_free(struct spans *s)
{
	size_t i;

	if (!s)
		return;
	spans_detach(s);
	for (i = 0; s->state && i < s->count; i++)
		free(s->state[i].wrong);
	free(s->state);
	free(s->places);
	free(s);
}

/* ---- attaching ---- */

/* Before the targets are all looked at the first word about a rule is kept; later ones are told. */
static void say_wrong(struct spans *s, size_t i, pid_t pid, const char *path, const char *why)
{
	struct strbuf text = {0};

	strbuf_addf(&text, "%s %s", path, why);
	if (s->checked && !text.failed) {
		s->events.on_missing(pid, s->rule[i].text, text.ptr, s->events.arg);
		strbuf_free(&text);
		return;
	}
	if (s->state[i].wrong)
		strbuf_free(&text);
	else
		s->state[i].wrong = text.ptr;
}

static void describe(const struct span_places *p, struct strbuf *out)
{
	size_t i, returns = 0;

	for (i = 0; i < p->count; i++)
		returns += p->spot[i].at_return;
	strbuf_addf(out, "%zu place%s where it begins, %zu where it ends%s", p->begins,
		    p->begins == 1 ? "" : "s", p->count - p->begins, returns ? " (return probe)" : "");
	if (p->note[0])
		strbuf_addf(out, "; %s", p->note);
}

static void attach_file(struct spans *s, size_t i, struct span_file *file, int fd, const char *path,
			pid_t pid, int returns_allowed)
{
	struct elf_file *elf = elf_file_open(NULL, dup(fd));
	struct span_places *p = s->places;
	struct strbuf text = {0};
	char why[512] = "is no program or library";
	size_t k;
	int err;

	err = elf ? span_places_find(&s->rule[i], (uint32_t)i, elf, returns_allowed, p, why, sizeof(why))
		  : -ENOEXEC;
	if (!err && s->next_site + p->count > APM_MAX_SPAN_SITES) {
		snprintf(why, sizeof(why), "cannot be probed: too many places of spans already");
		err = -E2BIG;
	}
	for (k = 0; k < p->count && !err; k++)
		err = loader_set_span_site(s->loader, s->next_site + (uint32_t)k, &p->spot[k].site);
	if (!err) {
		file->attachment = span_attach(s->loader, p, s->next_site, fd);
		if (!file->attachment) {
			err = -errno;
			snprintf(why, sizeof(why), "cannot be probed: %s", strerror(errno));
		}
	}
	if (err) {
		say_wrong(s, i, pid, path, why);
	} else {
		s->next_site += (uint32_t)p->count;
		s->state[i].attached++;
		describe(p, &text);
		s->events.on_span(&s->rule[i], path, text.failed ? "" : text.ptr, pid, s->events.arg);
	}
	strbuf_free(&text);
	elf_file_close(elf);
}

/* Looks at the file open at fd once for this rule. */
static void add_file(struct spans *s, size_t i, int fd, const char *path, pid_t pid, int returns_allowed)
{
	struct span_state *state = &s->state[i];
	struct span_file *file;
	struct stat st;
	size_t k;

	if (fstat(fd, &st))
		return;
	for (k = 0; k < state->file_count; k++)
		if (state->file[k].dev == st.st_dev && state->file[k].inode == st.st_ino)
			return;
	if (state->file_count == FILES_MAX) {
		say_wrong(s, i, pid, path, "was not looked at: the name stands for too many files");
		return;
	}
	file = &state->file[state->file_count++];
	*file = (struct span_file){.dev = st.st_dev, .inode = st.st_ino};
	attach_file(s, i, file, fd, path, pid, returns_allowed);
}

/* ---- finding BINARY ---- */

struct look {
	struct spans *s;
	int returns_allowed; /* -1 = not judged yet */
	int is_go;
};

/* A rule with a path means that file, whatever its name is now; one with a name any of that name. */
static int is_meant(const struct span_rule *rule, const struct target_file *file)
{
	struct stat st;

	if (!strchr(rule->binary, '/'))
		return span_binary_matches(rule, file->path);
	return !strcmp(rule->binary, file->path) ||
	       (!stat(rule->binary, &st) && st.st_ino == file->inode && st.st_dev == file->dev);
}

static int look_at_file(const struct target_file *file, void *arg)
{
	struct look *look = arg;
	struct proc_map map = {.start = file->map_start,
			       .end = file->map_end,
			       .inode = file->inode,
			       .dev = file->dev,
			       .exec = 1,
			       .deleted = file->deleted,
			       .path = file->path};
	char why[256];
	size_t i;
	int fd;

	for (i = 0; i < look->s->count; i++) {
		if (!is_meant(&look->s->rule[i], file))
			continue;
		fd = proc_map_open(file->pid, &map);
		if (fd < 0) {
			say_wrong(look->s, i, file->pid, file->path, strerror(-fd));
			continue;
		}
		if (look->returns_allowed < 0)
			look->returns_allowed = target_returns_safe(file->pid, why, sizeof(why));
		add_file(look->s, i, fd, file->path, file->pid, look->returns_allowed);
		close(fd);
	}
	return 0;
}

void spans_look(struct spans *s, pid_t pid)
{
	struct look look = {.s = s, .returns_allowed = -1};

	if (s)
		target_files(pid, look_at_file, &look);
}

static unsigned int attached(const struct spans *s)
{
	unsigned int n = 0;
	size_t i;

	for (i = 0; i < s->count; i++)
		n += s->state[i].attached;
	return n;
}

int spans_mapped(struct spans *s, pid_t pid, const char *path)
{
	unsigned int before;
	size_t i;

	for (i = 0; s && i < s->count; i++) {
		if (!span_binary_matches(&s->rule[i], path))
			continue;
		before = attached(s);
		spans_look(s, pid);
		return attached(s) != before;
	}
	return 0;
}

static int add_path(struct spans *s, size_t i, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	add_file(s, i, fd, path, 0, target_file_returns_safe(path));
	close(fd);
	return 0;
}

/* Not a script that starts the program. */
static int is_elf(const char *path)
{
	struct elf_file *f = elf_file_open(path, -1);

	elf_file_close(f);
	return f != NULL;
}

static void add_from_path_variable(struct spans *s, size_t i)
{
	char *copy = getenv("PATH") ? strdup(getenv("PATH")) : NULL, *save = NULL, *dir;
	char path[4096];

	for (dir = copy ? strtok_r(copy, ":", &save) : NULL; dir && !s->state[i].file_count;
	     dir = strtok_r(NULL, ":", &save))
		if (snprintf(path, sizeof(path), "%s/%s", dir, s->rule[i].binary) < (int)sizeof(path) &&
		    is_elf(path))
			add_path(s, i, path);
	free(copy);
}

struct cached {
	struct spans *s;
	size_t i;
};

static int add_cached(const char *path, void *arg)
{
	struct cached *c = arg;

	if (span_binary_matches(&c->s->rule[c->i], path))
		add_path(c->s, c->i, path);
	return c->s->state[c->i].file_count > 0;
}

/* A file that no process has mapped yet. */
static int find_file(struct spans *s, size_t i, const char *program)
{
	struct cached cached = {s, i};
	const char *binary = s->rule[i].binary;

	if (strchr(binary, '/'))
		return add_path(s, i, binary);
	if (program && span_binary_matches(&s->rule[i], program) && is_elf(program))
		add_path(s, i, program);
	if (!s->state[i].file_count)
		add_from_path_variable(s, i);
	if (!s->state[i].file_count)
		target_cached_files(add_cached, &cached);
	return 0;
}

int spans_check(struct spans *s, const char *program, int may_come, struct strbuf *err)
{
	size_t i;
	int ret = 0;

	for (i = 0; s && i < s->count && !ret; i++) {
		const struct span_rule *rule = &s->rule[i];
		struct span_state *state = &s->state[i];
		int opened = 0;

		if (!state->file_count && (may_come || strchr(rule->binary, '/')))
			opened = find_file(s, i, program);
		if (state->attached)
			continue;
		if (state->wrong)
			strbuf_addf(err, "--span %s: %s", rule->text, state->wrong);
		else if (opened)
			strbuf_addf(err, "--span %s: cannot open %s: %s", rule->text, rule->binary,
				    strerror(-opened));
		else if (!may_come)
			strbuf_addf(err, "--span %s: no target process has a file called %s mapped",
				    rule->text, rule->binary);
		else
			continue;
		ret = -ENOENT;
	}
	if (s)
		s->checked = 1;
	return ret;
}

/* ---- what is under way ---- */

static void tell_frame(const struct apm_key *key, const struct apm_span_thread *t,
		       const struct apm_span_frame *f, const struct span_rule *rule, uint16_t flags,
		       uint64_t now_ns, spans_event_fn fn, void *arg)
{
	struct apm_ev_span ev = {
		.hdr = {.kind = APM_EV_SPAN_END,
			.flags = flags,
			.len = sizeof(ev),
			.ts = now_ns,
			.tgid = t->tgid,
			.tid = t->tid,
			.ctx_kind = key->queued,
			.ctx_id = key->ptr,
			.stmt_seq = f->seq},
		.t_start = f->t_start,
		.span = f->span,
		.known = f->known,
	};
	size_t i;

	memcpy(ev.arg, f->arg, sizeof(ev.arg));
	memcpy(ev.text, f->text, sizeof(ev.text));
	for (i = 0; i < rule->arg_count; i++)
		ev.text_args |= (uint8_t)(rule->arg[i].type->is_text << i);
	fn(&ev, arg);
}

/* Innermost first, as they would have ended. */
static void tell_frames(struct spans *s, uint32_t tgid, uint16_t flags, uint64_t now_ns, spans_event_fn fn,
			void *arg)
{
	int fd = loader_span_threads_fd(s->loader);
	struct apm_key key, next;
	struct apm_span_thread t;
	void *prev = NULL;
	uint32_t left = APM_MAX_SPAN_THREADS, i;

	while (left-- && !bpf_map_get_next_key(fd, prev, &next)) {
		int wanted = (!tgid || next.tgid == tgid) && !bpf_map_lookup_elem(fd, &next, &t);

		for (i = wanted && t.depth <= APM_SPAN_DEPTH ? t.depth : 0; i > 0; i--)
			if (t.frame[i - 1].span < s->count)
				tell_frame(&next, &t, &t.frame[i - 1], &s->rule[t.frame[i - 1].span], flags,
					   now_ns, fn, arg);
		if (wanted && tgid) { /* the walk goes on from the one before */
			bpf_map_delete_elem(fd, &next);
			continue;
		}
		key = next;
		prev = &key;
	}
}

void spans_process_end(struct spans *s, uint32_t tgid, uint64_t now_ns, spans_event_fn fn, void *arg)
{
	if (s)
		tell_frames(s, tgid, APM_SPAN_EXITED, now_ns, fn, arg);
}

void spans_running(struct spans *s, uint64_t now_ns, spans_event_fn fn, void *arg)
{
	if (s)
		tell_frames(s, 0, APM_SPAN_IN_FLIGHT, now_ns, fn, arg);
}

unsigned int spans_sites(const struct spans *s)
{
	return s ? s->next_site - 1 : 0;
}

void spans_unseen(const struct spans *s, void (*fn)(const struct span_rule *rule, void *arg), void *arg)
{
	size_t i;

	for (i = 0; s && i < s->count; i++)
		if (!s->state[i].attached)
			fn(&s->rule[i], arg);
}
