/* SPDX-License-Identifier: BSD-2-Clause */
/* On the host there is no kernel to read: every field is zero. */
#ifndef APM_HOST_BPF_CORE_READ_H
#define APM_HOST_BPF_CORE_READ_H

#define HOST_READ_1(src, a)		 ((__typeof__((src)->a))0)
#define HOST_READ_2(src, a, b)		 ((__typeof__((src)->a->b))0)
#define HOST_READ_3(src, a, b, c)	 ((__typeof__((src)->a->b->c))0)
#define HOST_PICK(_1, _2, _3, name, ...) name
#define BPF_CORE_READ(src, ...) \
	HOST_PICK(__VA_ARGS__, HOST_READ_3, HOST_READ_2, HOST_READ_1)(src, __VA_ARGS__)
#define BPF_CORE_READ_INTO(dst, src, ...)     ((void)(dst), (void)(src))
#define BPF_CORE_READ_STR_INTO(dst, src, ...) ((void)(dst), (void)(src))

#endif
