/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Starting COMMAND. Parent and child share one socket pair: the child says "ready" (or why not) once it has
 * dropped its privileges, waits for one byte, and execs. Its end closes on exec, so end-of-file there means
 * that the exec worked.
 */
#include "collect/targets.h"

#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

#define MAX_GROUPS 256

struct launch {
	pid_t pid;
	int sock; /* our end; -1 once the child has gone its way */
	int let_go;
	int ended;
	int status;
	char *program;
};

/* What the child tells: a step of its way and the errno that stopped it there. */
struct child_word {
	int step;
	int err;
};
enum child_step { CHILD_READY, CHILD_GROUPS, CHILD_GID, CHILD_UID, CHILD_EXEC };
static const char *const step_text[] = {
	[CHILD_GROUPS] = "cannot set the groups of",
	[CHILD_GID] = "cannot take on the group of",
	[CHILD_UID] = "cannot take on the identity of",
	[CHILD_EXEC] = "cannot execute",
};

/* Who the child becomes. */
struct identity {
	int change;
	uid_t uid;
	gid_t gid;
	gid_t groups[MAX_GROUPS];
	int group_count;
	char name[64];
	char home[PATH_MAX];
};

static int identity_from(const struct passwd *pw, struct identity *id)
{
	id->uid = pw->pw_uid;
	id->gid = pw->pw_gid;
	id->group_count = MAX_GROUPS;
	snprintf(id->name, sizeof(id->name), "%s", pw->pw_name);
	snprintf(id->home, sizeof(id->home), "%s", pw->pw_dir);
	id->change = pw->pw_uid != geteuid() || pw->pw_gid != getegid();
	if (getgrouplist(pw->pw_name, pw->pw_gid, id->groups, &id->group_count) < 0)
		id->group_count = MAX_GROUPS; /* the first ones; the array was filled */
	return 0;
}

/* `user`, or who called sudo, or nobody else. */
static int identity_find(const char *user, struct identity *id, char *err, size_t err_len)
{
	const char *sudo_uid = getenv("SUDO_UID");
	const struct passwd *pw;
	char *end;

	memset(id, 0, sizeof(*id));
	if (user) {
		pw = getpwnam(user);
		if (!pw) {
			snprintf(err, err_len, "no such user: %s", user);
			return -ENOENT;
		}
		return identity_from(pw, id);
	}
	if (geteuid() || !sudo_uid || !*sudo_uid)
		return 0;
	errno = 0;
	pw = getpwuid((uid_t)strtoul(sudo_uid, &end, 10));
	if (*end || !pw) {
		snprintf(err, err_len, "SUDO_UID names no user: %s", sudo_uid);
		return -ENOENT;
	}
	return identity_from(pw, id);
}

static int is_program(const char *path)
{
	struct stat st;

	return !stat(path, &st) && S_ISREG(st.st_mode) && (st.st_mode & 0111);
}

/* As execvp() looks: a name with a slash is a path, others are sought in PATH; an empty
 * element is the current folder. */
static char *find_program(const char *name)
{
	const char *dirs = getenv("PATH");
	char *path;

	if (strchr(name, '/'))
		return strdup(name);
	if (!dirs)
		dirs = "/bin:/usr/bin";
	for (;;) {
		int len = (int)strcspn(dirs, ":");

		if (asprintf(&path, "%.*s%s%s", len, dirs, len ? "/" : "", name) < 0)
			return NULL;
		if (is_program(path))
			return path;
		free(path);
		if (!dirs[len])
			break;
		dirs += len + 1;
	}
	errno = ENOENT;
	return NULL;
}

/* The environment with HOME, USER and LOGNAME of `id`; NULL = out of memory. The
 * strings of environ are borrowed. */
static char **environment_for(const struct identity *id)
{
	static const char *const name[] = {"HOME", "USER", "LOGNAME"};
	const char *value[] = {id->home, id->name, id->name};
	size_t n = 0, at = 0;
	char **env;

	while (environ[n])
		n++;
	env = calloc(n + 4, sizeof(*env));
	if (!env)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		int mine = 0;

		for (size_t k = 0; k < 3; k++) {
			size_t len = strlen(name[k]);

			mine |= !strncmp(environ[i], name[k], len) && environ[i][len] == '=';
		}
		if (!mine)
			env[at++] = environ[i];
	}
	for (size_t k = 0; k < 3; k++) {
		if (asprintf(&env[at], "%s=%s", name[k], value[k]) < 0) {
			while (k--)
				free(env[--at]);
			free(env);
			return NULL;
		}
		at++;
	}
	return env;
}

static void environment_free(char **env)
{
	size_t n = 0;

	if (!env || env == environ)
		return;
	while (env[n])
		n++;
	for (size_t k = 0; k < 3; k++)
		free(env[n - 1 - k]);
	free(env);
}

/* ---- the child: only async-signal-safe calls, the parent may have threads ---- */

static void child_say(int sock, enum child_step step, int err)
{
	struct child_word word = {step, err};

	if (send(sock, &word, sizeof(word), MSG_NOSIGNAL) < 0)
		_exit(127);
}

static void child_fail(int sock, enum child_step step)
{
	child_say(sock, step, errno);
	_exit(127);
}

static void child_defaults(void)
{
	struct sigaction sa = {.sa_handler = SIG_DFL};
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		sigaction(sig, &sa, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static void child_exec(const char *program, char *const argv[], char *const env[])
{
	char *shell[64] = {"/bin/sh", (char *)program};
	size_t n = 2;

	execve(program, argv, env);
	if (errno != ENOEXEC)
		return;
	/* a script without #!: execvp() hands it to the shell */
	for (size_t i = 1; argv[i] && n < 63; i++)
		shell[n++] = argv[i];
	execve(shell[0], shell, env);
}

static void child_run(int sock, const struct identity *id, const char *program, char *const argv[],
		      char *const env[])
{
	ssize_t got;
	char go;

	if (id->change) {
		if (setgroups((size_t)id->group_count, id->groups))
			child_fail(sock, CHILD_GROUPS);
		if (setresgid(id->gid, id->gid, id->gid))
			child_fail(sock, CHILD_GID);
		if (setresuid(id->uid, id->uid, id->uid))
			child_fail(sock, CHILD_UID);
	}
	child_say(sock, CHILD_READY, 0);
	do {
		got = recv(sock, &go, 1, 0);
	} while (got < 0 && errno == EINTR);
	if (got != 1)
		_exit(127); /* the tool is gone: the program was never meant to run */
	child_defaults();
	child_exec(program, argv, env);
	child_fail(sock, CHILD_EXEC);
}

/* ---- the parent ---- */

/* 1 = a word in *word, 0 = end of file, -errno. */
static int hear(int sock, struct child_word *word)
{
	ssize_t got;

	do {
		got = recv(sock, word, sizeof(*word), MSG_WAITALL);
	} while (got < 0 && errno == EINTR);
	if (got < 0)
		return errno == ECONNRESET ? 0 : -errno;
	return got == sizeof(*word);
}

static void reap(struct launch *l)
{
	while (waitpid(l->pid, &l->status, 0) < 0 && errno == EINTR)
		;
	l->ended = 1;
}

static int spawn(struct launch *l, const struct identity *id, char *const argv[])
{
	char **env = id->change ? environment_for(id) : environ;
	int pair[2], err;

	if (!env)
		return -ENOMEM;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair)) {
		err = -errno;
		environment_free(env);
		return err;
	}
	l->pid = fork();
	if (l->pid == 0) {
		close(pair[0]);
		child_run(pair[1], id, l->program, argv, env);
	}
	err = l->pid < 0 ? -errno : 0;
	close(pair[1]);
	environment_free(env);
	if (err)
		close(pair[0]);
	else
		l->sock = pair[0];
	return err;
}

struct launch *launch_prepare(char *const argv[], const char *user, char *err, size_t err_len)
{
	struct launch *l = calloc(1, sizeof(*l));
	struct child_word word = {0};
	struct identity id;
	int res;

	snprintf(err, err_len, "out of memory");
	if (!l)
		return NULL;
	l->sock = -1;
	res = identity_find(user, &id, err, err_len);
	if (res)
		goto out;
	l->program = find_program(argv[0]);
	if (!l->program) {
		res = -errno;
		snprintf(err, err_len, "%s: command not found", argv[0]);
		goto out;
	}
	res = spawn(l, &id, argv);
	if (res) {
		snprintf(err, err_len, "cannot start a process: %s", strerror(-res));
		goto out;
	}
	res = hear(l->sock, &word);
	if (res != 1 || word.step != CHILD_READY) {
		res = res == 1 ? -word.err : -ECHILD;
		snprintf(err, err_len, "%s %s: %s",
			 step_text[word.step] ? step_text[word.step] : "no word from", id.name,
			 strerror(-res));
		goto out;
	}
	*err = 0;
	return l;
out:
	launch_free(l);
	errno = -res;
	return NULL;
}

pid_t launch_pid(const struct launch *l)
{
	return l->pid;
}

const char *launch_program(const struct launch *l)
{
	return is_program(l->program) ? l->program : NULL;
}

int launch_go(struct launch *l)
{
	struct child_word word = {0};
	int res;

	if (l->let_go || l->sock < 0)
		return -EINVAL;
	l->let_go = 1;
	res = send(l->sock, "g", 1, MSG_NOSIGNAL) == 1 ? hear(l->sock, &word) : -errno;
	close(l->sock);
	l->sock = -1;
	if (res == 0)
		return 0;
	reap(l);
	return res < 0 ? res : -word.err;
}

int launch_poll(struct launch *l, int *status)
{
	pid_t pid;

	if (!l->ended) {
		pid = waitpid(l->pid, &l->status, WNOHANG);
		if (pid == 0 || (pid < 0 && errno == EINTR))
			return 0;
		l->ended = 1;
	}
	*status = l->status;
	return 1;
}

void launch_free(struct launch *l)
{
	if (!l)
		return;
	if (l->pid > 0 && !l->let_go) {
		kill(l->pid, SIGKILL);
		reap(l);
	}
	if (l->sock >= 0)
		close(l->sock);
	free(l->program);
	free(l);
}
