/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What user space and the BPF programs share has one layout: this compiler's against the BTF of the linked
 * BPF object, struct by struct and member by member, both ways, so that a new struct or member that is not
 * listed here fails too.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include <unistd.h>

#include <bpf/btf.h>

#include "abi/config.h"
#include "abi/counters.h"
#include "abi/event.h"

#define OBJECT "build/bpf/apm.o"

struct member {
	const char *name;
	size_t offset;
	size_t size; /* 0 = flexible array */
};

struct layout {
	const char *name;
	size_t size;
	struct member members[32]; /* up to the first without a name */
};

#define M(type, member)                                                                    \
	{                                                                                  \
#member, offsetof(struct type, member), sizeof(((struct type *)0)->member) \
	}
#define FLEXIBLE(type, member)                            \
	{                                                 \
#member, offsetof(struct type, member), 0 \
	}

static const struct layout layouts[] = {
	{"apm_hdr",
	 sizeof(struct apm_hdr),
	 {
		 M(apm_hdr, kind),
		 M(apm_hdr, flags),
		 M(apm_hdr, len),
		 M(apm_hdr, ts),
		 M(apm_hdr, tgid),
		 M(apm_hdr, tid),
		 M(apm_hdr, ctx_kind),
		 M(apm_hdr, reserved),
		 M(apm_hdr, ctx_id),
		 M(apm_hdr, stmt_seq),
	 }},
	{"apm_ev_stmt",
	 sizeof(struct apm_ev_stmt),
	 {
		 M(apm_ev_stmt, hdr),	     M(apm_ev_stmt, t_start),	  M(apm_ev_stmt, t_first),
		 M(apm_ev_stmt, t_end),	     M(apm_ev_stmt, duration_ns), M(apm_ev_stmt, rows),
		 M(apm_ev_stmt, text_id),    M(apm_ev_stmt, conn),	  M(apm_ev_stmt, handle),
		 M(apm_ev_stmt, param_hash), M(apm_ev_stmt, call_site),	  M(apm_ev_stmt, cpu_start_ns),
		 M(apm_ev_stmt, cpu_end_ns), M(apm_ev_stmt, conn_gen),	  M(apm_ev_stmt, lib_id),
		 M(apm_ev_stmt, system),     M(apm_ev_stmt, param_count), M(apm_ev_stmt, result_index),
		 M(apm_ev_stmt, reserved),
	 }},
	{"apm_ev_text",
	 sizeof(struct apm_ev_text),
	 {
		 M(apm_ev_text, hdr),
		 M(apm_ev_text, text_id),
		 M(apm_ev_text, conn),
		 M(apm_ev_text, total_len),
		 M(apm_ev_text, offset),
		 M(apm_ev_text, size),
		 M(apm_ev_text, system),
		 M(apm_ev_text, reserved),
		 FLEXIBLE(apm_ev_text, data),
	 }},
	{"apm_ev_prepare",
	 sizeof(struct apm_ev_prepare),
	 {
		 M(apm_ev_prepare, hdr),
		 M(apm_ev_prepare, conn),
		 M(apm_ev_prepare, name_id),
		 M(apm_ev_prepare, text_id),
		 M(apm_ev_prepare, conn_gen),
		 M(apm_ev_prepare, reserved),
	 }},
	{"apm_ev_close",
	 sizeof(struct apm_ev_close),
	 {
		 M(apm_ev_close, hdr),
		 M(apm_ev_close, handle),
		 M(apm_ev_close, handle_kind),
		 M(apm_ev_close, conn_gen),
	 }},
	{"apm_ev_conn",
	 sizeof(struct apm_ev_conn),
	 {
		 M(apm_ev_conn, hdr),
		 M(apm_ev_conn, conn),
		 M(apm_ev_conn, conn_gen),
		 M(apm_ev_conn, fd),
		 M(apm_ev_conn, family),
		 M(apm_ev_conn, port),
		 M(apm_ev_conn, system),
		 M(apm_ev_conn, reserved0),
		 M(apm_ev_conn, lib_id),
		 M(apm_ev_conn, addr),
		 M(apm_ev_conn, database),
		 M(apm_ev_conn, user),
		 M(apm_ev_conn, path),
		 M(apm_ev_conn, reserved1),
	 }},
	{"apm_ev_error",
	 sizeof(struct apm_ev_error),
	 {
		 M(apm_ev_error, hdr),
		 M(apm_ev_error, number),
		 M(apm_ev_error, system),
		 M(apm_ev_error, reserved),
		 M(apm_ev_error, sqlstate),
		 M(apm_ev_error, size),
		 M(apm_ev_error, message),
	 }},
	{"apm_ev_sample",
	 sizeof(struct apm_ev_sample),
	 {
		 M(apm_ev_sample, hdr),
		 M(apm_ev_sample, weight_ns),
		 M(apm_ev_sample, kernel_count),
		 M(apm_ev_sample, user_count),
		 M(apm_ev_sample, comm),
		 M(apm_ev_sample, user),
		 M(apm_ev_sample, kernel),
	 }},
	{"apm_ev_proc",
	 sizeof(struct apm_ev_proc),
	 {
		 M(apm_ev_proc, hdr),
		 M(apm_ev_proc, other),
		 M(apm_ev_proc, reserved),
		 M(apm_ev_proc, start_ns),
		 M(apm_ev_proc, comm),
	 }},
	{"apm_config",
	 sizeof(struct apm_config),
	 {
		 M(apm_config, hash_key),
		 M(apm_config, max_sql),
		 M(apm_config, sample_freq),
		 M(apm_config, wake_bytes),
		 M(apm_config, task_storage),
		 M(apm_config, read_cpu_time),
		 M(apm_config, reserved),
	 }},
	{"apm_wrapper",
	 sizeof(struct apm_wrapper),
	 {
		 M(apm_wrapper, ret_off),
		 M(apm_wrapper, off),
		 M(apm_wrapper, base),
		 M(apm_wrapper, reserved),
	 }},
	{"apm_lib",
	 sizeof(struct apm_lib),
	 {
		 M(apm_lib, text_start),
		 M(apm_lib, text_end),
		 M(apm_lib, off),
		 M(apm_lib, wrapper_count),
		 M(apm_lib, lib_id),
		 M(apm_lib, system),
		 M(apm_lib, reserved),
		 M(apm_lib, wrapper),
	 }},
};

#define LAYOUTS (sizeof(layouts) / sizeof(layouts[0]))

static struct btf *btf;

static size_t member_count(const struct layout *l)
{
	size_t count = 0;

	while (l->members[count].name)
		count++;
	return count;
}

static int open_object(void **state)
{
	if (access(OBJECT, R_OK) != 0)
		return 0;
	btf = btf__parse(OBJECT, NULL);
	return btf ? 0 : -1;
}

static int close_object(void **state)
{
	btf__free(btf);
	return 0;
}

static void need_object(void)
{
	if (!btf) {
		print_message(OBJECT " is not built\n");
		skip();
	}
}

static void check_struct(const struct layout *want)
{
	int id = btf__find_by_name_kind(btf, want->name, BTF_KIND_STRUCT);
	size_t count = member_count(want), i;
	const struct btf_type *type;

	if (id < 0)
		fail_msg("struct %s is not in the BTF of " OBJECT, want->name);
	type = btf__type_by_id(btf, (uint32_t)id);
	if (type->size != want->size)
		fail_msg("struct %s: %u bytes in BPF, %zu here", want->name, type->size, want->size);
	if (btf_vlen(type) != count)
		fail_msg("struct %s: %u members in BPF, %zu in this test", want->name, btf_vlen(type), count);
	for (i = 0; i < count; i++) {
		const struct btf_member *m = btf_members(type) + i;
		const struct member *w = &want->members[i];

		assert_string_equal(btf__name_by_offset(btf, m->name_off), w->name);
		if (btf_member_bit_offset(type, (uint32_t)i) != w->offset * 8)
			fail_msg("%s.%s: at bit %u in BPF, at byte %zu here", want->name, w->name,
				 btf_member_bit_offset(type, (uint32_t)i), w->offset);
		assert_int_equal(btf_member_bitfield_size(type, (uint32_t)i), 0);
		assert_int_equal(btf__resolve_size(btf, m->type), w->size);
	}
}

static void every_shared_struct_has_one_layout(void **state)
{
	size_t i;

	need_object();
	for (i = 0; i < LAYOUTS; i++)
		check_struct(&layouts[i]);
}

static int is_listed(const char *name)
{
	size_t i;

	for (i = 0; i < LAYOUTS; i++)
		if (strcmp(layouts[i].name, name) == 0)
			return 1;
	return 0;
}

static void every_event_of_the_object_is_checked(void **state)
{
	uint32_t id;

	need_object();
	for (id = 1; id < btf__type_cnt(btf); id++) {
		const struct btf_type *type = btf__type_by_id(btf, id);
		const char *name = btf__name_by_offset(btf, type->name_off);

		if (btf_is_struct(type) && strncmp(name, "apm_ev_", 7) == 0 && !is_listed(name))
			fail_msg("struct %s is not checked by this test", name);
	}
}

/* The programs are 64-bit little-endian, as is what reads their events. */
static void the_object_is_of_this_byte_order(void **state)
{
	need_object();
	assert_int_equal(btf__endianness(btf), BTF_LITTLE_ENDIAN);
	assert_int_equal(btf__pointer_size(btf), sizeof(void *));
}

/* Members stand side by side: padding is spelled out, and everything is a multiple of 8 long. */
static void padding_is_explicit(void **state)
{
	size_t i, j;

	for (i = 0; i < LAYOUTS; i++) {
		const struct layout *l = &layouts[i];
		size_t end = 0;

		for (j = 0; l->members[j].name; j++) {
			if (l->members[j].offset != end)
				fail_msg("%s: a hole before %s", l->name, l->members[j].name);
			end += l->members[j].size;
		}
		if (end != l->size)
			fail_msg("%s: a hole at the end", l->name);
		assert_int_equal(l->size % 8, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_shared_struct_has_one_layout),
		cmocka_unit_test(every_event_of_the_object_is_checked),
		cmocka_unit_test(the_object_is_of_this_byte_order),
		cmocka_unit_test(padding_is_explicit),
	};

	return cmocka_run_group_tests(tests, open_object, close_object);
}
