// SPDX-License-Identifier: GPL-2.0
/*
 * Private memory of a task in several places: written through any, seen in all,
 * until somebody forks or unmaps.
 * time limit: 240 s
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"
#include "mach.h"
#include "message.h"
#include "other.h"
#include "process.h"
#include "rpc.h"
#include "vm.h"

static uint8_t *area;

/* Pages that can be read and written, the same place in each task */
static void make_pages(void *unused)
{
	(void)unused;
	area = mmap(area, 8 * PAGE, READ | WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | (area ? MAP_FIXED : 0), -1, 0);
	REQUIRE(area != MAP_FAILED);
	for (uint8_t i = 0; i < 8; i++)
		memset(area + i * PAGE, i + 1, PAGE);
}

/* A second place of @pages pages at @from in @task, here */
static uint8_t *share_from(name_t task, const void *from, unsigned int pages)
{
	struct remap_arguments arguments = vm_from(from, pages * PAGE, SHARE);
	uint32_t current;

	REQUIRE_RET(vm_remap(self(), task, &arguments, &current), 0);
	CHECK_EQ(current, READ | WRITE);
	return (uint8_t *)arguments.address;
}

BOTH(memory_is_the_same_in_both_places)
{
	struct remap_arguments arguments;
	uint32_t current;

	make_pages(NULL);
	arguments = vm_from(area + PAGE, 2 * PAGE, SHARE);
	REQUIRE_RET(vm_remap(task, self(), &arguments, &current), 0);
	CHECK_EQ(current, READ | WRITE);
	CHECK_EQ(vm_protection(task, arguments.address), READ | WRITE);
	CHECK_EQ(vm_byte(task, arguments.address), 2);
	area[PAGE] = 77;
	area[3 * PAGE - 1] = 78;
	CHECK_EQ(vm_byte(task, arguments.address), 77);
	CHECK_EQ(vm_byte(task, arguments.address + 2 * PAGE - 1), 78);
	CHECK_RET(vm_poke(task, arguments.address + PAGE - 1, "ab", 2), 0);
	CHECK_EQ(area[2 * PAGE - 1], 'a');
	CHECK_EQ(area[2 * PAGE], 'b');
	/* In a place of one's choice, instead of what is there */
	arguments = vm_from(area + 7 * PAGE, PAGE, SHARE);
	REQUIRE_RET(vm_remap(task, self(), &arguments, &current), 0);
	CHECK_RET(vm_remap(task, self(), &(struct remap_arguments){
		.address = arguments.address, .size = PAGE, .from = (uintptr_t)area,
	}, &current), KERN_NO_SPACE);
	arguments.flags = OVERWRITE;
	arguments.from = (uintptr_t)area;
	REQUIRE_RET(vm_remap(task, self(), &arguments, &current), 0);
	area[5] = 55;
	CHECK_EQ(vm_byte(task, arguments.address + 5), 55);
}

/* What programs for audio do: the same memory twice in a row */
TEST(ring_buffer_goes_on_at_its_start)
{
	uint64_t address = 0;
	struct remap_arguments arguments;
	volatile uint8_t *ring;
	uint32_t current;

	mach_open();
	REQUIRE_RET(vm_allocate(self(), &address, 8 * PAGE, ANYWHERE), 0);
	REQUIRE_RET(vm_deallocate(self(), address + 4 * PAGE, 4 * PAGE), 0);
	arguments = vm_from((void *)address, 4 * PAGE, SHARE);
	arguments.address = address + 4 * PAGE;
	arguments.flags = 0;
	REQUIRE_RET(vm_remap(self(), self(), &arguments, &current), 0);
	CHECK_HEX(arguments.address, address + 4 * PAGE);
	ring = (uint8_t *)address;
	for (unsigned int i = 0; i < 8 * PAGE; i += 64) {
		ring[i] = (uint8_t)(i / 64);
		CHECK_EQ(ring[(i + 4 * PAGE) % (8 * PAGE)], (uint8_t)(i / 64));
	}
	CHECK_RET(vm_deallocate(self(), address, 8 * PAGE), 0);
}

TEST(memory_of_another_task_is_shared_here)
{
	struct other other;
	uint8_t *own;

	mach_open();
	make_pages(NULL);
	other_start(&other, make_pages, NULL);
	own = share_from(other.task, area, 8);
	CHECK_EQ(own[7 * PAGE], 8);
	own[7 * PAGE] = 99;
	CHECK_EQ(vm_byte(other.task, (uintptr_t)area + 7 * PAGE), 99);
	CHECK_EQ(area[7 * PAGE], 8);
	CHECK_RET(vm_poke(other.task, (uintptr_t)area, "q", 1), 0);
	CHECK_EQ(own[0], 'q');
	/* It is there when its owner is no more. */
	other_end(&other);
	CHECK_EQ(own[0], 'q');
	own[PAGE] = 1;
	CHECK_EQ(own[PAGE], 1);
	CHECK_EQ(munmap(own, 8 * PAGE), 0);
}

TEST(what_is_unmapped_stays_in_the_other_place)
{
	uint8_t *own;

	mach_open();
	make_pages(NULL);
	own = share_from(self(), area, 8);
	CHECK_EQ(munmap(area, 4 * PAGE), 0);
	CHECK_EQ(own[3 * PAGE], 4);
	own[4 * PAGE] = 44;
	CHECK_EQ(area[4 * PAGE], 44);
	/* Of the other place a part is unmapped, and a part moved. */
	CHECK_EQ(munmap(own + 5 * PAGE, PAGE), 0);
	area[5 * PAGE] = area[6 * PAGE] = 66;
	CHECK_EQ(own[6 * PAGE], 66);
	own = mremap(own + 6 * PAGE, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
		     area);
	REQUIRE(own == area);
	CHECK_EQ(own[0], 66);
	own[1] = 67;
	CHECK_EQ(area[6 * PAGE + 1], 67);
}

TEST(protection_of_either_place_is_its_own)
{
	uint8_t *own;
	int status;
	pid_t pid;

	mach_open();
	make_pages(NULL);
	own = share_from(self(), area, 2);
	REQUIRE_EQ(mprotect(own, PAGE, PROT_READ), 0);
	area[0] = 11;
	CHECK_EQ(own[0], 11);
	pid = fork();
	if (pid == 0) {
		own[0] = 1;
		_exit(0);
	}
	status = wait_child(pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
	REQUIRE_EQ(mprotect(own, PAGE, PROT_READ | PROT_WRITE), 0);
	own[0] = 12;
	CHECK_EQ(area[0], 12);
	CHECK_EQ(mprotect(own, PAGE, PROT_READ | PROT_EXEC), -1);
}

/* In a child each place is a copy of its own; the parent's are the same memory still. */
TEST(child_gets_copies)
{
	struct gate changed, seen;
	uint8_t *own;
	pid_t pid;

	mach_open();
	make_pages(NULL);
	own = share_from(self(), area, 8);
	CHECK_EQ(munmap(own + 2 * PAGE, PAGE), 0);
	gate_init(&changed);
	gate_init(&seen);
	pid = fork();
	if (pid == 0) {
		CHECK_EQ(own[0], 1);
		CHECK_EQ(own[7 * PAGE], 8);
		own[0] = 200;
		own[7 * PAGE] = 201;
		CHECK_EQ(area[0], 1);
		gate_open(&changed);
		gate_pass(&seen);
		/* Nor does it see what the parent writes. */
		CHECK_EQ(own[PAGE], 2);
		CHECK_EQ(area[PAGE], 2);
		/* And its own child */
		pid = fork();
		if (pid == 0) {
			CHECK_EQ(own[0], 200);
			own[0] = 210;
			_exit(0);
		}
		WAIT_CHILD_OK(pid);
		CHECK_EQ(own[0], 200);
		_exit(0);
	}
	gate_pass(&changed);
	CHECK_EQ(own[0], 1);
	CHECK_EQ(area[0], 1);
	CHECK_EQ(area[7 * PAGE], 8);
	area[PAGE] = 20;
	CHECK_EQ(own[PAGE], 20);
	own[0] = 30;
	CHECK_EQ(area[0], 30);
	gate_open(&seen);
	WAIT_CHILD_OK(pid);
	CHECK_EQ(own[0], 30);
}

/* A child cannot get at the parent's memory by sharing its copy on. */
TEST(copy_of_a_child_is_not_shared_on)
{
	struct remap_arguments arguments;
	uint32_t current;
	uint8_t *own;
	pid_t pid;

	mach_open();
	make_pages(NULL);
	own = share_from(self(), area, 2);
	pid = fork();
	if (pid == 0) {
		mach_forget();
		REQUIRE_EQ(get_api_version(), 19);
		own[0] = 200;
		arguments = vm_from(own, PAGE, SHARE);
		CHECK_RET(vm_remap(self(), self(), &arguments, &current), KERN_NOT_SUPPORTED);
		arguments = vm_from(own, PAGE, COPY);
		REQUIRE_RET(vm_remap(self(), self(), &arguments, &current), 0);
		CHECK_EQ(*(uint8_t *)arguments.address, 200);
		/* Its private memory is shared as anybody's. */
		arguments = vm_from(area, PAGE, SHARE);
		REQUIRE_RET(vm_remap(self(), self(), &arguments, &current), 0);
		CHECK_EQ(*(uint8_t *)arguments.address, 1);
		area[0] = 201;
		CHECK_EQ(*(uint8_t *)arguments.address, 201);
		_exit(0);
	}
	WAIT_CHILD_OK(pid);
	CHECK_EQ(own[0], 1);
	CHECK_EQ(area[0], 1);
	/* In the task itself it is. */
	arguments = vm_from(own, PAGE, SHARE);
	REQUIRE_RET(vm_remap(self(), self(), &arguments, &current), 0);
	area[0] = 9;
	CHECK_EQ(*(uint8_t *)arguments.address, 9);
}

/* Who says that a child is to get the pages themselves gets what it asks for. */
TEST(pages_can_be_kept_in_a_child)
{
	uint8_t *own;
	pid_t pid;

	mach_open();
	make_pages(NULL);
	own = share_from(self(), area, 2);
	own[PAGE] = 5;
	REQUIRE_EQ(madvise(own, PAGE, MADV_KEEPONFORK), 0);
	pid = fork();
	if (pid == 0) {
		REQUIRE_EQ(own[0], 1);
		own[0] = own[PAGE] = 60;
		_exit(0);
	}
	WAIT_CHILD_OK(pid);
	CHECK_EQ(area[0], 60);
	CHECK_EQ(area[PAGE], 5);
	/* It has them when the parent has not any more. */
	pid = fork();
	if (pid == 0) {
		sleep_ms(100);
		own[0]++;
		_exit(own[0] == 61 ? 0 : 1);
	}
	CHECK_EQ(munmap(own, 2 * PAGE), 0);
	CHECK_EQ(munmap(area, 8 * PAGE), 0);
	WAIT_CHILD_OK(pid);
}

TEST(memory_entry_of_private_memory)
{
	struct map_arguments here = vm_anywhere(2 * PAGE), there = vm_anywhere(PAGE), copied;
	struct other other;
	uint64_t size;
	name_t entry;

	mach_open();
	make_pages(NULL);
	other_start(&other, NULL, NULL);
	entry = vm_entry(self(), 100 * PAGE, (uintptr_t)area + PAGE, READ | WRITE, MACH_PORT_NULL,
			 &size);
	/* As far as the mapping goes, which may have grown together with others */
	CHECK(size >= 7 * PAGE);
	REQUIRE_RET(vm_map(self(), entry, &here), 0);
	there.offset = PAGE;
	REQUIRE_RET(vm_map(other.task, entry, &there), 0);
	area[2 * PAGE] = 33;
	CHECK_EQ(((uint8_t *)here.address)[PAGE], 33);
	CHECK_EQ(vm_byte(other.task, there.address), 33);
	CHECK_RET(vm_poke(other.task, there.address, "z", 1), 0);
	CHECK_EQ(area[2 * PAGE], 'z');
	copied = vm_anywhere(PAGE);
	copied.copy = 1;
	copied.offset = PAGE;
	REQUIRE_RET(vm_map(other.task, entry, &copied), 0);
	area[2 * PAGE] = 34;
	CHECK_EQ(vm_byte(other.task, copied.address), 'z');
	CHECK_RET(deallocate(entry), 0);
	area[PAGE] = 35;
	CHECK_EQ(*(uint8_t *)here.address, 35);
	other_end(&other);
}

TEST(reading_and_writing_by_others)
{
	uint8_t byte = 0, *own;
	int fd[2], status;
	pid_t pid;

	mach_open();
	make_pages(NULL);
	own = share_from(self(), area, 2);
	/* System calls */
	REQUIRE_EQ(pipe(fd), 0);
	CHECK_EQ(write(fd[1], own + PAGE, 1), 1);
	CHECK_EQ(read(fd[0], own, 1), 1);
	CHECK_EQ(area[0], 2);
	/* A debugger, in a child's copy */
	pid = fork();
	if (pid == 0) {
		REQUIRE_EQ(ptrace(PTRACE_TRACEME, 0, 0, 0), 0);
		raise(SIGSTOP);
		_exit(own[PAGE + 8] == 'D' ? 0 : 1);
	}
	REQUIRE_EQ(waitpid(pid, &status, 0), pid);
	errno = 0;
	CHECK_HEX(ptrace(PTRACE_PEEKDATA, pid, own + PAGE, 0), 0x0202020202020202);
	CHECK_EQ(errno, 0);
	CHECK_EQ(ptrace(PTRACE_POKEDATA, pid, own + PAGE + 8, (long)'D'), 0);
	CHECK_EQ(ptrace(PTRACE_CONT, pid, 0, 0), 0);
	WAIT_CHILD_OK(pid);
	CHECK_EQ(area[PAGE + 8], 2);
	/* Messages */
	CHECK_RET(vm_peek(self(), (uintptr_t)own, &byte, 1), 0);
	CHECK_EQ(byte, 2);
	CHECK_RET(vm_poke(self(), (uintptr_t)own, "m", 1), 0);
	CHECK_EQ(area[0], 'm');
	REQUIRE_EQ(mprotect(own, PAGE, PROT_READ), 0);
	CHECK(vm_poke(self(), (uintptr_t)own, "n", 1) != 0);
	REQUIRE_EQ(mprotect(own, PAGE, PROT_NONE), 0);
	CHECK(vm_peek(self(), (uintptr_t)own, &byte, 1) != 0);
}

TEST(what_may_be_locked_is_limited)
{
	struct rlimit limit = { .rlim_cur = 6 * PAGE, .rlim_max = 6 * PAGE };
	struct remap_arguments arguments;
	uint32_t current;
	uint8_t *own;

	mach_open();
	make_pages(NULL);
	become_nobody(NULL);
	REQUIRE_EQ(setrlimit(RLIMIT_MEMLOCK, &limit), 0);
	own = share_from(self(), area, 4);
	arguments = vm_from(area + 4 * PAGE, 3 * PAGE, SHARE);
	CHECK_RET(vm_remap(self(), self(), &arguments, &current), KERN_RESOURCE_SHORTAGE);
	/* What is given back can be had again. */
	for (int i = 0; i < 50; i++) {
		CHECK_EQ(munmap(own, 4 * PAGE), 0);
		own = share_from(self(), area, 6);
		CHECK_EQ(munmap(own, 6 * PAGE), 0);
		own = share_from(self(), area, 4);
	}
	arguments = vm_from(area, 1ull << 40, SHARE);
	CHECK(vm_remap(self(), self(), &arguments, &current) != 0);
}

TEST(code_that_can_be_written_is_not_shared)
{
	struct remap_arguments arguments;
	uint32_t current;
	uint8_t *code;

	mach_open();
	code = mmap(NULL, PAGE, 7, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (code == MAP_FAILED)
		SKIP("memory cannot be written and executed");
	arguments = vm_from(code, PAGE, SHARE);
	CHECK_RET(vm_remap(self(), self(), &arguments, &current), KERN_NOT_SUPPORTED);
}

/*
 * What the Objective-C runtime does for a method from a block: a page of code of a library, read and
 * executed, is put behind a page of data, by which the code finds it.
 */
TEST(code_of_a_file_is_put_behind_data)
{
	/* mov rax, [rip - 4103]; ret: the word at the start of the page before */
	static const uint8_t code[] = { 0x48, 0x8b, 0x05, 0xf9, 0xef, 0xff, 0xff, 0xc3 };
	static const bool copies[] = { COPY, SHARE };
	uint8_t *library;
	int fd;

	mach_open();
	fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0700);
	if (fd < 0)
		fd = memfd_create("library", MFD_CLOEXEC);
	REQUIRE(fd >= 0);
	REQUIRE_EQ(ftruncate(fd, 2 * PAGE), 0);
	REQUIRE_EQ(pwrite(fd, code, sizeof(code), PAGE), (ssize_t)sizeof(code));
	library = mmap(NULL, 2 * PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
	REQUIRE(library != MAP_FAILED);
	for (size_t i = 0; i < ARRAY_SIZE(copies); i++) {
		uint64_t address = 0, *data;
		struct remap_arguments arguments;
		uint32_t current;

		REQUIRE_RET(vm_allocate(self(), &address, 2 * PAGE, ANYWHERE), 0);
		data = (uint64_t *)address;
		arguments = vm_from(library + PAGE, PAGE, copies[i]);
		arguments.address = address + PAGE;
		arguments.flags = OVERWRITE;
		arguments.inheritance = 0;
		REQUIRE_RET(vm_remap(self(), self(), &arguments, &current), 0);
		CHECK_HEX(arguments.address, address + PAGE);
		CHECK_EQ(current, READ | EXECUTE);
		data[0] = 0x1234567890abcdef;
		CHECK_HEX(((uint64_t (*)(void))(address + PAGE))(), data[0]);
		/* The other way, after the place was made free */
		REQUIRE_RET(vm_deallocate(self(), address + PAGE, PAGE), 0);
		arguments.flags = 0;
		REQUIRE_RET(vm_remap(self(), self(), &arguments, &current), 0);
		data[0]++;
		CHECK_HEX(((uint64_t (*)(void))(address + PAGE))(), data[0]);
	}
}

TEST(shared_while_others_fork_and_unmap)
{
	uint64_t end = now_ns() + 2000000000;
	pid_t pid;

	mach_open();
	make_pages(NULL);
	pid = fork();
	if (pid == 0) {
		mach_forget();
		REQUIRE_EQ(get_api_version(), 19);
		for (unsigned int i = 0; now_ns() < end; i++) {
			uint8_t *own = share_from(self(), area, 8);
			pid_t child = fork();

			if (child == 0) {
				own[i % 8 * PAGE]++;
				CHECK(own[i % 8 * PAGE] == (uint8_t)(area[i % 8 * PAGE] + 1));
				_exit(0);
			}
			area[i % 8 * PAGE] = own[(i + 1) % 8 * PAGE];
			if (i % 3)
				munmap(own, 8 * PAGE);
			WAIT_CHILD_OK(child);
			if (i % 3 == 0)
				munmap(own, 8 * PAGE);
		}
		_exit(0);
	}
	WAIT_CHILD_OK(pid);
}
