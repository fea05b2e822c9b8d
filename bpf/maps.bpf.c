// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Defines what all programs share: maps, configuration, licence. */
#include "apm.bpf.h"

const volatile struct apm_config cfg = {.task_storage = 1, .max_sql = 4096};

struct apm_ring events SEC(".maps");
struct apm_scope_map scope SEC(".maps");
struct apm_lib_map libs SEC(".maps");
struct apm_counter_map counters SEC(".maps");
struct apm_thread_storage thread_storage SEC(".maps");
struct apm_thread_hash thread_hash SEC(".maps");
struct apm_conn_map conns SEC(".maps");
struct apm_handle_map handles SEC(".maps");

char LICENSE[] SEC("license") = "Dual BSD/GPL";
