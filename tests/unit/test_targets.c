/* SPDX-License-Identifier: BSD-2-Clause */
/* Processes: this one, children made for the purpose, and texts of /proc as other systems write them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "collect/netpeer.h"
#include "collect/procinfo.h"
#include "collect/targets.h"
#include "skip.h"

static char dir[] = "/tmp/apm-targets-XXXXXX";

static int setup(void **state)
{
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

/* A child that calls fn and then waits to be killed; returns once fn is done. */
static pid_t child_start(void (*fn)(void))
{
	int ready[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL); /* also when an assertion fails */
		fn();
		if (write(ready[1], "r", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return pid;
}

static void child_end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static pid_t dead_pid(void)
{
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	waitpid(pid, NULL, 0);
	return pid;
}

/* ---- texts ---- */

static void stat_is_read_whatever_the_name(void **state)
{
	const char *stat = "77 (a) b (c d) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 5 0 99887766 18\n";
	char comm[32];

	procinfo_comm(stat, comm, sizeof(comm));
	assert_string_equal(comm, "a) b (c d");
	assert_int_equal(procinfo_stat(stat, 4), 1);
	assert_int_equal(procinfo_stat(stat, 20), 5);
	assert_int_equal(procinfo_stat(stat, 22), 99887766);
	assert_int_equal(procinfo_stat(stat, 60), 0);
	assert_int_equal(procinfo_stat("no parenthesis", 22), 0);
}

static void status_lines_are_read(void **state)
{
	const char *status =
		"Name:\tx\nPid:\t9\nUid:\t1000\t1001\t1002\t1003\nNSpid:\t9\t70\t1\nThreads:\t4\n";

	assert_int_equal(procinfo_status(status, "Uid:", 0), 1000);
	assert_int_equal(procinfo_status(status, "NSpid:", 1), 1);
	assert_int_equal(procinfo_status(status, "Pid:", 1), 9);
	assert_int_equal(procinfo_status(status, "Name:", 0), -1);
	assert_int_equal(procinfo_status(status, "Gid:", 0), -1);
}

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void containers_are_recognised(void **state)
{
	static const struct {
		const char *cgroup;
		const char *container;
	} cases[] = {
		{"0::/system.slice/docker-" ID ".scope\n", "0123456789ab"},
		{"12:pids:/docker/" ID "\n11:cpu:/docker/" ID "\n", "0123456789ab"},
		{"0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1.slice/"
		 "cri-containerd-" ID ".scope\n",
		 "0123456789ab"},
		{"0::/kubepods/besteffort/pod0f3e/" ID "\n", "0123456789ab"},
		{"0::/machine.slice/libpod-" ID ".scope/container\n", "0123456789ab"},
		{"0::/machine.slice/crio-" ID ".scope\n", "0123456789ab"},
		{"0::/lxc.payload.web1/system.slice\n", "web1"},
		{"0::/machine.slice/machine-db.scope\n", "db"},
		{"0::/user.slice/user-1000.slice/session-3.scope\n", NULL},
		{"0::/\n", NULL},
		{"", NULL},
		{"0::/system.slice/0123456789abcdef.service\n", NULL},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char *got = procinfo_container(cases[i].cgroup);

		if (cases[i].container)
			assert_string_equal(got, cases[i].container);
		else
			assert_null(got);
		free(got);
	}
}

#define ARGS(...) __VA_ARGS__, sizeof(__VA_ARGS__) - 1

static void scripts_are_named_and_secrets_are_not(void **state)
{
	static const struct {
		const char *exe, *args;
		size_t len;
		const char *script;
	} cases[] = {
		{"/usr/bin/python3.11", ARGS("python3\0/srv/app.py\0--password\0x\0"), "/srv/app.py"},
		{"/usr/bin/python3.11", ARGS("python3\0-u\0-X\0dev\0-W\0ignore\0app.py\0"), "app.py"},
		{"/usr/bin/python3", ARGS("python3\0-m\0gunicorn\0app:app\0"), "gunicorn"},
		{"/usr/bin/python3", ARGS("python3\0-c\0connect('secret')\0"), ""},
		{"/usr/bin/python3", ARGS("python3\0-uc\0connect('secret')\0"), ""},
		{"/usr/bin/perl", ARGS("perl\0-lane\0print 'secret'\0"), ""},
		{"/usr/bin/ruby3.1", ARGS("ruby\0-I\0lib\0bin/server\0-p\0secret\0"), "bin/server"},
		{"/usr/bin/php8.2", ARGS("php\0-d\0memory_limit=1G\0-f\0index.php\0"), "index.php"},
		{"/usr/bin/node", ARGS("node\0--eval\0secret()\0"), ""},
		{"/usr/bin/node", ARGS("node\0--inspect\0server.js\0"), "server.js"},
		{"/usr/bin/python3", ARGS("python3\0-\0secret\0"), ""},
		{"/usr/bin/python3", ARGS("python3\0"), ""},
		{"/usr/bin/python3", ARGS("python3\0-m\0"), ""},
		{"/usr/bin/python3", ARGS("python3\0-X\0"), ""},
		{"/usr/bin/psql", ARGS("psql\0host=x password=secret\0"), ""},
		{"/usr/bin/pythonic", ARGS("pythonic\0secret\0"), ""},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char *exact = malloc(cases[i].len);
		struct str got;

		memcpy(exact, cases[i].args, cases[i].len);
		got = procinfo_script(cases[i].exe, exact, cases[i].len);
		if (!str_eq(got, str_from(cases[i].script)))
			fail_msg("case %zu: \"%.*s\"", i, (int)got.len, got.ptr);
		free(exact);
	}
}

/* ---- this process ---- */

static void this_process_is_described(void **state)
{
	struct target_info info;
	struct timespec now;
	char exe[256];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

	exe[n] = 0;
	assert_int_equal(target_info_read(getpid(), &info), 0);
	clock_gettime(CLOCK_BOOTTIME, &now);
	assert_int_equal(info.pid, getpid());
	assert_int_equal(info.uid, getuid());
	assert_true(info.threads >= 1);
	assert_string_equal(info.program, exe);
	assert_true(strlen(info.user) > 0);
	assert_true(info.start_boottime_ns > 0);
	assert_true(info.start_boottime_ns / 1000000000 <= (uint64_t)now.tv_sec);
	assert_true(info.start_boottime_ns + info.age_ns <=
		    (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec);
	target_info_free(&info);
}

static void a_process_that_is_gone_is_an_error(void **state)
{
	struct target_info info;
	pid_t pid = dead_pid();
	char why[64];

	assert_int_equal(target_info_read(pid, &info), -ESRCH);
	assert_int_equal(target_files(pid, NULL, NULL), -ESRCH);
	assert_int_equal(target_returns_safe(pid, why, sizeof(why)), 1);
}

static void rename_child(void)
{
	prctl(PR_SET_NAME, "odd ) name (");
}

static void a_child_has_its_own_name(void **state)
{
	pid_t pid = child_start(rename_child);
	struct target_info info;

	assert_int_equal(target_info_read(pid, &info), 0);
	assert_string_equal(info.comm, "odd ) name (");
	assert_int_equal(info.ns_pid, pid);
	target_info_free(&info);
	child_end(pid);
}

struct seen_files {
	int count, self, libc;
	struct stat self_stat;
};

static int see_file(const struct target_file *file, void *arg)
{
	struct seen_files *s = arg;

	s->count++;
	if (file->inode == s->self_stat.st_ino && !strcmp(strrchr(file->path, '/'), "/test_targets")) {
		s->self++;
		assert_true((uintptr_t)see_file >= file->map_start && (uintptr_t)see_file < file->map_end);
	}
	s->libc += strstr(file->path, "/libc.so") != NULL;
	assert_int_equal(file->fd, -1);
	return 0;
}

static int stop_at_once(const struct target_file *file, void *arg)
{
	return 42;
}

static void mapped_files_are_told_once(void **state)
{
	struct seen_files s = {0};

	assert_int_equal(stat("/proc/self/exe", &s.self_stat), 0);
	assert_int_equal(target_files(getpid(), see_file, &s), 0);
	assert_int_equal(s.self, 1);
	assert_int_equal(s.libc, 1);
	assert_true(s.count > 2);
	assert_int_equal(target_files(getpid(), stop_at_once, NULL), 42);
}

/* ---- return probes ---- */

static char switcher[64];

static void load_switcher(void)
{
	if (!dlopen(switcher, RTLD_NOW))
		_exit(1);
}

static void do_nothing(void)
{
}

static void a_process_that_switches_stacks_is_told(void **state)
{
	char command[256], why[128];
	pid_t pid = child_start(do_nothing);

	assert_int_equal(target_returns_safe(pid, why, sizeof(why)), 1);
	assert_string_equal(why, "");
	child_end(pid);

	snprintf(switcher, sizeof(switcher), "%s/coroutine.so", dir);
	snprintf(command, sizeof(command),
		 "echo 'void jump_fcontext(void) {}' | cc -shared -fPIC -o %s -xc -", switcher);
	if (system(command))
		skip_because("no compiler");
	pid = child_start(load_switcher);
	assert_int_equal(target_returns_safe(pid, why, sizeof(why)), 0);
	assert_non_null(strstr(why, "/coroutine.so has Boost.Context (jump_fcontext)"));
	child_end(pid);
}

/* ---- sockets and candidates ---- */

static int listener = -1;
static char socket_path[108];

static void listen_unix(void)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};

	snprintf(socket_path, sizeof(socket_path), "%s/.s.PGSQL.5432", dir);
	strcpy(addr.sun_path, socket_path);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(listener, 5), 0);
}

static void connect_unix(void)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(addr.sun_path, socket_path);
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)))
		_exit(1);
}

static void connect_and_load(void)
{
	connect_unix();
	dlopen("libsqlite3.so.0", RTLD_NOW);
}

static int find_unix(const struct netpeer *peer, void *arg)
{
	int *found = arg;
	char text[NETPEER_TEXT];

	netpeer_text(peer, text);
	if (peer->family == AF_UNIX && !strcmp(text, socket_path)) {
		assert_string_equal(netpeer_database(peer), "postgresql");
		++*found;
	}
	return 0;
}

static int find_port(const struct netpeer *peer, void *arg)
{
	unsigned int *port = arg;
	char text[NETPEER_TEXT], expected[NETPEER_TEXT];

	snprintf(expected, sizeof(expected), "127.0.0.1:%u", *port);
	netpeer_text(peer, text);
	return peer->family == AF_INET && !strcmp(text, expected) ? peer->fd + 1000 : 0;
}

static void the_other_end_of_a_socket_is_found(void **state)
{
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(addr);
	struct netpeers *peers;
	unsigned int port;
	int server, client, accepted, found = 0; /* before it is accepted, the other end has no name */
	pid_t pid;

	listen_unix();
	pid = child_start(connect_unix);
	accepted = accept(listener, NULL, NULL);
	assert_true(accepted >= 0);
	server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(server, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(server, 1), 0);
	assert_int_equal(getsockname(server, (struct sockaddr *)&addr, &len), 0);
	port = ntohs(addr.sin_port);
	client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(client, (struct sockaddr *)&addr, sizeof(addr)), 0);

	peers = netpeers_new();
	assert_non_null(peers);
	assert_int_equal(netpeers_each(peers, pid, find_unix, &found), 0);
	assert_int_equal(netpeers_each(peers, getpid(), find_port, &port), client + 1000);
	netpeers_free(peers);
	child_end(pid);
	close(client);
	close(server);
	close(accepted);
	close(listener);
	unlink(socket_path);
	assert_int_equal(found, 1);
}

static void databases_are_known_by_port_and_path(void **state)
{
	struct netpeer peer = {.family = AF_INET, .port = 5432};

	assert_string_equal(netpeer_database(&peer), "postgresql");
	peer.port = 3306;
	assert_string_equal(netpeer_database(&peer), "mysql");
	peer.port = 6379;
	assert_string_equal(netpeer_database(&peer), "redis");
	peer.port = 443;
	assert_null(netpeer_database(&peer));
	peer.family = AF_UNIX;
	strcpy(peer.path, "/run/mysqld/mysqld.sock");
	assert_string_equal(netpeer_database(&peer), "mysql");
	strcpy(peer.path, "/run/dbus/system_bus_socket");
	assert_null(netpeer_database(&peer));
}

static void candidates_are_listed(void **state)
{
	struct candidate *list;
	size_t count, self = 0;
	const struct candidate *found = NULL;
	struct strbuf out = {0};
	char command[64];
	void *sqlite = dlopen("libsqlite3.so.0", RTLD_NOW);
	int accepted;
	pid_t pid;

	if (!sqlite)
		skip_because("SQLite is not installed");
	listen_unix();
	pid = child_start(connect_and_load);
	accepted = accept(listener, NULL, NULL);
	assert_true(accepted >= 0);
	assert_int_equal(candidates_list(&list, &count), 0);
	for (size_t i = 0; i < count; i++) {
		if (list[i].info.pid == pid)
			found = &list[i];
		self += list[i].info.pid == getpid();
	}
	assert_int_equal(self, 0); /* the tool itself is none */
	assert_non_null(found);
	assert_non_null(strstr(found->libraries, "sqlite3 3."));
	assert_non_null(strstr(found->connections, "/.s.PGSQL.5432 (postgresql)"));
	assert_int_equal(found->traceable, 1);
	candidates_print(list, count, &out);
	snprintf(command, sizeof(command), "sudo apm-bpf --pid %d\n", pid);
	assert_non_null(strstr(out.ptr, command));
	strbuf_free(&out);
	candidates_free(list, count);
	child_end(pid);
	close(accepted);
	close(listener);
	unlink(socket_path);
	dlclose(sqlite);
}

static void without_candidates_it_says_what_to_do(void **state)
{
	struct strbuf out = {0};

	candidates_print(NULL, 0, &out);
	assert_non_null(strstr(out.ptr, "No running process"));
	assert_non_null(strstr(out.ptr, "sudo apm-bpf -- COMMAND"));
	strbuf_free(&out);
}

/* ---- mappings ---- */

struct seen_maps {
	int hits;
	uint64_t ts, inode;
};

static void see_map(const struct mapwatch_event *ev, void *arg)
{
	struct seen_maps *s = arg;

	if (ev->tgid != (uint32_t)getpid() || !strstr(ev->path, "/map-me"))
		return;
	s->hits++;
	s->ts = ev->ts;
	s->inode = ev->inode;
}

static uint64_t monotonic(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void executable_mappings_are_seen(void **state)
{
	struct mapwatch *w = mapwatch_open();
	struct seen_maps s = {0};
	char command[256], path[64];
	struct pollfd p;
	struct stat st;
	uint64_t before, after;
	void *handle;

	if (!w && (errno == EACCES || errno == EPERM))
		skip_because("needs root");
	assert_non_null(w);
	snprintf(path, sizeof(path), "%s/map-me.so", dir);
	snprintf(command, sizeof(command), "echo 'int f(void) { return 1; }' | cc -shared -fPIC -o %s -xc -",
		 path);
	if (system(command)) {
		mapwatch_close(w);
		skip_because("no compiler");
	}
	before = monotonic();
	handle = dlopen(path, RTLD_NOW);
	after = monotonic();
	assert_non_null(handle);
	p = (struct pollfd){.fd = mapwatch_fd(w), .events = POLLIN};
	assert_int_equal(poll(&p, 1, 5000), 1);
	assert_int_equal(mapwatch_read(w, see_map, &s), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(s.hits, 1);
	assert_true(s.inode == st.st_ino);
	assert_true(s.ts >= before && s.ts <= after);
	s.hits = 0;
	assert_int_equal(mapwatch_read(w, see_map, &s), 0); /* each is told once */
	assert_int_equal(s.hits, 0);
	dlclose(handle);
	mapwatch_close(w);
	mapwatch_close(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stat_is_read_whatever_the_name),
		cmocka_unit_test(status_lines_are_read),
		cmocka_unit_test(containers_are_recognised),
		cmocka_unit_test(scripts_are_named_and_secrets_are_not),
		cmocka_unit_test(this_process_is_described),
		cmocka_unit_test(a_process_that_is_gone_is_an_error),
		cmocka_unit_test(a_child_has_its_own_name),
		cmocka_unit_test(mapped_files_are_told_once),
		cmocka_unit_test(a_process_that_switches_stacks_is_told),
		cmocka_unit_test(the_other_end_of_a_socket_is_found),
		cmocka_unit_test(databases_are_known_by_port_and_path),
		cmocka_unit_test(candidates_are_listed),
		cmocka_unit_test(without_candidates_it_says_what_to_do),
		cmocka_unit_test(executable_mappings_are_seen),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
