/* SPDX-License-Identifier: BSD-2-Clause */
#include "sqlite_codes.h"

#include <stddef.h>

struct code_name {
	int32_t code;
	const char *name;
};

#define EXTENDED(primary, n) ((primary) | (n) << 8)

static const struct code_name names[] = {
	{1, "SQLITE_ERROR"},
	{2, "SQLITE_INTERNAL"},
	{3, "SQLITE_PERM"},
	{4, "SQLITE_ABORT"},
	{5, "SQLITE_BUSY"},
	{6, "SQLITE_LOCKED"},
	{7, "SQLITE_NOMEM"},
	{8, "SQLITE_READONLY"},
	{9, "SQLITE_INTERRUPT"},
	{10, "SQLITE_IOERR"},
	{11, "SQLITE_CORRUPT"},
	{12, "SQLITE_NOTFOUND"},
	{13, "SQLITE_FULL"},
	{14, "SQLITE_CANTOPEN"},
	{15, "SQLITE_PROTOCOL"},
	{17, "SQLITE_SCHEMA"},
	{18, "SQLITE_TOOBIG"},
	{19, "SQLITE_CONSTRAINT"},
	{20, "SQLITE_MISMATCH"},
	{21, "SQLITE_MISUSE"},
	{22, "SQLITE_NOLFS"},
	{23, "SQLITE_AUTH"},
	{25, "SQLITE_RANGE"},
	{26, "SQLITE_NOTADB"},
	{EXTENDED(1, 1), "SQLITE_ERROR_MISSING_COLLSEQ"},
	{EXTENDED(1, 2), "SQLITE_ERROR_RETRY"},
	{EXTENDED(1, 3), "SQLITE_ERROR_SNAPSHOT"},
	{EXTENDED(4, 2), "SQLITE_ABORT_ROLLBACK"},
	{EXTENDED(5, 1), "SQLITE_BUSY_RECOVERY"},
	{EXTENDED(5, 2), "SQLITE_BUSY_SNAPSHOT"},
	{EXTENDED(5, 3), "SQLITE_BUSY_TIMEOUT"},
	{EXTENDED(6, 1), "SQLITE_LOCKED_SHAREDCACHE"},
	{EXTENDED(6, 2), "SQLITE_LOCKED_VTAB"},
	{EXTENDED(8, 1), "SQLITE_READONLY_RECOVERY"},
	{EXTENDED(8, 2), "SQLITE_READONLY_CANTLOCK"},
	{EXTENDED(8, 3), "SQLITE_READONLY_ROLLBACK"},
	{EXTENDED(8, 4), "SQLITE_READONLY_DBMOVED"},
	{EXTENDED(8, 5), "SQLITE_READONLY_CANTINIT"},
	{EXTENDED(8, 6), "SQLITE_READONLY_DIRECTORY"},
	{EXTENDED(10, 1), "SQLITE_IOERR_READ"},
	{EXTENDED(10, 2), "SQLITE_IOERR_SHORT_READ"},
	{EXTENDED(10, 3), "SQLITE_IOERR_WRITE"},
	{EXTENDED(10, 4), "SQLITE_IOERR_FSYNC"},
	{EXTENDED(11, 1), "SQLITE_CORRUPT_VTAB"},
	{EXTENDED(11, 2), "SQLITE_CORRUPT_SEQUENCE"},
	{EXTENDED(11, 3), "SQLITE_CORRUPT_INDEX"},
	{EXTENDED(14, 2), "SQLITE_CANTOPEN_ISDIR"},
	{EXTENDED(14, 3), "SQLITE_CANTOPEN_FULLPATH"},
	{EXTENDED(19, 1), "SQLITE_CONSTRAINT_CHECK"},
	{EXTENDED(19, 2), "SQLITE_CONSTRAINT_COMMITHOOK"},
	{EXTENDED(19, 3), "SQLITE_CONSTRAINT_FOREIGNKEY"},
	{EXTENDED(19, 4), "SQLITE_CONSTRAINT_FUNCTION"},
	{EXTENDED(19, 5), "SQLITE_CONSTRAINT_NOTNULL"},
	{EXTENDED(19, 6), "SQLITE_CONSTRAINT_PRIMARYKEY"},
	{EXTENDED(19, 7), "SQLITE_CONSTRAINT_TRIGGER"},
	{EXTENDED(19, 8), "SQLITE_CONSTRAINT_UNIQUE"},
	{EXTENDED(19, 9), "SQLITE_CONSTRAINT_VTAB"},
	{EXTENDED(19, 10), "SQLITE_CONSTRAINT_ROWID"},
	{EXTENDED(19, 11), "SQLITE_CONSTRAINT_PINNED"},
	{EXTENDED(19, 12), "SQLITE_CONSTRAINT_DATATYPE"},
};

static const char *const texts[] = {
	[0] = "not an error",
	[1] = "SQL logic error",
	[3] = "access permission denied",
	[4] = "query aborted",
	[5] = "database is locked",
	[6] = "database table is locked",
	[7] = "out of memory",
	[8] = "attempt to write a readonly database",
	[9] = "interrupted",
	[10] = "disk I/O error",
	[11] = "database disk image is malformed",
	[12] = "unknown operation",
	[13] = "database or disk is full",
	[14] = "unable to open database file",
	[15] = "locking protocol",
	[17] = "database schema has changed",
	[18] = "string or blob too big",
	[19] = "constraint failed",
	[20] = "datatype mismatch",
	[21] = "bad parameter or other API misuse",
	[23] = "authorization denied",
	[25] = "column index out of range",
	[26] = "file is not a database",
};

const char *sqlite_code_text(int32_t code)
{
	size_t primary = (uint32_t)code & 0xff;
	const char *text = primary < sizeof(texts) / sizeof(texts[0]) ? texts[primary] : NULL;

	return text ? text : "unknown error";
}

const char *sqlite_code_name(int32_t code)
{
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].code == code)
			return names[i].name;
	return code > 0xff ? sqlite_code_name(code & 0xff) : "SQLITE_UNKNOWN";
}
