/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A toy with the functions of SQLite and libpq that are decoded, over structures of its own: compiled by
 * test_accessor.c with several compilers and options. OLD is SQLite before 3.38; NARROW has 16-bit parameter
 * counts; MUDDLED has accessors from which nothing can be proven. truth_*() say where the fields really are.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define EXPORT	  __attribute__((visibility("default"), noinline))
#define RUN_MAGIC 0x2df20da3
#define MEM_NULL  1

/* ---- sqlite3 ---- */

typedef struct sqlite3 sqlite3;
typedef struct Vdbe Vdbe;
typedef struct Mem Mem;

struct Mem {
	union {
		double r;
		int64_t i;
	} u;
	char pad0[8];
	char *z;
	int n;
	uint16_t flags;
	uint8_t enc;
	void *release;
	char pad1[24];
};

struct sqlite3 {
	void *mutex;
	char pad0[40];
	int errCode;
	uint8_t mallocFailed;
	char pad1[59];
	int64_t changes, total;
	Mem *pErr;
};

struct Vdbe {
	char pad0[24];
	sqlite3 *db;
#ifdef NARROW
	int16_t nVar;
#else
	int nVar;
#endif
	char pad1[20];
	Mem *aVar;
	unsigned int magic;
	int pc;
	char pad2[13];
	uint8_t state;
	uint16_t bits;
	char *zSql;
};

EXPORT void toy_enter(void *mutex)
{
	__asm__ volatile("" : : "r"(mutex) : "memory");
}

EXPORT int toy_ok(sqlite3 *db)
{
	return db->mallocFailed != 77;
}

EXPORT const char *toy_text(int rc)
{
	return rc == 7 ? "out of memory" : "error";
}

EXPORT int sqlite3_libversion_number(void)
{
	return 3039002;
}

EXPORT int sqlite3_step(Vdbe *p)
{
	toy_enter(p->db->mutex);
	return (int)p->bits;
}

EXPORT int sqlite3_reset(Vdbe *p)
{
	toy_enter(p->db->mutex);
	return 0;
}

EXPORT sqlite3 *sqlite3_db_handle(Vdbe *p)
{
	return p ? p->db : 0;
}

EXPORT const char *sqlite3_sql(Vdbe *p)
{
#ifdef MUDDLED
	return p ? (p->bits ? p->zSql : (char *)p->aVar) : 0;
#else
	return p ? p->zSql : 0;
#endif
}

EXPORT int sqlite3_stmt_busy(Vdbe *p)
{
#ifdef OLD
	return p != 0 && p->magic == RUN_MAGIC && p->pc >= 0;
#elif defined(MUDDLED)
	return p != 0 && (p->state == 2 || p->bits == 3);
#else
	return p != 0 && p->state == 2;
#endif
}

EXPORT int sqlite3_bind_parameter_count(Vdbe *p)
{
#ifdef MUDDLED
	return p ? p->nVar + 1 : 0;
#else
	return p ? p->nVar : 0;
#endif
}

EXPORT void toy_release(Mem *m)
{
	toy_enter(m->release);
}

EXPORT int sqlite3_clear_bindings(Vdbe *p)
{
	toy_enter(p->db->mutex);
#ifdef MUDDLED
	for (int i = 0; i < p->nVar; i++)
		p->aVar[i].flags = (uint16_t)i;
#else
	for (int i = 0; i < p->nVar; i++) {
		toy_release(&p->aVar[i]);
		p->aVar[i].flags = MEM_NULL;
	}
#endif
	if (p->bits)
		p->bits = (uint16_t)((p->bits & ~3) | 1);
	return 0;
}

EXPORT int sqlite3_value_type(Mem *m)
{
	static const uint8_t type[64] = {5, 3, 3, 1, 4, 2, 1, 5};

#ifdef MUDDLED
	return type[(m->flags ^ m->enc) & 0x3f] + (m->flags > *(uint16_t *)m->pad0);
#else
	return type[m->flags & 0x3f];
#endif
}

EXPORT int toy_expand(Mem *m)
{
	return m->enc == 9;
}

EXPORT const void *toy_value_text(Mem *m)
{
	return m->enc ? m->z : 0;
}

EXPORT const void *sqlite3_value_blob(Mem *m)
{
	if (m->flags & 0x12) {
		if ((m->flags & 0x400) && toy_expand(m))
			return 0;
		m->flags |= 0x10;
#ifdef MUDDLED
		return m->n ? m->z : m->pad1;
#else
		return m->n ? m->z : 0;
#endif
	}
	return toy_value_text(m);
}

EXPORT int sqlite3_extended_errcode(sqlite3 *db)
{
	if (db && !toy_ok(db))
		return 21;
	if (!db || db->mallocFailed)
		return 7;
#ifdef MUDDLED
	return db->errCode & *(int *)db->pad1;
#else
	return db->errCode;
#endif
}

EXPORT const char *sqlite3_errmsg(sqlite3 *db)
{
	const char *z;

	if (!db)
		return toy_text(7);
	if (!toy_ok(db))
		return toy_text(21);
	toy_enter(db->mutex);
	if (db->mallocFailed) {
		z = toy_text(7);
	} else {
#ifdef MUDDLED
		z = toy_value_text(db->errCode ? db->pErr : db->mutex);
#else
		z = db->errCode ? toy_value_text(db->pErr) : 0;
#endif
		if (!z)
			z = toy_text(db->errCode);
	}
	toy_enter(db->mutex);
	return z;
}

EXPORT int64_t sqlite3_changes64(sqlite3 *db)
{
#ifdef MUDDLED
	return db->changes + db->total;
#else
	return db->changes;
#endif
}

EXPORT int64_t sqlite3_total_changes64(sqlite3 *db)
{
#ifdef MUDDLED
	return -db->total;
#else
	return db->total;
#endif
}

/* The inner function keeps its seven arguments whatever the compiler knows about its callers. */
__attribute__((noinline, noclone, used)) static int lock_and_prepare(sqlite3 *db, const char *sql, int bytes,
								     unsigned int flags, Vdbe *old,
								     Vdbe **stmt, const char **tail)
{
	__asm__ volatile(""
			 :
			 : "r"(db), "r"(sql), "r"(bytes), "r"(flags), "r"(old), "r"(stmt), "r"(tail)
			 : "memory");
	toy_enter(db->mutex);
	*stmt = old;
	return (int)flags;
}

EXPORT const void *truth_prepare(void)
{
	return (const void *)lock_and_prepare;
}

EXPORT int sqlite3_prepare(sqlite3 *db, const char *sql, int bytes, Vdbe **stmt, const char **tail)
{
	return lock_and_prepare(db, sql, bytes, 0, 0, stmt, tail);
}

EXPORT int sqlite3_prepare_v2(sqlite3 *db, const char *sql, int bytes, Vdbe **stmt, const char **tail)
{
#ifdef MUDDLED
	return lock_and_prepare(db, sql, bytes, 0x80, 0, (Vdbe **)tail, (const char **)stmt);
#else
	return lock_and_prepare(db, sql, bytes, 0x80, 0, stmt, tail);
#endif
}

EXPORT int sqlite3_prepare_v3(sqlite3 *db, const char *sql, int bytes, unsigned int flags, Vdbe **stmt,
			      const char **tail)
{
	return lock_and_prepare(db, sql, bytes, 0x80 | (flags & 15), 0, stmt, tail);
}

/* ---- libpq ---- */

struct field {
	struct field *next;
	char pad[4];
	char code;
	char text[1];
};

typedef struct {
	int ntups;
	char pad0[12];
	int status;
	char cmd[64];
	char pad1[8];
	char *message;
	struct field *fields;
} PGresult;

typedef struct {
	char pad0[32];
	char *db, *user;
	char pad1[300];
	int sock;
} PGconn;

EXPORT int PQlibVersion(void)
{
	return 160003;
}

EXPORT int PQsendQuery(PGconn *c, const char *q)
{
	toy_enter(c->user);
	return q != 0;
}

EXPORT int PQsendQueryParams(PGconn *c, const char *q)
{
	return PQsendQuery(c, q) + 1;
}

EXPORT int PQsendPrepare(PGconn *c, const char *q)
{
	return PQsendQuery(c, q) + 2;
}

EXPORT int PQsendQueryPrepared(PGconn *c, const char *q)
{
	return PQsendQuery(c, q) + 3;
}

EXPORT PGresult *PQgetResult(PGconn *c)
{
	toy_enter(c);
	return 0;
}

EXPORT char *PQdb(const PGconn *c)
{
	return c ? c->db : 0;
}

EXPORT char *PQuser(const PGconn *c)
{
	return c ? c->user : 0;
}

EXPORT int PQsocket(const PGconn *c)
{
	if (!c)
		return -1;
#ifdef MUDDLED
	return c->sock + 1;
#else
	return c->sock != -1 ? c->sock : -1;
#endif
}

EXPORT int PQntuples(const PGresult *r)
{
	return r ? r->ntups : 0;
}

EXPORT int PQresultStatus(const PGresult *r)
{
	return r ? r->status : 7;
}

EXPORT char *PQcmdStatus(PGresult *r)
{
#ifdef MUDDLED
	return r ? (r->status ? r->cmd : r->pad1) : 0;
#else
	return r ? r->cmd : 0;
#endif
}

EXPORT char *PQresultErrorMessage(const PGresult *r)
{
	return r && r->message ? r->message : (char *)"";
}

EXPORT char *PQresultErrorField(const PGresult *r, int code)
{
	struct field *f;

	if (!r)
		return 0;
	for (f = r->fields; f; f = f->next) {
#ifdef MUDDLED
		if (f->pad[1] == code || f->code == code)
#else
		if (f->code == code)
#endif
			return f->text;
	}
	return 0;
}

/* ---- the truth, in the order of enum apm_off; what is not there stays -1 ---- */

EXPORT void truth_sqlite(int32_t *off)
{
	off[0] = offsetof(Vdbe, db);
	off[1] = offsetof(Vdbe, zSql);
#ifndef OLD
	off[2] = offsetof(Vdbe, state);
	off[11] = 2;
#else
	off[12] = offsetof(Vdbe, pc);
#endif
	off[3] = offsetof(Vdbe, nVar);
	off[4] = offsetof(Vdbe, aVar);
	off[5] = sizeof(Mem);
	off[6] = offsetof(Mem, flags);
	off[7] = offsetof(sqlite3, errCode);
	off[8] = offsetof(sqlite3, pErr);
	off[9] = offsetof(sqlite3, changes);
	off[10] = offsetof(sqlite3, total);
	off[13] = offsetof(Mem, z);
	off[14] = offsetof(Mem, n);
}

EXPORT void truth_libpq(int32_t *off)
{
	off[0] = offsetof(PGconn, sock);
	off[1] = offsetof(PGconn, db);
	off[2] = offsetof(PGconn, user);
	off[3] = offsetof(PGresult, ntups);
	off[4] = offsetof(PGresult, status);
	off[5] = offsetof(PGresult, cmd);
	off[6] = offsetof(PGresult, message);
	off[7] = offsetof(PGresult, fields);
	off[8] = offsetof(struct field, code);
	off[9] = offsetof(struct field, text);
}
