// SPDX-License-Identifier: GPL-2.0
/* Much memory from one place to another. */
#define _GNU_SOURCE
#include "ours.h"

#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define KIB		1024u
#define MIB		(1024u * KIB)
#define PAGE		4096u

static char *fresh(size_t size)
{
	char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	MUST(memory != MAP_FAILED);
	/* Small pages, whatever the size. */
	madvise(memory, size, MADV_NOHUGEPAGE);
	return memory;
}

static void touch(const volatile char *memory, size_t size)
{
	for (size_t at = 0; at < size; at += PAGE)
		(void)memory[at];
}

static char *filled(size_t size)
{
	char *memory = fresh(size);

	memset(memory, 1, size);
	return memory;
}

BENCH_SIZES(first_touch, 8, VARIES, MIB, 16 * MIB)
{
	while (bench_more(run)) {
		char *memory = fresh(run->size);

		for (size_t at = 0; at < run->size; at += PAGE)
			memory[at] = 1;
		munmap(memory, run->size);
	}
}

BENCH_SIZES(process_vm_readv, 12, VARIES, 64 * KIB, MIB, 16 * MIB)
{
	struct iovec from = { filled(run->size), run->size }, to = { filled(run->size), run->size };
	pid_t self_pid = getpid();

	while (bench_more(run))
		MUST(process_vm_readv(self_pid, &to, 1, &from, 1, 0) == (ssize_t)run->size);
}

BENCH_SIZES(memfd_new, 8, VARIES, 64 * KIB, MIB, 16 * MIB)
{
	char *source = filled(run->size);

	while (bench_more(run)) {
		int fd = memfd_create("bulk", 0);
		char *there, *here;

		MUST(fd >= 0 && ftruncate(fd, (off_t)run->size) == 0);
		there = mmap(NULL, run->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		MUST(there != MAP_FAILED);
		memcpy(there, source, run->size);
		munmap(there, run->size);
		here = mmap(NULL, run->size, PROT_READ, MAP_SHARED, fd, 0);
		MUST(here != MAP_FAILED);
		touch(here, run->size);
		munmap(here, run->size);
		close(fd);
	}
}

BENCH_SIZES(memcpy_alone, 12, VARIES, 64 * KIB, MIB, 16 * MIB)
{
	char *from = filled(run->size), *to = filled(run->size);

	while (bench_more(run)) {
		memcpy(to, from, run->size);
		__asm__ volatile("" ::: "memory");
	}
}

/* Mapped twice for good: what is left is a copy in and a copy out. */
BENCH_SIZES(memfd_reused, 8, VARIES, 64 * KIB, MIB, 16 * MIB)
{
	char *source = filled(run->size), *sink = filled(run->size), *there, *here;
	int fd = memfd_create("bulk", 0);

	MUST(fd >= 0 && ftruncate(fd, (off_t)run->size) == 0);
	there = mmap(NULL, run->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	here = mmap(NULL, run->size, PROT_READ, MAP_SHARED, fd, 0);
	MUST(there != MAP_FAILED && here != MAP_FAILED);
	while (bench_more(run)) {
		memcpy(there, source, run->size);
		__asm__ volatile("" ::: "memory");
		memcpy(sink, here, run->size);
		__asm__ volatile("" ::: "memory");
	}
}

/* In parts of 64 KiB, written and read by one thread: no switches. */
static void through(struct run *run, int to, int from)
{
	char *source = filled(run->size), *sink = filled(run->size);

	while (bench_more(run)) {
		for (uint64_t done = 0; done < run->size; done += 64 * KIB) {
			ssize_t got = 0;

			MUST(write(to, source + done, 64 * KIB) == 64 * KIB);
			while (got < (ssize_t)(64 * KIB)) {
				ssize_t now = read(from, sink + done + got, 64 * KIB - (size_t)got);

				MUST(now > 0);
				got += now;
			}
		}
	}
}

BENCH_SIZES(pipe_bulk, 8, VARIES, 64 * KIB, MIB, 16 * MIB)
{
	int ends[2];

	MUST(pipe(ends) == 0);
	through(run, ends[1], ends[0]);
}

BENCH_SIZES(unix_stream_bulk, 8, VARIES, 64 * KIB, MIB, 16 * MIB)
{
	int ends[2];

	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
	through(run, ends[0], ends[1]);
}

/* A message with @run->size bytes out of line, to the own port and received. */
static void out_of_line(struct run *run, bool touched)
{
	struct {
		struct header header;
		uint32_t count;
		struct {
			uint64_t address;
			uint8_t deallocate, copy, pad, type;
			uint32_t size;
		} __attribute__((packed)) memory;
		char trailer[MACH_TRAILER_MAX];
	} __attribute__((packed)) message = { .header = { .id = 1 } };
	const uint32_t size = offsetof(typeof(message), trailer);
	char *source = filled(run->size);
	name_t port;

	mach_open();
	port = new_port();
	while (bench_more(run)) {
		void *received;
		long result;

		message.header.bits = MSGH_BITS(MAKE_SEND, 0) | MSGH_COMPLEX;
		message.header.remote = port;
		message.header.local = MACH_PORT_NULL;
		message.count = 1;
		message.memory.address = (uint64_t)(uintptr_t)source;
		message.memory.deallocate = 0;
		message.memory.copy = 1;
		message.memory.pad = 0;
		message.memory.type = 1;
		message.memory.size = (uint32_t)run->size;
		result = mach_msg(&message, MACH_SEND_MSG | MACH_RCV_MSG, size, sizeof(message), port, 0);
		if (result == MACH_SEND_INVALID_TYPE)
			bench_not_built();
		TRAP(result);
		received = (void *)(uintptr_t)message.memory.address;
		if (touched)
			touch(received, run->size);
		MUST(munmap(received, run->size) == 0);
	}
}

BENCH_SIZES(out_of_line_touched, 8, VARIES | OURS, 64 * KIB, MIB, 16 * MIB)
{
	out_of_line(run, true);
}

BENCH_SIZES(out_of_line_untouched, 8, VARIES | OURS, 64 * KIB, MIB, 16 * MIB)
{
	out_of_line(run, false);
}
