/* SPDX-License-Identifier: BSD-2-Clause */
#include "collect/connname.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

void connname_peer(uint16_t family, const uint8_t *addr, uint16_t port, const char *path, char *out,
		   size_t len)
{
	char text[INET6_ADDRSTRLEN];

	out[0] = '\0';
	if (family == AF_UNIX)
		snprintf(out, len, "%.*s", 107, path);
	else if (family == AF_INET && inet_ntop(AF_INET, addr, text, sizeof(text)))
		snprintf(out, len, "%s:%u", text, port);
	else if (family == AF_INET6 && inet_ntop(AF_INET6, addr, text, sizeof(text)))
		snprintf(out, len, "[%s]:%u", text, port);
}

/* An empty database has no header yet, so an empty file that is open for writing beside none
 * other is not taken either. */
static int is_database(const char *path)
{
	static const char magic[16] = "SQLite format 3";
	char head[sizeof(magic)];
	struct stat st;
	int fd, found;

	/* Opening a FIFO or a device of the target could wait, or do something: look before. */
	if (stat(path, &st) || !S_ISREG(st.st_mode))
		return 0;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOATIME);
	if (fd < 0)
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return 0;
	found = pread(fd, head, sizeof(head), 0) == (ssize_t)sizeof(head) &&
		!memcmp(head, magic, sizeof(magic));
	close(fd);
	return found;
}

void connname_sqlite_file(uint32_t tgid, char *out, size_t len)
{
	char dir_path[64], path[sizeof(dir_path) + 256], target[PATH_MAX];
	struct dirent *entry;
	DIR *dir;

	out[0] = '\0';
	snprintf(dir_path, sizeof(dir_path), "/proc/%u/fd", tgid);
	dir = opendir(dir_path);
	while (dir && (entry = readdir(dir))) {
		ssize_t n;

		snprintf(path, sizeof(path), "%s/%s", dir_path, entry->d_name);
		n = readlink(path, target, sizeof(target) - 1);
		if (n <= 0 || target[0] != '/' || !is_database(path))
			continue;
		target[n] = '\0';
		if (out[0] && strcmp(out, target)) {
			out[0] = '\0';
			break;
		}
		snprintf(out, len, "%s", target);
	}
	if (dir)
		closedir(dir);
}
