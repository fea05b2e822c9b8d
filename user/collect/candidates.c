/* SPDX-License-Identifier: BSD-2-Clause */
/* The processes that could be traced: those that have a supported library mapped, or
 * are connected to a database. */
#include "collect/targets.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/procmaps.h"
#include "base/table.h"
#include "collect/netpeer.h"

#define MAX_FILES 16384 /* files whose libraries are remembered */

struct found_libraries {
	char text[96]; /* "libpq 5.15"; empty = none */
};

struct search {
	struct table *files; /* {device, inode}: struct found_libraries */
	struct netpeers *peers;
	struct candidate *list;
	size_t count, cap;
};

/* Appends `item` to a comma-separated list unless it is there already or does not fit. */
static void list_add(char *list, size_t size, const char *item)
{
	size_t len = strlen(list), n = strlen(item);
	const char *at = list;

	while ((at = strstr(at, item))) {
		if ((at == list || at[-1] == ' ') && (at[n] == 0 || at[n] == ','))
			return;
		at += n;
	}
	if (len + n + 3 <= size)
		snprintf(list + len, size - len, "%s%s", len ? ", " : "", item);
}

static void recognise(const struct target_file *file, const char *note, struct found_libraries *out)
{
	struct proc_map map = {.start = file->map_start,
			       .end = file->map_end,
			       .inode = file->inode,
			       .dev = file->dev,
			       .path = file->path};
	struct lib_match match[4];
	struct elf_file *f;
	int fd = proc_map_open(file->pid, &map), n;

	if (fd < 0)
		return;
	f = elf_file_open(NULL, fd);
	if (!f)
		return;
	n = lib_recognise(f, match, sizeof(match) / sizeof(*match), NULL);
	for (int i = 0; i < n; i++) {
		char item[48];

		snprintf(item, sizeof(item), "%s%s%s%s%s", match[i].name, *match[i].version ? " " : "",
			 match[i].version, match[i].is_static ? " (static)" : "", note);
		list_add(out->text, sizeof(out->text), item);
	}
	elf_file_close(f);
}

struct scan {
	struct search *search;
	struct candidate *c;
};

static int scan_file(const struct target_file *file, void *arg)
{
	struct scan *s = arg;
	struct found_libraries *known;
	int is_new;

	known = table_put(s->search->files, (struct table_key){file->dev, file->inode}, &is_new);
	if (!known)
		return -ENOMEM;
	if (is_new)
		recognise(file, "", known);
	if (*known->text) {
		list_add(s->c->libraries, sizeof(s->c->libraries), known->text);
		s->c->traceable = 1;
	}
	return 0;
}

static int scan_moved(const struct target_file *file, void *arg)
{
	struct scan *s = arg;
	struct found_libraries found = {{0}};

	recognise(file, " (code moved)", &found);
	if (!*found.text)
		return 0;
	list_add(s->c->libraries, sizeof(s->c->libraries), found.text);
	s->c->moved = 1;
	return 0;
}

static int scan_peer(const struct netpeer *peer, void *arg)
{
	struct scan *s = arg;
	const char *system = netpeer_database(peer);
	char text[NETPEER_TEXT], item[NETPEER_TEXT + 32];

	if (!system)
		return 0;
	netpeer_text(peer, text);
	snprintf(item, sizeof(item), "%s (%s)", text, system);
	list_add(s->c->connections, sizeof(s->c->connections), item);
	return 0;
}

static int keep(struct search *s, const struct candidate *c)
{
	if (s->count == s->cap) {
		size_t cap = s->cap ? s->cap * 2 : 32;
		struct candidate *grown = realloc(s->list, cap * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		s->list = grown;
		s->cap = cap;
	}
	s->list[s->count++] = *c;
	return 0;
}

/* A process that ends, or may not be read, is passed over. */
static int look_at(struct search *s, pid_t pid)
{
	struct candidate c = {0};
	struct scan scan = {s, &c};
	int err = target_files(pid, scan_file, &scan);

	if (!err)
		err = target_moved_files(pid, scan_moved, &scan);
	if (err)
		return err == -ENOMEM ? err : 0;
	netpeers_each(s->peers, pid, scan_peer, &scan);
	if (!*c.libraries && !*c.connections)
		return 0;
	if (target_info_read(pid, &c.info))
		return 0;
	err = keep(s, &c);
	if (err)
		target_info_free(&c.info);
	return err;
}

static int by_use(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;
	int xs = x->traceable * 2 + (*x->connections != 0), ys = y->traceable * 2 + (*y->connections != 0);

	return xs != ys ? ys - xs : (x->info.pid > y->info.pid) - (x->info.pid < y->info.pid);
}

int candidates_list(struct candidate **list, size_t *count)
{
	struct search s = {0};
	int err = -ENOMEM;
	struct dirent *d;
	DIR *dir = NULL;

	*list = NULL;
	*count = 0;
	s.files = table_new(MAX_FILES, sizeof(struct found_libraries), NULL, NULL);
	s.peers = netpeers_new();
	if (!s.files || !s.peers)
		goto out;
	dir = opendir("/proc");
	err = dir ? 0 : -errno;
	while (!err && (d = readdir(dir))) {
		int pid = atoi(d->d_name);

		if (pid > 0 && pid != getpid())
			err = look_at(&s, pid);
	}
	if (dir)
		closedir(dir);
	if (!err && s.count)
		qsort(s.list, s.count, sizeof(*s.list), by_use);
out:
	table_free(s.files);
	netpeers_free(s.peers);
	if (err) {
		candidates_free(s.list, s.count);
		return err;
	}
	*list = s.list;
	*count = s.count;
	return 0;
}

void candidates_free(struct candidate *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		target_info_free(&list[i].info);
	free(list);
}

/* ---- printing ---- */

static void add_age(struct strbuf *out, uint64_t ns)
{
	uint64_t s = ns / 1000000000;

	if (s < 120)
		strbuf_addf(out, "%4lus ", (unsigned long)s);
	else if (s < 7200)
		strbuf_addf(out, "%4lum ", (unsigned long)(s / 60));
	else if (s < 172800)
		strbuf_addf(out, "%4luh ", (unsigned long)(s / 3600));
	else
		strbuf_addf(out, "%4lud ", (unsigned long)(s / 86400));
}

static void add_row(struct strbuf *out, const struct candidate *c)
{
	strbuf_addf(out, "%8d  %-12.12s %7u ", (int)c->info.pid, c->info.user, c->info.threads);
	add_age(out, c->info.age_ns);
	strbuf_adds(out, " ");
	strbuf_add_clean(out, str_from(c->info.program), 0);
	if (c->info.container)
		strbuf_addf(out, "  [container %s, pid %d there]", c->info.container, (int)c->info.ns_pid);
	strbuf_adds(out, "\n");
	if (*c->libraries)
		strbuf_addf(out, "          libraries    %s\n", c->libraries);
	if (*c->connections) {
		strbuf_adds(out, "          connections  ");
		strbuf_add_clean(out, str_from(c->connections), 0);
		strbuf_adds(out, "\n");
	}
	if (c->traceable)
		strbuf_addf(out, "          trace it     sudo apm-bpf --pid %d\n", (int)c->info.pid);
	else if (c->moved)
		strbuf_adds(out,
			    "          not traceable: its library's code was moved to memory without a file "
			    "(huge pages), where no probe can stand\n");
	else
		strbuf_adds(out, "          not traceable: its driver uses none of the client libraries that "
				 "are watched\n");
}

void candidates_print(const struct candidate *list, size_t count, struct strbuf *out)
{
	if (!count) {
		strbuf_adds(out, "No running process uses a client library that is watched, and none is "
				 "connected to a "
				 "database.\n"
				 "Start a program under the tool:  sudo apm-bpf -- COMMAND ARGS...\n");
		return;
	}
	strbuf_addf(out, "%8s  %-12s %7s %5s  %s\n", "PID", "USER", "THREADS", "AGE", "PROGRAM");
	for (size_t i = 0; i < count; i++)
		add_row(out, &list[i]);
	strbuf_adds(out, "\nOr start a program under the tool:  sudo apm-bpf -- COMMAND ARGS...\n");
}
