/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a probe may use: the shared maps, the configuration, scope, per-thread calls, and events.
 *
 * A probe at a function's entry asks thread_enter() whether the thread is traced, keeps what it needs in the
 * call it pushes, and its return finds that call by the stack pointer. Programs at uprobes may be preempted:
 * nothing here lives in per-CPU scratch, everything is written into the ring reservation or the thread's own
 * storage.
 */
#ifndef APM_BPF_H
#define APM_BPF_H

#include "vmlinux.h"

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

/*
 * A function of its own, so that the verifier sees it fewer times. `used`: clang 17 and later drop a return value
 * that no caller looks at, and what is then left in R0 may be a pointer to the stack, which the verifier refuses.
 */
#undef __noinline
#define __noinline __attribute__((noinline, used))

#include "abi/config.h"
#include "abi/counters.h"
#include "abi/event.h"
#include "abi/state.h"

/* A call of a probed function that has not returned. */
struct apm_call {
	u64 sp; /* stack pointer at entry: what pairs a return with its entry */
	u64 enter;
	u64 obj; /* the connection or handle it works on */
	u64 seq; /* the statement it belongs to, 0 = none */
	u64 arg[2];
	u32 symbol;
	u32 lib_id;
};

/*
 * An execution that is probed at its beginning and its end only (lib/sqlite.h), and has not ended: what tells whether its
 * thread works on it now, or does something of its own between two rows.
 */
struct apm_open {
	u64 seq; /* 0 = none */
	u64 stmt;
	u64 executing; /* address of its connection's count of statements that execute, one inside the other */
	u64 rows_at;   /* address of its count of rows: 1 = it has returned none */
	s32 level;     /* what the first of these is at least while this one executes */
	u32 reserved;
};

#define APM_OPEN_MAX 4

struct apm_thread {
	u32 depth;
	u32 partial;  /* params.bpf.c */
	u64 sync_seq; /* statement of a synchronous call that spans several probed ones (PQexec) */
	u64 started;  /* the statement that was begun last */
	/* A call of a library above those of the databases (ODBC): what those count in
	 * it, it does not. sp 0 = none */
	struct apm_call outer;
	u64 outer_started;		    /* `started` when it was entered */
	u64 slept_ns;			    /* SQLite: for locks, outside sqlite3_step */
	u64 switches;			    /* 1: may go from one stack to another at any time */
	struct apm_open open[APM_OPEN_MAX]; /* in no order: the newest has the highest number */
	struct apm_call call[APM_NEST_MAX];
	u8 scratch[APM_PARAM_BYTES];
};

extern const volatile struct apm_config cfg;

extern volatile struct apm_detail detail;

struct apm_ring {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 16 * 1024 * 1024);
};
extern struct apm_ring events SEC(".maps");

/* Processes in scope; the value: process_exec() has told of the exec that is going on. */
struct apm_scope_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, APM_MAX_SCOPE);
	__type(key, u32);
	__type(value, u32);
};
extern struct apm_scope_map scope SEC(".maps");

struct apm_lib_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, APM_MAX_LIBS);
	__type(key, u32);
	__type(value, struct apm_lib);
};
extern struct apm_lib_map libs SEC(".maps");

struct apm_counter_map {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, APM_CNT_MAX);
	__type(key, u32);
	__type(value, u64);
};
extern struct apm_counter_map counters SEC(".maps");

struct apm_thread_storage {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct apm_thread);
};
extern struct apm_thread_storage thread_storage SEC(".maps");

struct apm_thread_hash {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, APM_MAX_THREADS);
	__type(key, u32);
	__type(value, struct apm_thread);
};
extern struct apm_thread_hash thread_hash SEC(".maps");

/*
 * Calls of libraries whose exits are probed, by process and stack pointer. Those that never return are pushed
 * out by newer ones.
 */
struct apm_parked_map {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, APM_MAX_PARKED);
	__type(key, struct apm_key);
	__type(value, struct apm_call);
};
extern struct apm_parked_map parked SEC(".maps");

struct apm_conn_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, APM_MAX_CONNS);
	__type(key, struct apm_key);
	__type(value, struct apm_conn);
};
extern struct apm_conn_map conns SEC(".maps");

struct apm_handle_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, APM_MAX_HANDLES);
	__type(key, struct apm_key);
	__type(value, struct apm_handle);
};
extern struct apm_handle_map handles SEC(".maps");

struct apm_site_map {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, APM_MAX_SITES);
	__type(key, struct apm_site_key);
	__type(value, u64);
};
extern struct apm_site_map sites SEC(".maps");

/*
 * To be called by every program at a uprobe. Since 6.13 the kernel gives a program of some size one stack per
 * CPU, although another task may preempt one that runs at a uprobe, and run it too: both write to the same
 * stack (7.2: the kernel oopses and the traced program dies). A program with a tail call is left on the stack
 * of its task (kernel/bpf/verifier.c, check_max_stack_depth); this one is never made, and the verifier
 * removes it.
 */
static __always_inline void stay_on_task_stack(void *ctx)
{
	if (cfg.never)
		bpf_tail_call(ctx, NULL, 0);
}

/* ---- counters ---- */

static __always_inline void count_add(u32 counter, u64 n)
{
	u64 *value = bpf_map_lookup_elem(&counters, &counter);

	if (value)
		__sync_fetch_and_add(value, n);
}

static __always_inline void count(u32 counter)
{
	count_add(counter, 1);
}

/* ---- reading the target ---- */

static __always_inline u64 read_u64(u64 addr)
{
	u64 value = 0;

	bpf_probe_read_user(&value, sizeof(value), (void *)addr);
	return value;
}

static __always_inline u32 read_u32(u64 addr)
{
	u32 value = 0;

	bpf_probe_read_user(&value, sizeof(value), (void *)addr);
	return value;
}

static __always_inline u16 read_u16(u64 addr)
{
	u16 value = 0;

	bpf_probe_read_user(&value, sizeof(value), (void *)addr);
	return value;
}

static __always_inline u8 read_u8(u64 addr)
{
	u8 value = 0;

	bpf_probe_read_user(&value, sizeof(value), (void *)addr);
	return value;
}

/* An offset proven for this copy of the library; false when it is not known. */
static __always_inline bool lib_off(const struct apm_lib *lib, u32 which, u64 *off)
{
	s32 value = lib->off[which];

	*off = (u64)value;
	return value >= 0;
}

/* ---- scope and threads ---- */

static __always_inline bool in_scope(u32 tgid)
{
	return bpf_map_lookup_elem(&scope, &tgid) != NULL;
}

static const struct apm_thread thread_zero;

/* The calling thread's state, NULL when it has none. Only threads in scope ever get one. */
static __always_inline struct apm_thread *thread_find(void)
{
	u32 tid;

	if (cfg.task_storage)
		return bpf_task_storage_get(&thread_storage, bpf_get_current_task_btf(), NULL, 0);
	tid = bpf_get_current_pid_tgid();
	return bpf_map_lookup_elem(&thread_hash, &tid);
}

static __always_inline struct apm_thread *thread_create(void)
{
	u32 tid = bpf_get_current_pid_tgid();

	if (cfg.task_storage)
		return bpf_task_storage_get(&thread_storage, bpf_get_current_task_btf(), NULL,
					    BPF_LOCAL_STORAGE_GET_F_CREATE);
	bpf_map_update_elem(&thread_hash, &tid, &thread_zero, BPF_NOEXIST);
	return bpf_map_lookup_elem(&thread_hash, &tid);
}

/* Entry of a probed function: the thread's state if the process is in scope, else NULL. */
static __always_inline struct apm_thread *thread_enter(void)
{
	struct apm_thread *t = thread_find();

	if (!t) {
		if (!in_scope(bpf_get_current_pid_tgid() >> 32))
			return NULL;
		t = thread_create();
		if (!t) {
			count(APM_CNT_MAP_FULL);
			return NULL;
		}
	}
	return t;
}

static __always_inline struct apm_call *call_top(struct apm_thread *t)
{
	u32 depth = t->depth;

	if (depth == 0 || depth > APM_NEST_MAX)
		return NULL;
	return &t->call[(depth - 1) & (APM_NEST_MAX - 1)];
}

/* Room for one more call; NULL (counted) when nested too deep. The caller fills it in. */
static __always_inline struct apm_call *call_push(struct apm_thread *t)
{
	u32 depth = t->depth;

	if (depth >= APM_NEST_MAX) {
		count(APM_CNT_NEST_OVERFLOW);
		return NULL;
	}
	t->depth = depth + 1;
	return &t->call[depth & (APM_NEST_MAX - 1)];
}

/*
 * The call on top if it was left without returning (longjmp, C++ exception, cancelled): at an entry, when the
 * stack has shrunk to or past it. The caller ends its statement and calls call_pop().
 */
static __always_inline struct apm_call *call_stale_at_entry(struct apm_thread *t, u64 sp)
{
	struct apm_call *c = call_top(t);

	return c && c->sp <= sp ? c : NULL;
}

/* At a return probe: the stack pointer is just above the slot that held the return address. */
#if defined(__TARGET_ARCH_x86)
#define APM_RETURN_SLOT 8
#else
#define APM_RETURN_SLOT 0
#endif

static __always_inline struct apm_call *call_stale_at_return(struct apm_thread *t, u64 sp)
{
	struct apm_call *c = call_top(t);

	return c && c->sp + APM_RETURN_SLOT < sp ? c : NULL;
}

static __always_inline struct apm_call *call_returning(struct apm_thread *t, u64 sp)
{
	struct apm_call *c = call_top(t);

	return c && c->sp + APM_RETURN_SLOT == sp ? c : NULL;
}

static __always_inline void call_pop(struct apm_thread *t)
{
	if (t->depth)
		t->depth--;
}

/*
 * Statement numbers: the start time in nanoseconds and the CPU. Two calls on one CPU never start in the same
 * nanosecond, and no counter is shared between CPUs (5.10 has no atomic that returns the old value).
 */
static __always_inline u64 seq_make(u64 now)
{
	return now << 12 | (bpf_get_smp_processor_id() & 0xfff);
}

/* ---- events ---- */

static __always_inline void event_header_at(struct apm_hdr *h, u16 kind, u32 len, u64 seq, u64 now)
{
	u64 id = bpf_get_current_pid_tgid();

	h->kind = kind;
	h->flags = 0;
	h->len = len;
	h->ts = now;
	h->tgid = id >> 32;
	h->tid = (u32)id;
	h->ctx_kind = APM_CTX_THREAD;
	h->check = 0;
	h->ctx_id = (u32)id;
	h->stmt_seq = seq;
}

static __always_inline void event_header(struct apm_hdr *h, u16 kind, u32 len, u64 seq)
{
	event_header_at(h, kind, len, seq, bpf_ktime_get_ns());
}

/* Reserves a whole event of `type` plus `extra` bytes; NULL (counted) when the ring is full. */
#define event_reserve(type, extra)                                                   \
	({                                                                           \
		type *__e = bpf_ringbuf_reserve(&events, sizeof(type) + (extra), 0); \
		if (!__e)                                                            \
			count(APM_CNT_RING_FULL);                                    \
		__e;                                                                 \
	})

/*
 * No wake-up per event (it costs more than the event): the reader comes by on a timer, and is woken when the
 * ring fills. How full it is is asked for about one event in eight, chosen by the clock.
 */
#define RING_ASK_MASK (7ULL << 6)

static __always_inline void event_submit_at(void *event, u64 now)
{
	u64 flags = BPF_RB_NO_WAKEUP;

	count(APM_CNT_EVENTS);
	if (!(now & RING_ASK_MASK) && bpf_ringbuf_query(&events, BPF_RB_AVAIL_DATA) >= cfg.wake_bytes)
		flags = BPF_RB_FORCE_WAKEUP;
	bpf_ringbuf_submit(event, flags);
}

static __always_inline void event_submit(void *event)
{
	event_submit_at(event, 0);
}

/* ---- which site this is ---- */

/* Bytes that the breakpoint replaces: int3 is one, brk four. */
#if defined(__TARGET_ARCH_x86)
#define APM_BREAKPOINT 1
#else
#define APM_BREAKPOINT 4
#endif

/* What was attached at this probe, at its entry: APM_COOKIE(), 0 when it is not known. */
static __always_inline u64 attach_cookie(struct pt_regs *ctx)
{
	struct apm_site_key key = {.page_off = PT_REGS_IP(ctx) & (APM_SITE_PAGE - 1)};
	u64 *cookie;

	if (cfg.attach_cookies)
		return bpf_get_attach_cookie(ctx);
	if (key.page_off + APM_BREAKPOINT + sizeof(key.code) <= APM_SITE_PAGE)
		key.code = read_u64(PT_REGS_IP(ctx) + APM_BREAKPOINT);
	cookie = bpf_map_lookup_elem(&sites, &key);
	return cookie ? *cookie : 0;
}

/* ---- hashing ---- */

static __always_inline u64 hash_step(u64 h, u64 word)
{
	h = (h ^ word) * 0x9e3779b97f4a7c15ULL;
	return h ^ h >> 29;
}

static __always_inline u64 hash_start(void)
{
	return hash_step(cfg.hash_key[0], cfg.hash_key[1]);
}

/*
 * Hash one bound parameter of the target into `h` (params.bpf.c). Global functions, so that the verifier sees
 * their loops once. They set the thread's `partial` when a value could be hashed only in part.
 */
extern u64 param_hash_bytes(u64 h, u64 ptr, u32 len);
extern u64 param_hash_text(u64 h, u64 ptr);

/* In a program of a uprobe session: 1 at the return of the probed function, 0 at
 * its entry. (session.bpf.c) */
extern int session_phase(struct pt_regs *ctx);

#endif
