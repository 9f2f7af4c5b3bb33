// SPDX-License-Identifier: GPL-2.0
/*
 * Programs of 32 bits: where they lie, what they find on their stack and in
 * their registers, and the traps that they make.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <unistd.h>

#include "harness.h"
#include "process.h"
#include "program.h"

#define PROBE		"/macho/probe32"
#define COMMPAGE	0xffff0000ul

/* Too large for the stack of a case */
static struct program program, other;

static char *const no_env[] = { NULL };

static void run_prepared(const char *path, const char *what, void (*prepare)(void))
{
	char *argv[] = { "probe", (char *)what, NULL };

	program_run(&program, path, argv, no_env, prepare);
	CHECK_HEX(program.status, 0);
	CHECK(strstr(program.text, "\nend\n") != NULL);
}

static void run(const char *path)
{
	run_prepared(path, NULL, NULL);
}

static void find_mapping(uint64_t start, char *line, size_t size)
{
	for (int i = 0; report_line(&program, "map", i, line, size); i++)
		if (strtoull(line, NULL, 16) == start)
			return;
	FATAL("nothing is mapped at %#llx:\n%s", (unsigned long long)start, program.text);
}

static int check_segments(void)
{
	char line[256], map[512], name[17];
	unsigned long start, size;
	unsigned int prot;
	int i;

	for (i = 0; report_line(&program, "segment", i, line, sizeof(line)); i++) {
		REQUIRE_EQ(sscanf(line, "%16s %lx %lx %x", name, &start, &size, &prot), 4);
		find_mapping(start, map, sizeof(map));
		CHECK(start + size <= COMMPAGE);
		CHECK_EQ(strchr(map, ' ')[1], prot & 1 ? 'r' : '-');
		CHECK_EQ(strchr(map, ' ')[2], prot & 2 ? 'w' : '-');
		CHECK_EQ(strchr(map, ' ')[3], prot & 4 ? 'x' : '-');
	}
	CHECK_EQ(report_count(&program, "dirty"), 0);
	return i;
}

TEST(program_runs)
{
	run(PROBE);
	CHECK_EQ(check_segments(), 3);
	CHECK_EQ(report_number(&program, "version"), 19);
	CHECK(report_number(&program, "task") != 0);
	CHECK(report_number(&program, "stack") < COMMPAGE);
	CHECK_EQ(report_number(&program, "stack") % 16, 0);
}

TEST(fixed_program_is_where_it_says)
{
	run("/macho/probe32_fixed");
	CHECK_HEX(report_number(&program, "header"), 0x20000);
	CHECK_EQ(check_segments(), 3);
}

TEST(program_of_old_starts_at_the_second_page)
{
	run("/macho/probe32_low");
	CHECK_HEX(report_number(&program, "header"), 0x1000);
	CHECK_EQ(check_segments(), 3);
}

static void become_nobody(void)
{
	if (setgid(65534) || setuid(65534))
		_exit(99);
}

TEST(low_addresses_are_for_the_privileged)
{
	char *argv[] = { "probe", NULL };
	pid_t pid;
	int status;

	pid = fork();
	REQUIRE(pid >= 0);
	if (!pid) {
		become_nobody();
		execve("/macho/probe32_low", argv, no_env);
		_exit(errno);
	}
	status = wait_child(pid);
	CHECK_HEX(status, EPERM << 8);
	/* All others are not. */
	run_prepared(PROBE, NULL, become_nobody);
}

TEST(dynamic_program_is_started_by_a_linker_of_its_width)
{
	char line[64];

	run("/macho/dynamic32");
	REQUIRE(report_line(&program, "header", 0, line, sizeof(line)));
	CHECK(strstr(line, "filetype 2") != NULL);
	REQUIRE(report_line(&program, "dyld", 0, line, sizeof(line)));
	CHECK(strstr(line, "filetype 7") != NULL);
	CHECK(check_segments() >= 5);
}

TEST(linker_of_the_other_width_is_refused)
{
	struct image image;
	uint32_t *command;

	image_read(&image, "/macho/dynamic32", 0);
	for (command = (uint32_t *)(image.bytes + 28); *command != 0xe; command += command[1] / 4)
		REQUIRE(*command);
	strcpy((char *)(command + 3), "/macho/dyld");
	image_write(&image, "/tmp/wrong_linker");
	image_free(&image);
	CHECK_EQ(exec_error("/tmp/wrong_linker"), ENOEXEC);
}

TEST(arguments_environment_and_apple_strings)
{
	char *argv[] = { "zero", "", "two words", NULL };
	char *envp[] = { "A=1", "__mldr_bprefs=7,0,0,0", "B=", NULL };
	char kernfd[32];

	program_run(&program, PROBE, argv, envp, NULL);
	CHECK_EQ(report_number(&program, "argc"), 3);
	for (int i = 0; i < 3; i++)
		CHECK_REPORT(&program, "arg", i, argv[i]);
	CHECK_REPORT(&program, "env", 0, "A=1");
	CHECK_REPORT(&program, "env", 1, "B=");
	CHECK_EQ(report_count(&program, "env"), 2);
	CHECK_REPORT(&program, "apple", 0, "executable_path=" PROBE);
	REQUIRE(report_line(&program, "apple", 1, kernfd, sizeof(kernfd)));
	CHECK(!strncmp(kernfd, "kernfd=", 7) && isdigit(kernfd[7]));
}

TEST(registers_and_segments)
{
	run(PROBE);
	CHECK_EQ(report_count(&program, "register"), 0);
	CHECK_HEX(report_number(&program, "cs"), 0x23);
	CHECK_HEX(report_number(&program, "ds"), 0x2b);
	CHECK_HEX(report_number(&program, "es"), 0x2b);
	CHECK_HEX(report_number(&program, "ss"), 0x2b);
	CHECK_HEX(report_number(&program, "fs"), 0);
	CHECK_HEX(report_number(&program, "gs"), 0);
	/* Those for suspending, of all signals: the second word has signals 33 and up. */
	CHECK_HEX(report_number(&program, "sigmask"), 0);
	CHECK_HEX(report_number(&program, "sigmask_high"), 3 << 1);
}

TEST(commpage_of_32_bits)
{
	char map[512];

	run(PROBE);
	find_mapping(COMMPAGE, map, sizeof(map));
	CHECK(!strncmp(map, "ffff0000-ffff1000 r--s", 22));
	CHECK_REPORT(&program, "commpage", 0, "commpage 32-bit");
	CHECK_EQ(report_number(&program, "commpage+1c") >> 16, 13);
	CHECK_EQ(report_number(&program, "commpage+20") & 0x200, 0x200);
}

TEST(child_gets_the_commpage_at_its_first_trap)
{
	char *argv[] = { "probe", "fork", NULL };

	program_run(&program, PROBE, argv, no_env, NULL);
	CHECK_EQ(report_number(&program, "before"), 0);
	CHECK_EQ(report_number(&program, "after"), 1);
	CHECK_REPORT(&program, "child", 0, "commpage 32-bit");
	CHECK_EQ(report_number(&program, "status"), 0);
}

TEST(page_zero_is_closed_for_ever)
{
	char *argv[] = { "probe", "protect", NULL };

	program_run(&program, PROBE, argv, no_env, NULL);
	CHECK_EQ(report_count(&program, "zero"), 3);
	CHECK_REPORT(&program, "zero", 0, "1 -13");
	CHECK_REPORT(&program, "zero", 2, "4 -13");
	CHECK_REPORT(&program, "commpage", 0, "2 -13");
}

TEST(addresses_are_random)
{
	run(PROBE);
	for (int i = 0; i < 3; i++) {
		other = program;
		run(PROBE);
		CHECK(report_number(&program, "header") != report_number(&other, "header"));
		CHECK(report_number(&program, "stack") != report_number(&other, "stack"));
	}
}

static void no_randomness(void)
{
	personality(ADDR_NO_RANDOMIZE);
}

TEST(addresses_are_not_random_on_demand)
{
	run_prepared(PROBE, NULL, no_randomness);
	other = program;
	run_prepared(PROBE, NULL, no_randomness);
	CHECK_HEX(report_number(&program, "header"), report_number(&other, "header"));
	CHECK_HEX(report_number(&program, "stack"), report_number(&other, "stack"));
	CHECK(report_number(&program, "stack") > COMMPAGE - 0x3000);
}

static void unlimited_stack(void)
{
	struct rlimit limit = { RLIM_INFINITY, RLIM_INFINITY };

	setrlimit(RLIMIT_STACK, &limit);
}

TEST(unlimited_stack_leaves_room)
{
	run_prepared(PROBE, NULL, unlimited_stack);
	CHECK_EQ(check_segments(), 3);
}

TEST(traps_answer_both_widths_alike)
{
	static const char *const keys[] = {
		"trap_type", "trap_attributes", "trap_notification", "trap_fault",
	};
	char line[64];

	run_prepared("/macho/probe", "traps", NULL);
	other = program;
	run_prepared(PROBE, "traps", NULL);
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		REQUIRE(report_line(&other, keys[i], 0, line, sizeof(line)));
		if (!strncmp(line, "ffffffffffffffda", 16))
			SKIP("%s is not answered", keys[i]);
		/* A negative result has more digits with 64 bits. */
		CHECK_REPORT(&program, keys[i], 0,
			     strncmp(line, "ffffffff", 8) ? line : line + 8);
	}
	CHECK_REPORT(&program, "trap_type", 0, "0 30000");
}

TEST(programs_of_both_widths_follow_each_other)
{
	char *argv[] = { "probe", "exec", PROBE, "exec", "/macho/probe", "exec", PROBE, NULL };

	program_run(&program, "/macho/probe", argv, no_env, NULL);
	CHECK_HEX(program.status, 0);
	CHECK_EQ(report_number(&program, "version"), 19);
	CHECK_HEX(report_number(&program, "cs"), 0x23);
	CHECK_EQ(check_segments(), 3);

	argv[6] = "/macho/probe";
	program_run(&program, PROBE, argv, no_env, NULL);
	CHECK_HEX(program.status, 0);
	CHECK_REPORT(&program, "commpage", 0, "commpage 64-bit");
	CHECK_HEX(report_number(&program, "fs"), 0);
}

TEST(elf_program_follows)
{
	char *argv[] = { "probe", "exec", "/bin/busybox", "echo", "version 19", NULL };

	program_run(&program, PROBE, argv, no_env, NULL);
	CHECK_HEX(program.status, 0);
	CHECK_EQ(report_number(&program, "version"), 0x19);
}
