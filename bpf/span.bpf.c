// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Spans: functions and static probes that the user named as units of work. A beginning and an end are told
 * as events; what runs between them on the thread is put together in user space, by time.
 *
 * A function's end is found by the stack pointer, which at its return is what it was at its entry. What was
 * left without a return (an exception, longjmp) is noticed as soon as the stack has shrunk past it. Static
 * probes stand in the middle of functions and have no such sign: there the last that began ends first.
 */
#include "span.bpf.h"

#include "place.bpf.h"
#include "process.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, APM_MAX_SPAN_SITES);
	__type(key, u32);
	__type(value, struct apm_span_site);
} span_sites SEC(".maps");

static const struct apm_span_thread thread_zero_span;

/* Spans under way on all threads: while there is none a switch of tasks is of no interest. */
unsigned long long spans_open;

#define CLOCK_TRIES 4

/* ---- whose span ---- */

#define GO_STACK_HI 8 /* runtime.g begins with stack{lo, hi}: src/runtime/runtime2.go, since Go 1.5 */

/*
 * Threads are told by their number. A goroutine moves between threads, and its stack in memory: it is told by
 * its descriptor, which the compiler keeps in r14 (Go 1.17, ABIInternal), and the stack pointer counts from
 * the stack's end.
 */
static __always_inline struct apm_key span_key(struct pt_regs *ctx, const struct apm_span_site *site, u64 *sp)
{
	u64 id = bpf_get_current_pid_tgid();
	struct apm_key key = {.tgid = id >> 32, .ptr = (u32)id};

	*sp = PT_REGS_SP(ctx);
#if defined(__TARGET_ARCH_x86)
	if (site->pairing == APM_PAIR_ROUTINE) {
		key.queued = APM_CTX_GOROUTINE;
		key.ptr = ctx->r14;
		*sp -= read_u64(ctx->r14 + GO_STACK_HI);
	}
#endif
	return key;
}

/* ---- the CPU time and the memory of it ---- */

/* The thread's CPU time so far. A switch of tasks in the middle of reading it is
 * seen, and it is read again. */
static __always_inline u64 span_cpu(const struct apm_span_thread *t, u64 now)
{
	u64 cpu = 0;
	u32 i;

	for (i = 0; i < CLOCK_TRIES; i++) {
		u32 switches = *(volatile u32 *)&t->switches;
		u64 since = *(volatile u64 *)&t->on_since_ns;

		cpu = *(volatile u64 *)&t->cpu_ns;
		if (since && now > since)
			cpu += now - since;
		if (switches == *(volatile u32 *)&t->switches)
			break;
		now = bpf_ktime_get_ns();
	}
	return cpu;
}

#define RSS_FILE  0 /* include/linux/mm_types_task.h */
#define RSS_ANON  1
#define RSS_SHMEM 3

/* Resident memory of the calling process, as far as its counters have been brought together. */
static __always_inline s64 span_rss(void)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct mm_struct *mm = BPF_CORE_READ(task, mm);
	s64 pages;

	if (bpf_core_type_exists(struct mm_rss_stat___old)) {
		struct mm_struct___old *old = (void *)mm;

		pages = BPF_CORE_READ(old, rss_stat.count[RSS_FILE].counter) +
			BPF_CORE_READ(old, rss_stat.count[RSS_ANON].counter) +
			BPF_CORE_READ(old, rss_stat.count[RSS_SHMEM].counter);
	} else {
		pages = BPF_CORE_READ(mm, rss_stat[RSS_FILE].count) +
			BPF_CORE_READ(mm, rss_stat[RSS_ANON].count) +
			BPF_CORE_READ(mm, rss_stat[RSS_SHMEM].count);
	}
	return pages * cfg.page_bytes;
}

/* ---- values ---- */

/* A text of the program, with zeros behind it. 0 when it was read. */
static __always_inline int text_read(char *into, s64 address)
{
	__builtin_memset(into, 0, APM_SPAN_TEXT);
	return address && bpf_probe_read_user_str(into, APM_SPAN_TEXT, (void *)address) > 0 ? 0 : -1;
}

/* Whether the site is meant to count this hit. */
static __noinline int is_match(struct pt_regs *ctx, const struct apm_span_site *site)
{
	char text[APM_SPAN_TEXT];
	s64 value;
	u32 i;

	if (!site->match)
		return 1;
	if (place_read(ctx, &site->match_place, &value))
		return 0;
	if (site->match == 1)
		return value == site->match_number;
	if (text_read(text, value))
		return 0;
	for (i = 0; i < APM_SPAN_TEXT / 8; i++)
		if (((u64 *)text)[i] != ((const u64 *)site->match_text)[i])
			return 0;
	return 1;
}

static __always_inline void args_read(struct pt_regs *ctx, const struct apm_span_site *site,
				      struct apm_span_frame *f)
{
	u32 i;

	f->known = 0;
	for (i = 0; i < APM_SPAN_ARGS; i++) {
		f->arg[i] = 0;
		f->text[i][0] = 0;
		if (i >= site->arg_count || place_read(ctx, &site->arg[i], &f->arg[i]))
			continue;
		if (!(site->text_args & 1 << i) || !text_read(f->text[i], f->arg[i]))
			f->known |= 1 << i;
	}
}

/* ---- events ---- */

static __always_inline void header_of(struct apm_hdr *h, const struct apm_key *key,
				      const struct apm_span_thread *t)
{
	h->tgid = t->tgid;
	h->tid = t->tid;
	h->ctx_kind = key->queued;
	h->ctx_id = key->ptr;
}

/* Ends a span. What could not be read at its beginning may be there by now. */
static __noinline int frame_end(struct apm_key *key, struct apm_span_thread *t, struct apm_span_frame *f,
				u32 flags, s64 ret)
{
	u64 now = bpf_ktime_get_ns();
	u32 number = f->site, i;
	struct apm_span_site *site = bpf_map_lookup_elem(&span_sites, &number);
	struct apm_ev_span *e;

	__sync_fetch_and_add(&spans_open, -1);
	if (!site)
		return 0;
	for (i = 0; i < APM_SPAN_ARGS; i++) {
		if (i < site->arg_count && site->text_args & 1 << i && !(f->known & 1 << i) && f->arg[i] &&
		    !(flags & APM_SPAN_EXITED) && !text_read(f->text[i], f->arg[i]))
			f->known |= 1 << i;
	}
	e = event_reserve(struct apm_ev_span, 0);
	if (!e)
		return 0;
	event_header_at(&e->hdr, APM_EV_SPAN_END, sizeof(*e), f->seq, now);
	header_of(&e->hdr, key, t);
	e->t_start = f->t_start;
	e->ret = ret;
	e->cpu_ns = 0;
	e->rss_growth = 0;
	if (!(flags & APM_SPAN_EXITED)) { /* the task has given its memory back by then */
		e->rss_growth = span_rss() - f->rss_start;
		flags |= APM_SPAN_HAS_RSS;
	}
	if (!key->queued) {
		e->cpu_ns = span_cpu(t, now) - f->cpu_start_ns;
		flags |= APM_SPAN_HAS_CPU;
	}
	e->hdr.flags = flags;
	__builtin_memcpy(e->arg, f->arg, sizeof(e->arg));
	__builtin_memcpy(e->text, f->text, sizeof(e->text));
	e->span = f->span;
	e->known = f->known;
	e->text_args = site->text_args;
	e->reserved[0] = e->reserved[1] = 0;
	event_submit(e);
	return 0;
}

/* Ends what is above `keep` frames, without a return. */
static __always_inline void frames_drop(struct apm_key *key, struct apm_span_thread *t, u32 keep, u32 flags)
{
	u32 i;

	for (i = APM_SPAN_DEPTH; i > 0; i--) {
		if (i <= t->depth && i > keep)
			frame_end(key, t, &t->frame[i - 1], flags, 0);
	}
	if (t->depth > keep)
		t->depth = keep;
}

/* ---- beginnings and ends ---- */

static __always_inline struct apm_span_thread *thread_of(const struct apm_key *key)
{
	struct apm_span_thread *t = bpf_map_lookup_elem(&span_threads, key);
	u64 id = bpf_get_current_pid_tgid();

	if (t)
		return t;
	if (bpf_map_update_elem(&span_threads, key, &thread_zero_span, BPF_NOEXIST)) {
		count(APM_CNT_MAP_FULL);
		return NULL;
	}
	t = bpf_map_lookup_elem(&span_threads, key);
	if (t) {
		t->tgid = id >> 32;
		t->tid = (u32)id;
	}
	return t;
}

/*
 * Where a return probe lets a function return to: the first page that the kernel has given the process for
 * its uprobes (uprobe_get_trampoline_vaddr()). 0 when it has none.
 */
static __noinline u64 trampoline(void)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct xol_area *area = BPF_CORE_READ(task, mm, uprobes_state.xol_area);

	return area ? BPF_CORE_READ(area, vaddr) : 0;
}

/*
 * How many frames are still to be believed when the stack pointer is `sp` at the entry of a function. One
 * with the same stack pointer has been left, unless it came here by a jump: then the return address is the
 * same.
 */
static __always_inline u32 frames_alive(const struct apm_span_thread *t, const struct apm_span_site *site,
					u64 sp, u64 caller, bool *same)
{
	u64 probed = 0;
	u32 i;

	*same = false;
	for (i = 0; i < APM_SPAN_DEPTH && i < t->depth; i++) {
		const struct apm_span_frame *f = &t->frame[i];

		if (f->pairing == APM_PAIR_ORDER)
			continue;
		if (f->sp == sp && f->span == site->span && site->loops)
			*same = true;
		else if (f->sp < sp || (f->sp == sp && f->span == site->span))
			return i;
		if (f->sp != sp || f->caller == caller)
			continue;
		probed = trampoline();
		if (!probed || caller != probed)
			return i;
	}
	return t->depth;
}

/* Whether the span is under way already; PAIR_ORDER then counts how often. */
static __always_inline bool is_inside(struct apm_span_thread *t, const struct apm_span_site *site)
{
	u32 i;

	for (i = 0; i < APM_SPAN_DEPTH && i < t->depth; i++) {
		if (t->frame[i].span != site->span)
			continue;
		t->frame[i].depth++;
		return true;
	}
	return false;
}

static __always_inline void span_begin(struct pt_regs *ctx, const struct apm_span_site *site, u32 number)
{
	struct apm_ev_span_begin *e;
	struct apm_span_thread *t;
	struct apm_span_frame *f;
	struct apm_key key;
	u64 sp, now, caller;
	u32 depth;
	bool same = false;

	key = span_key(ctx, site, &sp);
	caller = APM_RETURN_SLOT ? read_u64(PT_REGS_SP(ctx)) : PT_REGS_RET(ctx);
	t = thread_of(&key);
	if (!t)
		return;
	if (site->pairing != APM_PAIR_ORDER)
		frames_drop(&key, t, frames_alive(t, site, sp, caller, &same), APM_SPAN_LEFT);
	if (same || is_inside(t, site))
		return;
	depth = t->depth;
	if (depth >= APM_SPAN_DEPTH) {
		count(APM_CNT_NEST_OVERFLOW);
		return;
	}
	f = &t->frame[depth & (APM_SPAN_DEPTH - 1)];
	now = bpf_ktime_get_ns();
	if (!depth) {
		t->on_since_ns = now;
		t->cpu_ns = 0;
	}
	f->sp = sp;
	f->caller = caller;
	f->site = number;
	f->span = site->span;
	f->pairing = site->pairing;
	f->depth = 0;
	f->seq = seq_make(now);
	f->t_start = now;
	f->cpu_start_ns = span_cpu(t, now);
	f->rss_start = span_rss();
	args_read(ctx, site, f);
	t->depth = depth + 1;
	__sync_fetch_and_add(&spans_open, 1);
	e = event_reserve(struct apm_ev_span_begin, 0);
	if (!e)
		return;
	event_header_at(&e->hdr, APM_EV_SPAN_BEGIN, sizeof(*e), f->seq, now);
	header_of(&e->hdr, &key, t);
	e->span = site->span;
	e->reserved = 0;
	event_submit_at(e, now);
}

/* A function returns: with the value that its own site says where to find. */
static __noinline int frame_return(struct pt_regs *ctx, struct apm_key *key, struct apm_span_thread *t,
				   struct apm_span_frame *f)
{
	u32 number = f->site, flags = 0;
	struct apm_span_site *site = bpf_map_lookup_elem(&span_sites, &number);
	s64 value = 0;

	if (site && !place_read(ctx, &site->ret, &value))
		flags = APM_SPAN_HAS_RET;
	return frame_end(key, t, f, flags, value);
}

/*
 * The function with this stack pointer returns, and those that it has jumped to, which have the same. Nothing
 * else that began inside it can be under way.
 */
static __always_inline void function_end(struct pt_regs *ctx, struct apm_key *key, struct apm_span_thread *t,
					 u64 sp, bool any, u32 span)
{
	u32 i, at = APM_SPAN_DEPTH;

	for (i = 0; i < APM_SPAN_DEPTH && i < t->depth; i++) {
		const struct apm_span_frame *f = &t->frame[i];

		if (f->pairing != APM_PAIR_ORDER && f->sp == sp && (any || f->span == span)) {
			at = i;
			break;
		}
	}
	if (at >= APM_SPAN_DEPTH)
		return;
	for (i = APM_SPAN_DEPTH; i > 0; i--) {
		struct apm_span_frame *f = &t->frame[i - 1];

		if (i > t->depth || i <= at)
			continue;
		if (f->pairing != APM_PAIR_ORDER && f->sp == sp)
			frame_return(ctx, key, t, f);
		else
			frame_end(key, t, f, APM_SPAN_LEFT, 0);
	}
	t->depth = at;
}

static __always_inline void mark_end(struct apm_key *key, struct apm_span_thread *t,
				     const struct apm_span_site *site)
{
	u32 i, at = APM_SPAN_DEPTH;

	for (i = 0; i < APM_SPAN_DEPTH && i < t->depth; i++)
		if (t->frame[i].span == site->span)
			at = i;
	if (at >= APM_SPAN_DEPTH)
		return;
	if (t->frame[at & (APM_SPAN_DEPTH - 1)].depth) {
		t->frame[at & (APM_SPAN_DEPTH - 1)].depth--;
		return;
	}
	frames_drop(key, t, at + 1, APM_SPAN_LEFT);
	frame_end(key, t, &t->frame[at & (APM_SPAN_DEPTH - 1)], 0, 0);
	t->depth = at;
}

/* ---- programs ---- */

/*
 * Which site was hit; 0 = not known. Without attach cookies the code behind the breakpoint tells, unless
 * another probe stands in it: then the place in its page alone.
 */
static __always_inline u32 site_number(struct pt_regs *ctx)
{
	struct apm_site_key key = {.page_off = PT_REGS_IP(ctx) & (APM_SITE_PAGE - 1)};
	u64 known = attach_cookie(ctx), *cookie;

	if (!known && !cfg.attach_cookies) {
		cookie = bpf_map_lookup_elem(&sites, &key);
		known = cookie ? *cookie : 0;
	}
	return APM_COOKIE_LIB(known);
}

SEC("uprobe.multi")
int span_entry(struct pt_regs *ctx)
{
	u32 number = site_number(ctx);
	struct apm_span_thread *t;
	struct apm_span_site *site;
	struct apm_key key;
	u64 sp;

	stay_on_task_stack(ctx);
	site = number ? bpf_map_lookup_elem(&span_sites, &number) : NULL;
	if (!site || !in_scope(bpf_get_current_pid_tgid() >> 32))
		return 0;
	count(APM_CNT_OTHER_ENTRIES);
	if (!is_match(ctx, site))
		return 0;
	if (site->role == APM_SPAN_BEGIN) {
		span_begin(ctx, site, number);
		return 0;
	}
	key = span_key(ctx, site, &sp);
	t = bpf_map_lookup_elem(&span_threads, &key);
	if (!t)
		return 0;
	if (site->pairing == APM_PAIR_ORDER)
		mark_end(&key, t, site);
	else
		function_end(ctx, &key, t, sp, false, site->span);
	return 0;
}

SEC("uprobe.multi")
int span_return(struct pt_regs *ctx)
{
	u64 id = bpf_get_current_pid_tgid();
	struct apm_key key = {.tgid = id >> 32, .ptr = (u32)id};
	struct apm_span_thread *t = bpf_map_lookup_elem(&span_threads, &key);

	stay_on_task_stack(ctx);
	if (!t)
		return 0;
	count(APM_CNT_OTHER_ENTRIES);
	function_end(ctx, &key, t, PT_REGS_SP(ctx) - APM_RETURN_SLOT, true, 0);
	return 0;
}

static __always_inline struct apm_span_thread *thread_of_task(struct task_struct *task)
{
	struct apm_key key = {.tgid = BPF_CORE_READ(task, tgid), .ptr = (u32)BPF_CORE_READ(task, pid)};

	return bpf_map_lookup_elem(&span_threads, &key);
}

SEC("raw_tp/sched_switch")
int span_switch(struct bpf_raw_tracepoint_args *ctx)
{
	struct apm_span_thread *t;
	u64 now;

	if (!spans_open)
		return 0;
	now = bpf_ktime_get_ns();
	t = thread_of_task((struct task_struct *)ctx->args[1]);
	if (t) {
		t->switches++;
		if (t->on_since_ns)
			t->cpu_ns += now - t->on_since_ns;
		t->on_since_ns = 0;
	}
	t = thread_of_task((struct task_struct *)ctx->args[2]);
	if (t) {
		t->switches++;
		t->on_since_ns = now;
	}
	return 0;
}

static __always_inline void thread_gone(u32 tgid, u32 tid)
{
	struct apm_key key = {.tgid = tgid, .ptr = tid};
	struct apm_span_thread *t = bpf_map_lookup_elem(&span_threads, &key);

	if (!t)
		return;
	frames_drop(&key, t, 0, APM_SPAN_EXITED);
	bpf_map_delete_elem(&span_threads, &key);
}

TWICE("sched_process_exit", span_exit)
{
	u64 id = bpf_get_current_pid_tgid();

	thread_gone(id >> 32, (u32)id);
	return 0;
}

/* args: the task, the number it had before (another thread than the first takes the first's), the program */
TWICE("sched_process_exec", span_exec)
{
	thread_gone(bpf_get_current_pid_tgid() >> 32, (u32)ctx->args[1]);
	return 0;
}
