// SPDX-License-Identifier: GPL-2.0
/*
 * Mapping memory into one's own task and another: zeroes, memory entries, and
 * what a task has mapped already.
 * time limit: 240 s
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "harness.h"
#include "mach.h"
#include "message.h"
#include "other.h"
#include "process.h"
#include "rpc.h"
#include "vm.h"

BOTH(memory_is_allocated_and_deallocated)
{
	uint64_t address = 0, there, zero = 0;
	struct mach_vm_allocate_args args = { .size = PAGE, .flags = ANYWHERE };
	struct mach_vm_deallocate_args gone = { .size = PAGE };

	REQUIRE_RET(vm_allocate(task, &address, 5000, ANYWHERE), 0);
	CHECK_EQ(address % PAGE, 0);
	CHECK_EQ(vm_protection(task, address + PAGE), READ | WRITE);
	CHECK_EQ(vm_byte(task, address + 2 * PAGE - 1), 0);
	CHECK_RET(vm_poke(task, address + PAGE, "x", 1), 0);
	CHECK_EQ(vm_byte(task, address + PAGE), 'x');
	/* Not here, if it was there */
	if (task != self())
		CHECK(vm_protection(self(), address) == -1 || *(uint8_t *)(address + PAGE) != 'x');
	/* A place of one's choice: taken, free, and taken but to be replaced */
	there = address;
	CHECK_RET(vm_allocate(task, &there, PAGE, 0), KERN_NO_SPACE);
	CHECK_RET(vm_deallocate(task, address + PAGE, 1), 0);
	CHECK_EQ(vm_protection(task, address + PAGE), -1);
	CHECK_EQ(vm_protection(task, address), READ | WRITE);
	there = address + PAGE + 5;
	CHECK_RET(vm_allocate(task, &there, 1, 0), 0);
	CHECK_HEX(there, address + PAGE);
	CHECK_RET(vm_poke(task, there, "y", 1), 0);
	CHECK_RET(vm_allocate(task, &there, PAGE, OVERWRITE), 0);
	CHECK_EQ(vm_byte(task, there), 0);
	/* What cannot be */
	CHECK_RET(vm_allocate(task, &zero, 0, ANYWHERE), 0);
	CHECK_HEX(zero, 0);
	CHECK_RET(vm_allocate(task, &zero, (uint64_t)-1, ANYWHERE), KERN_NO_SPACE);
	CHECK_RET(vm_allocate(task, &zero, 1ull << 60, ANYWHERE), KERN_NO_SPACE);
	zero = 0xffff888000000000;
	CHECK(vm_allocate(task, &zero, PAGE, 0) != 0);
	CHECK_RET(vm_deallocate(task, address, (uint64_t)-1), KERN_INVALID_ARGUMENT);
	CHECK_RET(vm_deallocate(task, 0xffff888000000000, PAGE), KERN_INVALID_ADDRESS);
	CHECK_RET(vm_deallocate(task, address, 2 * PAGE), 0);
	CHECK_EQ(vm_protection(task, address), -1);
	CHECK_RET(vm_deallocate(task, address, 2 * PAGE), 0);
	/* The same by trap */
	args.target = gone.target = task;
	CHECK_RET(trap_struct(NR__kernelrpc_mach_vm_allocate_trap, &args), 0);
	CHECK_EQ(vm_protection(task, args.address), READ | WRITE);
	gone.address = args.address;
	CHECK_RET(trap_struct(NR__kernelrpc_mach_vm_deallocate_trap, &gone), 0);
	CHECK_EQ(vm_protection(task, args.address), -1);
}

/* The lowest address that a process may map, as this kernel has it. */
static uint64_t lowest_address(void)
{
	FILE *file = fopen("/proc/sys/vm/mmap_min_addr", "re");
	uint64_t lowest = 0;

	REQUIRE(file && fscanf(file, "%" SCNu64, &lowest) == 1);
	fclose(file);
	return lowest;
}

TEST(low_pages_of_another_task_are_not_mapped)
{
	uint64_t lowest = lowest_address(), address = 0;
	struct other other;

	REQUIRE(lowest >= PAGE);
	mach_open();
	become_nobody(NULL);
	other_start(&other, NULL, NULL);
	CHECK(vm_allocate(other.task, &address, PAGE, 0) != 0);
	address = lowest - PAGE;
	CHECK(vm_allocate(other.task, &address, PAGE, OVERWRITE) != 0);
	address = lowest;
	CHECK_RET(vm_allocate(other.task, &address, PAGE, OVERWRITE), 0);
	other_end(&other);
}

static void limit_memory(void *unused)
{
	struct rlimit limit = { .rlim_cur = 256 << 20, .rlim_max = 256 << 20 };

	(void)unused;
	REQUIRE_EQ(setrlimit(RLIMIT_AS, &limit), 0);
}

static void limit_data(void *unused)
{
	struct rlimit limit = { .rlim_cur = 64 << 20, .rlim_max = 64 << 20 };

	(void)unused;
	REQUIRE_EQ(setrlimit(RLIMIT_DATA, &limit), 0);
}

static void limit_locked(void *unused)
{
	struct rlimit limit = { .rlim_cur = 64 << 20, .rlim_max = 64 << 20 };

	(void)unused;
	REQUIRE_EQ(mlockall(MCL_FUTURE), 0);
	REQUIRE_EQ(setrlimit(RLIMIT_MEMLOCK, &limit), 0);
}

TEST(limits_of_the_other_task_hold)
{
	static void (*const limits[])(void *) = { limit_memory, limit_data, limit_locked };
	struct other other;

	mach_open();
	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		uint64_t address = 0;

		other_start(&other, limits[i], NULL);
		CHECK_RET(vm_allocate(other.task, &address, 512 << 20, ANYWHERE), KERN_NO_SPACE);
		CHECK_RET(vm_allocate(other.task, &address, PAGE, ANYWHERE), 0);
		other_end(&other);
	}
}

BOTH(zeroes_are_mapped_as_wished)
{
	static const uint32_t protections[] = { 0, READ, READ | WRITE, READ | EXECUTE, 7 };
	struct map_arguments arguments;

	for (size_t i = 0; i < ARRAY_SIZE(protections); i++) {
		arguments = vm_anywhere(3 * PAGE - 1);
		arguments.current = protections[i];
		REQUIRE_RET(vm_map(task, MACH_PORT_NULL, &arguments), 0);
		CHECK_EQ(vm_protection(task, arguments.address + 2 * PAGE), protections[i]);
	}
	/* At a boundary */
	arguments = vm_anywhere(PAGE);
	arguments.mask = (1 << 21) - 1;
	for (unsigned int i = 0; i < 4; i++) {
		REQUIRE_RET(vm_map(task, MACH_PORT_NULL, &arguments), 0);
		CHECK_HEX(arguments.address & arguments.mask, 0);
		CHECK_EQ(vm_protection(task, arguments.address), READ | WRITE);
		CHECK(vm_protection(task, arguments.address + PAGE) == -1 ||
		      vm_protection(task, arguments.address - PAGE) == -1);
	}
	/* In a place */
	arguments.flags = 0;
	CHECK_RET(vm_map(task, MACH_PORT_NULL, &arguments), KERN_NO_SPACE);
	arguments.flags = OVERWRITE;
	arguments.current = READ;
	CHECK_RET(vm_map(task, MACH_PORT_NULL, &arguments), 0);
	CHECK_EQ(vm_protection(task, arguments.address), READ);
	/* What cannot be */
	arguments = vm_anywhere(0);
	CHECK_RET(vm_map(task, MACH_PORT_NULL, &arguments), KERN_INVALID_ARGUMENT);
	arguments = vm_anywhere(PAGE);
	arguments.current = 8;
	CHECK_RET(vm_map(task, MACH_PORT_NULL, &arguments), KERN_INVALID_ARGUMENT);
	arguments = vm_anywhere(PAGE);
	arguments.maximum = READ;
	CHECK_RET(vm_map(task, MACH_PORT_NULL, &arguments), KERN_INVALID_ARGUMENT);
	arguments = vm_anywhere(PAGE);
	arguments.inheritance = 3;
	CHECK_RET(vm_map(task, MACH_PORT_NULL, &arguments), KERN_INVALID_ARGUMENT);
	arguments = vm_anywhere(PAGE);
	arguments.mask = (uint64_t)-1;
	CHECK_RET(vm_map(task, MACH_PORT_NULL, &arguments), KERN_NO_SPACE);
	arguments = vm_anywhere(PAGE);
	CHECK_RET(vm_map(task, host_self(), &arguments), KERN_INVALID_OBJECT);
}

TEST(memory_entry_is_shared_by_tasks)
{
	struct map_arguments here = vm_anywhere(2 * PAGE), there = vm_anywhere(PAGE), copied;
	struct other other;
	uint64_t size;
	uint8_t *own;
	name_t entry, part;
	struct rpc rpc;

	mach_open();
	other_start(&other, NULL, NULL);
	entry = vm_entry(self(), PAGE + 1, 0, NEW_ENTRY | READ | WRITE, MACH_PORT_NULL, &size);
	CHECK_EQ(size, 2 * PAGE);
	CHECK_RET(RPC(&rpc, self(), 3230, entry), 0);
	CHECK_EQ(rpc_words(&rpc)[0], 28);
	REQUIRE_RET(vm_map(self(), entry, &here), 0);
	there.offset = PAGE;
	REQUIRE_RET(vm_map(other.task, entry, &there), 0);
	own = (uint8_t *)here.address;
	CHECK_EQ(own[PAGE], 0);
	own[PAGE] = 7;
	CHECK_EQ(vm_byte(other.task, there.address), 7);
	CHECK_RET(vm_poke(other.task, there.address + 1, "z", 1), 0);
	CHECK_EQ(own[PAGE + 1], 'z');
	/* A copy is of this moment, and for the task alone. */
	copied = vm_anywhere(2 * PAGE);
	copied.copy = 1;
	REQUIRE_RET(vm_map(other.task, entry, &copied), 0);
	own[PAGE] = own[0] = 8;
	CHECK_EQ(vm_byte(other.task, copied.address + PAGE), 7);
	CHECK_EQ(vm_byte(other.task, copied.address), 0);
	CHECK_RET(vm_poke(other.task, copied.address, "c", 1), 0);
	CHECK_EQ(own[0], 8);
	/* A part of the entry that may only be read */
	part = vm_entry(self(), PAGE, PAGE, READ, entry, &size);
	CHECK_EQ(size, PAGE);
	there = vm_anywhere(PAGE);
	CHECK_RET(vm_map(other.task, part, &there), KERN_INVALID_RIGHT);
	there.current = READ;
	REQUIRE_RET(vm_map(other.task, part, &there), 0);
	CHECK_EQ(vm_byte(other.task, there.address), 8);
	there.offset = PAGE;
	CHECK_RET(vm_map(other.task, part, &there), KERN_INVALID_ARGUMENT);
	CHECK_RET(vm_entry_refused(self(), PAGE, 2 * PAGE, READ, entry), KERN_INVALID_ARGUMENT);
	CHECK_RET(vm_entry_refused(self(), PAGE, 0, READ | WRITE, part), KERN_INVALID_RIGHT);
	CHECK_RET(vm_entry_refused(self(), PAGE, 0, READ, host_self()), KERN_INVALID_ARGUMENT);
	/* The memory outlives the entry, and one's own mapping. */
	CHECK_RET(deallocate(part), 0);
	CHECK_RET(deallocate(entry), 0);
	CHECK_EQ(munmap(own, 2 * PAGE), 0);
	there.offset = 0;
	CHECK_EQ(vm_byte(other.task, there.address), 8);
	other_end(&other);
}

TEST(memory_entry_of_what_is_mapped)
{
	struct map_arguments arguments;
	uint8_t *shared, *private;
	uint64_t size;
	name_t entry;

	mach_open();
	shared = mmap(NULL, 2 * PAGE, READ | WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	private = mmap(NULL, 2 * PAGE, READ | WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	REQUIRE(shared != MAP_FAILED && private != MAP_FAILED);
	entry = vm_entry(self(), PAGE, (uintptr_t)shared + PAGE + 1, READ | WRITE,
			   MACH_PORT_NULL, &size);
	CHECK_EQ(size, PAGE);
	arguments = vm_anywhere(PAGE);
	REQUIRE_RET(vm_map(self(), entry, &arguments), 0);
	shared[PAGE] = 5;
	CHECK_EQ(*(uint8_t *)arguments.address, 5);
	private[0] = 6;
	entry = vm_entry(self(), PAGE, (uintptr_t)private, COPY_ENTRY | READ, MACH_PORT_NULL,
			   &size);
	private[0] = 7;
	arguments = vm_anywhere(PAGE);
	arguments.current = READ;
	REQUIRE_RET(vm_map(self(), entry, &arguments), 0);
	CHECK_EQ(*(uint8_t *)arguments.address, 6);
	/* No more than one may oneself */
	REQUIRE_EQ(mprotect(shared, 2 * PAGE, PROT_READ), 0);
	CHECK_RET(vm_entry_refused(self(), PAGE, (uintptr_t)shared, READ | WRITE, MACH_PORT_NULL),
		  KERN_PROTECTION_FAILURE);
	CHECK_RET(vm_entry_refused(self(), 0, (uintptr_t)shared, READ, MACH_PORT_NULL),
		  KERN_INVALID_ARGUMENT);
	CHECK_RET(vm_entry_refused(self(), PAGE, PAGE, READ, MACH_PORT_NULL), KERN_INVALID_ADDRESS);
	CHECK_RET(vm_entry_refused(self(), PAGE, PAGE, COPY_ENTRY | READ, MACH_PORT_NULL),
		  KERN_MEMORY_ERROR);
	CHECK_RET(vm_entry_refused(self(), PAGE, 0, 0x10000 | READ, MACH_PORT_NULL),
		  KERN_NOT_SUPPORTED);
	CHECK_RET(vm_entry_refused(self(), 1ull << 62, 0, NEW_ENTRY | READ, MACH_PORT_NULL),
		  KERN_NO_SPACE);
}

static uint8_t *area;

/* Four pages: to write, to read, to execute, and nothing */
static void make_area(void *unused)
{
	(void)unused;
	area = mmap(area, 4 * PAGE, READ | WRITE, MAP_PRIVATE | MAP_ANONYMOUS | (area ? MAP_FIXED : 0),
		    -1, 0);
	REQUIRE(area != MAP_FAILED);
	for (unsigned int i = 0; i < 3; i++)
		memset(area + i * PAGE, (int)i + 1, PAGE);
	REQUIRE_EQ(mprotect(area + PAGE, PAGE, PROT_READ), 0);
	REQUIRE_EQ(mprotect(area + 2 * PAGE, PAGE, PROT_READ | PROT_EXEC), 0);
	REQUIRE_EQ(mprotect(area + 3 * PAGE, PAGE, PROT_NONE), 0);
}

BOTH(memory_is_copied_into_a_task)
{
	struct remap_arguments arguments;
	uint64_t old;
	uint32_t current;

	area = NULL;
	make_area(NULL);
	arguments = vm_from(area + 1, 3 * PAGE - 1, COPY);
	REQUIRE_RET(vm_remap(task, self(), &arguments, &current), 0);
	CHECK_EQ(current, READ);
	CHECK_EQ(vm_protection(task, arguments.address), READ | WRITE);
	CHECK_EQ(vm_protection(task, arguments.address + PAGE), READ);
	CHECK_EQ(vm_protection(task, arguments.address + 2 * PAGE), READ | EXECUTE);
	for (uint8_t i = 0; i < 3; i++)
		CHECK_EQ(vm_byte(task, arguments.address + i * PAGE + 77), i + 1);
	area[0] = 99;
	CHECK_EQ(vm_byte(task, arguments.address), 1);
	CHECK_RET(vm_poke(task, arguments.address + 1, "q", 1), 0);
	CHECK_EQ(area[1], 1);
	/* In a place that is taken */
	old = arguments.address;
	arguments = vm_from(area, PAGE, COPY);
	arguments.address = old;
	arguments.flags = 0;
	CHECK_RET(vm_remap(task, self(), &arguments, &current), KERN_NO_SPACE);
	arguments.flags = OVERWRITE;
	CHECK_RET(vm_remap(task, self(), &arguments, &current), 0);
	CHECK_EQ(current, READ | WRITE);
	CHECK_HEX(arguments.address, old);
	CHECK_EQ(vm_byte(task, old), 99);
	CHECK_EQ(vm_byte(task, old + PAGE), 2);
	/* At a boundary */
	arguments = vm_from(area, 3 * PAGE, COPY);
	arguments.mask = 0xffff;
	CHECK_RET(vm_remap(task, self(), &arguments, &current), 0);
	CHECK_HEX(arguments.address & 0xffff, 0);
	CHECK_EQ(vm_byte(task, arguments.address + 2 * PAGE), 3);
	/* What cannot be */
	arguments = vm_from(area, 4 * PAGE, COPY);
	CHECK_RET(vm_remap(task, self(), &arguments, &current), KERN_MEMORY_ERROR);
	arguments = vm_from(NULL, PAGE, COPY);
	CHECK_RET(vm_remap(task, self(), &arguments, &current), KERN_INVALID_ADDRESS);
	arguments = vm_from(area, 0, COPY);
	CHECK_RET(vm_remap(task, self(), &arguments, &current), KERN_INVALID_ARGUMENT);
	arguments = vm_from(area, 1ull << 62, COPY);
	CHECK(vm_remap(task, self(), &arguments, &current) != 0);
	arguments = vm_from((void *)-PAGE, 2 * PAGE, COPY);
	CHECK_RET(vm_remap(task, self(), &arguments, &current), KERN_INVALID_ADDRESS);
	arguments = vm_from(area, PAGE, COPY);
	CHECK_RET(vm_remap(task, host_self(), &arguments, &current), KERN_INVALID_ARGUMENT);
}

TEST(code_that_was_copied_runs)
{
	static const uint8_t code[] = { 0xb8, 42, 0, 0, 0, 0xc3 };	/* mov eax, 42; ret */
	struct remap_arguments arguments;
	uint32_t current;

	mach_open();
	area = NULL;
	make_area(NULL);
	memcpy(area, code, sizeof(code));
	REQUIRE_EQ(mprotect(area, PAGE, PROT_READ | PROT_EXEC), 0);
	arguments = vm_from(area, PAGE, COPY);
	REQUIRE_RET(vm_remap(self(), self(), &arguments, &current), 0);
	CHECK_EQ(current, READ | EXECUTE);
	CHECK_EQ(((int (*)(void))(uintptr_t)arguments.address)(), 42);
}

TEST(memory_of_another_task_is_copied_here)
{
	struct remap_arguments arguments;
	struct other other;
	uint32_t current;

	mach_open();
	area = NULL;
	make_area(NULL);
	memset(area, 50, PAGE);
	other_start(&other, make_area, NULL);
	arguments = vm_from(area, 2 * PAGE, COPY);
	REQUIRE_RET(vm_remap(self(), other.task, &arguments, &current), 0);
	CHECK_EQ(*(uint8_t *)arguments.address, 1);
	CHECK_EQ(*(uint8_t *)(arguments.address + PAGE), 2);
	other_end(&other);
}

BOTH(memory_is_shared_with_a_task)
{
	struct remap_arguments arguments;
	uint8_t *shared = mmap(NULL, 2 * PAGE, READ | WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint32_t current;

	REQUIRE(shared != MAP_FAILED);
	area = NULL;
	make_area(NULL);
	arguments = vm_from(shared + PAGE, PAGE, SHARE);
	REQUIRE_RET(vm_remap(task, self(), &arguments, &current), 0);
	CHECK_EQ(current, READ | WRITE);
	shared[PAGE] = 5;
	CHECK_EQ(vm_byte(task, arguments.address), 5);
	CHECK_RET(vm_poke(task, arguments.address, "s", 1), 0);
	CHECK_EQ(shared[PAGE], 's');
	/* What can only be read is the same as a copy. */
	arguments = vm_from(area + PAGE, 2 * PAGE, SHARE);
	REQUIRE_RET(vm_remap(task, self(), &arguments, &current), 0);
	CHECK_EQ(current, READ);
	CHECK_EQ(vm_byte(task, arguments.address), 2);
}

TEST(protection_is_not_changed)
{
	struct other other;

	mach_open();
	area = NULL;
	make_area(NULL);
	other_start(&other, make_area, NULL);
	/* What it is already */
	CHECK_RET(vm_protect(self(), (uintptr_t)area, PAGE, READ | WRITE), 0);
	CHECK_RET(vm_protect(self(), (uintptr_t)area, 2 * PAGE, READ | WRITE), KERN_NOT_SUPPORTED);
	CHECK_EQ(vm_protection(self(), (uintptr_t)area), READ | WRITE);
	/* Clients rely on the answer. */
	CHECK_RET(vm_protect(other.task, (uintptr_t)area, PAGE, READ), 0);
	CHECK_RET(vm_protect(other.task, (uintptr_t)area, PAGE, 32), KERN_INVALID_ARGUMENT);
	CHECK_RET(vm_protect(other.task, 0, PAGE, READ), KERN_INVALID_ADDRESS);
	CHECK_RET(vm_protect(other.task, (uintptr_t)area, (uint64_t)-1, READ), KERN_INVALID_ADDRESS);
	other_end(&other);
}

BOTH(pages_are_told_of)
{
	uint32_t words[5];
	uint64_t address = 0;
	struct rpc rpc;

	REQUIRE_RET(vm_allocate(task, &address, 4 * PAGE, ANYWHERE), 0);
	CHECK_RET(vm_poke(task, address + PAGE, "p", 1), 0);
	rpc_begin(&rpc, task, 4814);
	rpc_wide(&rpc, address);
	CHECK_RET(rpc_call(&rpc), 0);
	CHECK_EQ(rpc.size, 44);
	CHECK_HEX(rpc_words(&rpc)[0], 0);
	CHECK_EQ(rpc_words(&rpc)[1], 0);
	rpc_begin(&rpc, task, 4814);
	rpc_wide(&rpc, address + PAGE + 9);
	CHECK_RET(rpc_call(&rpc), 0);
	CHECK_EQ(rpc_words(&rpc)[0] & 1, 1);
	CHECK_EQ(rpc_words(&rpc)[1], 1);
	rpc_begin(&rpc, task, 4819);
	rpc_wide(&rpc, address + PAGE);
	rpc_word(&rpc, 1);
	rpc_word(&rpc, 7);
	CHECK_RET(rpc_call(&rpc), 0);
	CHECK_EQ(rpc.size, 36 + 4 + 28);
	CHECK_EQ(rpc_words(&rpc)[1] & 1, 1);
	for (uint32_t flavor = 1; flavor <= 2; flavor++) {
		rpc_begin(&rpc, task, 4819);
		rpc_wide(&rpc, address);
		rpc_word(&rpc, flavor);
		rpc_word(&rpc, flavor == 1 ? 6 : 32);
		CHECK_REFUSED(&rpc, KERN_INVALID_ARGUMENT);
	}
	/* Several, as many as there is room for, and one before the first */
	poison(words, sizeof(words));
	rpc_begin(&rpc, task, 4820);
	rpc_wide(&rpc, address);
	rpc_wide(&rpc, 4 * PAGE);
	rpc_wide(&rpc, (uintptr_t)words);
	rpc_wide(&rpc, 3);
	CHECK_RET(rpc_call(&rpc), 0);
	CHECK_EQ(rpc.size, 44);
	CHECK_EQ(rpc_wide_at(&rpc, 0), 3);
	CHECK_EQ(words[0], 0);
	CHECK_EQ(words[1] & 1, 1);
	CHECK_EQ(words[2], 0);
	CHECK(is_poison(words + 3, 8));
	rpc_begin(&rpc, task, 4820);
	rpc_wide(&rpc, address);
	rpc_wide(&rpc, PAGE);
	rpc_wide(&rpc, 8);
	rpc_wide(&rpc, 1);
	CHECK_REFUSED(&rpc, KERN_INVALID_ADDRESS);
	rpc_begin(&rpc, task, 4820);
	rpc_wide(&rpc, address);
	rpc_wide(&rpc, 2ull << 30);
	rpc_wide(&rpc, (uintptr_t)words);
	rpc_wide(&rpc, (uint64_t)-1);
	CHECK_REFUSED(&rpc, KERN_INVALID_ARGUMENT);
}

struct range {
	uint64_t address, size;
};

static int32_t read_list(struct rpc *rpc, name_t task, struct range *ranges, uint32_t count)
{
	struct range list[256] = { { 0 } };
	int32_t result;

	memcpy(list, ranges, sizeof(*ranges) * (count <= 256 ? count : 0));
	rpc_begin(rpc, task, 4805);
	rpc_bytes(rpc, list, sizeof(list));
	rpc_word(rpc, count);
	result = rpc_call(rpc);
	if (!result) {
		CHECK_EQ(rpc->size, 36 + 4096);
		memcpy(ranges, rpc_words(rpc), sizeof(*ranges) * count);
	}
	return result;
}

TEST(several_ranges_are_read_at_once)
{
	struct range ranges[4];
	struct other other;
	struct rpc rpc;

	mach_open();
	area = NULL;
	make_area(NULL);
	memset(area, 90, PAGE);
	other_start(&other, make_area, NULL);
	ranges[0] = (struct range){ (uintptr_t)area + 100, PAGE };
	ranges[1] = (struct range){ (uintptr_t)area + 3 * PAGE, PAGE };
	ranges[2] = (struct range){ 0, 0 };
	ranges[3] = (struct range){ (uintptr_t)area + PAGE + 1, 3 };
	REQUIRE_RET(read_list(&rpc, other.task, ranges, 4), 0);
	CHECK_EQ(ranges[0].size, PAGE);
	CHECK_EQ(*(uint8_t *)ranges[0].address, 1);
	CHECK_EQ(*(uint8_t *)(ranges[0].address + PAGE - 1), 2);
	*(uint8_t *)ranges[0].address = 5;
	CHECK_EQ(vm_byte(other.task, (uintptr_t)area + 100), 1);
	CHECK_HEX(ranges[1].address, 0);
	CHECK_EQ(ranges[1].size, 0);
	CHECK_HEX(ranges[2].address, 0);
	CHECK_EQ(*(uint8_t *)ranges[3].address, 2);
	/* The last one says whether it worked. */
	ranges[0] = (struct range){ (uintptr_t)area, PAGE };
	ranges[1] = (struct range){ (uintptr_t)area + 3 * PAGE, PAGE };
	CHECK_RET(read_list(&rpc, other.task, ranges, 2), KERN_MEMORY_ERROR);
	CHECK_RET(read_list(&rpc, other.task, ranges, 0), 0);
	CHECK_RET(read_list(&rpc, other.task, ranges, 257), KERN_INVALID_ARGUMENT);
	other_end(&other);
}

TEST(hints_are_accepted)
{
	struct rpc rpc;

	mach_open();
	/* Inheritance; caches, of which others are not known */
	CHECK_RET(RPC(&rpc, self(), 4803, 0, 0, 0, 0, 2), 0);
	CHECK_RET(RPC(&rpc, self(), 4803, 0, 0, 0, 0, 3), KERN_INVALID_ARGUMENT);
	CHECK_RET(RPC(&rpc, self(), 4812, 0, 0, 0, 0, 1, 8), 0);
	CHECK_EQ(rpc_words(&rpc)[0], 8);
	CHECK_RET(RPC(&rpc, self(), 4812, 0, 0, 0, 0, 2, 8), KERN_INVALID_ARGUMENT);
}

TEST(mapping_into_a_task_of_another_user_is_refused)
{
	struct map_arguments arguments = vm_anywhere(PAGE);
	struct remap_arguments remapped;
	struct other other, friend;
	uint64_t address = 0;
	uint32_t current;
	struct rpc rpc;
	struct mach_vm_allocate_args args = { .size = PAGE, .flags = ANYWHERE };
	struct mach_vm_deallocate_args gone = { .size = PAGE };

	mach_open();
	area = NULL;
	make_area(NULL);
	other_start(&other, NULL, NULL);
	other_start(&friend, become_nobody, NULL);
	become_nobody(NULL);
	CHECK_RET(vm_allocate(other.task, &address, PAGE, ANYWHERE), KERN_NO_ACCESS);
	CHECK_RET(vm_deallocate(other.task, (uintptr_t)area, PAGE), KERN_NO_ACCESS);
	CHECK_RET(vm_map(other.task, MACH_PORT_NULL, &arguments), KERN_NO_ACCESS);
	/* Neither to there nor from there */
	remapped = vm_from(area, PAGE, COPY);
	CHECK_RET(vm_remap(other.task, self(), &remapped, &current), KERN_NO_ACCESS);
	CHECK_RET(vm_remap(self(), other.task, &remapped, &current), KERN_NO_ACCESS);
	CHECK_RET(vm_entry_refused(other.task, PAGE, (uintptr_t)area, READ, MACH_PORT_NULL),
		  KERN_NO_ACCESS);
	CHECK_RET(vm_protect(other.task, (uintptr_t)area, PAGE, READ), KERN_NO_ACCESS);
	CHECK_RET(RPC(&rpc, other.task, 4814, 0, 0), KERN_NO_ACCESS);
	args.target = gone.target = other.task;
	CHECK_RET(trap_struct(NR__kernelrpc_mach_vm_allocate_trap, &args), KERN_NO_ACCESS);
	CHECK_RET(trap_struct(NR__kernelrpc_mach_vm_deallocate_trap, &gone), KERN_NO_ACCESS);
	CHECK_RET(vm_allocate(friend.task, &address, PAGE, ANYWHERE), 0);
}

/* The task ends while others map into it; nothing may be left, which the counters tell. */
TEST(task_ends_while_it_is_mapped_into)
{
	mach_open();
	for (unsigned int i = 0; i < 20; i++) {
		struct other other;
		unsigned int done = 0;

		other_start(&other, NULL, NULL);
		for (;; done++) {
			struct map_arguments arguments = vm_anywhere(16 * PAGE);
			struct rpc rpc;

			rpc_begin(&rpc, other.task, 4811);
			rpc_port(&rpc, MACH_PORT_NULL, MOVE_SEND);
			rpc_bytes(&rpc, &arguments, sizeof(arguments));
			if (done == i)
				kill(other.pid, SIGKILL);
			if (!has_right(other.task, MACH_PORT_RIGHT_SEND))
				break;
			if (mach_msg(&rpc.message, MACH_SEND_MSG | MACH_RCV_MSG, rpc.size,
				     sizeof(rpc.message), rpc.reply, 0))
				break;
		}
		wait_child(other.pid);
	}
}
