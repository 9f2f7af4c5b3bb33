// SPDX-License-Identifier: GPL-2.0
/*
 * The memory of a task of 32 bits, changed from one of 64: all of it has to be
 * where that task can reach it.
 * time limit: 240 s
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "harness.h"
#include "lookup.h"
#include "mach.h"
#include "message.h"
#include "process.h"
#include "program.h"
#include "rpc.h"
#include "vm.h"

#define PROBE	"/macho/probe32"
#define END	0xffff0000ull	/* of what a task of 32 bits can have */
#define MIB	(1ull << 20)

/* Too large for the stack of a case */
static struct program program;

/* A task of 32 bits that waits */
static name_t start_probe(void)
{
	char *argv[] = { (char *)"probe", (char *)"wait", NULL };
	char *envp[] = { NULL };
	struct rpc rpc;
	name_t task;

	mach_open();
	program_start(&program, PROBE, argv, envp, NULL);
	REQUIRE_RET(task_for(program.pid, &task), 0);
	REQUIRE_EQ(trap(NR_task_64bit, (unsigned long)program.pid), 0);
	CHECK_RET(RPC(&rpc, task, 3405, 28, 1), 0);
	CHECK_HEX(rpc_words(&rpc)[1], 0);
	return task;
}

/* What is mapped there, as Linux tells it */
static void check_mapped(uint64_t address, uint64_t size)
{
	char path[64], line[512];
	FILE *file;
	bool found = false;

	CHECK(address >= PAGE && address + size <= END);
	snprintf(path, sizeof(path), "/proc/%d/maps", program.pid);
	file = fopen(path, "re");
	REQUIRE(file);
	while (fgets(line, sizeof(line), file)) {
		unsigned long long start, end;

		REQUIRE_EQ(sscanf(line, "%llx-%llx", &start, &end), 2);
		found |= start <= address && address + size <= end;
	}
	fclose(file);
	CHECK(found);
}

TEST(memory_is_where_the_task_can_reach_it)
{
	name_t task = start_probe(), entry;
	struct map_arguments arguments;
	struct remap_arguments again;
	static uint8_t own[3 * PAGE] __attribute__((aligned(PAGE)));
	uint64_t address = 0, size;
	uint32_t current;

	REQUIRE_RET(vm_allocate(task, &address, 3 * PAGE, ANYWHERE), 0);
	check_mapped(address, 3 * PAGE);
	CHECK_RET(vm_poke(task, address + 2 * PAGE, "x", 1), 0);
	CHECK_EQ(vm_byte(task, address + 2 * PAGE), 'x');
	CHECK_RET(vm_deallocate(task, address + PAGE, PAGE), 0);
	CHECK_EQ(vm_protection(task, address + PAGE), -1);

	arguments = vm_anywhere(5 * PAGE);
	arguments.mask = 2 * MIB - 1;
	for (int i = 0; i < 3; i++) {
		REQUIRE_RET(vm_map(task, MACH_PORT_NULL, &arguments), 0);
		CHECK_HEX(arguments.address & arguments.mask, 0);
		check_mapped(arguments.address, 5 * PAGE);
	}
	entry = vm_entry(self(), 2 * PAGE, 0, NEW_ENTRY | READ | WRITE, MACH_PORT_NULL, &size);
	arguments = vm_anywhere(2 * PAGE);
	REQUIRE_RET(vm_map(task, entry, &arguments), 0);
	check_mapped(arguments.address, 2 * PAGE);

	memset(own, 7, sizeof(own));
	for (int share = 0; share < 2; share++) {
		again = vm_from(own, 3 * PAGE, !share);
		REQUIRE_RET(vm_remap(task, self(), &again, &current), 0);
		check_mapped(again.address, PAGE);
		CHECK_EQ(vm_byte(task, again.address + 2 * PAGE), 7);
		own[0] = 9;
		CHECK_EQ(vm_byte(task, again.address), share ? 9 : 7);
	}
	program_finish(&program);
}

TEST(memory_beyond_the_end_is_refused)
{
	static const uint64_t places[] = {
		END, END - PAGE + 1, 1ull << 32, (1ull << 32) - PAGE, 1ull << 40, 0x7ffff0000000,
	};
	name_t task = start_probe();
	struct map_arguments arguments;

	for (size_t i = 0; i < ARRAY_SIZE(places); i++)
		for (uint32_t flags = 0; flags <= OVERWRITE; flags += OVERWRITE) {
			uint64_t address = places[i];

			CHECK_RET(vm_allocate(task, &address, 2 * PAGE, flags), KERN_INVALID_ADDRESS);
			arguments = vm_anywhere(2 * PAGE);
			arguments.address = places[i];
			arguments.flags = flags;
			CHECK_RET(vm_map(task, MACH_PORT_NULL, &arguments), KERN_INVALID_ADDRESS);
		}
	arguments = vm_anywhere(PAGE);
	arguments.mask = (1ull << 33) - 1;
	CHECK_RET(vm_map(task, MACH_PORT_NULL, &arguments), KERN_NO_SPACE);
	arguments = vm_anywhere(5000 * MIB);
	CHECK_RET(vm_map(task, MACH_PORT_NULL, &arguments), KERN_NO_SPACE);
	program_finish(&program);
}

TEST(all_of_the_room_can_be_used)
{
	name_t task = start_probe();
	uint64_t sum = 0, size = 1024 * MIB, first = 0;

	/* Ever smaller pieces into ever smaller gaps */
	while (size >= PAGE) {
		uint64_t address = 0;
		int32_t result = vm_allocate(task, &address, size, ANYWHERE);

		if (result) {
			CHECK_RET(result, KERN_NO_SPACE);
			size /= 2;
			continue;
		}
		CHECK(address + size <= END);
		CHECK(address >= PAGE);
		first = address;
		sum += size;
	}
	/* But for the lowest pages, and what the program has itself */
	CHECK(sum > 3900 * MIB);
	/* What is given back is found again. */
	CHECK_RET(vm_deallocate(task, first, PAGE), 0);
	size = 0;
	CHECK_RET(vm_allocate(task, &size, PAGE, ANYWHERE), 0);
	CHECK_HEX(size, first);
	CHECK_RET(vm_allocate(task, &size, PAGE, ANYWHERE), KERN_NO_SPACE);
	kill_child(program.pid);
}
