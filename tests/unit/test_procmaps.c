/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/procmaps.h"

static void parse(const char *text, struct proc_maps *maps)
{
	assert_int_equal(proc_maps_parse(strdup(text), strlen(text), maps), 0);
}

static void every_kind_of_line(void **state)
{
	struct proc_maps maps;

	parse("55d0-55d4 r-xp 00002000 fd:01 123456                     /usr/bin/my program\n"
	      "55d4-55d5 rw-p 00000000 00:00 0 \n"
	      "55d5-55d6 r--s 00001000 103:1ff 77                       /tmp/a\\012b (deleted)\n"
	      "55d6-55d7 rwxp 00000000 00:01 9                          /memfd:jit (deleted)\n"
	      "55d7-55d8 ---p 00000000 00:00 0                          [anon:name with blanks]\n"
	      "7ffe00000000-7ffe00001000 r-xp 00000000 00:00 0          [vdso]\n"
	      "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0  [vsyscall]\n",
	      &maps);
	assert_int_equal(maps.count, 7);
	assert_string_equal(maps.map[0].path, "/usr/bin/my program");
	assert_int_equal(maps.map[0].file_off, 0x2000);
	assert_int_equal(maps.map[0].inode, 123456);
	assert_true(maps.map[0].dev == makedev(0xfd, 1));
	assert_true(maps.map[0].exec && maps.map[0].read && !maps.map[0].write && !maps.map[0].deleted);
	assert_string_equal(maps.map[1].path, "");
	assert_string_equal(maps.map[2].path, "/tmp/a\nb");
	assert_true(maps.map[2].deleted && !maps.map[2].exec);
	assert_true(maps.map[2].dev == makedev(0x103, 0x1ff));
	assert_string_equal(maps.map[3].path, "/memfd:jit");
	assert_true(maps.map[3].exec && maps.map[3].write);
	assert_string_equal(maps.map[4].path, "[anon:name with blanks]");
	assert_string_equal(maps.map[5].path, "[vdso]");
	assert_int_equal(maps.map[6].end, 0xffffffffff601000);
	assert_ptr_equal(proc_maps_find(&maps, 0x55d0), &maps.map[0]);
	assert_ptr_equal(proc_maps_find(&maps, 0x55d3), &maps.map[0]);
	assert_ptr_equal(proc_maps_find(&maps, 0x55d4), &maps.map[1]);
	assert_null(proc_maps_find(&maps, 0x55cf));
	assert_null(proc_maps_find(&maps, 0x55d8));
	assert_null(proc_maps_find(&maps, UINT64_MAX));
	proc_maps_free(&maps);
	assert_null(proc_maps_find(&maps, 0x55d0));
}

static void nonsense_is_left_out(void **state)
{
	struct proc_maps maps;

	parse("\nhello\n1000 r-xp 0 0:0 0\n2000-1000 r-xp 0 0:0 0 /backwards\n-5-6 r-xp 0 0:0 0 /sign\n"
	      "1000-2000 r-xp 0 0:0 0 /good\n1000-2000 r-xp 0 0:0 0 /again\n3000-4000 r-xp\n"
	      "3000-4000 r-xp 0 0:0 x\n3000-4000 r-xp 0 0:0 0 /cut",
	      &maps);
	assert_int_equal(maps.count, 1);
	assert_string_equal(maps.map[0].path, "/good");
	proc_maps_free(&maps);
	parse("", &maps);
	assert_int_equal(maps.count, 0);
	proc_maps_free(&maps);
}

static void own_mappings(void **state)
{
	struct proc_maps maps;
	const struct proc_map *map;

	assert_int_equal(proc_maps_read(getpid(), &maps), 0);
	map = proc_maps_find(&maps, (uintptr_t)own_mappings);
	assert_non_null(map);
	assert_true(map->exec);
	assert_non_null(strstr(map->path, "test_procmaps"));
	/* not a variable: AddressSanitizer may keep those elsewhere */
	map = proc_maps_find(&maps, (uintptr_t)__builtin_frame_address(0));
	assert_non_null(map);
	assert_string_equal(map->path, "[stack]");
	proc_maps_free(&maps);
}

static void gone_and_zombie(void **state)
{
	struct proc_maps maps;
	siginfo_t info;
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	assert_int_equal(proc_maps_read(pid, &maps), -ESRCH);
	proc_maps_free(&maps);
	waitpid(pid, NULL, 0);
	assert_int_equal(proc_maps_read(pid, &maps), -ESRCH);
	proc_maps_free(&maps);
}

/* Maps a file of an odd name, then removes or replaces it: what was mapped can still be opened. */
static void open_behind_mapping(void **state)
{
	char dir[] = "/tmp/apm procmaps\n\\XXXXXX", path[64], text[8] = {0};
	const struct proc_map *map;
	struct proc_maps maps;
	void *at;
	int fd, opened;

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/f", dir);
	fd = open(path, O_RDWR | O_CREAT, 0600);
	assert_int_equal(write(fd, "first", 5), 5);
	at = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	assert_int_equal(proc_maps_read(getpid(), &maps), 0);
	map = proc_maps_find(&maps, (uintptr_t)at);
	assert_non_null(map);
	assert_string_equal(map->path, path);
	opened = proc_map_open(getpid(), map);
	assert_true(opened >= 0);
	assert_int_equal(read(opened, text, 5), 5);
	assert_string_equal(text, "first");
	close(opened);
	proc_maps_free(&maps);

	assert_int_equal(unlink(path), 0);
	fd = open(path, O_RDWR | O_CREAT, 0600);
	assert_int_equal(write(fd, "other", 5), 5);
	close(fd);
	assert_int_equal(proc_maps_read(getpid(), &maps), 0);
	map = proc_maps_find(&maps, (uintptr_t)at);
	assert_true(map->deleted);
	assert_string_equal(map->path, path);
	opened = proc_map_open(getpid(), map);
	if (geteuid() == 0) { /* map_files needs a capability */
		assert_true(opened >= 0);
		assert_int_equal(read(opened, text, 5), 5);
		assert_string_equal(text, "first");
		close(opened);
	} else {
		assert_true(opened < 0); /* never the file that took its place */
	}
	map = proc_maps_find(&maps, (uintptr_t)&maps);
	assert_int_equal(proc_map_open(getpid(), map), -ENOENT);
	proc_maps_free(&maps);
	munmap(at, 4096);
	unlink(path);
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_of_line),  cmocka_unit_test(nonsense_is_left_out),
		cmocka_unit_test(own_mappings),	       cmocka_unit_test(gone_and_zombie),
		cmocka_unit_test(open_behind_mapping),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
