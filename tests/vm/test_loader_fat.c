// SPDX-License-Identifier: GPL-2.0
/*
 * Universal files: which of their images is executed, and what can be wrong
 * with them. tests/host/loader has all the ways to choose.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness.h"
#include "program.h"

#define FAT		"/tmp/fat"

#define FAT_MAGIC	0xcafebabe
#define FAT_MAGIC_64	0xcafebabf

#define I386		7
#define X86_64		0x01000007
#define ARM64		0x0100000c

/* Too large for the stack of a case */
static struct program program;

static char *const no_env[] = { NULL };

struct slice {
	uint32_t cputype, subtype;
	const char *path;		/* NULL: something that is not to be looked at */
};

static void put(struct image *image, size_t *at, uint64_t value, size_t bytes)
{
	while (bytes--)
		image->bytes[(*at)++] = (uint8_t)(value >> 8 * bytes);
}

/* Writes a universal file; every slice is followed by bytes that are not zero. */
static void write_fat(uint32_t magic, const struct slice *slices, size_t count)
{
	size_t wide = magic == FAT_MAGIC_64 ? 8 : 4, at = 0, end = 0x3000;
	struct image fat = { .size = 8 << 20 }, slice;

	fat.bytes = malloc(fat.size);
	REQUIRE(fat.bytes != NULL);
	memset(fat.bytes, 0xaa, fat.size);
	put(&fat, &at, magic, 4);
	put(&fat, &at, count, 4);
	for (size_t i = 0; i < count; i++) {
		slice = (struct image){ .size = 4096 };
		if (slices[i].path)
			image_read(&slice, slices[i].path, 0);
		REQUIRE(end + slice.size < fat.size);
		put(&fat, &at, slices[i].cputype, 4);
		put(&fat, &at, slices[i].subtype, 4);
		put(&fat, &at, end, wide);
		put(&fat, &at, slice.size, wide);
		put(&fat, &at, 12, 4);
		if (wide == 8)
			put(&fat, &at, 0, 4);
		if (slices[i].path)
			memcpy(fat.bytes + end, slice.bytes, slice.size);
		end = (end + slice.size + 0x1fff) & ~0xffful;
		if (slices[i].path)
			image_free(&slice);
	}
	fat.size = end;
	image_write(&fat, FAT);
	image_free(&fat);
}

static void run(char *const envp[])
{
	char *argv[] = { "fat", NULL };

	program_run(&program, FAT, argv, envp, NULL);
	CHECK_HEX(program.status, 0);
	CHECK(strstr(program.text, "\nend\n") != NULL);
	CHECK_EQ(report_count(&program, "dirty"), 0);
}

static void check_both(const struct slice *slices, size_t count)
{
	write_fat(FAT_MAGIC, slices, count);
	run(no_env);
	write_fat(FAT_MAGIC_64, slices, count);
	run(no_env);
}

TEST(slice_is_mapped_as_a_file_would_be)
{
	static const struct slice slices[] = { { X86_64, 3, "/macho/probe" } };

	check_both(slices, 1);
	CHECK_REPORT(&program, "apple", 0, "executable_path=" FAT);
}

TEST(slice_for_this_machine_is_found_among_others)
{
	static const struct slice slices[] = {
		{ ARM64, 0, NULL },
		{ I386, 3, NULL },
		{ X86_64, 3, "/macho/probe" },
		{ 18, 0, NULL },
	};

	check_both(slices, 4);
}

TEST(fixed_program_in_a_slice)
{
	static const struct slice slices[] = {
		{ ARM64, 0, NULL },
		{ X86_64, 3, "/macho/probe_fixed" },
	};

	check_both(slices, 2);
	CHECK_HEX(report_number(&program, "header"), 0x100000000);
}

TEST(dynamic_program_and_linker_in_slices)
{
	static const struct slice slices[] = {
		{ ARM64, 0, NULL },
		{ X86_64, 3, "/macho/dynamic" },
	};

	check_both(slices, 2);
}

TEST(preferences_choose_and_are_not_passed_on)
{
	static const struct slice slices[] = {
		{ I386, 3, NULL },
		{ X86_64, 3, "/macho/probe" },
	};
	char *envp[] = { "A=1", "__mldr_bprefs=1000007,7,0,0", "B=2", NULL };

	write_fat(FAT_MAGIC, slices, 2);
	run(envp);
	CHECK_EQ(report_count(&program, "env"), 2);
	CHECK_REPORT(&program, "env", 0, "A=1");
	CHECK_REPORT(&program, "env", 1, "B=2");
}

/* Which of two images ran: each has its own address. */
static bool ran_fixed(void)
{
	return report_number(&program, "header") == 0x100000000;
}

static bool has_flag(const char *flag)
{
	static char info[65536];
	char word[64];
	FILE *file = fopen("/proc/cpuinfo", "re");
	size_t size;

	REQUIRE(file != NULL);
	size = fread(info, 1, sizeof(info) - 1, file);
	fclose(file);
	info[size] = '\0';
	snprintf(word, sizeof(word), " %s ", flag);
	return strstr(info, word) != NULL;
}

TEST(image_for_newer_processors_is_taken_where_it_runs)
{
	static const struct slice slices[] = {
		{ X86_64, 3, "/macho/probe" },
		{ X86_64, 8, "/macho/probe_fixed" },
	};
	static const struct slice swapped[] = {
		{ X86_64, 8, "/macho/probe_fixed" },
		{ X86_64, 3, "/macho/probe" },
	};
	static const char *const haswell[] = {
		"avx2", "bmi1", "bmi2", "fma", "f16c", "movbe", "abm",
	};
	bool newer = true;

	for (size_t i = 0; i < ARRAY_SIZE(haswell); i++)
		newer &= has_flag(haswell[i]);
	note("this processor %s x86_64h", newer ? "runs" : "does not run");
	check_both(slices, 2);
	CHECK_EQ(ran_fixed(), newer);
	check_both(swapped, 2);
	CHECK_EQ(ran_fixed(), newer);
	/* Alone it is taken anyway. */
	check_both(slices + 1, 1);
	CHECK(ran_fixed());
}

static void check_preference(const char *value, bool narrow)
{
	char variable[64];
	char *envp[] = { variable, NULL };

	snprintf(variable, sizeof(variable), "__mldr_bprefs=%s", value);
	run(envp);
	CHECK_EQ(report_number(&program, "header") < 1ul << 32, narrow);
	CHECK_EQ(report_count(&program, "env"), 0);
}

TEST(preferences_choose_the_width)
{
	static const struct slice slices[] = {
		{ I386, 3, "/macho/probe32" },
		{ X86_64, 3, "/macho/probe" },
	};

	write_fat(FAT_MAGIC, slices, 2);
	check_preference("0,0,0,0", false);
	check_preference("7,1000007,0,0", true);
	check_preference("1000007,7,0,0", false);
	/* The first that there is; of none, the usual one */
	check_preference("100000c,7,1000007,0", true);
	check_preference("100000c,12,0,0", false);
	write_fat(FAT_MAGIC_64, slices, 2);
	check_preference("7,0,0,0", true);
}

TEST(preferences_are_kept_from_other_programs_too)
{
	char *argv[] = { "probe", NULL };
	char *envp[] = { "__mldr_bprefs=7,0,0,0", "__mldr_bpref=x", "C=3", NULL };

	program_run(&program, "/macho/probe", argv, envp, NULL);
	CHECK_EQ(report_count(&program, "env"), 2);
	CHECK_REPORT(&program, "env", 0, "__mldr_bpref=x");
	CHECK_REPORT(&program, "env", 1, "C=3");
}

TEST(preferences_are_found_after_many_strings)
{
	enum { COUNT = 3000 };
	static const struct slice slices[] = {
		{ I386, 3, NULL },
		{ X86_64, 3, "/macho/probe" },
	};
	static char *envp[COUNT + 2];

	for (int i = 0; i < COUNT; i++)
		envp[i] = "SOME_VARIABLE=with a value that fills pages";
	envp[COUNT] = "__mldr_bprefs=7,0,0,0";
	write_fat(FAT_MAGIC, slices, 2);
	/* What is preferred is no program, and is seen to be none. */
	CHECK_EQ(execve(FAT, no_env, envp), -1);
	CHECK_EQ(errno, ENOEXEC);
}

TEST(file_without_a_slice_for_this_machine)
{
	static const struct slice slices[] = { { ARM64, 0, "/macho/probe" } };

	write_fat(FAT_MAGIC, slices, 1);
	CHECK_EQ(exec_error(FAT), ENOEXEC);
	write_fat(FAT_MAGIC, slices, 0);
	CHECK_EQ(exec_error(FAT), ENOEXEC);
}

TEST(slice_that_is_not_what_the_list_says)
{
	static const struct slice nonsense[] = { { X86_64, 3, NULL } };
	static const struct slice elf[] = { { X86_64, 3, "/bin/busybox" } };

	write_fat(FAT_MAGIC, nonsense, 1);
	CHECK_EQ(exec_error(FAT), ENOEXEC);
	write_fat(FAT_MAGIC, elf, 1);
	CHECK_EQ(exec_error(FAT), ENOEXEC);
}
