/* SPDX-License-Identifier: GPL-2.0 */
/* The memory of tasks by request: what mach_vm_* routines are asked, and how. */
#ifndef TESTS_VM_H
#define TESTS_VM_H

#include <stdbool.h>
#include <stdint.h>

#include "mach.h"

#define PAGE		4096u
#define ANYWHERE	1u
#define OVERWRITE	0x4000u
#define COPY		true
#define SHARE		false
#define READ		1u
#define WRITE		2u
#define EXECUTE		4u
#define NEW_ENTRY	0x20000u
#define COPY_ENTRY	0x200000u

struct map_arguments {
	uint64_t address, size, mask;
	uint32_t flags;
	uint64_t offset;
	uint32_t copy, current, maximum, inheritance;
} __attribute__((packed, aligned(4)));

struct remap_arguments {
	uint64_t address, size, mask;
	uint32_t flags;
	uint64_t from;
	uint32_t copy, inheritance;
} __attribute__((packed, aligned(4)));

/*
 * The routines of these names; results are what the reply has. vm_entry() ends
 * the case when there is no entry.
 */
int32_t vm_allocate(name_t task, uint64_t *address, uint64_t size, uint32_t flags);
int32_t vm_deallocate(name_t task, uint64_t address, uint64_t size);
int32_t vm_peek(name_t task, uint64_t address, void *bytes, uint32_t size);
int32_t vm_poke(name_t task, uint64_t address, const void *bytes, uint32_t size);
uint8_t vm_byte(name_t task, uint64_t address);
int32_t vm_protection(name_t task, uint64_t address);
int32_t vm_map(name_t task, name_t object, struct map_arguments *arguments);
struct map_arguments vm_anywhere(uint64_t size);
name_t vm_entry(name_t task, uint64_t size, uint64_t offset, uint32_t permission,
			 name_t parent, uint64_t *got);
int32_t vm_entry_refused(name_t task, uint64_t size, uint64_t offset, uint32_t permission,
			     name_t parent);
int32_t vm_remap(name_t task, name_t source, struct remap_arguments *arguments,
		     uint32_t *current);
struct remap_arguments vm_from(const void *address, uint64_t size, bool copy);
int32_t vm_protect(name_t task, uint64_t address, uint64_t size, uint32_t protection);

#endif
