// SPDX-License-Identifier: GPL-2.0
/*
 * The memory of tasks by request, see vm.h.
 */
#include "harness.h"
#include "message.h"
#include "rpc.h"
#include "vm.h"

int32_t vm_allocate(name_t task, uint64_t *address, uint64_t size, uint32_t flags)
{
	struct rpc rpc;
	int32_t result;

	rpc_begin(&rpc, task, 4800);
	rpc_wide(&rpc, *address);
	rpc_wide(&rpc, size);
	rpc_word(&rpc, flags);
	result = rpc_call(&rpc);
	if (!result)
		*address = rpc_wide_at(&rpc, 0);
	return result;
}

int32_t vm_deallocate(name_t task, uint64_t address, uint64_t size)
{
	struct rpc rpc;

	rpc_begin(&rpc, task, 4801);
	rpc_wide(&rpc, address);
	rpc_wide(&rpc, size);
	return rpc_call(&rpc);
}

int32_t vm_peek(name_t task, uint64_t address, void *bytes, uint32_t size)
{
	struct rpc rpc;

	rpc_begin(&rpc, task, 4808);
	rpc_wide(&rpc, address);
	rpc_wide(&rpc, size);
	rpc_wide(&rpc, (uintptr_t)bytes);
	return rpc_call(&rpc);
}

int32_t vm_poke(name_t task, uint64_t address, const void *bytes, uint32_t size)
{
	struct rpc rpc;

	rpc_begin(&rpc, task, 4806);
	rpc_memory(&rpc, bytes, size);
	rpc_wide(&rpc, address);
	rpc_word(&rpc, size);
	return rpc_call(&rpc);
}

uint8_t vm_byte(name_t task, uint64_t address)
{
	uint8_t byte;

	REQUIRE_RET(vm_peek(task, address, &byte, 1), 0);
	return byte;
}

/* The protection of what is mapped at @address, or a failure if nothing is. */
int32_t vm_protection(name_t task, uint64_t address)
{
	struct rpc rpc;
	int32_t result;

	rpc_begin(&rpc, task, 4816);
	rpc_wide(&rpc, address);
	rpc_word(&rpc, 9);
	rpc_word(&rpc, 9);
	result = rpc_call(&rpc);
	if (result || rpc_wide_at(&rpc, 0) > address)
		return -1;
	return (int32_t)rpc_words(&rpc)[5];
}

int32_t vm_map(name_t task, name_t object, struct map_arguments *arguments)
{
	struct rpc rpc;
	int32_t result;

	rpc_begin(&rpc, task, 4811);
	rpc_port(&rpc, object, object ? COPY_SEND : MOVE_SEND);
	rpc_bytes(&rpc, arguments, sizeof(*arguments));
	result = rpc_call(&rpc);
	if (!result) {
		CHECK_EQ(rpc.size, 44);
		arguments->address = rpc_wide_at(&rpc, 0);
	}
	return result;
}

struct map_arguments vm_anywhere(uint64_t size)
{
	return (struct map_arguments){
		.size = size, .flags = ANYWHERE, .current = READ | WRITE, .maximum = 7,
		.inheritance = 1,
	};
}

name_t vm_entry(name_t task, uint64_t size, uint64_t offset, uint32_t permission,
			 name_t parent, uint64_t *got)
{
	struct rpc rpc;

	rpc_begin(&rpc, task, 4817);
	rpc_port(&rpc, parent, parent ? COPY_SEND : MOVE_SEND);
	rpc_wide(&rpc, size);
	rpc_wide(&rpc, offset);
	rpc_word(&rpc, permission);
	REQUIRE_RET(rpc_call(&rpc), 0);
	REQUIRE_EQ(rpc.size, 24 + 4 + 12 + 8 + 8);
	*got = rpc_wide_at(&rpc, 0);
	return rpc_right(&rpc, 0, MOVE_SEND);
}

int32_t vm_entry_refused(name_t task, uint64_t size, uint64_t offset, uint32_t permission,
			     name_t parent)
{
	struct rpc rpc;

	rpc_begin(&rpc, task, 4817);
	rpc_port(&rpc, parent, parent ? COPY_SEND : MOVE_SEND);
	rpc_wide(&rpc, size);
	rpc_wide(&rpc, offset);
	rpc_word(&rpc, permission);
	return rpc_call(&rpc);
}

int32_t vm_remap(name_t task, name_t source, struct remap_arguments *arguments,
		     uint32_t *current)
{
	struct rpc rpc;
	int32_t result;

	rpc_begin(&rpc, task, 4813);
	rpc_port(&rpc, source, COPY_SEND);
	rpc_bytes(&rpc, arguments, sizeof(*arguments));
	result = rpc_call(&rpc);
	if (!result) {
		CHECK_EQ(rpc.size, 52);
		arguments->address = rpc_wide_at(&rpc, 0);
		*current = rpc_words(&rpc)[2];
		CHECK_EQ(rpc_words(&rpc)[3], 7);
	}
	return result;
}

struct remap_arguments vm_from(const void *address, uint64_t size, bool copy)
{
	return (struct remap_arguments){
		.size = size, .flags = ANYWHERE, .from = (uintptr_t)address, .copy = copy,
		.inheritance = 1,
	};
}

int32_t vm_protect(name_t task, uint64_t address, uint64_t size, uint32_t protection)
{
	struct rpc rpc;

	rpc_begin(&rpc, task, 4802);
	rpc_wide(&rpc, address);
	rpc_wide(&rpc, size);
	rpc_word(&rpc, 0);
	rpc_word(&rpc, protection);
	return rpc_call(&rpc);
}
