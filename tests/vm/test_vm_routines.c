// SPDX-License-Identifier: GPL-2.0
/*
 * Memory of one's own task and of another, by message and by trap.
 * time limit: 240 s
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "harness.h"
#include "mach.h"
#include "message.h"
#include "other.h"
#include "process.h"
#include "rpc.h"

#define PAGE	4096u
#define PAGES	4u

struct memory_reply {
	struct header header;
	uint32_t descriptors;
	uint64_t address;
	uint8_t deallocate, copy, pad, type;
	uint32_t size;
	uint8_t ndr[8];
	uint32_t count;
} __attribute__((packed, aligned(4)));

/* Shared by name only: the child has a private copy at the same address. */
static uint8_t *area;

static void make_area(void)
{
	area = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	REQUIRE(area != MAP_FAILED);
	body_fill(area, PAGES * PAGE, 7);
}

/* In the other task: other contents, a page to read only and one not even that */
static void prepare(void *unused)
{
	(void)unused;
	body_fill(area, PAGES * PAGE, 9);
	REQUIRE_EQ(mprotect(area + 2 * PAGE, PAGE, PROT_READ), 0);
	REQUIRE_EQ(mprotect(area + 3 * PAGE, PAGE, PROT_NONE), 0);
}

static int32_t vm_read(struct rpc *rpc, name_t task, const void *address, uint64_t size)
{
	rpc_begin(rpc, task, 4804);
	rpc_wide(rpc, (uintptr_t)address);
	rpc_wide(rpc, size);
	return rpc_call(rpc);
}

static int32_t vm_write(struct rpc *rpc, name_t task, void *address, const void *data,
			uint32_t size)
{
	rpc_begin(rpc, task, 4806);
	rpc_memory(rpc, data, size);
	rpc_wide(rpc, (uintptr_t)address);
	rpc_word(rpc, size);
	return rpc_call(rpc);
}

static int32_t vm_three(struct rpc *rpc, name_t task, int32_t id, const void *one, uint64_t two,
			const void *three)
{
	rpc_begin(rpc, task, id);
	rpc_wide(rpc, (uintptr_t)one);
	rpc_wide(rpc, two);
	rpc_wide(rpc, (uintptr_t)three);
	return rpc_call(rpc);
}

TEST(memory_of_another_task_is_read)
{
	static uint8_t expected[PAGES * PAGE], got[PAGES * PAGE];
	const struct memory_reply *reply;
	struct other other;
	struct rpc rpc;

	mach_open();
	make_area();
	body_fill(expected, sizeof(expected), 9);
	other_start(&other, prepare, NULL);
	/* Across pages, and not from the start of one */
	CHECK_RET(vm_read(&rpc, other.task, area + 100, 2 * PAGE), 0);
	reply = (const struct memory_reply *)&rpc.message;
	REQUIRE_EQ(rpc.size, sizeof(*reply));
	CHECK_EQ(reply->descriptors, 1);
	CHECK_EQ(reply->type, 1);
	CHECK_EQ(reply->size, 2 * PAGE);
	CHECK_EQ(reply->count, 2 * PAGE);
	CHECK(!memcmp((void *)(uintptr_t)reply->address, expected + 100, 2 * PAGE));
	CHECK_EQ(munmap((void *)(uintptr_t)reply->address, 2 * PAGE), 0);
	/* Nothing, and what cannot be read */
	CHECK_RET(vm_read(&rpc, other.task, area, 0), 0);
	CHECK_EQ(reply->size, 0);
	CHECK_RET(vm_read(&rpc, other.task, area + 3 * PAGE, 1), KERN_INVALID_ADDRESS);
	CHECK_RET(vm_read(&rpc, other.task, area + 2 * PAGE, 2 * PAGE), KERN_INVALID_ADDRESS);
	CHECK_RET(vm_read(&rpc, other.task, NULL, 16), KERN_INVALID_ADDRESS);
	CHECK_RET(vm_read(&rpc, other.task, (void *)-16ul, 32), KERN_INVALID_ADDRESS);
	CHECK_RET(vm_read(&rpc, other.task, (void *)0xffff888000000000, 16), KERN_INVALID_ADDRESS);
	CHECK_RET(vm_read(&rpc, other.task, area, (30u << 20) + 1), KERN_INVALID_ARGUMENT);
	/* Into own memory */
	poison(got, sizeof(got));
	CHECK_RET(vm_three(&rpc, other.task, 4808, area + 1, 2 * PAGE, got), 0);
	CHECK_EQ(rpc.size, 44);
	CHECK_EQ(rpc_wide_at(&rpc, 0), 2 * PAGE);
	CHECK(!memcmp(got, expected + 1, 2 * PAGE));
	CHECK(is_poison(got + 2 * PAGE, sizeof(got) - 2 * PAGE));
	CHECK_RET(vm_three(&rpc, other.task, 4808, area, PAGE, NULL), KERN_INVALID_ADDRESS);
	other_end(&other);
	CHECK_RET(vm_read(&rpc, self(), area, PAGE), 0);
}

TEST(memory_of_another_task_is_written)
{
	static uint8_t text[2 * PAGE], got[2 * PAGE];
	struct other other;
	struct rpc rpc;

	mach_open();
	make_area();
	body_fill(text, sizeof(text), 33);
	other_start(&other, prepare, NULL);
	/* Also into the page that the task may only read */
	CHECK_RET(vm_write(&rpc, other.task, area + PAGE, text, 2 * PAGE), 0);
	CHECK_EQ(rpc.size, 36);
	CHECK_RET(vm_three(&rpc, other.task, 4808, area + PAGE, 2 * PAGE, got), 0);
	CHECK(!memcmp(got, text, sizeof(text)));
	/* Within the task, and not here */
	CHECK_RET(vm_three(&rpc, other.task, 4807, area + PAGE, 1000, area), 0);
	CHECK_RET(vm_three(&rpc, other.task, 4808, area, 1000, got), 0);
	CHECK(!memcmp(got, text, 1000));
	CHECK(body_matches(area, PAGES * PAGE, 7));
	CHECK_RET(vm_write(&rpc, other.task, NULL, text, 16), KERN_INVALID_ADDRESS);
	CHECK_RET(vm_write(&rpc, other.task, (void *)0xffff888000000000, text, 16),
		  KERN_INVALID_ADDRESS);
	CHECK_RET(vm_three(&rpc, other.task, 4807, area, (100u << 20) + 1, area), KERN_FAILURE);
	/* A request without its memory */
	rpc_begin(&rpc, other.task, 4806);
	rpc_wide(&rpc, (uintptr_t)area);
	rpc_word(&rpc, 0);
	CHECK_REFUSED(&rpc, MIG_BAD_ARGUMENTS);
	/* A right instead */
	rpc_begin(&rpc, other.task, 4806);
	rpc_port(&rpc, MACH_PORT_NULL, MOVE_SEND);
	rpc_wide(&rpc, (uintptr_t)area);
	rpc_wide(&rpc, 0);
	CHECK_REFUSED(&rpc, MIG_TYPE_ERROR);
	other_end(&other);
}

TEST(program_text_is_written_for_the_task_alone)
{
	const uint8_t *code = (const uint8_t *)(uintptr_t)&vm_read;
	struct other other;
	struct rpc rpc;
	uint8_t before = *code, changed = (uint8_t)~before, got;

	mach_open();
	other_start(&other, NULL, NULL);
	CHECK_RET(vm_write(&rpc, other.task, (void *)(uintptr_t)code, &changed, 1), 0);
	CHECK_RET(vm_three(&rpc, other.task, 4808, code, 1, &got), 0);
	CHECK_EQ(got, changed);
	CHECK_EQ(*(const volatile uint8_t *)code, before);
	other_end(&other);
}

static int32_t vm_region(struct rpc *rpc, name_t task, const void *address, uint32_t flavor,
			 uint32_t room)
{
	rpc_begin(rpc, task, 4816);
	rpc_wide(rpc, (uintptr_t)address);
	rpc_word(rpc, flavor);
	rpc_word(rpc, room);
	return rpc_call(rpc);
}

TEST(regions_are_told)
{
	struct other other;
	struct rpc rpc;

	mach_open();
	make_area();
	other_start(&other, prepare, NULL);
	CHECK_RET(vm_region(&rpc, other.task, area + 2 * PAGE, 9, 9), 0);
	REQUIRE_EQ(rpc.size, 24 + 4 + 12 + 8 + 8 + 8 + 4 + 36);
	CHECK_HEX(rpc_right(&rpc, 0, MOVE_SEND), 0);
	CHECK_HEX(rpc_wide_at(&rpc, 0), (uintptr_t)area + 2 * PAGE);
	CHECK_EQ(rpc_wide_at(&rpc, 2), PAGE);
	CHECK_EQ(rpc_words(&rpc)[4], 9);
	CHECK_EQ(rpc_words(&rpc)[5], 1);
	CHECK_RET(vm_region(&rpc, other.task, area + 3 * PAGE + 5, 10, 8), 0);
	CHECK_HEX(rpc_wide_at(&rpc, 0), (uintptr_t)area + 3 * PAGE);
	CHECK_EQ(rpc_words(&rpc)[4], 8);
	CHECK_EQ(rpc_words(&rpc)[5], 0);
	CHECK_RET(vm_region(&rpc, self(), area, 9, 9), 0);
	CHECK_EQ(rpc_words(&rpc)[5], 3);
	CHECK_RET(vm_region(&rpc, self(), area, 9, 8), KERN_INVALID_ARGUMENT);
	CHECK_RET(vm_region(&rpc, self(), area, 11, 19), KERN_INVALID_ARGUMENT);
	CHECK_RET(vm_region(&rpc, self(), (void *)0x7ffffffff000, 9, 9), KERN_INVALID_ADDRESS);
	/* Walking ends. */
	rpc_begin(&rpc, other.task, 4815);
	rpc_wide(&rpc, (uintptr_t)area);
	rpc_word(&rpc, 5);
	rpc_word(&rpc, 19);
	CHECK_RET(rpc_call(&rpc), 0);
	REQUIRE_EQ(rpc.size, 36 + 8 + 8 + 4 + 4 + 48);
	CHECK_EQ(rpc_words(&rpc)[4], 0);
	CHECK_EQ(rpc_words(&rpc)[5], 12);
	CHECK_EQ(rpc_words(&rpc)[6], 3);
	other_end(&other);
}

TEST(memory_is_mapped_and_unmapped)
{
	struct mach_vm_allocate_args args = { .size = 5000, .flags = 1 };
	struct mach_vm_deallocate_args gone = { .size = 5000 };
	struct rpc rpc;
	uint8_t *memory;

	mach_open();
	args.target = gone.target = self();
	CHECK_RET(trap_struct(NR__kernelrpc_mach_vm_allocate_trap, &args), 0);
	memory = (uint8_t *)(uintptr_t)args.address;
	CHECK_EQ((uintptr_t)memory % PAGE, 0);
	for (unsigned int i = 0; i < 2 * PAGE; i++)
		REQUIRE(memory[i] == 0);
	memory[8191] = 1;
	/* At a place of one's choice, unless something is there */
	args.flags = 0;
	CHECK_RET(trap_struct(NR__kernelrpc_mach_vm_allocate_trap, &args), KERN_NO_SPACE);
	CHECK_EQ(memory[8191], 1);
	gone.address = args.address;
	CHECK_RET(trap_struct(NR__kernelrpc_mach_vm_deallocate_trap, &gone), 0);
	CHECK_EQ(msync(memory, 2 * PAGE, MS_ASYNC), -1);
	CHECK_RET(trap_struct(NR__kernelrpc_mach_vm_allocate_trap, &args), 0);
	CHECK_HEX(args.address, (uintptr_t)memory);
	/* By message */
	rpc_begin(&rpc, self(), 4800);
	rpc_wide(&rpc, 0);
	rpc_wide(&rpc, PAGE);
	rpc_word(&rpc, 1);
	CHECK_RET(rpc_call(&rpc), 0);
	CHECK_EQ(rpc.size, 44);
	memory = (uint8_t *)(uintptr_t)rpc_wide_at(&rpc, 0);
	memory[0] = 1;
	rpc_begin(&rpc, self(), 4801);
	rpc_wide(&rpc, (uintptr_t)memory);
	rpc_wide(&rpc, PAGE);
	CHECK_RET(rpc_call(&rpc), 0);
	CHECK_EQ(msync(memory, PAGE, MS_ASYNC), -1);
	/* Sizes that there cannot be */
	args.size = (uint64_t)-1;
	args.flags = 1;
	CHECK_RET(trap_struct(NR__kernelrpc_mach_vm_allocate_trap, &args), KERN_NO_SPACE);
	args.size = 1ull << 60;
	CHECK_RET(trap_struct(NR__kernelrpc_mach_vm_allocate_trap, &args), KERN_NO_SPACE);
	gone.size = (uint64_t)-1;
	CHECK_RET(trap_struct(NR__kernelrpc_mach_vm_deallocate_trap, &gone), KERN_INVALID_ARGUMENT);
	args.target = gone.target = new_send_right();
	args.size = gone.size = PAGE;
	CHECK_RET(trap_struct(NR__kernelrpc_mach_vm_allocate_trap, &args), KERN_INVALID_TASK);
	CHECK_RET(trap_struct(NR__kernelrpc_mach_vm_deallocate_trap, &gone), KERN_INVALID_TASK);
	for (size_t i = 0; i < bad_pointer_count; i++) {
		CHECK_RET(trap(NR__kernelrpc_mach_vm_allocate_trap, bad_pointers[i]), -EFAULT);
		CHECK_RET(trap(NR__kernelrpc_mach_vm_deallocate_trap, bad_pointers[i]), -EFAULT);
	}
}

TEST(memory_of_another_user_is_refused)
{
	struct other other;
	struct rpc rpc;
	uint8_t byte = 1;

	mach_open();
	make_area();
	other_start(&other, NULL, NULL);
	CHECK_RET(vm_write(&rpc, other.task, area, &byte, 1), 0);
	become_nobody(NULL);
	CHECK_RET(vm_read(&rpc, other.task, area, 1), KERN_NO_ACCESS);
	CHECK_RET(vm_write(&rpc, other.task, area, &byte, 1), KERN_NO_ACCESS);
	CHECK_RET(vm_three(&rpc, other.task, 4807, area, 1, area), KERN_NO_ACCESS);
	CHECK_RET(vm_three(&rpc, other.task, 4808, area, 1, &byte), KERN_NO_ACCESS);
	CHECK_RET(vm_region(&rpc, other.task, area, 9, 9), KERN_NO_ACCESS);
	CHECK_RET(vm_read(&rpc, self(), area, 1), 0);
}

TEST(policies_and_hints_are_accepted)
{
	struct rpc rpc;

	mach_open();
	CHECK_RET(RPC(&rpc, thread_self(), 3617, 1, 1, 0), 0);
	CHECK_EQ(rpc.size, 36);
	CHECK_RET(RPC(&rpc, self(), 3420, 1, 2, 0, 0), 0);
	CHECK_RET(RPC(&rpc, self(), 4803, 0, 0, 0, 0, 1), 0);
	CHECK_RET(RPC(&rpc, self(), 4809, 0, 0, 0, 0, 1), 0);
	CHECK_RET(RPC(&rpc, self(), 4810, 0, 0, 0, 0, 1), 0);
	CHECK_RET(RPC(&rpc, self(), 4818, 0, 0, 1, 0), 0);
	CHECK_EQ(rpc.size, 40);
}
