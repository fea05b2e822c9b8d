/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The other end of a socket of the calling process. */
#ifndef APM_PEER_BPF_H
#define APM_PEER_BPF_H

#include "apm.bpf.h"

/* include/linux/socket.h */
#define AF_UNIX	 1
#define AF_INET	 2
#define AF_INET6 10

/* The other end of socket `fd`, by way of the kernel's own structures: /proc has
 * no path for a Unix client. */
static __always_inline void conn_peer(struct apm_ev_conn *e, int fd)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct fdtable *fdt = BPF_CORE_READ(task, files, fdt);
	struct file *file = NULL, **table = BPF_CORE_READ(fdt, fd);
	struct unix_address *addr;
	struct socket *socket;
	struct sock *sk;

	if (fd < 0 || (u32)fd >= BPF_CORE_READ(fdt, max_fds))
		return;
	bpf_probe_read_kernel(&file, sizeof(file), table + fd);
	socket = BPF_CORE_READ(file, private_data);
	sk = BPF_CORE_READ(socket, sk);
	if (!sk)
		return;
	e->family = BPF_CORE_READ(sk, __sk_common.skc_family);
	if (e->family == AF_INET) {
		u32 daddr = BPF_CORE_READ(sk, __sk_common.skc_daddr);

		__builtin_memcpy(e->addr, &daddr, sizeof(daddr));
		e->port = __builtin_bswap16(BPF_CORE_READ(sk, __sk_common.skc_dport));
	} else if (e->family == AF_INET6) {
		BPF_CORE_READ_INTO(&e->addr, sk, __sk_common.skc_v6_daddr);
		e->port = __builtin_bswap16(BPF_CORE_READ(sk, __sk_common.skc_dport));
	} else if (e->family == AF_UNIX) {
		struct unix_sock *peer = (struct unix_sock *)BPF_CORE_READ((struct unix_sock *)sk, peer);

		addr = BPF_CORE_READ(peer, addr);
		if (addr)
			bpf_probe_read_kernel_str(e->path, sizeof(e->path), &addr->name[0].sun_path);
	} else {
		e->family = 0;
	}
}

#endif
