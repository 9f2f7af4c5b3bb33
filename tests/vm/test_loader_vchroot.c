// SPDX-License-Identifier: GPL-2.0
/*
 * Programs that are executed by a task with a virtual root: where their dynamic
 * linker comes from, what they are told they are called, and that they have the
 * root themselves.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness.h"
#include "mach.h"
#include "program.h"

#define ROOT		"/tmp/exec_root"
#define OTHER		"/tmp/other_root"
#define PROBE		"/macho/probe"
#define DYNAMIC		"/macho/dynamic"
#define DYLD		"/macho/dyld"

/* Too large for the stack of a case */
static struct program program;

static char *const no_env[] = { NULL };
static char *const argv[] = { "program", NULL };

static void copy(const char *from, const char *to)
{
	struct image image;

	image_read(&image, from, 0);
	image_write(&image, to);
	image_free(&image);
}

static void make_root(const char *root)
{
	char path[256];

	mkdir(root, 0755);
	snprintf(path, sizeof(path), "%s/macho", root);
	mkdir(path, 0755);
	snprintf(path, sizeof(path), "%s%s", root, DYLD);
	copy(DYLD, path);
}

/* Sets a root in the process that will execute a program. */
static void set_root(const char *root)
{
	int fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || trap(NR_vchroot, (unsigned long)fd))
		_exit(98);
}

static void in_root(void)
{
	mach_open();
	set_root(ROOT);
}

static void in_root_as_nobody(void)
{
	mach_open();
	if (setgid(65534) || setuid(65534))
		_exit(99);
	set_root(ROOT);
}

static void in_root_then_nobody(void)
{
	mach_open();
	set_root(ROOT);
	if (setgid(65534) || setuid(65534))
		_exit(99);
}

static void run(const char *path, char *const envp[], void (*prepare)(void))
{
	program_run(&program, path, argv, envp, prepare);
	CHECK_HEX(program.status, 0);
}

/* The dynamic linker that ran is the file at @path. */
static void check_dyld(const char *path)
{
	char line[256], *comma;
	struct stat status;

	REQUIRE_EQ(stat(path, &status), 0);
	for (int i = 0; report_line(&program, "apple", i, line, sizeof(line)); i++) {
		if (strncmp(line, "dyld_file=", 10))
			continue;
		comma = strchr(line, ',');
		REQUIRE(comma != NULL);
		CHECK_EQ(strtoul(comma + 1, NULL, 16), status.st_ino);
		return;
	}
	FAIL("no dynamic linker");
}

TEST(dynamic_linker_is_looked_for_in_the_root)
{
	make_root(ROOT);
	run(DYNAMIC, no_env, NULL);
	check_dyld(DYLD);
	run(DYNAMIC, no_env, in_root);
	check_dyld(ROOT DYLD);
}

TEST(root_counts_more_than_the_environment)
{
	char *envp[] = { "DYLD_ROOT_PATH=" OTHER, NULL };

	make_root(ROOT);
	make_root(OTHER);
	run(DYNAMIC, envp, NULL);
	check_dyld(OTHER DYLD);
	run(DYNAMIC, envp, in_root);
	check_dyld(ROOT DYLD);
}

TEST(links_to_the_dynamic_linker_stay_in_the_root)
{
	make_root(ROOT);
	copy(DYLD, ROOT "/linker");
	unlink(ROOT DYLD);
	REQUIRE_EQ(symlink("/linker", ROOT DYLD), 0);
	run(DYNAMIC, no_env, in_root);
	check_dyld(ROOT "/linker");
}

TEST(root_without_a_dynamic_linker)
{
	make_root(ROOT);
	unlink(ROOT DYLD);
	run(DYNAMIC, no_env, in_root);
	check_dyld(DYLD);
	rmdir(ROOT "/macho");
	run(DYNAMIC, no_env, in_root);
	check_dyld(DYLD);
}

TEST(program_is_called_what_it_is_inside)
{
	make_root(ROOT);
	mkdir(ROOT "sibling", 0755);
	copy(PROBE, ROOT "/macho/probe");
	copy(PROBE, ROOT "sibling/probe");
	run(ROOT "/macho/probe", no_env, in_root);
	CHECK_REPORT(&program, "apple", 0, "executable_path=" PROBE);
	/* The files of the host are below a name of their own. */
	run(PROBE, no_env, in_root);
	CHECK_REPORT(&program, "apple", 0, "executable_path=/Volumes/SystemRoot" PROBE);
	run(ROOT "sibling/probe", no_env, in_root);
	CHECK_REPORT(&program, "apple", 0,
		     "executable_path=/Volumes/SystemRoot" ROOT "sibling/probe");
}

TEST(root_is_inherited_over_exec_and_fork)
{
	char *const arguments[] = { "probe", "root", "/macho/../macho/new", NULL };

	make_root(ROOT);
	program_run(&program, PROBE, arguments, no_env, in_root);
	CHECK_HEX(program.status, 0);
	CHECK_REPORT(&program, "expanded", 0, ROOT "/macho/new");
	CHECK_REPORT(&program, "expanded", 1, ROOT "/macho/new");
	program_run(&program, PROBE, arguments, no_env, NULL);
	CHECK_REPORT(&program, "expanded", 0, "/macho/../macho/new");
}

TEST(program_with_more_rights_trusts_only_a_privileged_root)
{
	make_root(ROOT);
	copy(DYNAMIC, "/tmp/setuid_in_root");
	run("/tmp/setuid_in_root", no_env, in_root_as_nobody);
	check_dyld(ROOT DYLD);
	REQUIRE_EQ(chmod("/tmp/setuid_in_root", 04755), 0);
	run("/tmp/setuid_in_root", no_env, in_root_as_nobody);
	check_dyld(DYLD);
	run("/tmp/setuid_in_root", no_env, in_root_then_nobody);
	check_dyld(ROOT DYLD);
}
