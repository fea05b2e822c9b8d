/* SPDX-License-Identifier: BSD-2-Clause */
/* Detectors of caches that threads share, and what processes use: programs in which something must be found,
 * and as many in which it must not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "program.h"

/* ---- cache ---- */

static void cache_read(struct program *p, uint64_t key, int hit)
{
	struct apm_ev_stmt ev = stream_stmt(&p->s, p->page, MS / 10, (uint64_t)hit);

	ev.system = APM_SYSTEM_REDIS;
	ev.param_hash = key;
	ev.param_count = 1;
	stream_send(&p->s, ev);
}

static void cache_mostly_misses(struct program *p)
{
	int i;

	for (i = 0; i < 200; i++)
		cache_read(p, (uint64_t)i, i % 10 == 0);
}

static void cache_mostly_hits(struct program *p)
{
	int i;

	for (i = 0; i < 200; i++)
		cache_read(p, (uint64_t)i, i % 2);
}

static void cache_never_answers(struct program *p)
{
	int i;

	for (i = 0; i < 200; i++)
		cache_read(p, (uint64_t)i, 0);
}

static void cache_asked_seldom(struct program *p)
{
	int i;

	for (i = 0; i < 99; i++)
		cache_read(p, (uint64_t)i, i == 0);
}

/* Each thread reads the cache, then runs a query that lasts `ns`; the next one comes `apart` after it. */
static void rebuild(struct program *p, int threads, uint64_t apart, int hit, uint64_t params)
{
	uint64_t begin = p->s.now;
	int i;

	for (i = 0; i < threads; i++) {
		struct apm_ev_stmt ev;

		p->s.tid = 100 + (uint32_t)i;
		p->s.conn = 0x5000 + (uint64_t)i;
		p->s.now = begin + (uint64_t)i * apart;
		cache_read(p, 9, hit);
		ev = stream_stmt(&p->s, p->report, 50 * MS, 1);
		ev.param_hash = params ? params : ++p->id;
		ev.param_count = 1;
		stream_send(&p->s, ev);
	}
}

static void five_threads_rebuild(struct program *p)
{
	rebuild(p, 5, MS, 0, 4);
}

static void five_threads_rebuild_in_turn(struct program *p)
{
	rebuild(p, 5, 80 * MS, 0, 4);
}

static void five_threads_after_a_hit(struct program *p)
{
	rebuild(p, 5, MS, 1, 4);
}

static void five_threads_rebuild_different_entries(struct program *p)
{
	rebuild(p, 5, MS, 0, 0);
}

static void two_threads_rebuild(struct program *p)
{
	rebuild(p, 2, MS, 0, 4);
}

/* ---- processes ---- */

static void uses(struct program *p, uint64_t age_ns, uint64_t mb, uint64_t cpu_ns)
{
	struct record rec = {
		.usage = {.age_ns = age_ns, .rss_kb = mb * MB, .cpu_ns = cpu_ns, .comm = STR("worker")}};

	stream_feed(&p->s, &rec, stream_hdr(&p->s, REC_USAGE));
}

/* A process of ten minutes, looked at each ten seconds: so much memory each time. */
static void memory(struct program *p, const uint64_t *mb, int count)
{
	int i;

	for (i = 0; i < count; i++) {
		uses(p, 10 * MINUTE, mb[i], 0);
		pause_for(p, 10 * SECOND);
	}
}

static void memory_jumps(struct program *p)
{
	memory(p, (const uint64_t[]){200, 200, 260, 260}, 4);
}

static void memory_leaks(struct program *p)
{
	memory(p, (const uint64_t[]){100, 105, 111, 114, 121, 125, 131, 134, 141}, 9);
}

static void memory_leaks_with_noise(struct program *p)
{
	memory(p, (const uint64_t[]){100, 112, 109, 120, 131, 130, 140, 152, 161, 170, 182}, 11);
}

static void memory_beyond_the_threshold(struct program *p)
{
	memory(p, (const uint64_t[]){513, 513}, 2);
}

static void memory_at_the_threshold(struct program *p)
{
	memory(p, (const uint64_t[]){512, 512}, 2);
}

static void memory_grows_a_little(struct program *p)
{
	memory(p, (const uint64_t[]){400, 403, 406, 408, 411, 414, 417, 421}, 8);
}

static void memory_goes_up_and_down(struct program *p)
{
	memory(p, (const uint64_t[]){100, 140, 100, 145, 100, 145, 120, 145, 140}, 9);
}

static void memory_steps_of_fifty(struct program *p)
{
	memory(p, (const uint64_t[]){100, 150, 200}, 3);
}

/* Looked at each second, as in the first seconds of a trace. */
static void memory_each_second(struct program *p, const uint64_t *mb, int count)
{
	int i;

	for (i = 0; i < count; i++) {
		uses(p, 10 * MINUTE, mb[i], 0);
		pause_for(p, SECOND);
	}
}

static void memory_leaks_fast(struct program *p)
{
	uint64_t mb[21];
	int i;

	for (i = 0; i < 21; i++)
		mb[i] = 100 + 15 * (uint64_t)i;
	memory_each_second(p, mb, 21);
}

static void memory_comes_within_ten_seconds(struct program *p)
{
	memory_each_second(
		p, (const uint64_t[]){100, 100, 100, 115, 130, 145, 160, 160, 160, 160, 160, 160, 160}, 13);
}

static void memory_grows_in_forty_seconds(struct program *p)
{
	uint64_t mb[41];
	int i;

	for (i = 0; i < 41; i++)
		mb[i] = 400 + (uint64_t)i;
	memory_each_second(p, mb, 41);
}

/* A cache fills in the first ten seconds of the trace; then it is full, and looked at seldom. */
static void memory_fills_a_cache(struct program *p)
{
	int i;

	memory_each_second(p, (const uint64_t[]){400, 404, 408, 412, 416, 420, 424, 428, 432, 436}, 10);
	for (i = 0; i < 12; i++) {
		uses(p, 10 * MINUTE, 438, 0);
		pause_for(p, 30 * SECOND);
	}
}

static void memory_of_a_young_process(struct program *p)
{
	uses(p, SECOND, 10, 0);
	pause_for(p, 8 * SECOND);
	uses(p, 9 * SECOND, 300, 0);
	pause_for(p, 8 * SECOND);
	uses(p, 17 * SECOND, 300, 0);
}

static void cpu_for(struct program *p, int per_cent, int seconds)
{
	int i;

	for (i = 0; i <= seconds; i++) {
		uses(p, MINUTE, 100, (uint64_t)i * (uint64_t)per_cent * SECOND / 100);
		pause_for(p, SECOND);
	}
}

static void cpu_at_80(struct program *p)
{
	cpu_for(p, 80, 12);
}

static void cpu_of_two_cores(struct program *p)
{
	cpu_for(p, 200, 300);
}

static void cpu_at_79(struct program *p)
{
	cpu_for(p, 79, 12);
}

static void cpu_for_nine_seconds(struct program *p)
{
	cpu_for(p, 100, 9);
}

static void cpu_seen_once(struct program *p)
{
	uses(p, MINUTE, 100, 50 * SECOND);
}

static void functions(struct program *p, const char *name, const char *module, int hot, int others)
{
	static const char *const rest[] = {"parse", "render", "copy", "hash", "log"};
	int i, id;

	for (id = 0; id < 6; id++) {
		struct record rec = {.frame = {.frame_id = (uint32_t)id + 1,
					       .kind = REC_FRAME_NATIVE,
					       .name = str_from(id ? rest[id - 1] : name),
					       .module = str_from(id ? "shop" : module)}};

		stream_feed(&p->s, &rec, stream_hdr(&p->s, REC_FRAME));
	}
	for (i = 0; i < hot + others; i++) {
		uint32_t frame = i < hot ? 1 : 2 + (uint32_t)i % 5;
		struct record rec = {.sample = {.weight_ns = 10 * MS, .user_count = 1, .frames = &frame}};

		stream_feed(&p->s, &rec, stream_hdr(&p->s, REC_SAMPLE));
	}
}

static void hot_function(struct program *p)
{
	functions(p, "checksum", "shop", 100, 300);
}

static void warm_function(struct program *p)
{
	functions(p, "checksum", "shop", 99, 301);
}

static void few_samples(struct program *p)
{
	functions(p, "checksum", "shop", 199, 0);
}

static void interpreter(struct program *p)
{
	functions(p, "_PyEval_EvalFrameDefault", "python3.11", 300, 100);
}

static void kernel_function(struct program *p)
{
	functions(p, "copy_user_generic", "[kernel]", 300, 100);
}

static const struct row rows[] = {
	{"low_hit_rate", cache_mostly_misses, 1},
	{"low_hit_rate", cache_mostly_hits, 0},
	{"low_hit_rate", cache_never_answers, 0},
	{"low_hit_rate", cache_asked_seldom, 0},
	{"cache_stampede", five_threads_rebuild, 1},
	{"cache_stampede", five_threads_rebuild_in_turn, 0},
	{"cache_stampede", five_threads_after_a_hit, 0},
	{"cache_stampede", five_threads_rebuild_different_entries, 0},
	{"cache_stampede", two_threads_rebuild, 0},
	{"memory_growth", memory_jumps, 1},
	{"memory_growth", memory_leaks, 1},
	{"memory_growth", memory_leaks_with_noise, 1},
	{"memory_growth", memory_leaks_fast, 1},
	{"memory_growth", memory_comes_within_ten_seconds, 1},
	{"memory_growth", memory_beyond_the_threshold, 1},
	{"memory_growth", memory_at_the_threshold, 0},
	{"memory_growth", memory_grows_a_little, 0},
	{"memory_growth", memory_goes_up_and_down, 0},
	{"memory_growth", memory_steps_of_fifty, 0},
	{"memory_growth", memory_of_a_young_process, 0},
	{"memory_growth", memory_grows_in_forty_seconds, 0},
	{"memory_growth", memory_fills_a_cache, 0},
	{"high_cpu", cpu_at_80, 1},
	{"high_cpu", cpu_of_two_cores, 1},
	{"high_cpu", cpu_at_79, 0},
	{"high_cpu", cpu_for_nine_seconds, 0},
	{"high_cpu", cpu_seen_once, 0},
	{"hot_function", hot_function, 1},
	{"hot_function", warm_function, 0},
	{"hot_function", few_samples, 0},
	{"hot_function", interpreter, 0},
	{"hot_function", kernel_function, 0},
};

int main(void)
{
	return run_rows(rows, sizeof(rows) / sizeof(rows[0]), NULL, 0);
}
