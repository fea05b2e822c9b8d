/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Threads that wait, each way by the name of a mode, for SECONDS after the barrier: wait_client MODE SECONDS [PORT]. Of
 * the modes disk, locks and network something is to be said, of all others nothing. LIBS: -lsqlite3 -lpq -lpthread
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <libpq-fe.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* Named with --span. */
__attribute__((noinline)) void request(int number);
__attribute__((noinline)) void *serve(void *arg);

static const char *mode;
static int port;
static double until;
static sqlite3 *db;
static PGconn *pg;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;

static void die(const char *what)
{
	perror(what);
	exit(99);
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void pause_ms(long ms)
{
	nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

static void start(void *(*fn)(void *arg), int count)
{
	pthread_t thread;

	while (count--)
		if (pthread_create(&thread, NULL, fn, NULL))
			die("pthread_create");
}

static void query(const char *sql)
{
	if (sqlite3_exec(db, sql, NULL, NULL, NULL))
		die(sql);
}

/* ---- something is to be said ---- */

static void *use_disk(void *arg)
{
	static char block[1 << 18];
	char name[] = "wait.XXXXXX";
	int fd = mkostemp(name, O_CLOEXEC);

	while (now() < until) {
		if (pwrite(fd, block, sizeof(block), 0) < 0 || fdatasync(fd))
			die(name);
	}
	close(fd);
	return NULL;
}

static void *contend(void *arg)
{
	while (now() < until) {
		pthread_mutex_lock(&mutex);
		pause_ms(3);
		pthread_mutex_unlock(&mutex);
	}
	return NULL;
}

static void wait_readable(int fd, int how)
{
	struct pollfd one = {fd, POLLIN, 0};
	struct epoll_event event = {.events = EPOLLIN};
	int watcher;
	fd_set set;

	if (how == 1)
		poll(&one, 1, -1);
	if (how == 2) {
		FD_ZERO(&set);
		FD_SET(fd, &set);
		select(fd + 1, &set, NULL, NULL, NULL);
	}
	if (how == 3) {
		watcher = epoll_create1(EPOLL_CLOEXEC);
		epoll_ctl(watcher, EPOLL_CTL_ADD, fd, &event);
		epoll_wait(watcher, &event, 1, -1);
		close(watcher);
	}
}

static void ask(int how)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port = htons((uint16_t)port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char answer[64];

	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) || write(fd, "GET\n", 4) != 4)
		die("connect");
	wait_readable(fd, how);
	if (read(fd, answer, sizeof(answer)) <= 0)
		die("read");
	close(fd);
}

/* An asynchronous client waits for its database by itself. */
static void ask_database(void)
{
	PGresult *res;

	if (!PQsendQuery(pg, "SELECT pg_sleep(0.05)"))
		die("PQsendQuery");
	while (PQconsumeInput(pg) && PQisBusy(pg))
		wait_readable(PQsocket(pg), 1);
	while ((res = PQgetResult(pg)))
		PQclear(res);
}

void request(int number)
{
	query("SELECT 2");
	if (!strcmp(mode, "network"))
		ask(number % 4);
	else if (!strcmp(mode, "async"))
		ask_database();
	else
		pause_ms(30);
}

/* ---- nothing is ---- */

static int listening(void)
{
	struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (bind(fd, (struct sockaddr *)&any, sizeof(any)) || listen(fd, 8))
		die("listen");
	return fd;
}

/* The loop of a server, which somebody names as if it were a request. */
void *serve(void *arg)
{
	struct epoll_event event = {.events = EPOLLIN};
	int watcher = epoll_create1(EPOLL_CLOEXEC);

	epoll_ctl(watcher, EPOLL_CTL_ADD, listening(), &event);
	for (;;)
		epoll_wait(watcher, &event, 1, -1);
	return NULL;
}

static void *work(void *arg)
{
	pthread_mutex_lock(&mutex);
	for (;;)
		pthread_cond_wait(&cond, &mutex);
	return NULL;
}

static void *work_by_semaphore(void *arg)
{
	static sem_t none;

	for (;;)
		sem_wait(&none);
	return NULL;
}

/* Threads that take turns at waiting for the next connection. */
static void *take_turns(void *arg)
{
	static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
	static int fd = -1;

	for (;;) {
		pthread_mutex_lock(&turn);
		if (fd < 0)
			fd = listening();
		close(accept(fd, NULL, NULL));
		pthread_mutex_unlock(&turn);
	}
	return NULL;
}

static void *receive(void *arg)
{
	int pair[2];
	char byte;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		die("socketpair");
	return (void *)read(pair[0], &byte, 1);
}

static void *wait_for_file(void *arg)
{
	int first = open("wait.lock", O_CREAT | O_RDWR | O_CLOEXEC, 0600),
	    second = open("wait.lock", O_RDWR | O_CLOEXEC);

	flock(first, LOCK_EX);
	flock(second, LOCK_EX);
	return NULL;
}

static void be_idle(void)
{
	start(serve, 1);
	start(work, 8);
	start(work_by_semaphore, 2);
	start(take_turns, 6);
	start(receive, 2);
	start(wait_for_file, 1);
	while (now() < until) {
		query("SELECT 3");
		pause_ms(50);
	}
}

/* Disks inside the database's calls are the database's time. */
static void use_database(void)
{
	query("CREATE TABLE t(x)");
	while (now() < until)
		query("INSERT INTO t VALUES (1)");
}

/* ---- the barrier ---- */

int main(int argc, char **argv)
{
	char line[16];
	int i;

	mode = argc > 2 ? argv[1] : "idle";
	port = argc > 3 ? atoi(argv[3]) : 0;
	if (sqlite3_open(strcmp(mode, "database") ? ":memory:" : "wait.db", &db))
		die("sqlite3_open");
	query("SELECT 0");
	if (!strcmp(mode, "async") && PQstatus(pg = PQconnectdb("")) != CONNECTION_OK)
		die(PQerrorMessage(pg));
	puts("ready");
	fflush(stdout);
	if (!fgets(line, sizeof(line), stdin))
		return 1;
	until = now() + (argc > 2 ? atof(argv[2]) : 3);
	if (!strcmp(mode, "disk"))
		start(use_disk, 4);
	else if (!strcmp(mode, "database"))
		use_database();
	else if (!strcmp(mode, "idle"))
		be_idle();
	else if (!strcmp(mode, "locks"))
		start(contend, 4);
	for (i = 0; now() < until; i++)
		request(i);
	return 0;
}
