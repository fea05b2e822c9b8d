/* SPDX-License-Identifier: BSD-2-Clause */
/* What a connection is called: its peer, or the file of an embedded database. */
#ifndef APM_COLLECT_CONNNAME_H
#define APM_COLLECT_CONNNAME_H

#include <stddef.h>
#include <stdint.h>

/*
 * "127.0.0.1:5432", "[::1]:5432", "/run/postgresql/.s.PGSQL.5432"; empty when not known. `addr` is in network
 * byte order (4 or 16 bytes), `port` in host byte order.
 */
void connname_peer(uint16_t family, const uint8_t *addr, uint16_t port, const char *path, char *out,
		   size_t len);

/*
 * The SQLite database that process `tgid` has open, told by the header of the files it has descriptors of
 * (https://www.sqlite.org/fileformat2.html, "SQLite format 3\0"). Empty when there is none or more than one:
 * a guess would be worse.
 */
void connname_sqlite_file(uint32_t tgid, char *out, size_t len);

#endif
