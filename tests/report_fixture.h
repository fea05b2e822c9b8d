/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reports built by hand, for tests of the writers: a shop with an N+1, a slow query, errors and losses; an
 * empty one; a hostile one whose every string holds escapes and broken UTF-8.
 */
#ifndef APM_TESTS_REPORT_FIXTURE_H
#define APM_TESTS_REPORT_FIXTURE_H

#include <string.h>

#include "report/model.h"
#include "sql/sql.h"

#define MS(n) ((uint64_t)((n)*1000000.0))

static const char *const fixture_users[] = {"users", NULL};
static const char *const fixture_orders[] = {"orders", "order_items", NULL};
static const char *const fixture_examples[] = {"SELECT * FROM users WHERE id = ?", NULL};

static struct report_query fixture_queries[] = {
	{
		.fingerprint = 0x5f3a0c1122334455,
		.query = "SELECT * FROM users WHERE id = ?",
		.summary = "SELECT users",
		.system = "postgresql",
		.operation = "SELECT",
		.collections = fixture_users,
		.stmt_class = "query",
		.calls = 1200,
		.rows = 1200,
		.rows_known = 1,
		.total_ns = MS(2304),
		.min_ns = MS(1.1),
		.p50_ns = MS(1.8),
		.p95_ns = MS(3.1),
		.p99_ns = MS(8.02),
		.max_ns = MS(12.345),
		.elapsed_ns = MS(2400),
		.max_rows = 1,
		.cpu_samples = 61,
		.share = 0.45,
	},
	{
		.fingerprint = 0x00ab00cd00ef0012,
		.query = "SELECT o.*, i.sku, i.quantity, i.price FROM orders o JOIN order_items i ON "
			 "i.order_id = o.id "
			 "WHERE o.created_at >= ? AND o.state IN (?) ORDER BY o.created_at DESC, o.id DESC "
			 "LIMIT ? OFFSET ?",
		.summary = "SELECT orders order_items",
		.system = "postgresql",
		.operation = "SELECT",
		.collections = fixture_orders,
		.stmt_class = "query",
		.calls = 12,
		.rows = 48000,
		.rows_known = 1,
		.total_ns = MS(2750),
		.min_ns = MS(180),
		.p50_ns = MS(210),
		.p95_ns = MS(430),
		.p99_ns = MS(430),
		.max_ns = MS(431.5),
		.elapsed_ns = MS(2900),
		.max_rows = 4100,
		.share = 0.537,
		.running = 1,
	},
	{
		.fingerprint = 0x77777777deadbeef,
		.query = "INSERT INTO carts (id, user_id) VALUES (?, ?)",
		.summary = "INSERT carts",
		.system = "sqlite",
		.operation = "INSERT",
		.stmt_class = "query",
		.calls = 34,
		.errors = 34,
		.total_ns = MS(5.1),
		.p50_ns = MS(0.15),
		.p95_ns = 150500,
		.p99_ns = 150500,
		.max_ns = 151000,
		.share = 0.001,
	},
};

static struct report_slow fixture_slow[] = {
	{
		.fingerprint = 0x00ab00cd00ef0012,
		.query = "SELECT o.*, i.sku, i.quantity, i.price FROM orders o JOIN order_items i ON "
			 "i.order_id = o.id",
		.duration_ns = MS(431.5),
		.ts_realtime_ns = 1795295823120456789,
		.rows = 4100,
		.rows_known = 1,
		.operation = "SELECT",
		.collections = fixture_orders,
		.recommendation = "OFFSET ? skips rows after reading them: page by (created_at, id) instead.",
		.tgid = 1234,
		.tid = 1236,
	},
	{
		.fingerprint = 0x00ab00cd00ef0012,
		.query = "SELECT o.*, i.sku, i.quantity, i.price FROM orders o JOIN order_items i ON "
			 "i.order_id = o.id",
		.duration_ns = MS(220),
		.ts_realtime_ns = 1795295829000000000,
		.rows = 0,
		.rows_known = 1,
		.operation = "SELECT",
		.tgid = 1234,
		.tid = 1234,
		.running = 1,
	},
};

static struct report_n_plus_one fixture_n_plus_one[] = {{
	.fingerprint = 0x5f3a0c1122334455,
	.query = "SELECT * FROM users WHERE id = ?",
	.count = 1200,
	.units = 12,
	.distinct_parameters = 100,
	.total_ns = MS(2304),
	.share = 0.44,
	.parent_fingerprint = 0x00ab00cd00ef0012,
	.parent_query = "SELECT o.*, i.sku, i.quantity, i.price FROM orders o JOIN order_items i ON "
			"i.order_id = o.id "
			"WHERE o.created_at >= ?",
	.call_site = "load_user+0x42 (shop)",
	.examples = fixture_examples,
	.recommendation = "Load the users of all orders with one query: WHERE id IN (…), or JOIN users in "
			  "the query that "
			  "reads the orders.",
	.severity = SEVERITY_CRITICAL,
	.confidence = CONFIDENCE_EXACT,
}};

static struct report_unit fixture_units[] = {{
	.kind = "run",
	.shape = "SELECT orders order_items",
	.process = "shop",
	.count = 12,
	.statements = 1212,
	.total_ns = MS(5300),
	.db_ns = MS(5054),
	.p50_ns = MS(430),
	.p95_ns = MS(610),
	.max_ns = MS(612),
	.statements_per_unit = 101,
	.confidence = CONFIDENCE_LIKELY,
}};

static struct report_error fixture_errors[] = {{
	.system = "sqlite",
	.code = "SQLITE_CONSTRAINT_UNIQUE",
	.message = "UNIQUE constraint failed: carts.id",
	.count = 34,
	.fingerprint = 0x77777777deadbeef,
	.query = "INSERT INTO carts (id, user_id) VALUES (?, ?)",
	.first_realtime_ns = 1795295820500000000,
	.last_realtime_ns = 1795295829250000001,
}};

static struct report_kept_unit fixture_kept[] = {{
	.kind = "run",
	.shape = "SELECT orders order_items",
	.process = "shop",
	.why = "slow",
	.tgid = 1234,
	.start_realtime_ns = 1795295823120456789,
	.duration_ns = MS(612),
	.db_ns = MS(600),
	.statements = 101,
}};

static struct report_memory fixture_memory[] = {{
	.tgid = 1234,
	.process = "shop",
	.kind = "jump",
	.severity = SEVERITY_MEDIUM,
	.rss_kb = 262144,
	.grown_kb = 65536,
	.evidence = "Resident memory grew by 64 MB between two checks; 4 checks, the last at 256 MB.",
}};

static struct report_finding fixture_findings[] = {
	{
		.detector = "n_plus_one",
		.severity = SEVERITY_CRITICAL,
		.confidence = CONFIDENCE_EXACT,
		.fingerprint = 0x5f3a0c1122334455,
		.query = "SELECT * FROM users WHERE id = ?",
		.unit = "shop: SELECT orders order_items",
		.title = "N+1: users is read once per row of orders, 100 times in each unit of work",
		.evidence = "1200 executions in 12 units with up to 100 different parameters, one after "
			    "another; 44 % of those "
			    "units' time.",
		.recommendation = "Load the users of all orders with one query: WHERE id IN (…), or JOIN "
				  "users in the query that "
				  "reads the orders.",
		.call_site = "load_user+0x42 (shop)",
		.total_ns = MS(2304),
		.saved_ns = MS(2070),
		.count = 1200,
	},
	{
		.detector = "slow_query",
		.severity = SEVERITY_HIGH,
		.confidence = CONFIDENCE_EXACT,
		.fingerprint = 0x00ab00cd00ef0012,
		.query = "SELECT o.*, i.sku, i.quantity, i.price FROM orders o JOIN order_items i ON "
			 "i.order_id = o.id "
			 "WHERE o.created_at >= ? AND o.state IN (?) ORDER BY o.created_at DESC, o.id DESC "
			 "LIMIT ? OFFSET ?",
		.title = "Slow query on orders, order_items: 12 executions over 100 ms, 431 ms at worst",
		.evidence =
			"12 of 12 executions took 100 ms or more: average 229 ms, worst 431 ms, 4100 rows.",
		.recommendation = "OFFSET ? skips rows after reading them: page by (created_at, id) instead.",
		.total_ns = MS(2750),
		.count = 12,
	},
	{
		.detector = "error_burst",
		.severity = SEVERITY_MEDIUM,
		.confidence = CONFIDENCE_LIKELY,
		.fingerprint = 0x77777777deadbeef,
		.query = "INSERT INTO carts (id, user_id) VALUES (?, ?)",
		.title = "34 statements failed with SQLITE_CONSTRAINT_UNIQUE",
		.evidence = "34 of 34 executions failed within 8.7 s.",
		.recommendation =
			"Use INSERT … ON CONFLICT DO NOTHING, or check why the same id is inserted again.",
		.count = 34,
	},
};

static struct report_function fixture_functions[] = {
	{.name = "std::vector<Price>::push_back(Price const&)",
	 .module = "shop",
	 .self = 310,
	 .total = 520,
	 .share = 0.33},
	{.name = "sqlite3VdbeExec",
	 .module = "libsqlite3.so.0.8.6",
	 .self = 120,
	 .total = 130,
	 .share = 0.13},
	{.name = "copy_user_enhanced_fast_string",
	 .module = "[kernel]",
	 .self = 40,
	 .total = 40,
	 .share = 0.04},
};

static struct report_coverage fixture_coverage[] = {
	{.kind = "process", .tgid = 1234, .subject = "shop", .text = "4 threads"},
	{.kind = "library",
	 .subject = "libpq.so.5.15 (/usr/lib/x86_64-linux-gnu/libpq.so.5.15)",
	 .text = "exact"},
	{.kind = "missing",
	 .tgid = 1234,
	 .subject = "/opt/app/driver",
	 .text = "stripped: no symbol sqlite3_step"},
	{.kind = "kernel", .subject = "fentry", .text = "not in this kernel: tracepoints are used"},
};

static struct report_library fixture_libraries[] = {
	{"libpq", "5.15", "/usr/lib/x86_64-linux-gnu/libpq.so.5.15", "0011aabb", 1212},
	{"sqlite3", "3.40.1", "/usr/lib/x86_64-linux-gnu/libsqlite3.so.0.8.6", NULL, 34},
};

static struct report_bottleneck fixture_bottlenecks[] = {{
	.kind = "database",
	.impact = "high",
	.share = 0.95,
	.evidence = "95 % of the units' time is spent in statements.",
	.recommendation = "Start with the findings on queries.",
}};

static struct report_interval fixture_timeline[] = {
	{1795295820000000000, 600, 34, MS(2400), MS(1.7), MS(3.2)},
	{1795295825000000000, 0, 0, 0, 0, 0},
	{1795295830000000000, 646, 0, MS(2659.1), MS(1.9), MS(3.6)},
};

#define FIXTURE_LIST(array)                                 \
	{                                                   \
		sizeof(array) / sizeof((array)[0]), (array) \
	}

static inline struct report fixture_report(void)
{
	struct report r = {
		.target = "--pid 1234",
		.host = "web-1",
		.kernel = "6.1.0-28-amd64",
		.tool_version = "0.1.0",
		.service = "shop",
		.environment = "staging",
		.start_realtime_ns = 1795295820000000000,
		.duration_ns = MS(10021.5),
		.lower_bounds = 1,
		.normaliser_version = sql_version(),
		.units = 12,
		.statements = 1246,
		.control_statements = 24,
		.errors = 34,
		.db_ns = MS(5059.1),
		.average_ns = MS(4.06),
		.p50_ns = MS(1.8),
		.p95_ns = MS(3.4),
		.p99_ns = MS(230),
		.error_rate = 34.0 / 1246,
		.throughput_per_s = 124.3,
		.links_exact = 1200,
		.links_likely = 46,
		.running = 1,
		.slow_threshold_ns = MS(100),
		.n_plus_one_threshold = 5,
		.queries = FIXTURE_LIST(fixture_queries),
		.queries_seen = sizeof(fixture_queries) / sizeof(fixture_queries[0]),
		.slow = FIXTURE_LIST(fixture_slow),
		.n_plus_one = FIXTURE_LIST(fixture_n_plus_one),
		.unit_shapes = FIXTURE_LIST(fixture_units),
		.error_groups = FIXTURE_LIST(fixture_errors),
		.findings = FIXTURE_LIST(fixture_findings),
		.functions = FIXTURE_LIST(fixture_functions),
		.coverage = FIXTURE_LIST(fixture_coverage),
		.libraries = FIXTURE_LIST(fixture_libraries),
		.bottlenecks = FIXTURE_LIST(fixture_bottlenecks),
		.kept_units = FIXTURE_LIST(fixture_kept),
		.memory_warnings = FIXTURE_LIST(fixture_memory),
		.sample_rate = 0.5,
		.timeline = FIXTURE_LIST(fixture_timeline),
		.timeline_width_ns = MS(5000),
		.samples = 940,
		.samples_attributed = 310,
		.samples_unattributed = 2,
		.samples_complete = 915,
		.sample_freq = 99,
		.late_attach_ns = MS(12.5),
		.overhead_limit = 0.05,
		.overhead_peak = 0.123,
		.overhead_changes = 2,
		.overhead_level = "no_params",
		.events_read = 7000,
		.probe_hits = 7476,
		.probe_ns = MS(5.6),
		.program_ns = MS(3.2),
		.agent_cpu_ns = MS(45),
		.agent_rss_kb = 11468,
		.probes = 23,
		.price_entry_ns = 560,
		.price_return_ns = 1240,
	};

	r.losses[APM_CNT_RING_FULL] = 12;
	r.losses[APM_CNT_LATE_ATTACH] = 1;
	r.losses[APM_CNT_TEXT_TRUNCATED] = 3;
	r.losses[APM_CNT_EVENTS] = 1294;
	return r;
}

/* Nothing happened; with `watched` a library was at least watched. */
static inline struct report fixture_empty(int watched)
{
	struct report r = {
		.target = "--pid 1",
		.host = "web-1",
		.tool_version = "0.1.0",
		.start_realtime_ns = 1795295820000000000,
		.duration_ns = MS(5000),
		.slow_threshold_ns = MS(100),
		.n_plus_one_threshold = 5,
	};

	if (watched) {
		r.coverage.count = 2;
		r.coverage.item = fixture_coverage;
	}
	return r;
}

/* Escapes, a bell, C1, a line break, broken UTF-8, a text direction override, quotes and markup. */
#define HOSTILE                            \
	"x\033[2J\033]0;owned\007\xc2\x9b" \
	"31m\r\n\xff\xc3(\xe2\x80\xae<b>\"'&\t\x7f"

static inline struct report fixture_hostile(void)
{
	static const char *const names[] = {HOSTILE, NULL};
	static struct report_query query;
	static struct report_slow slow;
	static struct report_n_plus_one n;
	static struct report_unit unit;
	static struct report_error error;
	static struct report_finding finding;
	static struct report_function function;
	static struct report_coverage coverage;
	static struct report_library library;
	static struct report_bottleneck bottleneck;
	struct report r = fixture_report();

	r.target = r.host = r.kernel = r.tool_version = r.service = r.environment = HOSTILE;
	query = fixture_queries[0];
	query.query = query.example = query.summary = query.system = query.operation = HOSTILE;
	query.collections = names;
	slow = fixture_slow[0];
	slow.query = slow.operation = slow.recommendation = HOSTILE;
	slow.collections = names;
	n = fixture_n_plus_one[0];
	n.query = n.parent_query = n.call_site = n.recommendation = HOSTILE;
	n.examples = names;
	unit = fixture_units[0];
	unit.kind = unit.shape = unit.process = HOSTILE;
	error = fixture_errors[0];
	error.system = error.code = error.message = error.query = HOSTILE;
	finding = fixture_findings[0];
	finding.query = finding.unit = finding.title = finding.evidence = finding.recommendation =
		finding.call_site = HOSTILE;
	function = (struct report_function){HOSTILE, HOSTILE, 1, 1, 0.5};
	coverage = (struct report_coverage){"missing", 7, HOSTILE, HOSTILE};
	library = (struct report_library){HOSTILE, HOSTILE, HOSTILE, HOSTILE, 1};
	bottleneck = (struct report_bottleneck){"cpu", "low", 0.5, HOSTILE, HOSTILE};
	r.queries.count = r.slow.count = r.n_plus_one.count = r.unit_shapes.count = r.error_groups.count = 1;
	r.findings.count = r.functions.count = r.coverage.count = r.libraries.count = r.bottlenecks.count = 1;
	r.queries.item = &query;
	r.queries_seen = 1;
	r.slow.item = &slow;
	r.n_plus_one.item = &n;
	r.unit_shapes.item = &unit;
	r.error_groups.item = &error;
	r.findings.item = &finding;
	r.functions.item = &function;
	r.coverage.item = &coverage;
	r.libraries.item = &library;
	r.bottlenecks.item = &bottleneck;
	return r;
}

#endif
