// SPDX-License-Identifier: GPL-2.0
/*
 * How a trap is entered: numbers, arguments, results, and the descriptor it goes
 * through.
 * time limit: 180 s
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "debugfs.h"
#include "harness.h"
#include "mach.h"
#include "message.h"
#include "process.h"

/* The traps that take a structure and are there from the first release on. */
struct struct_trap {
	const char *name;
	unsigned int number;
	size_t size;
	long zeros;		/* the answer to a structure of zeros */
	bool written;		/* the structure is output, not input */
};

#define STRUCT_TRAP(trap_name, structure, answer, is_written)		\
	{ #trap_name, NR_##trap_name, sizeof(struct structure), answer, is_written }

static const struct struct_trap struct_traps[] = {
	STRUCT_TRAP(_kernelrpc_mach_port_mod_refs, mach_port_mod_refs_args,
		    MACH_SEND_INVALID_DEST, false),
	STRUCT_TRAP(_kernelrpc_mach_port_allocate, mach_port_allocate_args,
		    MACH_SEND_INVALID_DEST, false),
	STRUCT_TRAP(_kernelrpc_mach_port_deallocate, mach_port_deallocate_args,
		    MACH_SEND_INVALID_DEST, false),
	STRUCT_TRAP(_kernelrpc_mach_port_insert_right_trap, mach_port_insert_right_args,
		    MACH_SEND_INVALID_DEST, false),
	STRUCT_TRAP(mach_msg_overwrite_trap, mach_msg_overwrite_args, 0, false),
	STRUCT_TRAP(kernel_printk, kernel_printk_args, 0, false),
	STRUCT_TRAP(getuidgid, uidgid, 0, true),
	STRUCT_TRAP(set_thread_handles, set_thread_handles_args, 0, false),
	STRUCT_TRAP(closing_descriptor, closing_descriptor_args, 0, false),
};

TEST(unknown_numbers)
{
	static const unsigned int numbers[] = {
		0, 3, 0x100, 0xfff, 0x1052, 0x1053, 0x10ff, 0x1100, 0x2000, 0x11000,
		0x7fffffff, 0x80000000, 0x80001000, 0xc0101000, 0xfffff000, 0xffffffff,
	};

	mach_open();
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		if (trap(numbers[i], 0) != -ENOSYS)
			FAIL("number %#x: %ld", numbers[i], trap(numbers[i], 0));
		CHECK_RET(trap(numbers[i], 0xffffffffffffffff), -ENOSYS);
	}
	for (unsigned int number = 0x1052; number < 0x3000; number++)
		if (trap(number, 0) != -ENOSYS)
			FAIL("number %#x: %ld", number, trap(number, 0));
	/* An unknown number as the very first trap makes a task all the same. */
	CHECK_EQ(get_api_version(), 19);
}

TEST(numbers_without_a_handler)
{
	mach_open();
	CHECK_RET(trap(NR_bsd_ioctl_trap, 0), -ENOSYS);
	CHECK_RET(trap(NR_bsdthread_terminate_trap, 0), -ENOSYS);
}

/* Every number is in the table, and answers exactly if the table says so. */
TEST(numbers_not_built_yet)
{
	static const struct {
		unsigned int number;
		const char *name;
	} traps[] = {
#define ROW(number, name, group) { number, name },
		MACH_TRAPS(ROW)
#undef ROW
	};
	struct trap_counts counts;
	unsigned int unbuilt = 0;

	mach_open();
	if (!read_trap_counts("get_api_version", &counts))
		SKIP("no table of traps in debugfs");
	for (size_t i = 0; i < ARRAY_SIZE(traps); i++) {
		if (!read_trap_counts(traps[i].name, &counts)) {
			FAIL("%s is not in the table", traps[i].name);
			continue;
		}
		if (counts.built)
			continue;
		unbuilt++;
		if (trap(traps[i].number, 0) != -ENOSYS)
			FAIL("%s is not built, and answers", traps[i].name);
	}
	/* Two are never built. */
	CHECK(unbuilt >= 2);
	for (size_t i = 0; i < ARRAY_SIZE(struct_traps); i++)
		CHECK(read_trap_counts(struct_traps[i].name, &counts) && counts.built);
}

TEST(result_fills_the_whole_register)
{
	mach_open();
	/* Darling's own module leaves the upper half undefined. */
	for (int i = 0; i < 100; i++) {
		CHECK_EQ(trap(NR_get_api_version, 0), 19L);
		CHECK_EQ(trap(0x1052, 0), -38L);
		CHECK_EQ(trap(NR_pthread_canceled, 0), -22L);
		CHECK_EQ(mod_refs_in(0, 0, 0, 0), 0x10000003L);
		CHECK(trap(NR_task_self_trap, 0) > 0);
		CHECK(trap(NR_task_self_trap, 0) <= 0x7fffffffL);
	}
}

TEST(pointers_that_cannot_be_read)
{
	mach_open();
	for (size_t i = 0; i < ARRAY_SIZE(struct_traps); i++) {
		const struct struct_trap *t = &struct_traps[i];

		for (size_t j = 0; j < bad_pointer_count; j++) {
			long result = trap(t->number, bad_pointers[j]);

			if (result != -EFAULT)
				FAIL("%s(%#llx): %ld %s", t->name,
				     (unsigned long long)bad_pointers[j], result,
				     code_name(result));
		}
	}
}

TEST(structures_crossing_into_a_hole)
{
	struct hole hole;

	mach_open();
	hole_init(&hole);
	for (size_t i = 0; i < ARRAY_SIZE(struct_traps); i++) {
		const struct struct_trap *t = &struct_traps[i];

		for (size_t readable = 0; readable < t->size; readable++) {
			void *at = fault_at(&hole, readable);
			long result;

			memset(at, 0, readable);
			result = trap_struct(t->number, at);
			if (result != -EFAULT)
				FAIL("%s with %zu of %zu bytes: %ld %s", t->name, readable,
				     t->size, result, code_name(result));
		}
	}
	hole_done(&hole);
}

TEST(structures_up_to_the_last_byte)
{
	struct hole hole;

	mach_open();
	hole_init(&hole);
	for (size_t i = 0; i < ARRAY_SIZE(struct_traps); i++) {
		const struct struct_trap *t = &struct_traps[i];
		long result;

		memset(fault_at(&hole, t->size), 0, t->size);
		result = trap_struct(t->number, fault_at(&hole, t->size));
		if (result != t->zeros)
			FAIL("%s: %ld %s", t->name, result, code_name(result));
	}
	hole_done(&hole);
}

TEST(structures_at_odd_addresses)
{
	uint8_t buffer[1024];

	mach_open();
	for (size_t i = 0; i < ARRAY_SIZE(struct_traps); i++)
		for (size_t offset = 0; offset < 16; offset++) {
			memset(buffer, 0, sizeof(buffer));
			CHECK_RET(trap_struct(struct_traps[i].number, buffer + offset),
				  struct_traps[i].zeros);
		}
}

/* Input needs to be readable only, and output writable. */
TEST(structures_in_read_only_memory)
{
	uint8_t *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint8_t *nothing = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	REQUIRE(page != MAP_FAILED && nothing != MAP_FAILED);
	mach_open();
	for (size_t i = 0; i < ARRAY_SIZE(struct_traps); i++) {
		const struct struct_trap *t = &struct_traps[i];

		CHECK_RET(trap_struct(t->number, page), t->written ? -EFAULT : t->zeros);
		CHECK_RET(trap_struct(t->number, nothing), -EFAULT);
	}
}

TEST(input_structures_are_not_written)
{
	uint8_t buffer[1024], same[1024];

	mach_open();
	memset(same, 0, sizeof(same));
	for (size_t i = 0; i < ARRAY_SIZE(struct_traps); i++) {
		if (struct_traps[i].written)
			continue;
		memset(buffer, 0, sizeof(buffer));
		trap_struct(struct_traps[i].number, buffer);
		CHECK(!memcmp(buffer, same, sizeof(buffer)));
	}
}

/* The upper half of the register is no part of an int. */
TEST(values_are_32_bits_wide)
{
	mach_open();
	CHECK_RET(trap(NR_get_tracer, 0x100000000), 0);
	CHECK_RET(trap(NR_pthread_canceled, 0xcccccccc00000000), -EINVAL);
	CHECK_RET(trap(NR_pthread_canceled, 0x100000001), 0);
	/* No argument: whatever is there does not matter. */
	CHECK_EQ(trap(NR_get_api_version, 0xcccccccccccccccc), 19);
	CHECK_EQ(trap(NR_task_self_trap, 0xffffffffffffffff), self());
}

TEST(two_descriptors_are_one_task)
{
	int first = mach_open(), second = mach_open_new();
	name_t port, task = task_self();

	REQUIRE(second >= 0);
	port = new_port();
	mach_fd = second;
	CHECK_EQ(task_self(), task);
	CHECK_RET(mod_refs(port, MACH_PORT_RIGHT_RECEIVE, 0), KERN_SUCCESS);
	CHECK_RET(send_id(port, MAKE_SEND, 5), 0);

	/* Neither is the one that counts. */
	mach_fd = first;
	close(second);
	CHECK_EQ(task_self(), task);
	CHECK_RET(receive_id(port), 5);

	second = mach_open_new();
	close(first);
	mach_fd = second;
	CHECK_EQ(task_self(), task);
	CHECK_RET(mod_refs(port, MACH_PORT_RIGHT_RECEIVE, 0), KERN_SUCCESS);
}

TEST(descriptors_that_are_duplicates)
{
	int fd = mach_open(), other = dup(fd), high;
	struct rlimit limit;
	name_t port = new_port();

	REQUIRE(other >= 0);
	REQUIRE(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	high = dup2(fd, (int)limit.rlim_cur - 1);
	REQUIRE(high > 0);
	close(fd);
	mach_fd = other;
	CHECK_EQ(get_api_version(), 19);
	CHECK(has_right(port, MACH_PORT_RIGHT_RECEIVE));
	close(other);
	mach_fd = high;
	CHECK_EQ(get_api_version(), 19);
	CHECK(has_right(port, MACH_PORT_RIGHT_RECEIVE));
}

/* The task belongs to the process, and not to a file. */
TEST(task_outlives_its_last_descriptor)
{
	name_t port, task;

	mach_open();
	task = task_self();
	port = new_port();
	for (int i = 0; i < 20; i++) {
		close(mach_fd);
		mach_open();
		CHECK_EQ(task_self(), task);
		CHECK(has_right(port, MACH_PORT_RIGHT_RECEIVE));
	}
}

TEST(many_descriptors)
{
	int fds[200];

	mach_open();
	for (int round = 0; round < 5; round++) {
		for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
			fds[i] = mach_open_new();
			REQUIRE(fds[i] >= 0);
			CHECK_EQ(trap_on(fds[i], NR_get_api_version, 0), 19);
		}
		for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
			close(fds[i]);
	}
}

TEST(every_way_of_opening)
{
	static const int flags[] = { O_RDONLY, O_WRONLY, O_RDWR, O_RDWR | O_NONBLOCK };

	mach_open();
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		int fd = open("/dev/mach", flags[i] | O_CLOEXEC);

		REQUIRE(fd >= 0);
		CHECK_EQ(trap_on(fd, NR_get_api_version, 0), 19);
		close(fd);
	}
}

/* An open that is never followed by a trap. */
TEST(open_and_close_only)
{
	for (int i = 0; i < 50; i++)
		close(mach_open_new());
	for (int i = 0; i < 50; i++)
		REQUIRE(mach_open_new() >= 0);
}

TEST(other_file_operations_are_refused)
{
	struct epoll_event event = { .events = EPOLLIN };
	char bytes[64];
	void *mapping;
	int epoll;

	mach_open();
	get_api_version();
	CHECK(read(mach_fd, bytes, sizeof(bytes)) < 0);
	CHECK(write(mach_fd, bytes, sizeof(bytes)) < 0);
	CHECK(pread(mach_fd, bytes, sizeof(bytes), 0) < 0);
	CHECK(ftruncate(mach_fd, 0) < 0);
	epoll = epoll_create1(EPOLL_CLOEXEC);
	errno = 0;
	CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, mach_fd, &event) < 0);
	CHECK_EQ(errno, EPERM);
	/* Never blocks, so poll says "ready" or an error, at once. */
	CHECK_EQ(poll(&(struct pollfd){ .fd = mach_fd, .events = POLLIN }, 1, 5000), 1);
	/* Whether an ELF program may have the commpage is not said; it may not write it. */
	mapping = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, mach_fd, 0);
	CHECK(mapping == MAP_FAILED);
	CHECK_EQ(get_api_version(), 19);
}

TEST(traps_are_counted)
{
	struct trap_counts before, after;
	struct mach_port_mod_refs_args *nowhere = NULL;

	mach_open();
	if (!read_trap_counts("get_api_version", &before))
		SKIP("no table of traps in debugfs");

	for (int i = 0; i < 7; i++)
		get_api_version();
	REQUIRE(read_trap_counts("get_api_version", &after));
	CHECK_EQ(after.calls - before.calls, 7);
	CHECK_EQ(after.errors - before.errors, 0);

	REQUIRE(read_trap_counts("_kernelrpc_mach_port_mod_refs", &before));
	mod_refs(self(), MACH_PORT_RIGHT_SEND, 0);
	for (int i = 0; i < 3; i++)
		mod_refs_in(0, 0, 0, 0);
	for (int i = 0; i < 2; i++)
		trap_struct(NR__kernelrpc_mach_port_mod_refs, nowhere);
	REQUIRE(read_trap_counts("_kernelrpc_mach_port_mod_refs", &after));
	CHECK_EQ(after.calls - before.calls, 6);
	CHECK_EQ(after.errors - before.errors, 5);

	/* A port name is no error, an errno is. */
	REQUIRE(read_trap_counts("task_self_trap", &before));
	for (int i = 0; i < 4; i++)
		task_self();
	REQUIRE(read_trap_counts("task_self_trap", &after));
	CHECK_EQ(after.calls - before.calls, 4);
	CHECK_EQ(after.errors - before.errors, 0);

	REQUIRE(read_trap_counts("pthread_canceled", &before));
	trap(NR_pthread_canceled, 0);
	REQUIRE(read_trap_counts("pthread_canceled", &after));
	CHECK_EQ(after.calls - before.calls, 1);
	CHECK_EQ(after.errors - before.errors, 1);
}

static void *call_version(void *argument)
{
	long *wrong = argument;

	for (int i = 0; i < 2000; i++) {
		*wrong += get_api_version() != 19;
		*wrong += trap(0x1052, 0) != -ENOSYS;
	}
	return NULL;
}

TEST(counts_of_many_threads)
{
	struct trap_counts before, after;
	pthread_t threads[8];
	long wrong[8] = { 0 };

	mach_open();
	if (!read_trap_counts("get_api_version", &before))
		SKIP("no table of traps in debugfs");
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		REQUIRE(!pthread_create(&threads[i], NULL, call_version, &wrong[i]));
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++) {
		pthread_join(threads[i], NULL);
		CHECK_EQ(wrong[i], 0);
	}
	REQUIRE(read_trap_counts("get_api_version", &after));
	CHECK_EQ(after.calls - before.calls, 8 * 2000);
}

/* The entry of 32-bit programs leads to the same traps. */
TEST(compat_entry)
{
	struct mach_port_allocate_args *arguments;
	uint32_t *name;
	int ioctl_32 = 54;

	if (!has_int80())
		SKIP("no 32-bit system calls here");
	mach_open();
	CHECK_EQ(int80(ioctl_32, (unsigned int)mach_fd, NR_get_api_version, 0), 19);
	CHECK_RET(int80(ioctl_32, (unsigned int)mach_fd, 0x1052, 0), -ENOSYS);
	CHECK_RET(int80(ioctl_32, (unsigned int)mach_fd, NR_kernel_printk, 0), -EFAULT);
	CHECK_EQ(int80(ioctl_32, (unsigned int)mach_fd, NR_task_self_trap, 0), self());

	arguments = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	REQUIRE(arguments != MAP_FAILED);
	name = (uint32_t *)(arguments + 1);
	arguments->task_right_name = self();
	arguments->right_type = MACH_PORT_RIGHT_RECEIVE;
	arguments->out_right_name = name;
	CHECK_RET(int80(ioctl_32, (unsigned int)mach_fd, NR__kernelrpc_mach_port_allocate,
			(unsigned int)(uintptr_t)arguments), KERN_SUCCESS);
	CHECK(has_right(*name, MACH_PORT_RIGHT_RECEIVE));
}
