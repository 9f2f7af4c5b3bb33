// SPDX-License-Identifier: GPL-2.0
/* Semaphores: up and down in one thread, and turns between two threads. */
#define _GNU_SOURCE
#include "ours.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <linux/ntsync.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/sem.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "rpc.h"

#define CREATE		3418	/* semaphore_create */

static name_t new_semaphore(void)
{
	struct rpc rpc;
	int32_t code = RPC(&rpc, self(), CREATE, 0, 0);

	if (code == MIG_BAD_ID || !trap_is_built(NR_semaphore_signal_trap))
		bench_not_built();
	TRAP(code);
	return rpc_right(&rpc, 0, MOVE_SEND);
}

static long signal_semaphore(name_t name)
{
	struct semaphore_signal_args arguments = { .signal = name };

	return trap_struct(NR_semaphore_signal_trap, &arguments);
}

static long wait_semaphore(name_t name)
{
	struct semaphore_wait_args arguments = { .signal = name };

	return trap_struct(NR_semaphore_wait_trap, &arguments);
}

static long wait_signal(name_t wait, name_t signal)
{
	struct semaphore_wait_signal_args arguments = { .wait = wait, .signal = signal };

	return trap_struct(NR_semaphore_wait_signal_trap, &arguments);
}

BENCH(semaphore_one_thread, 10000, OURS)
{
	name_t name;

	mach_open();
	name = new_semaphore();
	while (bench_more(run)) {
		TRAP(signal_semaphore(name));
		TRAP(wait_semaphore(name));
	}
}

/* The other thread of a pair, on its CPU. */
struct other {
	struct run *run;
	void (*serve)(struct other *other);
	int a, b, device;
	pthread_t thread;
};

static void *other_main(void *argument)
{
	struct other *other = argument;

	bench_pin(other->run->peer_cpu);
	for (;;)
		other->serve(other);
	return NULL;
}

static void other_start(struct other *other)
{
	MUST(pthread_create(&other->thread, NULL, other_main, other) == 0);
}

static void serve_semaphore(struct other *other)
{
	TRAP(wait_semaphore((name_t)other->a));
	for (;;)
		TRAP(wait_signal((name_t)other->a, (name_t)other->b));
}

BENCH(semaphore_ping_pong, 2000, PAIR | OURS)
{
	struct other other = { .run = run, .serve = serve_semaphore };

	mach_open();
	other.a = (int)new_semaphore();
	other.b = (int)new_semaphore();
	other_start(&other);
	while (bench_more(run)) {
		TRAP(wait_signal((name_t)other.b, (name_t)other.a));
	}
}

static int ntsync_semaphore(int device)
{
	struct ntsync_sem_args arguments = { .count = 0, .max = 1000 };
	int fd = ioctl(device, NTSYNC_IOC_CREATE_SEM, &arguments);

	MUST(fd >= 0);
	return fd;
}

static void ntsync_up(int fd)
{
	uint32_t count = 1;

	MUST(ioctl(fd, NTSYNC_IOC_SEM_RELEASE, &count) == 0);
}

static void ntsync_down(int device, int fd)
{
	struct ntsync_wait_args arguments = {
		.timeout = UINT64_MAX, .objs = (uintptr_t)&fd, .count = 1, .owner = 1,
	};

	MUST(ioctl(device, NTSYNC_IOC_WAIT_ANY, &arguments) == 0);
}

BENCH(ntsync_one_thread, 10000, ONE)
{
	int device = open("/dev/ntsync", O_RDWR), fd;

	MUST(device >= 0);
	fd = ntsync_semaphore(device);
	while (bench_more(run)) {
		ntsync_up(fd);
		ntsync_down(device, fd);
	}
}

static void serve_ntsync(struct other *other)
{
	ntsync_down(other->device, other->a);
	ntsync_up(other->b);
}

BENCH(ntsync_ping_pong, 2000, PAIR)
{
	struct other other = { .run = run, .serve = serve_ntsync };

	other.device = open("/dev/ntsync", O_RDWR);
	MUST(other.device >= 0);
	other.a = ntsync_semaphore(other.device);
	other.b = ntsync_semaphore(other.device);
	other_start(&other);
	while (bench_more(run)) {
		ntsync_up(other.a);
		ntsync_down(other.device, other.b);
	}
}

BENCH(sysv_semaphore_one_thread, 10000, ONE)
{
	int set = semget(IPC_PRIVATE, 1, 0600);
	struct sembuf up = { 0, 1, 0 }, down = { 0, -1, 0 };

	MUST(set >= 0);
	while (bench_more(run)) {
		MUST(semop(set, &up, 1) == 0);
		MUST(semop(set, &down, 1) == 0);
	}
	semctl(set, 0, IPC_RMID);
}

/* What a semaphore in user space needs when it calls the kernel each time. */
BENCH(futex_one_thread, 10000, ONE)
{
	uint32_t word = 0;

	while (bench_more(run)) {
		syscall(SYS_futex, &word, FUTEX_WAKE, 1, NULL, NULL, 0);
		syscall(SYS_futex, &word, FUTEX_WAIT, 1, NULL, NULL, 0);
	}
}

BENCH(ntsync_create, 2000, ONE)
{
	int device = open("/dev/ntsync", O_RDWR);

	MUST(device >= 0);
	while (bench_more(run))
		close(ntsync_semaphore(device));
}

BENCH(eventfd_create, 2000, ONE)
{
	while (bench_more(run))
		close(eventfd(0, 0));
}

/* By message to the task's port, and its last right dropped */
BENCH(semaphore_create, 2000, OURS)
{
	mach_open();
	while (bench_more(run))
		TRAP(deallocate(new_semaphore()));
}

static void serve_sysv(struct other *other)
{
	struct sembuf down = { 0, -1, 0 }, up = { 1, 1, 0 };

	MUST(semop(other->a, &down, 1) == 0);
	MUST(semop(other->a, &up, 1) == 0);
}

BENCH(sysv_semaphore_ping_pong, 2000, PAIR)
{
	struct other other = { .run = run, .serve = serve_sysv };
	struct sembuf up = { 0, 1, 0 }, down = { 1, -1, 0 };

	other.a = semget(IPC_PRIVATE, 2, 0600);
	MUST(other.a >= 0);
	other_start(&other);
	while (bench_more(run)) {
		MUST(semop(other.a, &up, 1) == 0);
		MUST(semop(other.a, &down, 1) == 0);
	}
	semctl(other.a, 0, IPC_RMID);
}
