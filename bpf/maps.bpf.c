// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Defines what all programs share: maps, configuration, licence. */
#include "span.bpf.h"

#include "abi/look.h"

const volatile struct apm_config cfg = {.task_storage = 1, .attach_cookies = 1, .max_sql = 4096};

volatile struct apm_detail detail = {};

struct apm_ring events SEC(".maps");
struct apm_scope_map scope SEC(".maps");
struct apm_lib_map libs SEC(".maps");
struct apm_counter_map counters SEC(".maps");
struct apm_thread_storage thread_storage SEC(".maps");
struct apm_thread_hash thread_hash SEC(".maps");
struct apm_conn_map conns SEC(".maps");
struct apm_handle_map handles SEC(".maps");
struct apm_parked_map parked SEC(".maps");
struct apm_site_map sites SEC(".maps");
struct apm_span_thread_map span_threads SEC(".maps");

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Names every type that crosses to user space, so that they are in the object's BTF and
 * tests can compare layouts. */
const struct {
	struct apm_hdr hdr;
	struct apm_ev_stmt stmt;
	struct apm_ev_prepare prepare;
	struct apm_ev_close close;
	struct apm_ev_conn conn;
	struct apm_ev_error error;
	struct apm_ev_sample sample;
	struct apm_ev_proc proc;
	struct apm_ev_span_begin span_begin;
	struct apm_ev_span span_end;
	struct apm_look look;
	struct apm_ev_text text; /* last: its data has no fixed size */
} * apm_abi;
