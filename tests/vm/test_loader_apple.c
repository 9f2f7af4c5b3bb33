// SPDX-License-Identifier: GPL-2.0
/*
 * What a program is told by its kernel: the apple strings after its environment,
 * and where its dynamic linker is looked for.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness.h"
#include "process.h"
#include "program.h"

#define PROBE		"/macho/probe"
#define DYNAMIC		"/macho/dynamic"
#define ROOT		"/tmp/root"
#define DYLD		"/macho/../macho/dyld"

/* Too large for the stack of a case */
static struct program program, other;

static char *const no_env[] = { NULL };

static void run(const char *path, char *const envp[])
{
	char *argv[] = { "probe", NULL };

	program_run(&program, path, argv, envp, NULL);
	CHECK_HEX(program.status, 0);
}

/* The numbers of the apple string @key, or a failed case. */
static int numbers(const struct program *of, const char *key, unsigned long *values)
{
	char line[256], *next;
	int count = 0;

	for (int i = 0; report_line(of, "apple", i, line, sizeof(line)); i++) {
		if (strncmp(line, key, strlen(key)) || line[strlen(key)] != '=')
			continue;
		for (next = line + strlen(key); *next; count++) {
			REQUIRE(count < 4);
			REQUIRE(!strncmp(next + 1, "0x", 2));
			values[count] = strtoul(next + 1, &next, 16);
			REQUIRE(!*next || *next == ',');
		}
		return count;
	}
	return 0;
}

TEST(entropy_differs_each_time)
{
	static const struct {
		const char *key;
		int count;
	} strings[] = {
		{ "stack_guard", 1 },
		{ "malloc_entropy", 2 },
		{ "ptr_munge", 1 },
	};
	unsigned long first[4], second[4];

	run(PROBE, no_env);
	other = program;
	run(PROBE, no_env);
	for (size_t i = 0; i < ARRAY_SIZE(strings); i++) {
		REQUIRE_EQ(numbers(&other, strings[i].key, first), strings[i].count);
		REQUIRE_EQ(numbers(&program, strings[i].key, second), strings[i].count);
		for (int j = 0; j < strings[i].count; j++) {
			CHECK(first[j] > 0xffff);
			CHECK(first[j] != second[j]);
		}
	}
	numbers(&program, "stack_guard", first);
	CHECK_EQ(first[0] >> 8 & 0xff, 0);
}

static void stack_of_a_megabyte(void)
{
	struct rlimit limit = { 1 << 20, RLIM_INFINITY };

	setrlimit(RLIMIT_STACK, &limit);
}

TEST(main_stack_is_where_it_says)
{
	char *argv[] = { "probe", NULL }, map[512];
	unsigned long stack[4], start, end;
	bool found = false;

	program_run(&program, PROBE, argv, no_env, stack_of_a_megabyte);
	REQUIRE_EQ(numbers(&program, "main_stack", stack), 4);
	CHECK_HEX(stack[1], 1 << 20);
	CHECK_HEX(stack[2], stack[0] - stack[1]);
	CHECK_HEX(stack[3], stack[1]);
	CHECK(report_number(&program, "stack") < stack[0]);
	for (int i = 0; report_line(&program, "map", i, map, sizeof(map)); i++) {
		start = strtoul(map, NULL, 16);
		end = strtoul(strchr(map, '-') + 1, NULL, 16);
		if (end == stack[0]) {
			found = true;
			CHECK(start >= stack[2]);
		}
	}
	CHECK(found);
}

TEST(files_are_told_by_number)
{
	unsigned long file[4];
	struct stat status;

	run(DYNAMIC, no_env);
	REQUIRE_EQ(numbers(&program, "executable_file", file), 2);
	REQUIRE_EQ(stat(DYNAMIC, &status), 0);
	CHECK_EQ(file[1], status.st_ino);
	REQUIRE_EQ(numbers(&program, "dyld_file", file), 2);
	REQUIRE_EQ(stat(DYLD, &status), 0);
	CHECK_EQ(file[1], status.st_ino);

	run(PROBE, no_env);
	CHECK_EQ(numbers(&program, "executable_file", file), 2);
	CHECK_EQ(numbers(&program, "dyld_file", file), 0);
}

TEST(thread_port_is_the_main_threads)
{
	unsigned long port[4];

	run(PROBE, no_env);
	REQUIRE_EQ(numbers(&program, "th_port", port), 1);
	CHECK_HEX(port[0], report_number(&program, "thread"));
}

/* A dynamic linker below ROOT that is another file than the usual one. */
static ino_t make_root(void)
{
	struct image image;
	struct stat status;

	mkdir(ROOT, 0755);
	mkdir(ROOT "/macho", 0755);
	image_read(&image, DYLD, 0);
	image_write(&image, ROOT "/macho/dyld");
	image_free(&image);
	REQUIRE_EQ(stat(ROOT "/macho/dyld", &status), 0);
	return status.st_ino;
}

static void check_dyld(ino_t inode)
{
	unsigned long file[4];

	REQUIRE_EQ(numbers(&program, "dyld_file", file), 2);
	CHECK_EQ(file[1], inode);
}

TEST(dynamic_linker_is_looked_for_below_the_root)
{
	char *envp[] = { "A=1", "DYLD_ROOT_PATH=" ROOT, NULL };
	ino_t inode = make_root();

	run(DYNAMIC, envp);
	check_dyld(inode);
	/* The program sees the variable: its linker wants it, too. */
	CHECK_REPORT(&program, "env", 1, "DYLD_ROOT_PATH=" ROOT);
}

TEST(root_without_a_dynamic_linker)
{
	char *envp[] = { "DYLD_ROOT_PATH=/nowhere", NULL };
	struct stat status;

	run(DYNAMIC, envp);
	REQUIRE_EQ(stat(DYLD, &status), 0);
	check_dyld(status.st_ino);
}

TEST(root_that_is_too_long)
{
	static char variable[8192] = "DYLD_ROOT_PATH=/";
	char *envp[] = { variable, NULL };

	memset(variable + strlen(variable), 'x', sizeof(variable) - 17);
	run(DYNAMIC, envp);
}

static void become_nobody(void)
{
	if (setgid(65534) || setuid(65534))
		_exit(99);
}

TEST(program_with_more_rights_does_not_trust_the_environment)
{
	char *argv[] = { "dynamic", NULL };
	char *envp[] = { "DYLD_ROOT_PATH=" ROOT, NULL };
	struct image image;
	struct stat status;

	make_root();
	image_read(&image, DYNAMIC, 0);
	image_write(&image, "/tmp/setuid");
	image_free(&image);
	REQUIRE_EQ(chmod("/tmp/setuid", 04755), 0);
	program_run(&program, "/tmp/setuid", argv, envp, become_nobody);
	CHECK_HEX(program.status, 0);
	REQUIRE_EQ(stat(DYLD, &status), 0);
	check_dyld(status.st_ino);
}
