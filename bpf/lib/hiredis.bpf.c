// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * hiredis. A command begins when it is appended to a context's output and ends when redisGetReply returns its
 * reply: replies come in the order of the commands, so what is appended while one is under way queues behind
 * it. Of a command only its name and first key are copied; the rest is hashed with the trace's key.
 */
#include "peer.bpf.h"
#include "probe.bpf.h"
#include "lib/hiredis.h"

enum { APM_HIREDIS_SYMBOLS(APM_SYMBOL_NUMBER) };

/* redisReply.type, which is first in it (hiredis.h, read.h; stable) */
enum {
	REPLY_ARRAY = 2,
	REPLY_NIL = 4,
	REPLY_ERROR = 6,
	REPLY_MAP = 9,
	REPLY_SET = 10,
	REPLY_PUSH = 12,
};

#define COMMAND_DIGITS 6   /* of a length or count in the protocol */
#define COMMAND_HEAD   128 /* bytes of a command that are looked at: up to where its first key begins */
#define COMMAND_NAME   64
#define COMMAND_KEY    512 /* bytes of a key that are sent */
#define QUEUE_DRAIN    64  /* commands that a context may leave behind */

/* ---- contexts ---- */

static __noinline int context_announce(u64 context, const struct apm_lib *lib, u32 gen)
{
	struct apm_ev_conn *e = conn_event(context, lib, gen);
	u64 off;

	if (!e)
		return 0;
	if (lib_off(lib, APM_OFF_RE_CONTEXT_FD, &off)) {
		e->fd = read_u32(context + off);
		conn_peer(e, e->fd);
	}
	event_submit(e);
	return 0;
}

static __always_inline struct apm_conn *context_get(u64 context, const struct apm_lib *lib)
{
	struct apm_conn *c = conn_find(context);

	if (c)
		return c;
	c = conn_add(context);
	if (c)
		context_announce(context, lib, c->gen);
	return c;
}

/* ---- commands ---- */

static __always_inline u8 head_at(const u8 head[COMMAND_HEAD], u32 pos)
{
	barrier_var(pos); /* or the compiler adds up the address before its bounds are known */
	return head[pos & (COMMAND_HEAD - 1)];
}

/*
 * The number at `pos` of a formatted command: digits, CR, LF. Returns the position behind it, 0 when there is
 * none.
 */
static __always_inline u32 read_number(const u8 head[COMMAND_HEAD], u32 pos, u32 *number)
{
	u32 n = 0, i;

	for (i = 0; i < COMMAND_DIGITS; i++) {
		u8 ch = head_at(head, pos + i);

		if (ch == '\r') {
			*number = n;
			return pos + i + 2;
		}
		if (ch < '0' || ch > '9')
			return 0;
		n = n * 10 + ch - '0';
	}
	return 0;
}

#define NAME4(a, b, c, d) ((u32)(a) | (u32)(b) << 8 | (u32)(c) << 16 | (u32)(d) << 24)

/* The first four letters of a command's name. */
static __always_inline u32 command_name(const u8 head[COMMAND_HEAD], u32 pos)
{
	u32 name = 0, i;

	for (i = 0; i < 4; i++)
		name |= (u32)(head_at(head, pos + i) | 0x20) << i * 8;
	return name;
}

/* Whether the first argument is a key, or at least a word, and no value. */
static __always_inline bool first_is_key(u32 name)
{
	switch (name) {
	case NAME4('a', 'u', 't', 'h'):
	case NAME4('e', 'c', 'h', 'o'):
	case NAME4('p', 'i', 'n', 'g'):
	case NAME4('e', 'v', 'a', 'l'):
	case NAME4('h', 'e', 'l', 'l'):
		return false;
	}
	return true;
}

/* SUBSCRIBE and its like: in RESP3 they are answered by what is pushed, other commands never are. */
static __always_inline bool is_subscription(u32 name)
{
	switch (name) {
	case NAME4('s', 'u', 'b', 's'):
	case NAME4('p', 's', 'u', 'b'):
	case NAME4('s', 's', 'u', 'b'):
	case NAME4('u', 'n', 's', 'u'):
	case NAME4('p', 'u', 'n', 's'):
	case NAME4('s', 'u', 'n', 's'):
		return true;
	}
	return false;
}

/* Where name and first key of a command stand, and how many arguments follow; start 0 = not understood. */
#define SPAN(start, end, rest) ((u64)(rest) << 32 | (u64)(end) << 16 | (start))
#define SPAN_START(span)       ((u32)(span)&0xffff)
#define SPAN_END(span)	       ((u32)((span) >> 16) & 0xffff)
#define SPAN_REST(span)	       ((u32)((span) >> 32) & 0x7fffffff)
#define SPAN_PUSHED	       (1ULL << 63) /* it may be answered by a push */

/*
 * "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n": from the name to the end of the key. A global function, so
 * that the verifier sees its loops once; it reads to the BPF stack, which costs half of what a copy to anywhere
 * else does.
 */
__noinline u64 redis_command_span(u64 ptr, u32 len)
{
	u32 n = len, pos, end, start, args = 0, size = 0, rest, name;
	u64 pushed;
	u8 head[COMMAND_HEAD] = {};

	barrier_var(n); /* or older verifiers see the bound of a copy only */
	if (n > COMMAND_HEAD)
		n = COMMAND_HEAD;
	if (bpf_probe_read_user(head, n, (void *)ptr) || head[0] != '*')
		return 0;
	pos = read_number(head, 1, &args);
	if (!pos || !args || head_at(head, pos) != '$')
		return 0;
	start = read_number(head, pos + 1, &size);
	end = start + size;
	if (!start || size > COMMAND_NAME || end > len)
		return 0;
	name = command_name(head, start);
	pushed = is_subscription(name) ? SPAN_PUSHED : 0;
	if (args < 2 || !first_is_key(name))
		return SPAN(start, end, 0) | pushed;
	rest = args - 2;
	if (head_at(head, end + 2) != '$')
		return SPAN(start, end, rest) | pushed;
	pos = read_number(head, end + 3, &size);
	if (!pos || pos + size > len)
		return SPAN(start, end, rest) | pushed;
	if (size > COMMAND_KEY)
		size = COMMAND_KEY;
	return SPAN(start, pos + size, rest) | pushed;
}

static __noinline int command_read(struct apm_thread *t, struct apm_exec *x, u64 context, u64 ptr, u32 len)
{
	struct text_source src = {
		.text_id = x->seq,
		.conn = context,
		.now = x->t_start,
		.system = APM_SYSTEM_REDIS,
	};
	u64 span = redis_command_span(ptr, len);
	u32 rest = SPAN_REST(span);

	if (!SPAN_START(span)) {
		x->flags |= APM_STMT_TEXT_UNKNOWN;
		return 0;
	}
	x->has_result = (span & SPAN_PUSHED) != 0;
	x->text_id = x->seq;
	src.ptr = ptr + SPAN_START(span);
	src.len = SPAN_END(span) - SPAN_START(span);
	text_send(&src);
	if (!rest || params_skipped(x, rest))
		return 0;
	t->partial = 0;
	params_hashed(t, x, param_hash_bytes(hash_start(), ptr + SPAN_END(span), len - SPAN_END(span)), rest);
	return 0;
}

/* A place behind the command under way; NULL (counted) when the map is full. */
static __noinline struct apm_conn *queue_append(struct apm_conn *c, u64 context)
{
	struct apm_key key = queue_key(context, c->queue_tail + 1);

	if (bpf_map_update_elem(&conns, &key, &conn_zero, BPF_ANY)) {
		count(APM_CNT_MAP_FULL);
		return NULL;
	}
	c->queue_tail++;
	return bpf_map_lookup_elem(&conns, &key);
}

/* The command under way has ended: the next one's turn. */
static __noinline int queue_advance(struct apm_conn *c, u64 context)
{
	struct apm_key key = queue_key(context, c->queue_head + 1);
	struct apm_conn *q;

	c->exec.seq = 0;
	c->exec.enter = 0;
	if (c->queue_head == c->queue_tail)
		return 0;
	c->queue_head++;
	q = bpf_map_lookup_elem(&conns, &key);
	if (!q)
		return 0;
	c->exec = q->exec;
	bpf_map_delete_elem(&conns, &key);
	return 0;
}

/*
 * Who gave the command: up to five return addresses are read for that (redisCommand over three functions of the
 * library), so it is asked for the first commands of a context and one in eight of the rest.
 */
#define SITE_COMMANDS	  16
#define SITE_COMMAND_MASK 7

static __always_inline bool site_wanted(struct apm_conn *c)
{
	u64 number = c->name_id++;

	return !detail.no_sites && (number < SITE_COMMANDS || !(number & SITE_COMMAND_MASK));
}

static __always_inline enum hit append_enter(const struct probe *p)
{
	u64 context = PT_REGS_PARM1(p->ctx), ptr = PT_REGS_PARM2(p->ctx), len = PT_REGS_PARM3(p->ctx);
	struct apm_conn *c = context_get(context, p->lib), *q = c;
	bool inside;

	if (!c)
		return HIT_ENTRY;
	if (c->exec.seq)
		q = queue_append(c, context);
	if (!q)
		return HIT_ENTRY;
	exec_start(p->t, &q->exec, bpf_ktime_get_ns(), APM_SYSTEM_REDIS, p->lib->lib_id);
	q->exec.conn_gen = c->gen;
	if (site_wanted(c))
		q->exec.call_site = probe_call_site(p, &inside);
	if (q != c) {
		q->exec.enter = 0;
		q->exec.flags = APM_STMT_ASYNC;
	}
	command_read(p->t, &q->exec, context, ptr, len >> 31 ? 0 : len);
	return HIT_STATEMENT;
}

/* ---- replies ---- */

/* The first reply is waited for since the command was given; what queued behind it, while the program asks. A
 * context that does not block waits all the time. */
static __always_inline enum hit reply_enter(const struct probe *p)
{
	u64 context = PT_REGS_PARM1(p->ctx);
	struct apm_conn *c = conn_find(context);
	struct apm_call *call;

	if (!c || !c->exec.seq)
		return HIT_CALL;
	call = call_begin(p, context, c->exec.seq);
	if (!call)
		return HIT_CALL;
	c->exec.calls++;
	if (!c->exec.enter)
		c->exec.enter = c->op == APM_OP_POLLED ? c->exec.t_start : bpf_ktime_get_ns();
	call->arg[0] = PT_REGS_PARM2(p->ctx);
	return HIT_STATEMENT;
}

static __noinline int error_send(u64 text, u64 seq, const struct apm_lib *lib)
{
	struct apm_ev_error *e = error_event(seq, 0, lib);

	if (!e)
		return 0;
	error_message(e, text);
	event_submit(e);
	return 0;
}

/* The text of a reply, if there is one as long as the reply says: hiredis.h has had two layouts. */
static __always_inline u64 reply_text(u64 reply, const struct apm_lib *lib)
{
	u64 off, text;
	u64 len;

	if (!lib_off(lib, APM_OFF_RE_REPLY_LEN, &off))
		return 0;
	len = read_u64(reply + off);
	text = read_u64(reply + off + 8);
	return text && read_u8(text + len) == 0 ? text : 0;
}

static __always_inline u64 reply_rows(u64 reply, u32 type, const struct apm_lib *lib)
{
	u64 off;

	if (type == REPLY_NIL)
		return 0;
	if (type != REPLY_ARRAY && type != REPLY_MAP && type != REPLY_SET)
		return 1;
	return lib_off(lib, APM_OFF_RE_REPLY_ELEMENTS, &off) ? read_u64(reply + off) : 1;
}

static __noinline int reply_returned(const struct apm_call *call, const struct apm_lib *lib, s32 rc)
{
	u64 context = call->obj, reply = 0, off, now, text;
	struct apm_conn *c = conn_find(context);
	struct apm_exec *x;
	u32 type = REPLY_NIL;

	if (!c || c->exec.seq != call->seq)
		return 0;
	x = &c->exec;
	if (!rc && call->arg[0]) {
		reply = read_u64(call->arg[0]);
		if (!reply) { /* not there yet, and the context does not block */
			c->op = APM_OP_POLLED;
			x->enter = x->t_start;
			return 0;
		}
		type = read_u32(reply);
		if (type == REPLY_PUSH && !x->has_result)
			return 0; /* the answer is still to come */
	}
	now = bpf_ktime_get_ns();
	exec_leave(x, now);
	x->t_first = now;
	if (rc) {
		text = lib_off(lib, APM_OFF_RE_CONTEXT_ERRSTR, &off) ? context + off : 0;
		error_send(text, x->seq, lib);
		statement_send(x, context, 0, APM_STMT_ERROR, now);
	} else if (type == REPLY_ERROR) {
		error_send(reply_text(reply, lib), x->seq, lib);
		statement_send(x, context, 0, APM_STMT_ERROR, now);
	} else {
		x->rows = reply_rows(reply, type, lib);
		statement_send(x, context, 0, 0, now);
	}
	queue_advance(c, context);
	return 0;
}

/* Ends the command that is under way: 1, or 0 when none is. A global function, so that the verifier sees it once and not in
 * each turn of the loop below. */
__noinline int hiredis_give_up(u64 context)
{
	struct apm_conn *c = conn_find(context);

	if (!c || !c->exec.seq)
		return 0;
	statement_send(&c->exec, context, 0, APM_STMT_NO_RETURN, bpf_ktime_get_ns());
	queue_advance(c, context);
	return 1;
}

static __always_inline void free_enter(u64 context)
{
	struct apm_conn *c = conn_find(context);
	u32 i;

	if (!c)
		return;
	for (i = 0; i < QUEUE_DRAIN; i++)
		if (!hiredis_give_up(context))
			break;
	conn_retire(context, c->gen);
}

/* ---- programs ---- */

static __always_inline enum hit hiredis_enter(const struct probe *p)
{
	switch (probe_symbol(p)) {
	case SYM___redisAppendCommand:
		return append_enter(p);
	case SYM_redisGetReply:
		return reply_enter(p);
	case SYM_redisFree:
		free_enter(PT_REGS_PARM1(p->ctx));
		break;
	}
	return HIT_ENTRY;
}

static __always_inline void hiredis_leave(const struct probe *p, u64 value)
{
	reply_returned(p->call, p->lib, (s32)value);
}

LIBRARY_PROGRAMS(hiredis)
