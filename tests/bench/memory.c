// SPDX-License-Identifier: GPL-2.0
/*
 * Bytes of kernel memory for one object: what all slabs have in use, before and
 * after many are made. What the allocator keeps for later counts as well.
 */
#define _GNU_SOURCE
#include "ours.h"

#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "process.h"
#include "rpc.h"

#define SEMAPHORE_CREATE	3418

static uint64_t number_of(const char *path, const char *format)
{
	unsigned long number;
	uint64_t sum = 0;
	char line[512];
	FILE *file = fopen(path, "r");

	MUST(file);
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, format, &number) == 1)
			sum += number;
	fclose(file);
	return sum;
}

static uint64_t slab_bytes(void)
{
	uint64_t bytes = 0, in_slabs = 0, pages;
	char line[512];
	FILE *file;

	/* What is freed by and by is free, and counters are exact. */
	sleep(2);
	file = fopen("/proc/sys/vm/stat_refresh", "r");
	if (file) {
		(void)!fgets(line, sizeof(line), file);
		fclose(file);
	}
	pages = number_of("/proc/vmstat", "nr_slab_unreclaimable %lu") +
		number_of("/proc/vmstat", "nr_slab_reclaimable %lu");
	file = fopen("/proc/slabinfo", "r");
	MUST(file);
	while (fgets(line, sizeof(line), file)) {
		unsigned long active, all, size, in_one, each, active_slabs, slabs;

		if (sscanf(line, "%*s %lu %lu %lu %lu %lu : tunables %*u %*u %*u : slabdata %lu %lu",
			   &active, &all, &size, &in_one, &each, &active_slabs, &slabs) == 7) {
			bytes += active * size;
			in_slabs += slabs * each;
		}
	}
	fclose(file);
	/* What is too large for slabs is counted with them. */
	return bytes + (pages - in_slabs) * 4096;
}

static void many(struct run *run, void (*make)(void))
{
	uint64_t before;

	mach_open();
	make();
	before = slab_bytes();
	for (uint64_t i = 0; i < run->iterations; i++)
		make();
	run->ns = (double)(int64_t)(slab_bytes() - before) / (double)run->iterations;
	run->done = true;
}

static void make_port(void)
{
	new_port();
}

/* A port of a task, with its name */
BENCH(memory_port, 4000, OURS)
{
	many(run, make_port);
}

/* A send-once right under a name of its own */
static void make_right(void)
{
	static name_t port;
	struct {
		struct header header;
		uint32_t count;
		struct port_descriptor right;
		char trailer[MACH_TRAILER_MAX];
	} message = { .header = { .id = 1 }, .count = 1 };
	const uint32_t size = offsetof(typeof(message), trailer);

	if (!port)
		port = new_port();
	message.header.bits = MSGH_BITS(MAKE_SEND, 0) | MSGH_COMPLEX;
	message.header.remote = port;
	message.right = (struct port_descriptor)PORT_DESCRIPTOR(port, MAKE_SEND_ONCE);
	TRAP(mach_msg(&message, MACH_SEND_MSG | MACH_RCV_MSG, size, sizeof(message), port, 0));
}

/* Many, as the memory of names comes in blocks, some of which are there already */
BENCH(memory_right, 40000, OURS)
{
	many(run, make_right);
}

/* A queued message of 64 bytes */
static void make_message(void)
{
	static name_t port;
	struct small_message message = { .header = { .id = 1 } };

	if (!port)
		port = new_port();
	/* The only kind of right that a full queue is open to */
	message.header.bits = MSGH_BITS(MAKE_SEND_ONCE, 0);
	message.header.remote = port;
	TRAP(mach_msg(&message, MACH_SEND_MSG, WHOLE_SIZE, 0, MACH_PORT_NULL, 0));
}

BENCH(memory_queued_message, 4000, OURS)
{
	many(run, make_message);
}

static void make_semaphore(void)
{
	struct rpc rpc;

	TRAP(RPC(&rpc, self(), SEMAPHORE_CREATE, 0, 0));
	rpc_right(&rpc, 0, MOVE_SEND);
}

/* A semaphore, with its port and the name of the right to it */
BENCH(memory_semaphore, 4000, OURS)
{
	many(run, make_semaphore);
}

static void make_timer(void)
{
	MUST(trap(NR_mk_timer_create_trap, 0));
}

/* A timer, with its port and its name */
BENCH(memory_timer, 4000, OURS)
{
	many(run, make_timer);
}

/* What Linux has of threads and processes is there before they make their first trap. */
static struct start_gate {
	int go[2];
	_Atomic int arrived;
} *gate;

static void pass_start_gate(void)
{
	char byte;

	MUST(read(gate->go[0], &byte, 1) == 1);
	get_api_version();
	gate->arrived++;
	for (;;)
		pause();
}

static void *be_a_thread(void *unused)
{
	(void)unused;
	pass_start_gate();
	return NULL;
}

static void be_a_task(void *unused)
{
	(void)unused;
	mach_forget();
	pass_start_gate();
}

static void behind_gate(struct run *run, void (*start)(struct run *run))
{
	uint64_t before;

	gate = bench_shared(sizeof(*gate));
	MUST(pipe(gate->go) == 0);
	mach_open();
	for (uint64_t i = 0; i < run->iterations; i++)
		start(run);
	before = slab_bytes();
	for (uint64_t i = 0; i < run->iterations; i++)
		MUST(write(gate->go[1], "", 1) == 1);
	while (gate->arrived < (int)run->iterations)
		usleep(20000);
	run->ns = (double)(int64_t)(slab_bytes() - before) / (double)run->iterations;
	run->done = true;
}

static void start_thread(struct run *run)
{
	pthread_attr_t attributes;
	pthread_t thread;

	(void)run;
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, 65536);
	MUST(pthread_create(&thread, &attributes, be_a_thread, NULL) == 0);
}

BENCH(memory_thread, 2000, OURS)
{
	behind_gate(run, start_thread);
}

static void start_task(struct run *run)
{
	bench_peer(run, be_a_task, NULL);
}

/* A forked task with one thread, and a device descriptor of its own */
BENCH(memory_task, 2000, OURS)
{
	behind_gate(run, start_task);
}
