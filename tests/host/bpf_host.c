/* SPDX-License-Identifier: BSD-2-Clause */
#include "bpf_host.h"

#include <stdlib.h>
#include <string.h>

#define ENTRIES_MAX 4096

struct entry {
	void *map;
	unsigned int key_size;
	unsigned char key[32];
	void *value;
};

static struct entry entries[ENTRIES_MAX];
static unsigned int entry_count;
static void *submitted[HOST_EVENTS_MAX];
static unsigned int event_count, reserved, room;
static u64 now, pid_tgid, cookie, fault_start, fault_len;
static int phase;

static struct entry *find(const void *map, const void *key, unsigned int key_size)
{
	unsigned int i;

	for (i = 0; i < entry_count; i++)
		if (entries[i].map == map && !memcmp(entries[i].key, key, key_size))
			return &entries[i];
	return NULL;
}

static void *insert(void *map, const void *key, unsigned int key_size, unsigned int value_size)
{
	struct entry *e;

	if (entry_count == ENTRIES_MAX || key_size > sizeof(e->key))
		abort();
	e = &entries[entry_count++];
	e->map = map;
	e->key_size = key_size;
	memcpy(e->key, key, key_size);
	e->value = calloc(1, value_size);
	return e->value;
}

/* Arrays have all their elements from the start. */
static int is_array(const void *map)
{
	return map == &counters || map == &libs;
}

void *host_map_lookup(void *map, const void *key, unsigned int key_size, unsigned int value_size)
{
	struct entry *e = find(map, key, key_size);

	if (!e && is_array(map))
		return insert(map, key, key_size, value_size);
	return e ? e->value : NULL;
}

long host_map_update(void *map, const void *key, const void *value, unsigned int key_size,
		     unsigned int value_size, u64 flags)
{
	struct entry *e = find(map, key, key_size);

	if (e && flags == BPF_NOEXIST)
		return -17;
	memcpy(e ? e->value : insert(map, key, key_size, value_size), value, value_size);
	return 0;
}

long host_map_delete(void *map, const void *key, unsigned int key_size)
{
	struct entry *e = find(map, key, key_size);

	if (!e)
		return -2;
	free(e->value);
	*e = entries[--entry_count];
	return 0;
}

void *host_task_storage(void *map, unsigned int value_size, u64 flags)
{
	u32 tid = (u32)pid_tgid;
	struct entry *e = find(map, &tid, sizeof(tid));

	if (e)
		return e->value;
	return flags & BPF_LOCAL_STORAGE_GET_F_CREATE ? insert(map, &tid, sizeof(tid), value_size) : NULL;
}

/* Filled with rubbish, as a ring buffer is: a field that a program forgets shows. */
void *bpf_ringbuf_reserve(void *ring, u64 size, u64 flags)
{
	void *event;

	if (reserved >= room)
		return NULL;
	reserved++;
	event = malloc(size);
	memset(event, 0xa5, size);
	return event;
}

void bpf_ringbuf_submit(void *event, u64 flags)
{
	if (event_count == HOST_EVENTS_MAX)
		abort();
	submitted[event_count++] = event;
}

void bpf_ringbuf_discard(void *event, u64 flags)
{
	free(event);
	reserved--;
}

u64 bpf_ringbuf_query(void *ring, u64 what)
{
	return 0;
}

long bpf_probe_read_user(void *to, u32 size, const void *from)
{
	u64 addr = (u64)from;

	if (addr < 4096 || (fault_len && addr + size > fault_start && addr < fault_start + fault_len))
		return -14;
	memcpy(to, from, size);
	return 0;
}

long bpf_probe_read_user_str(void *to, u32 size, const void *from)
{
	char *out = to;
	u32 i;

	for (i = 0; i < size; i++) {
		if (bpf_probe_read_user(&out[i], 1, (const char *)from + i))
			return -14;
		if (!out[i])
			return i + 1;
	}
	out[size - 1] = 0;
	return size;
}

/* The registers of a probe can be read; there is no task. */
long bpf_probe_read_kernel(void *to, u32 size, const void *from)
{
	memset(to, 0, size);
	if ((u64)from < 4096)
		return -14;
	memcpy(to, from, size);
	return 0;
}

long bpf_probe_read_kernel_str(void *to, u32 size, const void *from)
{
	return -14;
}

u64 bpf_ktime_get_ns(void)
{
	return now += 100;
}

u64 host_now(void)
{
	return now;
}

u64 bpf_get_current_pid_tgid(void)
{
	return pid_tgid;
}

u32 bpf_get_smp_processor_id(void)
{
	return 3;
}

u64 bpf_get_attach_cookie(void *ctx)
{
	return cookie;
}

u64 bpf_get_current_task(void)
{
	return 0;
}

void *bpf_get_current_task_btf(void)
{
	return NULL;
}

int session_phase(struct pt_regs *ctx)
{
	return phase;
}

void host_reset(void)
{
	u32 tgid = 100, id = 1;

	while (entry_count)
		free(entries[--entry_count].value);
	while (event_count)
		free(submitted[--event_count]);
	reserved = 0;
	room = HOST_EVENTS_MAX;
	now = 1000000;
	fault_start = fault_len = 0;
	host_thread(tgid, 101);
	host_map_update(&scope, &tgid, &id, sizeof(tgid), sizeof(id), BPF_ANY);
}

void host_thread(u32 tgid, u32 tid)
{
	pid_tgid = (u64)tgid << 32 | tid;
}

void host_fault(u64 start, u64 len)
{
	fault_start = start;
	fault_len = len;
}

void host_ring_room(unsigned int events_left)
{
	room = reserved + events_left;
}

void host_cookie(u64 value)
{
	cookie = value;
}

void host_phase(int is_return)
{
	phase = is_return;
}

unsigned int host_events(void)
{
	return event_count;
}

const struct apm_hdr *host_event(unsigned int i)
{
	return submitted[i];
}

const void *host_event_of(u16 kind, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < event_count; i++)
		if (host_event(i)->kind == kind && n-- == 0)
			return submitted[i];
	return NULL;
}

u64 host_counter(enum apm_counter counter)
{
	u32 key = counter;
	u64 *value = bpf_map_lookup_elem(&counters, &key);

	return *value;
}
