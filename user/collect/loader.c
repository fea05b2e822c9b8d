/* SPDX-License-Identifier: BSD-2-Clause */
#include "collect/loader.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/btf.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "abi/event.h"
#include "abi/look.h"

#include "apm.skel.h"
#include "collect/select.h"
#include "log.h"

/* include/uapi/linux/bpf.h, enum bpf_attach_type; older headers do not have it */
#define ATTACH_UPROBE_SESSION 57

#define LEFT_OUT_MAX 8

/* What follows processes, in the order in which one tracepoint's are to run: the span of a thread that ends is told
 * before its process, and who is chosen at an exec is so before it is told. */
static const char *const followers[] = {
	"span_switch",	"span_exit",	"span_exit_again",    "span_exec",     "span_exec_again",
	"select_fork",	"select_exec",	"select_exec_again",  "select_attach", "select_attach_again",
	"process_fork", "process_exec", "process_exec_again", "process_exit",  "process_exit_again",
};
#define FOLLOWERS (sizeof(followers) / sizeof(followers[0]))

struct loader {
	struct apm_bpf *skel;
	struct bpf_link *follow[FOLLOWERS];
	char left_out[LEFT_OUT_MAX][32]; /* libraries whose programs this kernel refuses */
	unsigned int left_out_count;
	int no_looks; /* nor the program that looks at threads */
	int no_moves; /* nobody tells who is moved into a cgroup */
	enum probe_mode mode;
	int cpus;
	int attach_cookies;
};

/* The program that the kernel refused: libbpf names it in its messages only. */
static char refused[64];

static int print_libbpf(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	char line[1024];
	int len = vsnprintf(line, sizeof(line), fmt, ap);

	while (len > 0 && len < (int)sizeof(line) && line[len - 1] == '\n')
		line[--len] = '\0';
	if (level != LIBBPF_DEBUG) {
		sscanf(line, "libbpf: prog '%63[^']': failed to load", refused);
		log_debug("libbpf: %s", line);
	}
	return 0;
}

/*
 * The names in the kernel's type information, each between two zeros. They are a quarter of it; libbpf reads and
 * parses all of it when it loads, once is enough.
 */
struct kernel_names {
	char *text;
	size_t len;
};

static int read_kernel_names(struct kernel_names *names)
{
	int fd = open("/sys/kernel/btf/vmlinux", O_RDONLY | O_CLOEXEC);
	struct btf_header head;
	ssize_t n = 1;

	if (fd < 0)
		return -errno;
	*names = (struct kernel_names){0};
	if (pread(fd, &head, sizeof(head), 0) == (ssize_t)sizeof(head) && head.magic == BTF_MAGIC)
		names->text = malloc(head.str_len);
	while (names->text && names->len < head.str_len && n > 0) {
		n = pread(fd, names->text + names->len, head.str_len - names->len,
			  (off_t)head.hdr_len + head.str_off + (off_t)names->len);
		names->len += n > 0 ? (size_t)n : 0;
	}
	close(fd);
	if (names->text && names->len == head.str_len)
		return 0;
	free(names->text);
	return -EINVAL;
}

static int kernel_has(const struct kernel_names *names, const char *name)
{
	char word[64] = "";
	size_t len = strlen(name) + 2; /* with the zeros */

	memcpy(word + 1, name, len - 1);
	return memmem(names->text, names->len, word, len) != NULL;
}

static enum probe_mode choose_mode(const struct kernel_names *names)
{
	if (kernel_has(names, "BPF_TRACE_UPROBE_SESSION") && kernel_has(names, "bpf_session_is_return"))
		return PROBE_SESSION;
	if (kernel_has(names, "BPF_TRACE_UPROBE_MULTI"))
		return PROBE_MULTI;
	return PROBE_SINGLE;
}

/* Why nothing can be loaded here, before libbpf says it in many lines. 0 = nothing known to be wrong. */
static int check_host(char *err, size_t err_len)
{
	struct utsname uts;
	unsigned int major = 0, minor = 0;

	if (uname(&uts) == 0 && sscanf(uts.release, "%u.%u", &major, &minor) == 2 &&
	    (major < 5 || (major == 5 && minor < 10))) {
		snprintf(err, err_len, "kernel %u.%u is too old: 5.10 or later is needed", major, minor);
		return -ENOSYS;
	}
	if (access("/sys/kernel/btf/vmlinux", R_OK)) {
		snprintf(err, err_len,
			 "no kernel type information (/sys/kernel/btf/vmlinux): a kernel with "
			 "CONFIG_DEBUG_INFO_BTF=y is needed");
		return -ENOENT;
	}
	if (geteuid() != 0 && libbpf_probe_bpf_map_type(BPF_MAP_TYPE_RINGBUF, NULL) != 1) {
		snprintf(err, err_len,
			 "not permitted: run it with sudo, or give it CAP_BPF, CAP_PERFMON, CAP_SYS_PTRACE "
			 "and CAP_CHECKPOINT_RESTORE");
		return -EPERM;
	}
	return 0;
}

/* Whether `name` is one of a pair whose library also has a session program. */
static int has_session(const struct loader *l, const char *name)
{
	const char *role = strrchr(name, '_');
	char session[64];

	snprintf(session, sizeof(session), "%.*s_session", role ? (int)(role - name) : 0, name);
	return bpf_object__find_program_by_name(l->skel->obj, session) != NULL;
}

static int is_left_out(const struct loader *l, const char *program)
{
	unsigned int i;

	for (i = 0; i < l->left_out_count; i++) {
		size_t len = strlen(l->left_out[i]);

		if (!strncmp(program, l->left_out[i], len) && (program[len] == '_' || !program[len]))
			return 1;
	}
	return 0;
}

/* A library's programs are loaded in the form that the mode attaches: loading (and
 * verifying) takes most of the start. */
static void choose_programs(struct loader *l)
{
	struct bpf_program *prog;

	bpf_object__for_each_program(prog, l->skel->obj)
	{
		const char *name = bpf_program__name(prog);
		size_t len = strlen(name);
		int session = len > 8 && !strcmp(name + len - 8, "_session");
		int exit = len > 5 && !strcmp(name + len - 5, "_exit");

		if (bpf_program__type(prog) != BPF_PROG_TYPE_KPROBE)
			continue;
		bpf_program__set_autoload(prog, !is_left_out(l, name) &&
							(exit || session == (l->mode == PROBE_SESSION &&
									     has_session(l, name))));
		if (session)
			bpf_program__set_expected_attach_type(prog,
							      (enum bpf_attach_type)ATTACH_UPROBE_SESSION);
		else if (l->mode == PROBE_SINGLE)
			bpf_program__set_expected_attach_type(prog, (enum bpf_attach_type)0);
	}
}

/* The programs that take in chosen processes are loaded only when something is chosen. */
static void choose_selection(struct loader *l, const struct selection *sel)
{
	bool wanted = sel && selection_any(sel);

	bpf_program__set_autoload(l->skel->progs.select_fork, wanted);
	bpf_program__set_autoload(l->skel->progs.select_exec, wanted);
	bpf_program__set_autoload(l->skel->progs.select_exec_again, wanted);
	bpf_program__set_autoload(l->skel->progs.select_attach, wanted && sel->cgroup_count);
	bpf_program__set_autoload(l->skel->progs.select_attach_again, wanted && sel->cgroup_count);
	l->skel->rodata->select_all = wanted && sel->all;
}

/* Spans cost a look at every switch of tasks: only where some are wanted. */
static void choose_spans(struct loader *l, int wanted)
{
	struct apm_bpf *s = l->skel;
	struct bpf_program *programs[] = {
		s->progs.span_entry,	  s->progs.span_return, s->progs.span_switch,	  s->progs.span_exit,
		s->progs.span_exit_again, s->progs.span_exec,	s->progs.span_exec_again,
	};
	size_t i;

	if (wanted)
		return;
	for (i = 0; i < sizeof(programs) / sizeof(programs[0]); i++)
		bpf_program__set_autoload(programs[i], false);
	bpf_map__set_autocreate(s->maps.span_sites, false);
	bpf_map__set_autocreate(s->maps.span_threads, false);
}

/* Looks at threads are part of the profile. */
static void choose_looks(struct loader *l, const struct loader_options *opt)
{
	bpf_program__set_autoload(l->skel->progs.look_task, opt->sample_freq && !l->no_looks);
	((struct apm_config *)&l->skel->rodata->cfg)->spans = opt->span_count > 0;
}

static int fill_selection(struct loader *l, const struct selection *sel)
{
	int comms = bpf_map__fd(l->skel->maps.select_comms),
	    cgroups = bpf_map__fd(l->skel->maps.select_cgroups);
	__u8 yes = 1;
	size_t i;

	for (i = 0; i < sel->comm_count; i++)
		if (bpf_map_update_elem(comms, sel->comm[i], &yes, BPF_ANY))
			return -errno;
	for (i = 0; i < sel->cgroup_count; i++)
		if (bpf_map_update_elem(cgroups, &sel->cgroup[i].id, &yes, BPF_ANY))
			return -errno;
	return 0;
}

/* One library less after a program of it was refused, or one that is not probed at its exits; 0
 * when it is none of a library. */
static int leave_out(struct loader *l)
{
	const char *role = strrchr(refused, '_');
	int exit = role && !strcmp(role, "_exit");

	if (!strcmp(refused, "look_task") && !l->no_looks) {
		l->no_looks = 1;
		return 1;
	}
	if (!role || l->left_out_count == LEFT_OUT_MAX || is_left_out(l, refused) ||
	    (!exit && strcmp(role, "_entry") && strcmp(role, "_return") && strcmp(role, "_session")))
		return 0;
	snprintf(l->left_out[l->left_out_count++], sizeof(l->left_out[0]), "%.*s",
		 exit ? (int)strlen(refused) : (int)(role - refused), refused);
	return 1;
}

static int load_once(struct loader *l, const struct loader_options *opt, char *err, size_t err_len)
{
	struct apm_config *cfg;
	int ret, task_storage;

	l->skel = apm_bpf__open();
	if (!l->skel) {
		snprintf(err, err_len, "cannot open the BPF programs: %s", strerror(errno));
		return -errno;
	}
	task_storage =
		libbpf_probe_bpf_map_type(BPF_MAP_TYPE_TASK_STORAGE, NULL) == 1 &&
		libbpf_probe_bpf_helper(BPF_PROG_TYPE_KPROBE, BPF_FUNC_get_current_task_btf, NULL) == 1;
	cfg = (struct apm_config *)&l->skel->rodata->cfg;
	cfg->hash_key[0] = opt->hash_key[0];
	cfg->hash_key[1] = opt->hash_key[1];
	cfg->max_sql = opt->max_sql;
	cfg->sample_freq = opt->sample_freq;
	cfg->wake_bytes = opt->ring_bytes / 4;
	cfg->task_storage = (__u8)task_storage;
	cfg->task_regs = libbpf_probe_bpf_helper(BPF_PROG_TYPE_KPROBE, BPF_FUNC_task_pt_regs, NULL) == 1;
	cfg->page_bytes = (__u32)sysconf(_SC_PAGESIZE);
	l->attach_cookies =
		libbpf_probe_bpf_helper(BPF_PROG_TYPE_KPROBE, BPF_FUNC_get_attach_cookie, NULL) == 1;
	cfg->attach_cookies = (__u8)l->attach_cookies;
	bpf_map__set_max_entries(l->skel->maps.events, opt->ring_bytes);
	if (task_storage)
		bpf_map__set_autocreate(l->skel->maps.thread_hash, false);
	else
		bpf_map__set_autocreate(l->skel->maps.thread_storage, false);
	choose_programs(l);
	choose_selection(l, opt->select);
	choose_spans(l, opt->span_count > 0);
	choose_looks(l, opt);
	ret = apm_bpf__load(l->skel);
	if (!ret && opt->select)
		ret = fill_selection(l, opt->select);
	if ((ret == -EPERM || ret == -EACCES) && geteuid() != 0)
		snprintf(err, err_len,
			 "the kernel refuses to load BPF programs: run it with sudo (or with CAP_BPF, "
			 "CAP_PERFMON and CAP_SYS_PTRACE)");
	else if (ret)
		snprintf(err, err_len, "cannot load the BPF programs: %s (-v shows the verifier's words)",
			 strerror(-ret));
	return ret;
}

/* A library that this kernel does not take is left out: the others are traced. */
static int load(struct loader *l, const struct loader_options *opt, char *err, size_t err_len)
{
	int ret;

	for (;;) {
		refused[0] = '\0';
		ret = load_once(l, opt, err, err_len);
		if (!ret || ret == -EPERM || !leave_out(l))
			return ret;
		err[0] = '\0';
		apm_bpf__destroy(l->skel);
		l->skel = NULL;
	}
}

struct loader *loader_open(const struct loader_options *opt, char *err, size_t err_len)
{
	struct loader *l = calloc(1, sizeof(*l));
	struct kernel_names names = {0};
	int ret;

	err[0] = '\0';
	if (!l)
		return NULL;
	libbpf_set_print(print_libbpf);
	ret = check_host(err, err_len);
	if (ret)
		goto out;
	ret = read_kernel_names(&names);
	if (ret) {
		snprintf(err, err_len, "cannot read the kernel's type information: %s", strerror(-ret));
		goto out;
	}
	l->mode = choose_mode(&names);
	free(names.text);
	l->cpus = libbpf_num_possible_cpus();
	ret = load(l, opt, err, err_len);
	malloc_trim(0); /* type information took megabytes */
out:
	if (ret) {
		loader_close(l);
		errno = -ret;
		return NULL;
	}
	return l;
}

void loader_close(struct loader *l)
{
	if (!l)
		return;
	loader_leave_processes(l);
	apm_bpf__destroy(l->skel);
	free(l);
}

int loader_follow_processes(struct loader *l)
{
	size_t i;

	for (i = 0; i < FOLLOWERS; i++) {
		struct bpf_program *prog = loader_program_named(l, followers[i]);

		if (!prog)
			continue;
		l->follow[i] = bpf_program__attach(prog);
		if (!l->follow[i] && prog != l->skel->progs.select_attach &&
		    prog != l->skel->progs.select_attach_again)
			return -errno;
		l->no_moves |= !l->follow[i];
	}
	return 0;
}

void loader_leave_processes(struct loader *l)
{
	size_t i;

	for (i = 0; i < FOLLOWERS; i++) {
		bpf_link__destroy(l->follow[i]);
		l->follow[i] = NULL;
	}
}

int loader_skips_ends(const struct loader *l)
{
	struct bpf_prog_info info = {0};
	__u32 len = sizeof(info);

	return !bpf_prog_get_info_by_fd(bpf_program__fd(l->skel->progs.process_exit_again), &info, &len) &&
	       info.recursion_misses > 0;
}

enum probe_mode loader_mode(const struct loader *l)
{
	return l->mode;
}

struct bpf_program *loader_program_named(const struct loader *l, const char *name)
{
	struct bpf_program *prog = bpf_object__find_program_by_name(l->skel->obj, name);

	return prog && bpf_program__fd(prog) >= 0 ? prog : NULL;
}

struct bpf_program *loader_program(const struct loader *l, const char *library, const char *role)
{
	char name[64];

	snprintf(name, sizeof(name), "%s_%s", library, role);
	return loader_program_named(l, name);
}

int loader_ring_fd(const struct loader *l)
{
	return bpf_map__fd(l->skel->maps.events);
}

int loader_scope_fd(const struct loader *l)
{
	return bpf_map__fd(l->skel->maps.scope);
}

int loader_conns_fd(const struct loader *l)
{
	return bpf_map__fd(l->skel->maps.conns);
}

int loader_handles_fd(const struct loader *l)
{
	return bpf_map__fd(l->skel->maps.handles);
}

int loader_span_threads_fd(const struct loader *l)
{
	return bpf_map__fd(l->skel->maps.span_threads);
}

int loader_set_span_site(const struct loader *l, uint32_t number, const struct apm_span_site *site)
{
	return bpf_map_update_elem(bpf_map__fd(l->skel->maps.span_sites), &number, site, BPF_ANY) ? -errno
												  : 0;
}

int loader_set_library(const struct loader *l, const struct apm_lib *facts)
{
	__u32 key = facts->lib_id;

	return bpf_map_update_elem(bpf_map__fd(l->skel->maps.libs), &key, facts, BPF_ANY) ? -errno : 0;
}

int loader_attach_cookies(const struct loader *l)
{
	return l->attach_cookies;
}

/* Two copies of one library, whose facts are the same but for their number, may share a site. */
static int same_site(const struct loader *l, __u64 a, __u64 b)
{
	__u32 key_a = APM_COOKIE_LIB(a), key_b = APM_COOKIE_LIB(b);
	struct apm_lib lib_a, lib_b;
	int fd = bpf_map__fd(l->skel->maps.libs);

	if (APM_COOKIE_SYMBOL(a) != APM_COOKIE_SYMBOL(b) || APM_COOKIE_ADDR(a) != APM_COOKIE_ADDR(b) ||
	    bpf_map_lookup_elem(fd, &key_a, &lib_a) || bpf_map_lookup_elem(fd, &key_b, &lib_b))
		return 0;
	lib_a.lib_id = lib_b.lib_id;
	return !memcmp(&lib_a, &lib_b, sizeof(lib_a));
}

int loader_set_site(const struct loader *l, const struct apm_site_key *key, uint64_t cookie)
{
	int fd = bpf_map__fd(l->skel->maps.sites);
	__u64 other;

	if (!bpf_map_update_elem(fd, key, &cookie, BPF_NOEXIST))
		return 0;
	if (errno != EEXIST)
		return -errno;
	if (bpf_map_lookup_elem(fd, key, &other) || !same_site(l, cookie, other))
		return -EEXIST;
	return 0;
}

/* Calls fn with the kernel's information about each loaded program. */
static void each_program(const struct loader *l, void (*fn)(const struct bpf_prog_info *info, void *arg),
			 void *arg)
{
	struct bpf_program *prog;

	bpf_object__for_each_program(prog, l->skel->obj)
	{
		struct bpf_prog_info info = {0};
		__u32 len = sizeof(info);

		if (bpf_program__fd(prog) >= 0 &&
		    !bpf_prog_get_info_by_fd(bpf_program__fd(prog), &info, &len))
			fn(&info, arg);
	}
}

/* What is skipped at a tracepoint runs in another program there (bpf/process.bpf.h). */
static void add_misses(const struct bpf_prog_info *info, void *arg)
{
	if (info->type != BPF_PROG_TYPE_RAW_TRACEPOINT)
		*(uint64_t *)arg += info->recursion_misses;
}

struct run_time {
	uint64_t ns, runs;
};

static void add_run_time(const struct bpf_prog_info *info, void *arg)
{
	struct run_time *t = arg;

	if (info->type != BPF_PROG_TYPE_KPROBE)
		return;
	t->ns += info->run_time_ns;
	t->runs += info->run_cnt;
}

void loader_counters(const struct loader *l, uint64_t values[APM_CNT_MAX])
{
	uint64_t *cpu = calloc((size_t)l->cpus, sizeof(*cpu));
	__u32 key;
	int i;

	memset(values, 0, sizeof(*values) * APM_CNT_MAX);
	for (key = 0; cpu && key < APM_CNT_MAX; key++) {
		if (bpf_map_lookup_elem(bpf_map__fd(l->skel->maps.counters), &key, cpu))
			continue;
		for (i = 0; i < l->cpus; i++)
			values[key] += cpu[i];
	}
	free(cpu);
	each_program(l, add_misses, &values[APM_CNT_RECURSION]);
}

void loader_run_time(const struct loader *l, uint64_t *ns, uint64_t *runs)
{
	struct run_time t = {0};

	each_program(l, add_run_time, &t);
	*ns = t.ns;
	*runs = t.runs;
}

void loader_set_detail(const struct loader *l, const struct apm_detail *detail)
{
	memcpy((void *)&l->skel->bss->detail, detail, sizeof(*detail));
}

void loader_lacks(const struct loader *l, void (*fn)(const char *subject, const char *text, void *arg),
		  void *arg)
{
	unsigned int i;

	for (i = 0; i < l->left_out_count; i++)
		fn(l->left_out[i],
		   "not traced: this kernel refuses its programs (-v shows the verifier's words)", arg);
	if (l->no_looks)
		fn("waits outside database calls",
		   "not counted: this kernel refuses the program that looks at threads (-v says why)", arg);
	if (l->mode != PROBE_SESSION)
		fn("uprobe sessions",
		   "not in this kernel (6.13): every return is trapped, also where it is not needed", arg);
	if (l->mode == PROBE_SINGLE)
		fn("uprobe multi links",
		   "not in this kernel (6.6): one perf event per probe, attaching takes longer", arg);
	if (!l->attach_cookies)
		fn("attach cookies",
		   "not in this kernel (5.15): a probe is told from others by its place and its code", arg);
	if (l->no_moves)
		fn("processes that are moved into the cgroup",
		   "no tracepoint cgroup_attach_task: they are followed from their next fork or exec", arg);
	if (!bpf_map__autocreate(l->skel->maps.thread_storage))
		fn("task storage", "not in this kernel (5.11): per-thread state in a hash of bounded size",
		   arg);
}
