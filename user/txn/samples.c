/* SPDX-License-Identifier: BSD-2-Clause */
#include "txn/samples.h"
#include "base/table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FRAMES_MAX    65536
#define SITES_MAX     16384
#define FUNCTIONS_MAX 16384
#define WAITING_MAX   4096 /* statements with samples that wait */
#define WAITING_BYTES (4u << 20)
#define RECENT	      4096 /* power of two */
#define STACK_MAX     512

struct frame {
	struct samples_function *function;
	uint64_t file_off;
	char *stack_name; /* as in a stack; the function's name when that is the same */
	int kernel;
};

struct waiting_sample {
	struct waiting_sample *next;
	uint64_t weight_ns;
	uint16_t kernel_count, user_count;
	char comm[16];
	uint32_t frames[];
};

struct waiting {
	struct waiting_sample *first;
	uint64_t count;
};

struct recent {
	uint64_t seq, fingerprint;
};

struct samples {
	samples_stack_fn fn;
	void *arg;
	struct table *frames;	 /* frame_id -> struct frame */
	struct table *functions; /* hash of name and module -> struct samples_function */
	struct table *sites;	 /* (tgid, address) -> frame_id */
	struct table *waiting;	 /* stmt_seq -> struct waiting */
	struct recent recent[RECENT];
	size_t waiting_bytes;
	struct samples_totals totals;
};

static void frame_release(struct table_key key, void *value, void *arg)
{
	free(((struct frame *)value)->stack_name);
}

static void function_release(struct table_key key, void *value, void *arg)
{
	struct samples_function *f = value;

	free((char *)f->name);
}

static void emit(struct samples *s, uint64_t fingerprint, const struct waiting_sample *w);

static void waiting_release(struct table_key key, void *value, void *arg)
{
	struct waiting *w = value;
	struct samples *s = arg;
	struct waiting_sample *next;

	for (; w->first; w->first = next) {
		next = w->first->next;
		s->totals.unattributed++;
		emit(s, 0, w->first);
		s->waiting_bytes -=
			sizeof(*next) + (w->first->kernel_count + w->first->user_count) * sizeof(uint32_t);
		free(w->first);
	}
}

struct samples *samples_new(samples_stack_fn fn, void *arg)
{
	struct samples *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->fn = fn;
	s->arg = arg;
	s->frames = table_new(FRAMES_MAX, sizeof(struct frame), frame_release, NULL);
	/* Frames point at functions, so functions stay; frames bound them. */
	s->functions = table_new(0, sizeof(struct samples_function), function_release, NULL);
	s->sites = table_new(SITES_MAX, sizeof(uint32_t), NULL, NULL);
	s->waiting = table_new(WAITING_MAX, sizeof(struct waiting), waiting_release, s);
	if (!s->frames || !s->functions || !s->sites || !s->waiting) {
		samples_free(s);
		errno = ENOMEM;
		return NULL;
	}
	return s;
}

void samples_free(struct samples *s)
{
	if (!s)
		return;
	s->fn = NULL;
	table_free(s->waiting);
	table_free(s->sites);
	table_free(s->frames);
	table_free(s->functions);
	free(s);
}

/* ---- frames and functions ---- */

static void name_frame(struct strbuf *out, const struct rec_frame *f)
{
	if (f->name.len) {
		strbuf_add(out, f->name.ptr, f->name.len);
		return;
	}
	strbuf_addc(out, '[');
	if (f->module.len)
		strbuf_add(out, f->module.ptr, f->module.len);
	else
		strbuf_adds(out, "unknown");
	strbuf_addc(out, ']');
}

static struct samples_function *function_of(struct samples *s, struct str name, struct str module)
{
	uint64_t hash = hash_bytes(HASH_SEED, name.ptr, name.len);
	struct samples_function *f;
	char *text;
	int is_new;

	if (table_count(s->functions) >= FUNCTIONS_MAX) {
		name = STR("[other]");
		module = STR("");
		hash = 0;
	}
	f = table_put(s->functions, (struct table_key){hash, hash_bytes(HASH_SEED, module.ptr, module.len)},
		      &is_new);
	if (!f || !is_new)
		return f;
	text = malloc(name.len + module.len + 2);
	if (!text)
		return NULL;
	memcpy(text, name.ptr, name.len);
	text[name.len] = '\0';
	if (module.len)
		memcpy(text + name.len + 1, module.ptr, module.len);
	text[name.len + 1 + module.len] = '\0';
	f->name = text;
	f->module = text + name.len + 1;
	return f;
}

int samples_frame(struct samples *s, const struct record *rec)
{
	const struct rec_frame *in = &rec->frame;
	struct strbuf name = {0};
	struct frame *f;
	int is_new, err = -ENOMEM;

	name_frame(&name, in);
	f = table_put(s->frames, (struct table_key){in->frame_id, 0}, &is_new);
	if (!f || name.failed || !is_new)
		goto out;
	f->function = function_of(s, (struct str){name.ptr, name.len}, in->module);
	if (!f->function)
		goto out;
	f->file_off = in->file_off;
	f->kernel = in->kind == REC_FRAME_KERNEL;
	if (f->kernel) {
		strbuf_adds(&name, "_[k]");
		f->stack_name = name.ptr;
		name = (struct strbuf){0};
	}
	err = 0;
out:
	if (f && !is_new)
		err = 0;
	else if (f && err)
		table_remove(s->frames, (struct table_key){in->frame_id, 0});
	strbuf_free(&name);
	return err;
}

int samples_site(struct samples *s, const struct record *rec)
{
	uint32_t *frame = table_put(s->sites, (struct table_key){rec->hdr->tgid, rec->site.address}, NULL);

	if (!frame)
		return -ENOMEM;
	*frame = rec->site.frame_id;
	return 0;
}

int samples_site_name(const struct samples *s, uint32_t tgid, uint64_t address, struct strbuf *out)
{
	const uint32_t *id = table_peek(s->sites, (struct table_key){tgid, address});
	const struct frame *f = id ? table_peek(s->frames, (struct table_key){*id, 0}) : NULL;

	if (!f)
		return 0;
	if (f->function->name[0] != '[')
		strbuf_addf(out, "%s (%s)", f->function->name, f->function->module);
	else
		strbuf_addf(out, "%s+0x%llx", f->function->module, (unsigned long long)f->file_off);
	return 1;
}

/* ---- samples ---- */

static const char *stack_name(const struct frame *f)
{
	if (!f)
		return "[unknown]";
	return f->stack_name ? f->stack_name : f->function->name;
}

static void emit(struct samples *s, uint64_t fingerprint, const struct waiting_sample *w)
{
	const char *names[STACK_MAX];
	size_t n = 0, kernel = w->kernel_count, user = w->user_count, i;

	if (!s->fn)
		return;
	names[n++] = w->comm;
	for (i = user; i > 0 && n < STACK_MAX; i--)
		names[n++] =
			stack_name(table_peek(s->frames, (struct table_key){w->frames[kernel + i - 1], 0}));
	for (i = kernel; i > 0 && n < STACK_MAX; i--)
		names[n++] = stack_name(table_peek(s->frames, (struct table_key){w->frames[i - 1], 0}));
	s->fn(fingerprint, w->weight_ns, 1, names, n, s->arg);
}

static void count_functions(struct samples *s, const struct rec_sample *in)
{
	size_t n = (size_t)in->kernel_count + in->user_count, i;

	for (i = 0; i < n; i++) {
		struct frame *f = table_get(s->frames, (struct table_key){in->frames[i], 0});

		if (!f)
			continue;
		if (i == 0)
			f->function->self++;
		if (f->function->last != s->totals.samples)
			f->function->total++;
		f->function->last = s->totals.samples;
	}
}

static struct waiting_sample *copy_sample(const struct rec_sample *in)
{
	size_t n = (size_t)in->kernel_count + in->user_count;
	struct waiting_sample *w = calloc(1, sizeof(*w) + n * sizeof(uint32_t));
	size_t len = in->comm.len < sizeof(w->comm) - 1 ? in->comm.len : sizeof(w->comm) - 1;

	if (!w)
		return NULL;
	w->weight_ns = in->weight_ns;
	w->kernel_count = in->kernel_count;
	w->user_count = in->user_count;
	if (len)
		memcpy(w->comm, in->comm.ptr, len);
	if (n)
		memcpy(w->frames, in->frames, n * sizeof(uint32_t));
	return w;
}

static int drop_all(struct table_key key, void *value, void *arg)
{
	return 1;
}

static int wait_for(struct samples *s, uint64_t seq, struct waiting_sample *w)
{
	struct waiting *list;

	if (s->waiting_bytes > WAITING_BYTES)
		table_visit(s->waiting, drop_all, NULL);
	list = table_put(s->waiting, (struct table_key){seq, 0}, NULL);
	if (!list)
		return -ENOMEM;
	w->next = list->first;
	list->first = w;
	list->count++;
	s->waiting_bytes += sizeof(*w) + (w->kernel_count + w->user_count) * sizeof(uint32_t);
	return 0;
}

int samples_add(struct samples *s, const struct record *rec, uint64_t *fingerprint)
{
	uint64_t seq = rec->hdr->stmt_seq;
	const struct recent *r = &s->recent[seq & (RECENT - 1)];
	int known = seq && r->seq == seq;
	struct waiting_sample *w = copy_sample(&rec->sample);

	if (!w)
		return -ENOMEM;
	s->totals.samples++;
	s->totals.weight_ns += rec->sample.weight_ns;
	s->totals.complete += rec->sample.user_end == REC_STACK_COMPLETE;
	s->totals.attributed += known;
	count_functions(s, &rec->sample);
	if (seq && !known) {
		if (wait_for(s, seq, w) == 0)
			return 0;
		free(w);
		return -ENOMEM;
	}
	*fingerprint = known ? r->fingerprint : 0;
	emit(s, *fingerprint, w);
	free(w);
	return known;
}

uint64_t samples_statement(struct samples *s, uint64_t seq, uint64_t fingerprint)
{
	struct waiting *w;
	struct waiting_sample *one, *next;
	uint64_t count;

	s->recent[seq & (RECENT - 1)] = (struct recent){seq, fingerprint};
	if (table_count(s->waiting) == 0)
		return 0;
	w = table_peek(s->waiting, (struct table_key){seq, 0});
	if (!w)
		return 0;
	count = w->count;
	one = w->first;
	w->first = NULL;
	for (; one; one = next) {
		next = one->next;
		emit(s, fingerprint, one);
		s->waiting_bytes -= sizeof(*one) + (one->kernel_count + one->user_count) * sizeof(uint32_t);
		free(one);
	}
	table_remove(s->waiting, (struct table_key){seq, 0});
	s->totals.attributed += count;
	return count;
}

void samples_finish(struct samples *s)
{
	table_visit(s->waiting, drop_all, NULL);
}

void samples_totals(const struct samples *s, struct samples_totals *out)
{
	*out = s->totals;
	out->evicted = table_evicted(s->frames) + table_evicted(s->sites);
}

struct each {
	void (*fn)(const struct samples_function *f, void *arg);
	void *arg;
};

static int each_function(struct table_key key, void *value, void *arg)
{
	struct each *each = arg;

	each->fn(value, each->arg);
	return 0;
}

void samples_each_function(struct samples *s, void (*fn)(const struct samples_function *f, void *arg),
			   void *arg)
{
	struct each each = {fn, arg};

	table_visit(s->functions, each_function, &each);
}
