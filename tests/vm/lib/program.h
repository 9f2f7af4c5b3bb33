/* SPDX-License-Identifier: GPL-2.0 */
/* Programs that are run for what they print, and files made to be executed. */
#ifndef TESTS_PROGRAM_H
#define TESTS_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define REPORT_MAX	65536

/* A program and what it printed: lines of "key value". */
struct program {
	pid_t pid;
	int status;		/* as of waitpid(), once it has ended */
	int input;		/* closing it ends a probe that waits */
	int output;
	size_t size;
	char text[REPORT_MAX];
};

/*
 * Runs @path with @argv and @envp to its end; @prepare, if not NULL, is called in
 * the new process first. Fails the case if the program cannot be executed.
 */
void program_run(struct program *program, const char *path, char *const argv[],
		 char *const envp[], void (*prepare)(void));

/* The same in two steps: until it has printed "end", and until it has ended. */
void program_start(struct program *program, const char *path, char *const argv[],
		   char *const envp[], void (*prepare)(void));
void program_finish(struct program *program);

/* Starts it without reading what it prints. */
void program_launch(struct program *program, const char *path, char *const argv[],
		    char *const envp[], void (*prepare)(void));

/* Reads what the program prints until it ends or prints "end". */
void program_read(struct program *program);

/*
 * The value of the @index'th line that starts with @key and a space, in @value;
 * false when there is none.
 */
bool report_line(const struct program *program, const char *key, int index,
		 char *value, size_t size);
/* How many lines start with @key and a space */
int report_count(const struct program *program, const char *key);
/* The number, in hexadecimal, of the only line with @key; fails the case. */
uint64_t report_number(const struct program *program, const char *key);
#define CHECK_REPORT(program, key, index, want)				\
	check_report(__FILE__, __LINE__, program, key, index, want)
void check_report(const char *file, int line, const struct program *program,
		  const char *key, int index, const char *want);

/* A whole file in memory */
struct image {
	size_t size;
	size_t room;
	uint8_t *bytes;
};

/* Reads a file, with room for @more bytes after it. */
void image_read(struct image *image, const char *path, size_t more);
void image_write(const struct image *image, const char *path);
void image_free(struct image *image);

/* The 64-bit segment command @name of a Mach-O file; fails the case. */
struct segment_command {
	uint32_t cmd, cmdsize;
	char name[16];
	uint64_t vmaddr, vmsize, fileoff, filesize;
	uint32_t maxprot, initprot, nsects, flags;
};
struct segment_command *image_segment(struct image *image, const char *name);

/* Executes @path in this very process; returns the errno of its failure. */
int exec_error(const char *path);

#endif
