/* SPDX-License-Identifier: BSD-2-Clause */
#include "collect/netpeer.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/table.h"

#define MAX_SOCKETS 262144

struct netpeers {
	struct table *spaces; /* {namespace inode, 0}: seen */
	struct table *peers;  /* {namespace inode, socket inode}: struct netpeer */
};

/* What listens where by convention: IANA's registry and the servers' own defaults. */
static const struct known_port {
	uint16_t port;
	const char *system;
} known_ports[] = {
	{5432, "postgresql"}, {6432, "postgresql"}, {3306, "mysql"},	     {33060, "mysql"},
	{6379, "redis"},      {1433, "mssql"},	    {1521, "oracle"},	     {27017, "mongodb"},
	{9042, "cassandra"},  {11211, "memcached"}, {9200, "elasticsearch"}, {8123, "clickhouse"},
	{9000, "clickhouse"},
};

static const struct known_path {
	const char *part;
	const char *system;
} known_paths[] = {
	{"/.s.PGSQL.", "postgresql"}, {"mysqld.sock", "mysql"}, {"mysql.sock", "mysql"},
	{"mariadb.sock", "mysql"},    {"redis", "redis"},
};

const char *netpeer_database(const struct netpeer *peer)
{
	if (peer->family == AF_UNIX) {
		for (size_t i = 0; i < sizeof(known_paths) / sizeof(*known_paths); i++) {
			if (strstr(peer->path, known_paths[i].part))
				return known_paths[i].system;
		}
		return NULL;
	}
	for (size_t i = 0; i < sizeof(known_ports) / sizeof(*known_ports); i++) {
		if (peer->port == known_ports[i].port)
			return known_ports[i].system;
	}
	return NULL;
}

void netpeer_text(const struct netpeer *peer, char out[NETPEER_TEXT])
{
	char addr[INET6_ADDRSTRLEN] = "";

	if (peer->family == AF_UNIX) {
		snprintf(out, NETPEER_TEXT, "%s", peer->path);
		return;
	}
	inet_ntop(peer->family, peer->addr, addr, sizeof(addr));
	snprintf(out, NETPEER_TEXT, peer->family == AF_INET6 ? "[%s]:%u" : "%s:%u", addr, peer->port);
}

static struct netpeer *peer_put(struct netpeers *n, uint64_t space, uint64_t inode)
{
	struct netpeer *p = inode ? table_put(n->peers, (struct table_key){space, inode}, NULL) : NULL;

	if (p)
		p->inode = inode;
	return p;
}

/* ---- TCP: /proc/PID/net/tcp and tcp6, Documentation/networking/proc_net_tcp.rst ---- */

/* The kernel prints an address as 32-bit words in host byte order. */
static void parse_address(const char *hex, uint8_t *addr, size_t words)
{
	for (size_t i = 0; i < words; i++) {
		char word[9];
		uint32_t v;

		memcpy(word, hex + i * 8, 8);
		word[8] = 0;
		v = (uint32_t)strtoul(word, NULL, 16);
		memcpy(addr + i * 4, &v, 4);
	}
}

static void tcp_line(struct netpeers *n, uint64_t space, const char *line)
{
	char remote[33];
	unsigned int port, state;
	unsigned long inode;
	struct netpeer *p;
	size_t len;

	if (sscanf(line, " %*u: %*[0-9A-F]:%*x %32[0-9A-F]:%x %x %*x:%*x %*x:%*x %*x %*u %*u %lu", remote,
		   &port, &state, &inode) != 4 ||
	    state != 1)
		return;
	len = strlen(remote);
	p = len == 8 || len == 32 ? peer_put(n, space, inode) : NULL;
	if (!p)
		return;
	p->family = len == 8 ? AF_INET : AF_INET6;
	p->port = (uint16_t)port;
	parse_address(remote, p->addr, len / 8);
	if (len == 32 && !memcmp(p->addr, "\0\0\0\0\0\0\0\0\0\0\377\377", 12)) { /* IPv4 on an IPv6 socket */
		p->family = AF_INET;
		memmove(p->addr, p->addr + 12, 4);
	}
}

static void read_tcp(struct netpeers *n, uint64_t space, pid_t pid, const char *name)
{
	char path[64], line[512];
	FILE *in;

	snprintf(path, sizeof(path), "/proc/%d/net/%s", (int)pid, name);
	in = fopen(path, "re");
	if (!in)
		return;
	while (fgets(line, sizeof(line), in))
		tcp_line(n, space, line);
	fclose(in);
}

/* ---- Unix: only the diagnostic socket tells the peer (linux/unix_diag.h) ---- */

struct unix_end {
	uint32_t inode, peer;
	char path[109];
};

struct unix_ends {
	struct unix_end *end;
	size_t count, cap;
};

struct diag_open {
	int ns_fd;
	int fd;
};

static void *diag_thread(void *arg)
{
	struct diag_open *d = arg;

	if (d->ns_fd < 0 || !setns(d->ns_fd, CLONE_NEWNET))
		d->fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	return NULL;
}

/* A socket belongs to the namespace of the thread that made it, so a thread of
 * its own goes there and ends. */
static int diag_socket(pid_t pid, int is_ours)
{
	struct diag_open d = {-1, -1};
	char path[64];
	pthread_t thread;

	if (is_ours) {
		diag_thread(&d);
		return d.fd;
	}
	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
	d.ns_fd = open(path, O_RDONLY | O_CLOEXEC);
	if (d.ns_fd < 0)
		return -1;
	if (!pthread_create(&thread, NULL, diag_thread, &d))
		pthread_join(thread, NULL);
	close(d.ns_fd);
	return d.fd;
}

static void unix_message(struct unix_ends *ends, struct nlmsghdr *h)
{
	struct unix_diag_msg *m = NLMSG_DATA(h);
	struct rtattr *attr = (struct rtattr *)(m + 1);
	int left = (int)h->nlmsg_len - (int)NLMSG_LENGTH(sizeof(*m));
	struct unix_end end = {.inode = m->udiag_ino};

	for (; RTA_OK(attr, left); attr = RTA_NEXT(attr, left)) {
		size_t len = RTA_PAYLOAD(attr);

		if (attr->rta_type == UNIX_DIAG_PEER && len >= sizeof(end.peer)) {
			memcpy(&end.peer, RTA_DATA(attr), sizeof(end.peer));
		} else if (attr->rta_type == UNIX_DIAG_NAME && len) {
			if (len > sizeof(end.path) - 1)
				len = sizeof(end.path) - 1;
			memcpy(end.path, RTA_DATA(attr), len);
			if (!end.path[0])
				end.path[0] = '@';
		}
	}
	if (ends->count == ends->cap && ends->cap < MAX_SOCKETS) {
		size_t cap = ends->cap ? ends->cap * 2 : 256;
		struct unix_end *grown = realloc(ends->end, cap * sizeof(*grown));

		if (grown) {
			ends->end = grown;
			ends->cap = cap;
		}
	}
	if (ends->count < ends->cap)
		ends->end[ends->count++] = end;
}

static void diag_dump(int fd, struct unix_ends *ends)
{
	struct {
		struct nlmsghdr h;
		struct unix_diag_req req;
	} ask = {
		.h = {.nlmsg_len = sizeof(ask),
		      .nlmsg_type = SOCK_DIAG_BY_FAMILY,
		      .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
		.req = {.sdiag_family = AF_UNIX,
			.udiag_states = ~0u,
			.udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_PEER},
	};
	static _Alignas(struct nlmsghdr) char buf[65536];
	ssize_t got;

	if (send(fd, &ask, sizeof(ask), 0) < 0)
		return;
	while ((got = recv(fd, buf, sizeof(buf), 0)) > 0) {
		struct nlmsghdr *h = (struct nlmsghdr *)buf;
		size_t left = (size_t)got;

		for (; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
			if (h->nlmsg_type == NLMSG_DONE || h->nlmsg_type == NLMSG_ERROR)
				return;
			if (h->nlmsg_len >= NLMSG_LENGTH(sizeof(struct unix_diag_msg)))
				unix_message(ends, h);
		}
	}
}

static int by_inode(const void *a, const void *b)
{
	uint32_t x = ((const struct unix_end *)a)->inode, y = ((const struct unix_end *)b)->inode;

	return x < y ? -1 : x > y;
}

static void read_unix(struct netpeers *n, uint64_t space, pid_t pid, int is_ours)
{
	struct unix_ends ends = {0};
	int fd = diag_socket(pid, is_ours);

	if (fd < 0)
		return;
	diag_dump(fd, &ends);
	close(fd);
	if (ends.count)
		qsort(ends.end, ends.count, sizeof(*ends.end), by_inode);
	for (size_t i = 0; i < ends.count; i++) {
		struct unix_end key = {.inode = ends.end[i].peer};
		const struct unix_end *peer =
			key.inode ? bsearch(&key, ends.end, ends.count, sizeof(key), by_inode) : NULL;
		struct netpeer *p = peer && peer->path[0] ? peer_put(n, space, ends.end[i].inode) : NULL;

		if (!p)
			continue;
		p->family = AF_UNIX;
		memcpy(p->path, peer->path, sizeof(p->path));
	}
	free(ends.end);
}

/* ---- ---- */

struct netpeers *netpeers_new(void)
{
	struct netpeers *n = calloc(1, sizeof(*n));

	if (!n)
		return NULL;
	n->spaces = table_new(4096, 1, NULL, NULL);
	n->peers = table_new(MAX_SOCKETS, sizeof(struct netpeer), NULL, NULL);
	if (n->spaces && n->peers)
		return n;
	netpeers_free(n);
	errno = ENOMEM;
	return NULL;
}

void netpeers_free(struct netpeers *n)
{
	if (!n)
		return;
	table_free(n->spaces);
	table_free(n->peers);
	free(n);
}

static uint64_t net_space(const char *pid)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%s/ns/net", pid);
	return stat(path, &st) ? 0 : st.st_ino;
}

static uint64_t space_of(struct netpeers *n, pid_t pid)
{
	char text[16];
	uint64_t space;
	int is_new;

	snprintf(text, sizeof(text), "%d", (int)pid);
	space = net_space(text);
	if (space && table_put(n->spaces, (struct table_key){space, 0}, &is_new) && is_new) {
		read_tcp(n, space, pid, "tcp");
		read_tcp(n, space, pid, "tcp6");
		read_unix(n, space, pid, space == net_space("self"));
	}
	return space;
}

int netpeers_each(struct netpeers *n, pid_t pid, int (*fn)(const struct netpeer *peer, void *arg), void *arg)
{
	char path[64], link[64];
	uint64_t space = space_of(n, pid);
	struct dirent *d;
	int err = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	dir = opendir(path);
	if (!dir)
		return errno == ENOENT ? -ESRCH : -errno;
	while (!err && (d = readdir(dir))) {
		struct netpeer *found, peer;
		unsigned long inode;
		ssize_t len = readlinkat(dirfd(dir), d->d_name, link, sizeof(link) - 1);

		if (len <= 0)
			continue;
		link[len] = 0;
		if (sscanf(link, "socket:[%lu]", &inode) != 1)
			continue;
		found = table_get(n->peers, (struct table_key){space, inode});
		if (!found)
			continue;
		peer = *found;
		peer.fd = atoi(d->d_name);
		err = fn(&peer, arg);
	}
	closedir(dir);
	return err;
}
