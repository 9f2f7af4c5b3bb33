// SPDX-License-Identifier: GPL-2.0
/*
 * Mach-O programs that are as they should be: what they find in memory, on the
 * stack and in the registers, and what Linux says of them.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "harness.h"
#include "mach.h"
#include "process.h"
#include "program.h"

#define PROBE		"/macho/probe"
#define COMMPAGE	0x7fffffe00000ul
#define TEXT_BASE	0x100000000ul

/* Too large for the stack of a case */
static struct program program, other;

static char *const no_env[] = { NULL };

static void run_probe(const char *path, const char *what)
{
	char *argv[] = { "probe", (char *)what, NULL };

	program_run(&program, path, argv, no_env, NULL);
	CHECK_HEX(program.status, 0);
}

/* The mapping that starts at @start: its line, or a failed case. */
static void find_mapping(const struct program *of, uint64_t start, char *line, size_t size)
{
	for (int i = 0; report_line(of, "map", i, line, size); i++)
		if (strtoull(line, NULL, 16) == start)
			return;
	FATAL("nothing is mapped at %#llx:\n%s", (unsigned long long)start, of->text);
}

/* Checks each segment against the memory map; returns how many there are. */
static int check_segments(const struct program *of)
{
	char line[256], map[512], name[17];
	unsigned long start, size;
	unsigned int prot;
	char *space;
	int i;

	for (i = 0; report_line(of, "segment", i, line, sizeof(line)); i++) {
		REQUIRE_EQ(sscanf(line, "%16s %lx %lx %x", name, &start, &size, &prot), 4);
		find_mapping(of, start, map, sizeof(map));
		space = strchr(map, ' ');
		REQUIRE(space != NULL);
		if (space[1] != (prot & 1 ? 'r' : '-') || space[2] != (prot & 2 ? 'w' : '-') ||
		    space[3] != (prot & 4 ? 'x' : '-') || space[4] != 'p')
			FAIL("segment %s is mapped as %s", name, map);
	}
	CHECK_EQ(report_count(of, "dirty"), 0);
	return i;
}

TEST(static_program_runs)
{
	run_probe(PROBE, NULL);
	CHECK(strstr(program.text, "\nend\n") != NULL);
	CHECK_EQ(report_number(&program, "version"), 19);
	CHECK(report_number(&program, "task") != 0);
	CHECK_EQ(check_segments(&program), 4);
}

TEST(exit_status_is_passed_on)
{
	char *argv[] = { "probe", "exit", "42", NULL };

	program_run(&program, PROBE, argv, no_env, NULL);
	CHECK_HEX(program.status, 42 << 8);
}

TEST(fixed_program_is_where_it_says)
{
	run_probe("/macho/probe_fixed", NULL);
	CHECK_HEX(report_number(&program, "header"), TEXT_BASE);
	CHECK_EQ(check_segments(&program), 4);
}

static void check_dynamic(const char *path, bool fixed)
{
	char *argv[] = { "dynamic", "x", NULL };
	uint64_t header, dyld;
	char line[64];

	program_run(&program, path, argv, no_env, NULL);
	CHECK_HEX(program.status, 0);
	header = report_number(&program, "header");
	dyld = report_number(&program, "dyld");
	CHECK(header != dyld);
	if (fixed)
		CHECK_HEX(header, TEXT_BASE);
	REQUIRE(report_line(&program, "header", 0, line, sizeof(line)));
	CHECK(strstr(line, "filetype 2") != NULL);
	REQUIRE(report_line(&program, "dyld", 0, line, sizeof(line)));
	CHECK(strstr(line, "filetype 7") != NULL);
	CHECK_EQ(check_segments(&program), 4 + 3);
	CHECK_EQ(report_number(&program, "version"), 19);
	snprintf(line, sizeof(line), "executable_path=%s", path);
	CHECK_REPORT(&program, "apple", 0, line);
}

TEST(dynamic_program_is_started_by_its_linker)
{
	check_dynamic("/macho/dynamic", false);
}

TEST(fixed_dynamic_program_is_started_by_its_linker)
{
	check_dynamic("/macho/dynamic_fixed", true);
}

TEST(arguments_environment_and_apple_strings)
{
	char *argv[] = { "zero", "", "two words", "-3", NULL };
	char *envp[] = { "A=1", "EMPTY=", "=odd", NULL };
	char kernfd[32];

	program_run(&program, PROBE, argv, envp, NULL);
	CHECK_EQ(report_number(&program, "argc"), 4);
	for (int i = 0; i < 4; i++)
		CHECK_REPORT(&program, "arg", i, argv[i]);
	CHECK_EQ(report_count(&program, "arg"), 4);
	for (int i = 0; i < 3; i++)
		CHECK_REPORT(&program, "env", i, envp[i]);
	CHECK_EQ(report_count(&program, "env"), 3);
	CHECK_REPORT(&program, "apple", 0, "executable_path=" PROBE);
	REQUIRE(report_line(&program, "apple", 1, kernfd, sizeof(kernfd)));
	CHECK(!strncmp(kernfd, "kernfd=", 7) && isdigit(kernfd[7]));
	CHECK(report_count(&program, "apple") > 2);
	CHECK_EQ(report_number(&program, "stack") % 16, 0);
}

TEST(no_environment)
{
	run_probe(PROBE, NULL);
	CHECK_EQ(report_count(&program, "env"), 0);
	CHECK_EQ(report_count(&program, "arg"), 1);
}

TEST(many_arguments)
{
	enum { COUNT = 8000 };
	static char *argv[COUNT + 1];
	static char strings[COUNT][8];

	for (int i = 0; i < COUNT; i++) {
		snprintf(strings[i], sizeof(strings[i]), "%d", i);
		argv[i] = strings[i];
	}
	/* With this argument it reports nothing but its status. */
	argv[1] = "exit";
	argv[2] = "7";
	program_run(&program, PROBE, argv, no_env, NULL);
	CHECK_HEX(program.status, 7 << 8);
}

TEST(one_large_argument)
{
	static char large[128 * 1024];
	char *argv[] = { "probe", "exit", "5", large, NULL };

	memset(large, 'x', sizeof(large) - 1);
	program_run(&program, PROBE, argv, no_env, NULL);
	CHECK_HEX(program.status, 5 << 8);
}

TEST(relative_path_is_made_absolute)
{
	char *argv[] = { "probe", NULL };

	REQUIRE_EQ(chdir("/macho"), 0);
	program_run(&program, "./../macho/probe", argv, no_env, NULL);
	CHECK_REPORT(&program, "apple", 0, "executable_path=" PROBE);
}

static void occupy_descriptors(void)
{
	/* Free: 5. The pipes are 0 and 1, and all others close. */
	for (int fd = 2; fd < 5; fd++)
		dup2(0, fd);
	close(5);
	dup2(0, 6);
}

TEST(descriptor_is_the_lowest_free_one_and_closes_on_exec)
{
	char *argv[] = { "probe", NULL };

	program_run(&program, PROBE, argv, no_env, occupy_descriptors);
	CHECK_REPORT(&program, "apple", 1, "kernfd=5");
	CHECK_EQ(report_number(&program, "fdflags"), FD_CLOEXEC);
}

TEST(registers_are_zero)
{
	run_probe(PROBE, NULL);
	CHECK_EQ(report_count(&program, "register"), 0);
	CHECK_HEX(report_number(&program, "fs"), 0);
	CHECK_HEX(report_number(&program, "gs"), 0);
}

static void block_usr1(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_SETMASK, &set, NULL);
}

TEST(suspend_signals_are_blocked)
{
	char *argv[] = { "probe", NULL };

	program_run(&program, PROBE, argv, no_env, block_usr1);
	CHECK_HEX(report_number(&program, "sigmask"),
		  1ul << (SIGUSR1 - 1) | 1ul << 33 | 1ul << 34);
}

TEST(page_zero_is_closed_for_ever)
{
	char map[512];

	run_probe(PROBE, NULL);
	find_mapping(&program, 0, map, sizeof(map));
	CHECK(!strncmp(map, "00000000-100000000 ---p", 23));

	run_probe(PROBE, "protect");
	CHECK_EQ(report_count(&program, "zero"), 3);
	CHECK_REPORT(&program, "zero", 0, "1 -13");
	CHECK_REPORT(&program, "zero", 1, "2 -13");
	CHECK_REPORT(&program, "zero", 2, "4 -13");
}

static void become_nobody(void)
{
	if (setgid(65534) || setuid(65534))
		_exit(99);
}

TEST(page_zero_needs_no_privilege)
{
	char *argv[] = { "probe", NULL };

	program_run(&program, PROBE, argv, no_env, become_nobody);
	CHECK_HEX(program.status, 0);
	CHECK_EQ(check_segments(&program), 4);
}

TEST(commpage_tells_the_truth)
{
	uint64_t bits, cpus = (uint64_t)get_nprocs();
	struct sysinfo info;
	char map[512];

	run_probe(PROBE, NULL);
	find_mapping(&program, COMMPAGE, map, sizeof(map));
	CHECK(!strncmp(map, "7fffffe00000-7fffffe01000 r--s", 30));
	CHECK_REPORT(&program, "commpage", 0, "commpage 64-bit");
	CHECK_EQ(report_number(&program, "commpage+18") >> 48, 13);

	bits = report_number(&program, "commpage+10");
	CHECK_EQ(!!(bits & 0x1), !!__builtin_cpu_supports("mmx"));
	CHECK_EQ(!!(bits & 0x2), !!__builtin_cpu_supports("sse"));
	CHECK_EQ(!!(bits & 0x4), !!__builtin_cpu_supports("sse2"));
	CHECK_EQ(!!(bits & 0x8), !!__builtin_cpu_supports("sse3"));
	CHECK_EQ(!!(bits & 0x100), !!__builtin_cpu_supports("ssse3"));
	CHECK_EQ(!!(bits & 0x200), 1);
	CHECK_EQ(!!(bits & 0x400), !!__builtin_cpu_supports("sse4.1"));
	CHECK_EQ(!!(bits & 0x800), !!__builtin_cpu_supports("sse4.2"));
	CHECK_EQ(!!(bits & 0x1000), !!__builtin_cpu_supports("aes"));
	CHECK_EQ(!!(bits & 0x01000000), !!__builtin_cpu_supports("avx"));
	CHECK_EQ(!!(bits & 0x02000000), !!__builtin_cpu_supports("rdrnd"));
	CHECK_EQ(!!(bits & 0x04000000), !!__builtin_cpu_supports("f16c"));
	CHECK_EQ(!!(bits & 0x10000000), !!__builtin_cpu_supports("fma"));
	CHECK_EQ(!!(bits & 0x20000000), !!__builtin_cpu_supports("avx2"));
	CHECK_EQ(!!(bits & 0x40000000), !!__builtin_cpu_supports("bmi"));
	CHECK_EQ(!!(bits & 0x80000000), !!__builtin_cpu_supports("bmi2"));
	CHECK_EQ(!!(bits & 1ul << 34), !!__builtin_cpu_supports("adx"));
	CHECK_EQ(!!(bits & 1ul << 35), !!__builtin_cpu_supports("rdseed"));
	CHECK_EQ(bits >> 16 & 0xff, cpus);
	CHECK_EQ(!!(bits & 0x8000), cpus == 1);
	CHECK_HEX(report_number(&program, "commpage+20") & 0xffffffff, bits & 0xffffffff);
	CHECK_EQ(report_number(&program, "commpage+20") >> 48, 64);
	CHECK_HEX(report_number(&program, "commpage+30") >> 32, cpus << 16 | cpus << 8 | cpus);
	CHECK_EQ(sysinfo(&info), 0);
	CHECK_EQ(report_number(&program, "commpage+38"), info.totalram * info.mem_unit);
	CHECK_EQ(report_number(&program, "commpage+40"), 0);
}

TEST(commpage_cannot_be_written)
{
	run_probe(PROBE, "protect");
	CHECK_REPORT(&program, "commpage", 0, "2 -13");
}

TEST(child_gets_the_commpage_at_its_first_trap)
{
	run_probe(PROBE, "fork");
	CHECK_EQ(report_number(&program, "before"), 0);
	CHECK_EQ(report_number(&program, "after"), 1);
	CHECK_REPORT(&program, "child", 0, "commpage 64-bit");
	CHECK_EQ(report_number(&program, "status"), 0);
}

TEST(commpage_can_be_mapped_from_the_device)
{
	void *page;

	mach_open();
	page = mmap(NULL, 4096, PROT_READ, MAP_SHARED, mach_fd, 0);
	REQUIRE(page != MAP_FAILED);
	CHECK_EQ(memcmp(page, "commpage 64-bit", 16), 0);
	CHECK_EQ(mprotect(page, 4096, PROT_READ | PROT_WRITE), -1);
	CHECK_EQ(errno, EACCES);
	CHECK(mremap(page, 4096, 8192, MREMAP_MAYMOVE) == MAP_FAILED);
	CHECK_EQ(munmap(page, 4096), 0);

	CHECK(mmap(NULL, 8192, PROT_READ, MAP_SHARED, mach_fd, 0) == MAP_FAILED);
	CHECK_EQ(errno, EINVAL);
	CHECK(mmap(NULL, 4096, PROT_READ, MAP_SHARED, mach_fd, 4096) == MAP_FAILED);
	CHECK_EQ(errno, EINVAL);
	CHECK(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, mach_fd, 0) == MAP_FAILED);
	CHECK_EQ(errno, EINVAL);
}

TEST(addresses_are_random)
{
	run_probe(PROBE, NULL);
	for (int i = 0; i < 3; i++) {
		other = program;
		run_probe(PROBE, NULL);
		CHECK(report_number(&program, "header") != report_number(&other, "header"));
		CHECK(report_number(&program, "stack") != report_number(&other, "stack"));
		CHECK(report_number(&program, "stack") < COMMPAGE);
	}
}

static void no_randomness(void)
{
	personality(ADDR_NO_RANDOMIZE);
}

TEST(addresses_are_not_random_on_demand)
{
	char *argv[] = { "probe", NULL };

	program_run(&other, PROBE, argv, no_env, no_randomness);
	program_run(&program, PROBE, argv, no_env, no_randomness);
	CHECK_HEX(report_number(&program, "header"), report_number(&other, "header"));
	CHECK_HEX(report_number(&program, "stack"), report_number(&other, "stack"));
	CHECK(report_number(&program, "stack") > COMMPAGE - 0x2000);
}

static void unlimited_stack(void)
{
	struct rlimit limit = { RLIM_INFINITY, RLIM_INFINITY };

	setrlimit(RLIMIT_STACK, &limit);
}

TEST(unlimited_stack_leaves_room)
{
	char *argv[] = { "probe", NULL };

	program_run(&program, PROBE, argv, no_env, unlimited_stack);
	CHECK_HEX(program.status, 0);
	CHECK_EQ(check_segments(&program), 4);
}

/* What the file has after a segment's bytes must not be seen in memory. */
static void check_no_stale_bytes(const char *name)
{
	static const char *const segments[] = { "__TEXT", "__DATA", "__LINKEDIT" };
	struct segment_command *segment;
	struct image image;

	image_read(&image, name, 8192);
	memset(image.bytes + image.size, 0xaa, 8192);
	image.size += 8192;
	for (size_t i = 0; i < ARRAY_SIZE(segments); i++) {
		segment = image_segment(&image, segments[i]);
		if (!strcmp(segments[i], "__DATA")) {
			/* Less than a page of data: one word of it is used. */
			segment->filesize = 8;
			memset(image.bytes + segment->fileoff + 8, 0xaa, 4096 - 8);
		}
	}
	image_write(&image, "/tmp/stale");
	image_free(&image);

	run_probe("/tmp/stale", NULL);
	CHECK(strstr(program.text, "\nend\n") != NULL);
	CHECK_EQ(report_count(&program, "dirty"), 0);
}

TEST(bytes_after_a_segment_are_zero)
{
	check_no_stale_bytes(PROBE);
}

TEST(bytes_after_a_fixed_segment_are_zero)
{
	check_no_stale_bytes("/macho/probe_fixed");
}

TEST(the_file_itself_is_not_changed)
{
	struct image before, after;

	image_read(&before, PROBE, 0);
	run_probe(PROBE, NULL);
	image_read(&after, PROBE, 0);
	CHECK_EQ(before.size, after.size);
	CHECK_EQ(memcmp(before.bytes, after.bytes, after.size), 0);
	image_free(&before);
	image_free(&after);
}

TEST(stack_size_of_the_program_is_honoured)
{
	char *argv[] = { "dynamic", NULL };
	uint32_t ncmds, *command;
	struct rlimit limit;
	struct image image;

	image_read(&image, "/macho/dynamic", 0);
	memcpy(&ncmds, image.bytes + 16, sizeof(ncmds));
	command = (uint32_t *)(image.bytes + 32);
	for (; ncmds; ncmds--, command += command[1] / 4)
		if (*command == 0x80000028)
			command[4] = 64 << 20;
	image_write(&image, "/tmp/large_stack");
	image_free(&image);

	REQUIRE_EQ(getrlimit(RLIMIT_STACK, &limit), 0);
	REQUIRE(limit.rlim_cur < 64 << 20);
	program_start(&program, "/tmp/large_stack", argv, no_env, NULL);
	program_finish(&program);
	CHECK_HEX(program.status, 0);
}

/* Load commands that the kernel does not know, and what stands behind the last one */
TEST(what_is_for_others_among_the_commands_is_passed_over)
{
	static const uint32_t more[] = {
		0x2c, 24, 0x1000, 0x1000, 1, 0,		/* LC_ENCRYPTION_INFO_64, encrypted */
		0x80000099, 12, 0xffffffff,
		0xffffffff, 0xffffffff,			/* no command */
	};
	uint32_t counts[2];
	struct image image;
	uint8_t *end;

	image_read(&image, PROBE, 0);
	memcpy(counts, image.bytes + 16, sizeof(counts));
	end = image.bytes + 32 + counts[1];
	for (size_t i = 0; i < sizeof(more); i++)
		REQUIRE_EQ(end[i], 0);
	memcpy(end, more, sizeof(more));
	counts[0] += 2;
	counts[1] += sizeof(more);
	memcpy(image.bytes + 16, counts, sizeof(counts));
	image_write(&image, "/tmp/more_commands");
	image_free(&image);

	run_probe("/tmp/more_commands", NULL);
	CHECK(strstr(program.text, "\nend\n") != NULL);
}

static void read_proc(pid_t pid, const char *file, char *text, size_t size)
{
	char path[64];
	ssize_t count;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	REQUIRE(fd >= 0);
	count = read(fd, text, size - 1);
	REQUIRE(count >= 0);
	text[count] = '\0';
	for (ssize_t i = 0; i < count; i++)
		if (!text[i])
			text[i] = '|';
	close(fd);
}

TEST(proc_tells_what_runs)
{
	char *argv[] = { "a name", "wait", "", "x", NULL };
	char *envp[] = { "ONE=1", "TWO=2", NULL };
	char text[1024], path[64];
	ssize_t length;

	program_start(&program, PROBE, argv, envp, NULL);
	read_proc(program.pid, "cmdline", text, sizeof(text));
	CHECK_EQ(strcmp(text, "a name|wait||x|"), 0);
	read_proc(program.pid, "environ", text, sizeof(text));
	CHECK_EQ(strcmp(text, "ONE=1|TWO=2|"), 0);
	read_proc(program.pid, "comm", text, sizeof(text));
	CHECK_EQ(strcmp(text, "probe\n"), 0);
	snprintf(path, sizeof(path), "/proc/%d/exe", program.pid);
	length = readlink(path, text, sizeof(text) - 1);
	REQUIRE(length > 0);
	text[length] = '\0';
	CHECK_EQ(strcmp(text, PROBE), 0);
	program_finish(&program);
	CHECK_HEX(program.status, 0);
}

TEST(file_is_busy_while_it_runs)
{
	char *argv[] = { "probe", "wait", NULL };

	program_start(&program, PROBE, argv, no_env, NULL);
	CHECK_EQ(open(PROBE, O_WRONLY | O_CLOEXEC), -1);
	CHECK_EQ(errno, ETXTBSY);
	program_finish(&program);
}

TEST(module_cannot_be_unloaded_while_a_program_runs)
{
	char *argv[] = { "probe", "wait", NULL };
	char *rmmod[] = { "rmmod", "mach", NULL };

	program_start(&program, PROBE, argv, no_env, NULL);
	program_run(&other, "/bin/busybox", rmmod, no_env, NULL);
	CHECK(other.status != 0);
	program_finish(&program);
}
