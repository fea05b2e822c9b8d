/* SPDX-License-Identifier: BSD-2-Clause */
/* Works with SQLite under a seccomp allow-list that kills at any other system call. */
/* LIBS: -lsqlite3 -lpthread */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "lite.h"

static const int allowed[] = {
	SYS_read,	  SYS_write,	SYS_close,   SYS_fstat,	 SYS_newfstatat,    SYS_lseek,
	SYS_mmap,	  SYS_munmap,	SYS_mremap,  SYS_brk,	 SYS_futex,	    SYS_openat,
	SYS_getrandom,	  SYS_getpid,	SYS_fcntl,   SYS_exit,	 SYS_clock_gettime, SYS_madvise,
	SYS_rt_sigreturn, SYS_mprotect, SYS_geteuid, SYS_getcwd, SYS_exit_group,
};

static void guard(void)
{
	enum { COUNT = sizeof(allowed) / sizeof(allowed[0]) };
	struct sock_filter code[COUNT + 3];
	struct sock_fprog prog = {COUNT + 3, code};

	code[0] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
	for (int i = 0; i < COUNT; i++)
		code[i + 1] =
			(struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, allowed[i], COUNT - i, 0);
	code[COUNT + 1] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
	code[COUNT + 2] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog))
		die("no seccomp");
}

static void mode_guarded(void)
{
	sqlite3 *db = ready_db();

	guard();
	for (int i = 0; i < repeat(); i++) {
		once(db, "SELECT count(*) FROM item", 0);
		once(db, SELECT_ALL, 0);
	}
	sqlite3_close(db);
}

int main(int argc, char **argv)
{
	static const struct mode modes[] = {{"guarded", mode_guarded}, {NULL, NULL}};

	return truth_main("sqlite", modes, argc, argv);
}
