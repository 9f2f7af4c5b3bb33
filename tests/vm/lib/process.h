/* SPDX-License-Identifier: GPL-2.0 */
/* Processes, threads, signals and memory as tests need them. */
#ifndef TESTS_PROCESS_H
#define TESTS_PROCESS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "mach.h"

/* Memory */

/*
 * Two pages of which the second is gone. fault_at(): the address with @readable
 * bytes before the hole, so that anything longer crosses into it.
 */
struct hole {
	uint8_t *pages;
	size_t page_size;
};

void hole_init(struct hole *hole);
void *fault_at(const struct hole *hole, size_t readable);
void hole_done(struct hole *hole);

/* Addresses that no user memory is at: null, unmapped, not canonical, kernel's. */
extern const uint64_t bad_pointers[];
extern const size_t bad_pointer_count;

/* How many mappings this process has, as /proc tells. */
size_t lines_in_maps(void);

/* Time */

uint64_t now_ns(void);
void sleep_ms(unsigned int ms);

/* Processes */

/*
 * Forks. The child runs @run(@argument) and exits with 0 unless it fails a
 * check; it makes no trap of its own before.
 */
pid_t start_child(void (*run)(void *argument), void *argument);

/* Waits for a child; the _ok form demands exit status 0. Returns the status. */
int wait_child(pid_t pid);
#define WAIT_CHILD_OK(pid) CHECK_HEX(wait_child(pid), 0)
void kill_child(pid_t pid);

/*
 * Runs helper @name of this program as a new image of the calling process:
 * `program @name argument`. Does not return.
 */
void exec_helper(const char *name, const char *argument) __attribute__((noreturn));

/* The system call of 32-bit programs; whether there is one. */
long int80(unsigned int call, unsigned int a, unsigned int b, unsigned int c);
bool has_int80(void);

/* Sends descriptor @fd over unix socket @socket, and takes one from it. */
void pass_fd(int socket, int fd);
int take_fd(int socket);

/*
 * A one-way gate between processes or threads, closed at first: each pass waits
 * for one opening. Make it before the fork. Passing fails the case when nobody
 * is left who could open it.
 */
struct gate {
	int fds[2];
};

void gate_init(struct gate *gate);
void gate_open(struct gate *gate);
void gate_pass(struct gate *gate);
/* Of the processes that hold the gate, this one will not open it (any more). */
void gate_never_opens_here(struct gate *gate);

/* Threads and signals */

pid_t thread_id(void);

/* Keeps the calling thread, and those that it starts, on the first CPU. */
void stay_on_one_cpu(void);

/* Waits until thread @tid of process @pid sleeps inside an ioctl. */
void wait_until_in_trap(pid_t pid, pid_t tid);

/* A handler that does nothing, without SA_RESTART. */
void catch_signal(int signal_number);

/* A thread that can be asked for its id and awaited. */
struct worker {
	pthread_t thread;
	pid_t tid;
	void *(*run)(void *argument);
	void *argument;
	struct gate started;
};

void worker_start(struct worker *worker, void *(*run)(void *argument), void *argument);
void worker_join(struct worker *worker);
/* Sleeping inside a trap? Waits for it. */
void worker_wait_in_trap(const struct worker *worker);
void worker_signal(const struct worker *worker, int signal_number);

/* Another task */

/*
 * A forked child with a task of its own and a port of its own, to which the
 * parent holds a send right; the child holds one to a port of the parent.
 */
struct peer {
	pid_t pid;
	name_t port;		/* parent: send right to the child's port */
	name_t service;		/* parent: receive right of the own port */
};

struct peer_side {
	name_t own;		/* child: receive right */
	name_t parent;		/* child: send right */
	void *argument;
};

void peer_start(struct peer *peer, void (*run)(struct peer_side *side), void *argument);

#endif
