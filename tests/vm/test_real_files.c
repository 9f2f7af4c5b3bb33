// SPDX-License-Identifier: GPL-2.0
/*
 * Programs for macOS as their vendors publish them (tests/samples.csv): what is
 * mapped is compared with the file, byte by byte, from the inside by a dynamic
 * linker of the tests (tests/macho/dyld.c), which does not run them.
 *
 * time limit: 300 s
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <endian.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness.h"
#include "program.h"

#define SAMPLES		"/samples"
#define DYLD		"/usr/lib/dyld"

#define FAT_CIGAM	0xbebafeca
#define X86_64		0x01000007
#define MH_PIE		0x200000
#define LC_SEGMENT_64	0x19
#define LC_MAIN		0x80000028

/* Too large for the stack of a case */
static struct program program;

static char *const no_env[] = { NULL };

/* The image for x86-64 in a file. */
static uint8_t *find_image(const struct image *file)
{
	uint32_t *words = (uint32_t *)file->bytes;

	if (words[0] != FAT_CIGAM)
		return file->bytes;
	for (uint32_t i = 0, *arch = words + 2; i < be32toh(words[1]); i++, arch += 5)
		if (be32toh(arch[0]) == X86_64)
			return file->bytes + be32toh(arch[2]);
	FATAL("no slice for x86-64");
	return NULL;
}

/* The bytes of a segment in one number, as report.c does it from the inside. */
static uint32_t sum_of(const uint8_t *image, const struct segment_command *segment)
{
	size_t size = (segment->vmsize + 4095) & ~4095ul;
	uint32_t sum = 2166136261u, word;

	for (size_t at = 0; at < size; at += 4) {
		size_t left = segment->filesize > at ? segment->filesize - at : 0;

		word = 0;
		memcpy(&word, image + segment->fileoff + at, left < 4 ? left : 4);
		sum = (sum ^ word) * 16777619u;
	}
	return sum;
}

static bool has_line(const char *key, const char *format, ...)
{
	char want[256], line[256];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(want, sizeof(want), format, arguments);
	va_end(arguments);
	for (int i = 0; report_line(&program, key, i, line, sizeof(line)); i++)
		if (!strcmp(line, want))
			return true;
	return false;
}

/* Whether the memory map has pages with @prot from @start to @end; several areas may. */
static bool is_mapped(unsigned long start, unsigned long end, unsigned int prot)
{
	unsigned long from, to;
	char line[512], mode[5];

	for (int i = 0; report_line(&program, "map", i, line, sizeof(line)); i++) {
		if (sscanf(line, "%lx-%lx %4s", &from, &to, mode) != 3 || from > start ||
		    to <= start)
			continue;
		if ((mode[0] == 'r') != !!(prot & 1) || (mode[1] == 'w') != !!(prot & 2) ||
		    (mode[2] == 'x') != !!(prot & 4))
			return false;
		start = to;
		if (start >= end)
			return true;
	}
	return false;
}

static void check_segment(const char *path, const uint8_t *image,
			  const struct segment_command *segment, unsigned long slide)
{
	bool page_zero = !segment->vmaddr && !segment->filesize && !segment->initprot;
	unsigned long start = segment->vmaddr + (page_zero ? 0 : slide);
	unsigned long size = (segment->vmsize + 4095) & ~4095ul;

	if (!segment->vmsize)
		return;
	if (!is_mapped(start, start + size, segment->initprot))
		FAIL("%s: %.16s is not mapped at %lx with %x", path, segment->name, start,
		     segment->initprot);
	if (segment->initprot & 1 &&
	    !has_line("sum", "%.16s %x", segment->name, sum_of(image, segment)))
		FAIL("%s: %.16s has other bytes in memory", path, segment->name);
}

static void check_apple(const char *path)
{
	static const char *const keys[] = {
		"kernfd=", "stack_guard=0x", "malloc_entropy=0x", "ptr_munge=0x",
		"main_stack=0x", "executable_file=0x", "dyld_file=0x",
	};
	char line[256], want[256];

	snprintf(want, sizeof(want), "executable_path=%s", path);
	CHECK_REPORT(&program, "apple", 0, want);
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		bool found = false;

		for (int j = 0; report_line(&program, "apple", j, line, sizeof(line)); j++)
			found |= !strncmp(line, keys[i], strlen(keys[i]));
		if (!found)
			FAIL("%s: no %s", path, keys[i]);
	}
}

static void check_program(const char *path, char *const envp[], void (*prepare)(void))
{
	char *argv[] = { (char *)path, "--version", NULL };
	unsigned long header, text = ~0ul;
	struct segment_command *segment;
	struct image file;
	uint32_t *command, *words;
	uint8_t *image;

	program_run(&program, path, argv, envp, prepare);
	CHECK_HEX(program.status, 0);
	if (!strstr(program.text, "\nend\n"))
		FATAL("%s: no report:\n%s", path, program.text);
	image_read(&file, path, 4096);
	image = find_image(&file);
	words = (uint32_t *)image;
	command = words + 8;
	for (uint32_t i = 0; i < words[4]; i++, command += command[1] / 4) {
		segment = (struct segment_command *)command;
		if (command[0] == LC_SEGMENT_64 && segment->filesize && !segment->fileoff)
			text = segment->vmaddr;
	}
	header = report_number(&program, "header");
	if (!(words[6] & MH_PIE))
		CHECK_HEX(header, text);
	command = words + 8;
	for (uint32_t i = 0; i < words[4]; i++, command += command[1] / 4)
		if (command[0] == LC_SEGMENT_64)
			check_segment(path, image, (struct segment_command *)command,
				      header - text);
	image_free(&file);

	CHECK_EQ(report_count(&program, "dirty"), 0);
	CHECK_EQ(report_count(&program, "register"), 0);
	CHECK_HEX(report_number(&program, "fs"), 0);
	CHECK_EQ(report_number(&program, "argc"), 2);
	CHECK_REPORT(&program, "arg", 1, "--version");
	CHECK_EQ(report_number(&program, "version"), 19);
	check_apple(path);
}

/* Calls @check for each sample; returns how many there are. */
static int for_each_sample(void (*check)(const char *path))
{
	DIR *directory = opendir(SAMPLES);
	struct dirent *entry;
	char path[512];
	int count = 0;

	if (!directory)
		SKIP("no macOS programs were fetched");
	while ((entry = readdir(directory))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), SAMPLES "/%s", entry->d_name);
		check(path);
		count++;
	}
	closedir(directory);
	return count;
}

static void check_plain(const char *path)
{
	check_program(path, no_env, NULL);
}

TEST_LIMIT(programs_are_in_memory_as_in_their_files, 200)
{
	int count = for_each_sample(check_plain);

	note("%d programs", count);
	if (count < 8)
		SKIP("only %d of 8 macOS programs were fetched", count);
}

static void no_randomness(void)
{
	personality(ADDR_NO_RANDOMIZE);
}

static void check_without_randomness(const char *path)
{
	unsigned long header;

	check_program(path, no_env, no_randomness);
	header = report_number(&program, "header");
	check_program(path, no_env, no_randomness);
	CHECK_HEX(report_number(&program, "header"), header);
}

TEST_LIMIT(places_are_the_same_without_randomness, 200)
{
	for_each_sample(check_without_randomness);
}

static void check_below_root(const char *path)
{
	char *envp[] = { "DYLD_ROOT_PATH=/tmp/root", NULL };
	unsigned long inode = 0;
	struct stat status;
	char line[256];

	check_program(path, envp, NULL);
	REQUIRE_EQ(stat("/tmp/root" DYLD, &status), 0);
	for (int i = 0; report_line(&program, "apple", i, line, sizeof(line)); i++)
		sscanf(line, "dyld_file=0x%*x,0x%lx", &inode);
	CHECK_EQ(inode, status.st_ino);
}

TEST_LIMIT(dynamic_linker_of_a_root_is_used, 200)
{
	struct image image;

	mkdir("/tmp/root", 0755);
	mkdir("/tmp/root/usr", 0755);
	mkdir("/tmp/root/usr/lib", 0755);
	image_read(&image, DYLD, 0);
	image_write(&image, "/tmp/root" DYLD);
	image_free(&image);
	for_each_sample(check_below_root);
}
