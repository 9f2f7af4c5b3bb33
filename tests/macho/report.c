// SPDX-License-Identifier: GPL-2.0
#include "mach.h"
#include "report.h"

#define ARCH_GET_FS	0x1003
#define ARCH_GET_GS	0x1004
#define F_GETFD		1

#ifdef __x86_64__
#define LC_SEGMENT	0x19
#else
#define LC_SEGMENT	0x1
#endif

/* Members that are long here have the width of the image. */
struct mach_header {
	uint32_t magic, cputype, cpusubtype, filetype, ncmds, sizeofcmds, flags;
#ifdef __x86_64__
	uint32_t reserved;
#endif
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
	uint32_t offset, align, reloff, nreloc, flags, reserved[sizeof(long) == 8 ? 3 : 2];
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

/* All bytes of a segment in one number, as tests/vm/test_real_files.c makes it of the file. */
static void report_sum(const struct segment *segment, uintptr_t start)
{
	const uint32_t *words = (const uint32_t *)start;
	size_t i, count = ((segment->vmsize + 4095) & ~4095ul) / sizeof(*words);
	uint32_t sum = 2166136261u;

	if (!(segment->initprot & 1))
		return;
	for (i = 0; i < count; i++)
		sum = (sum ^ words[i]) * 16777619u;
	say("sum %s %x\n", segment->name, sum);
}

void report_image(const char *who, uintptr_t address)
{
	const struct mach_header *header = (const void *)address;
	const struct segment *segment = (const void *)(header + 1);
	unsigned long slide = 0;
	uint32_t i;

	say("%s %lx filetype %x\n", who, address, header->filetype);
	for (i = 0; i < header->ncmds; i++) {
		if (segment->cmd == LC_SEGMENT) {
			if (segment->filesize && !segment->fileoff)
				slide = address - segment->vmaddr;
			say("segment %s %lx %lx %x\n", segment->name,
			    segment->vmaddr + (segment->filesize ? slide : 0),
			    segment->vmsize, segment->initprot);
			if (segment->filesize)
				check_tail(segment, segment->vmaddr + slide);
			report_sum(segment, segment->vmaddr + slide);
		}
		segment = (const void *)((const char *)segment + segment->cmdsize);
	}
}

#ifdef __x86_64__
/* The bases of the segments that have one. */
static void report_segments(void)
{
	unsigned long value = 0;

	CALL2(arch_prctl, ARCH_GET_FS, &value);
	say("fs %lx\n", value);
	CALL2(arch_prctl, ARCH_GET_GS, &value);
	say("gs %lx\n", value);
}
#else
static void report_segments(void)
{
	unsigned int cs, ds, es, fs, gs, ss;

	__asm__("mov %%cs, %0" : "=r"(cs));
	__asm__("mov %%ds, %0" : "=r"(ds));
	__asm__("mov %%es, %0" : "=r"(es));
	__asm__("mov %%fs, %0" : "=r"(fs));
	__asm__("mov %%gs, %0" : "=r"(gs));
	__asm__("mov %%ss, %0" : "=r"(ss));
	say("cs %x\nds %x\nes %x\nfs %x\ngs %x\nss %x\n", cs, ds, es, fs, gs, ss);
}
#endif

/* How many names the task has, of those that a new task has first. */
static unsigned int count_names(void)
{
	struct mach_port_type_args args = { .task_right_name = task_self() };
	unsigned int count = 0;
	name_t name;
	uint32_t type;

	args.port_type_out = ADDRESS(&type);
	for (name = 0x103; name < 0x1000; name += 4) {
		args.port_right_name = name;
		if (trap(NR__kernelrpc_mach_port_type_trap, (uintptr_t)&args) == KERN_SUCCESS)
			count++;
	}
	return count;
}

/* What a task has of the one before it. */
static void report_inheritance(void)
{
	struct uidgid ids = { 0 };

	say("names %x\n", count_names());
	trap(NR_getuidgid, (uintptr_t)&ids);
	say("ids %x %x\n", ids.uid, ids.gid);
	say("tracer %lx\n", trap(NR_get_tracer, 0));
	say("suspended %lx\n", trap(NR_started_suspended, 0));
	say("suspended %lx\n", trap(NR_started_suspended, 0));
}

void report(const struct startup *startup)
{
	const unsigned long *page = (const unsigned long *)COMMPAGE;
	unsigned long mask[2] = { 0 };
	int i;

	say("stack %lx\n", startup->stack);
	say("argc %lx\n", startup->argc);
	report_strings("arg", startup->argv);
	report_strings("env", startup->envp);
	report_strings("apple", startup->apple);
	for (i = 0; i < INITIAL_REGISTERS; i++)
		if (initial_registers[i])
			say("register %x %lx\n", i, initial_registers[i]);
	report_segments();
	CALL4(rt_sigprocmask, 0, 0, mask, 8);
	say("sigmask %lx\n", mask[0]);
	if (mask[1])
		say("sigmask_high %lx\n", mask[1]);
	say("commpage %s\n", (const char *)page);
	for (i = 0; i < 128 / (int)sizeof(*page); i++)
		say("commpage+%x %lx\n", (int)sizeof(*page) * i, page[i]);
	for_each_line("/proc/self/maps", show_mapping, NULL);
	if (mach_start(startup)) {
		say("fdflags %lx\n", CALL2(fcntl, mach_descriptor(), F_GETFD));
		report_inheritance();
		say("version %lx\n", trap(NR_get_api_version, 0));
		say("task %x\n", task_self());
		say("thread %lx\n", trap(NR_thread_self_trap, 0));
	}
}
