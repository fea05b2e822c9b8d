/* SPDX-License-Identifier: BSD-2-Clause */
#include "collect/sampler.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bpf/libbpf.h>

struct sampler {
	int count;
	struct bpf_link *link[];
};

static int open_clock(int cpu, uint32_t freq)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.size = sizeof(attr),
		.sample_freq = freq,
		.freq = 1,
	};

	return (int)syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);
}

struct sampler *sampler_open(const struct loader *l, uint32_t freq)
{
	struct bpf_program *prog = loader_program_named(l, "sample_cpu");
	int cpus = libbpf_num_possible_cpus(), cpu, err = 0;
	struct sampler *s = calloc(1, sizeof(*s) + (size_t)(cpus > 0 ? cpus : 1) * sizeof(s->link[0]));

	if (!s)
		return NULL;
	for (cpu = 0; prog && cpu < cpus; cpu++) {
		int fd = open_clock(cpu, freq);
		struct bpf_link *link;

		if (fd < 0) {
			if (errno != ENODEV) /* ENODEV: the CPU is offline */
				err = errno;
			continue;
		}
		link = bpf_program__attach_perf_event(prog, fd);
		if (!link) {
			err = errno;
			close(fd);
			continue;
		}
		s->link[s->count++] = link;
	}
	if (!s->count) {
		sampler_close(s);
		errno = err ? err : ENOTSUP;
		return NULL;
	}
	return s;
}

void sampler_close(struct sampler *s)
{
	int i;

	if (!s)
		return;
	for (i = 0; i < s->count; i++)
		bpf_link__destroy(s->link[i]);
	free(s);
}
