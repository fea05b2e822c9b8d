/* SPDX-License-Identifier: BSD-2-Clause */
/* Who is at the other end of a process's sockets: TCP and Unix, also in another network namespace. */
#ifndef APM_COLLECT_NETPEER_H
#define APM_COLLECT_NETPEER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define NETPEER_TEXT 128

struct netpeer {
	int fd;
	uint64_t inode;
	uint16_t family; /* AF_INET, AF_INET6, AF_UNIX */
	uint16_t port;	 /* of the peer, host byte order */
	uint8_t addr[16];
	char path[109]; /* of the peer's Unix socket; begins with '@' when abstract */
};

/* Snapshots of the socket tables, one per network namespace, taken when first asked for. */
struct netpeers;
struct netpeers *netpeers_new(void);	/* NULL with errno */
void netpeers_free(struct netpeers *n); /* accepts NULL */

/* Calls fn for each connected socket of `pid` until it returns non-zero, which is
 * returned. 0, -ESRCH, -errno. */
int netpeers_each(struct netpeers *n, pid_t pid, int (*fn)(const struct netpeer *peer, void *arg), void *arg);

/* "127.0.0.1:5432", "[::1]:5432", "/run/postgresql/.s.PGSQL.5432" */
void netpeer_text(const struct netpeer *peer, char out[NETPEER_TEXT]);

/* The database system that usually listens there ("postgresql"), or NULL. */
const char *netpeer_database(const struct netpeer *peer);

#endif
