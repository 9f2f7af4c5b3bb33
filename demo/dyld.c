// SPDX-License-Identifier: GPL-2.0
/*
 * A dynamic linker that can do just enough: it finds main() in the program that
 * the kernel mapped, and calls it. The programs of the demo need no relocation.
 */
#include "runtime.h"

#define MH_MAGIC_64	0xfeedfacfu
#define LC_MAIN		0x80000028u

struct mach_header {
	uint32_t magic, cputype, cpusubtype, filetype, ncmds, sizeofcmds, flags, reserved;
};

struct load_command {
	uint32_t cmd, cmdsize;
};

struct entry_point {
	struct load_command command;
	uint64_t offset, stack_size;
};

int run(const struct startup *startup)
{
	const struct mach_header *header = (const void *)startup->header;
	const struct load_command *command = (const void *)(header + 1);
	const struct entry_point *entry;
	int (*main)(int argc, char **argv, char **envp, char **apple);
	uint32_t i;

	say("  dyld:   the program is at %lx\n", startup->header);
	if (header->magic != MH_MAGIC_64)
		return 40;
	for (i = 0; i < header->ncmds; i++) {
		if (command->cmd == LC_MAIN) {
			entry = (const void *)command;
			main = (void *)(startup->header + entry->offset);
			return main((int)startup->argc, startup->argv, startup->envp,
				    startup->apple);
		}
		command = (const void *)((const char *)command + command->cmdsize);
	}
	return 41;
}
