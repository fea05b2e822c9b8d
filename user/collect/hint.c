/* SPDX-License-Identifier: BSD-2-Clause */
#include "collect/hint.h"

#include <stdio.h>

#include "collect/netpeer.h"

struct hint {
	char *out;
	size_t len;
};

static int first_database(const struct netpeer *peer, void *arg)
{
	const char *system = netpeer_database(peer);
	struct hint *h = arg;
	char text[NETPEER_TEXT];

	if (!system)
		return 0;
	netpeer_text(peer, text);
	snprintf(h->out, h->len,
		 "it is connected to %s (%s) through a driver that speaks the protocol itself", text, system);
	return 1;
}

void hint_unsupported(pid_t pid, char *out, size_t len)
{
	struct netpeers *peers = netpeers_new();
	struct hint h = {out, len};

	snprintf(out, len, "it has no database connection that can be seen");
	if (peers)
		netpeers_each(peers, pid, first_database, &h);
	netpeers_free(peers);
}
