/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Stands in for libbpf's header when the BPF programs are compiled for the host: the same names, implemented
 * by tests/host/bpf_host.c over ordinary memory, so that ASan and UBSan watch the programs.
 */
#ifndef APM_HOST_BPF_HELPERS_H
#define APM_HOST_BPF_HELPERS_H

#define SEC(name)
#define __uint(name, val) int(*name)[val]
#define __type(name, val) __typeof__(val) *name
#define __always_inline	  inline __attribute__((always_inline))
#define __noinline	  __attribute__((noinline))
#define __weak		  __attribute__((weak))
#define __hidden
#define __ksym
#ifndef NULL
#define NULL ((void *)0)
#endif
#define barrier_var(var) __asm__ volatile("" : "+r"(var))

void *host_map_lookup(void *map, const void *key, unsigned int key_size, unsigned int value_size);
long host_map_update(void *map, const void *key, const void *value, unsigned int key_size,
		     unsigned int value_size, __u64 flags);
long host_map_delete(void *map, const void *key, unsigned int key_size);

#define bpf_map_lookup_elem(m, k) \
	((__typeof__((m)->value))host_map_lookup((m), (k), sizeof(*(m)->key), sizeof(*(m)->value)))
#define bpf_map_update_elem(m, k, v, f) \
	host_map_update((m), (k), (v), sizeof(*(m)->key), sizeof(*(m)->value), (f))
#define bpf_map_delete_elem(m, k) host_map_delete((m), (k), sizeof(*(m)->key))

void *host_task_storage(void *map, unsigned int value_size, __u64 flags);
#define bpf_task_storage_get(m, task, v, f) host_task_storage((m), sizeof(*(m)->value), (f))

void *bpf_ringbuf_reserve(void *ring, __u64 size, __u64 flags);
void bpf_ringbuf_submit(void *event, __u64 flags);
void bpf_ringbuf_discard(void *event, __u64 flags);
__u64 bpf_ringbuf_query(void *ring, __u64 what);

long bpf_probe_read_user(void *to, __u32 size, const void *from);
long bpf_probe_read_user_str(void *to, __u32 size, const void *from);
long bpf_probe_read_kernel(void *to, __u32 size, const void *from);
long bpf_probe_read_kernel_str(void *to, __u32 size, const void *from);

#define bpf_tail_call(ctx, map, index) ((void)(ctx))

__u64 bpf_ktime_get_ns(void);
__u64 bpf_get_current_pid_tgid(void);
__u32 bpf_get_smp_processor_id(void);
__u64 bpf_get_attach_cookie(void *ctx);
__u64 bpf_get_current_task(void);
void *bpf_get_current_task_btf(void);

#endif
