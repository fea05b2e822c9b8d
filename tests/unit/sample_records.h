/* SPDX-License-Identifier: BSD-2-Clause */
/* One record of every kind a stream carries, every member different from its neighbours and from zero. */
#ifndef APM_TESTS_SAMPLE_RECORDS_H
#define APM_TESTS_SAMPLE_RECORDS_H

#include <stddef.h>

#include "record.h"

#define SAMPLE_HDR(the_kind)                                                                       \
	{                                                                                          \
		.kind = (the_kind), .flags = 0x8001, .ts = 0x1122334455667788, .tgid = 0x01020304, \
		.tid = 0x05060708, .ctx_kind = 9, .ctx_id = 0x99aabbccddeeff00,                    \
		.stmt_seq = 0x1234567812345678                                                     \
	}

static const struct apm_ev_stmt sample_stmt = {
	.hdr = SAMPLE_HDR(APM_EV_STMT),
	.t_start = 1,
	.t_first = 2,
	.t_end = 3,
	.duration_ns = 4,
	.rows = 5,
	.text_id = 6,
	.conn = 7,
	.handle = 8,
	.param_hash = 9,
	.call_site = 10,
	.wait_ns = 11,
	.bytes = 12,
	.conn_gen = 13,
	.lib_id = 14,
	.system = APM_SYSTEM_SQLITE,
	.param_count = 16,
	.result_index = 17,
};
static const struct apm_ev_prepare sample_prepare = {
	.hdr = SAMPLE_HDR(APM_EV_PREPARE), .conn = 1, .name_id = 2, .text_id = 3, .conn_gen = 4};
static const struct apm_ev_close sample_close = {
	.hdr = SAMPLE_HDR(APM_EV_CLOSE), .handle = 1, .handle_kind = APM_HANDLE_STMT, .conn_gen = 3};
static const struct apm_ev_proc sample_procs[] = {
	{.hdr = SAMPLE_HDR(APM_EV_FORK), .other = 1, .start_ns = 2, .comm = "parent"},
	{.hdr = SAMPLE_HDR(APM_EV_EXEC), .other = 3, .start_ns = 4, .comm = "program"},
	{.hdr = SAMPLE_HDR(APM_EV_EXIT), .other = 5, .start_ns = 6, .comm = "gone"},
};
static const uint32_t sample_frames[] = {11, 12, 13, 14, 15};

static const struct apm_hdr sample_hdrs[] = {
	SAMPLE_HDR(REC_META),	  SAMPLE_HDR(REC_TEXT),	 SAMPLE_HDR(REC_PROCESS),   SAMPLE_HDR(REC_FRAME),
	SAMPLE_HDR(REC_SAMPLE),	  SAMPLE_HDR(REC_CONN),	 SAMPLE_HDR(REC_ERROR),	    SAMPLE_HDR(REC_LOSS),
	SAMPLE_HDR(REC_COVERAGE), SAMPLE_HDR(REC_SITE),	 SAMPLE_HDR(REC_WATERMARK), SAMPLE_HDR(REC_OVERHEAD),
	SAMPLE_HDR(REC_LIBRARY),  SAMPLE_HDR(REC_USAGE), SAMPLE_HDR(REC_WAIT),	    SAMPLE_HDR(REC_END),
};

/* REC_END comes last, so that all of them in order make a whole stream. */
static const struct record sample_records[] = {
	{.hdr = &sample_hdrs[0],
	 .meta = {1, 2, 3, 4, 5, 6, 7, 8, STR("0.1.0"), STR("host"), STR("6.1.0"), STR("-- ./app"),
		  STR("shop"), STR("test"), 9, 10, 11, 12}},
	{.hdr = &sample_stmt.hdr, .stmt = &sample_stmt},
	{.hdr = &sample_prepare.hdr, .prepare = &sample_prepare},
	{.hdr = &sample_close.hdr, .close = &sample_close},
	{.hdr = &sample_procs[0].hdr, .proc = &sample_procs[0]},
	{.hdr = &sample_procs[1].hdr, .proc = &sample_procs[1]},
	{.hdr = &sample_procs[2].hdr, .proc = &sample_procs[2]},
	{.hdr = &sample_hdrs[1],
	 .text = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, STR("SELECT ? FROM a, b"), STR("SELECT a b"),
		  STR("SELECT"), STR("a\nb"), STR("route=/x"), STR("SELECT 1 FROM a, b"), 13}},
	{.hdr = &sample_hdrs[2], .process = {1, 2, 3, STR("comm"), STR("/bin/x y.py"), STR("c0ffee")}},
	{.hdr = &sample_hdrs[3], .frame = {1, REC_FRAME_JIT, 3, STR("main"), STR("/bin/x"), STR("abcdef")}},
	{.hdr = &sample_hdrs[4], .sample = {1, REC_STACK_BROKEN, 2, 3, sample_frames, STR("worker")}},
	{.hdr = &sample_hdrs[5],
	 .conn = {1, 2, -3, 4, APM_SYSTEM_POSTGRESQL, STR("db"), STR("me"), STR("[::1]:5432")}},
	{.hdr = &sample_hdrs[6], .error = {-19, 2, STR("SQLITE_CONSTRAINT_UNIQUE"), STR("UNIQUE failed: ?")}},
	{.hdr = &sample_hdrs[7], .loss = {.count = 3, .values = {7, 8, 9}, .late_attach_ns = 10}},
	{.hdr = &sample_hdrs[8], .coverage = {REC_NOT_COVERED, 2, STR("libpq.so.5"), STR("stripped")}},
	{.hdr = &sample_hdrs[9], .site = {1, 2}},
	{.hdr = &sample_hdrs[10]},
	{.hdr = &sample_hdrs[11],
	 .overhead = {1, 2, 3, 4, 5, 6, 7, 8, .cpu_wait_ns = 9, .cpu_window_ns = 10}},
	{.hdr = &sample_hdrs[12],
	 .library = {1, 2, STR("sqlite3"), STR("3.40.1"), STR("/lib/libsqlite3.so.0"), STR("0123")}},
	{.hdr = &sample_hdrs[13], .usage = {1, 2, 3, STR("worker")}},
	{.hdr = &sample_hdrs[14], .wait = {1, 2, REC_WAIT_LOCK}},
	{.hdr = &sample_hdrs[15]},
};

#define SAMPLE_RECORDS (sizeof(sample_records) / sizeof(sample_records[0]))

#endif
