// SPDX-License-Identifier: GPL-2.0
#include "mach.h"
#include "report.h"

#define COMMPAGE	0x7fffffe00000ul
#define ARCH_GET_FS	0x1003
#define ARCH_GET_GS	0x1004
#define F_GETFD		1

#define LC_SEGMENT_64	0x19

struct mach_header {
	uint32_t magic, cputype, cpusubtype, filetype, ncmds, sizeofcmds, flags, reserved;
};

struct segment {
	uint32_t cmd, cmdsize;
	char name[16];
	unsigned long vmaddr, vmsize, fileoff, filesize;
	uint32_t maxprot, initprot, nsects, flags;
};

struct section {
	char name[16], segment[16];
	unsigned long addr, size;
	uint32_t offset, align, reloff, nreloc, flags, reserved[3];
};

static void report_strings(const char *key, char **strings)
{
	for (; *strings; strings++)
		say("%s %s\n", key, *strings);
}

static void show_mapping(char *line, void *context)
{
	(void)context;
	say("map %s\n", line);
}

/* Everything after the contents of a segment must read as zero. */
static void check_tail(const struct segment *segment, uintptr_t start)
{
	const struct section *section = (const void *)(segment + 1);
	unsigned long end = segment->filesize, size = (segment->vmsize + 4095) & ~4095ul;
	const char *bytes = (const char *)start;
	uint32_t i;

	if (!(segment->initprot & 1))
		return;
	for (i = 0; i < segment->nsects; i++)
		if (section[i].addr + section[i].size - segment->vmaddr > end)
			end = section[i].addr + section[i].size - segment->vmaddr;
	for (; end < size; end++) {
		if (bytes[end]) {
			say("dirty %s %lx\n", segment->name, start + end);
			return;
		}
	}
}

void report_image(const char *who, uintptr_t address)
{
	const struct mach_header *header = (const void *)address;
	const struct segment *segment = (const void *)(header + 1);
	unsigned long slide = 0;
	uint32_t i;

	say("%s %lx filetype %x\n", who, address, header->filetype);
	for (i = 0; i < header->ncmds; i++) {
		if (segment->cmd == LC_SEGMENT_64) {
			if (segment->filesize && !segment->fileoff)
				slide = address - segment->vmaddr;
			say("segment %s %lx %lx %x\n", segment->name,
			    segment->vmaddr + (segment->filesize ? slide : 0),
			    segment->vmsize, segment->initprot);
			if (segment->filesize)
				check_tail(segment, segment->vmaddr + slide);
		}
		segment = (const void *)((const char *)segment + segment->cmdsize);
	}
}

void report(const struct startup *startup)
{
	const unsigned long *page = (const unsigned long *)COMMPAGE;
	unsigned long value = 0;
	int i;

	say("stack %lx\n", startup->stack);
	say("argc %lx\n", startup->argc);
	report_strings("arg", startup->argv);
	report_strings("env", startup->envp);
	report_strings("apple", startup->apple);
	for (i = 0; i < INITIAL_REGISTERS; i++)
		if (initial_registers[i])
			say("register %x %lx\n", i, initial_registers[i]);
	CALL2(arch_prctl, ARCH_GET_FS, &value);
	say("fs %lx\n", value);
	CALL2(arch_prctl, ARCH_GET_GS, &value);
	say("gs %lx\n", value);
	value = 0;
	CALL4(rt_sigprocmask, 0, 0, &value, 8);
	say("sigmask %lx\n", value);
	say("commpage %s\n", (const char *)page);
	for (i = 2; i < 16; i++)
		say("commpage+%x %lx\n", 8 * i, page[i]);
	for_each_line("/proc/self/maps", show_mapping, NULL);
	if (mach_start(startup)) {
		say("fdflags %lx\n", CALL2(fcntl, mach_descriptor(), F_GETFD));
		say("version %lx\n", trap(NR_get_api_version, 0));
		say("task %x\n", task_self());
	}
}
