// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"
#include "program.h"

#define LC_SEGMENT_64 0x19

void program_launch(struct program *program, const char *path, char *const argv[],
		    char *const envp[], void (*prepare)(void))
{
	int input[2], output[2];

	REQUIRE_EQ(pipe2(input, O_CLOEXEC), 0);
	REQUIRE_EQ(pipe2(output, O_CLOEXEC), 0);
	program->size = 0;
	program->status = -1;
	program->text[0] = '\0';
	program->pid = fork();
	REQUIRE(program->pid >= 0);
	if (!program->pid) {
		dup2(input[0], 0);
		dup2(output[1], 1);
		if (prepare)
			prepare();
		execve(path, argv, envp);
		dprintf(1, "failed %s\n", strerror(errno));
		_exit(127);
	}
	close(input[0]);
	close(output[1]);
	program->input = input[1];
	program->output = output[0];
}

void program_start(struct program *program, const char *path, char *const argv[],
		   char *const envp[], void (*prepare)(void))
{
	program_launch(program, path, argv, envp, prepare);
	program_read(program);
}

void program_read(struct program *program)
{
	char value[64];
	ssize_t count;

	while (program->size < REPORT_MAX - 1) {
		count = read(program->output, program->text + program->size,
			     REPORT_MAX - 1 - program->size);
		if (count <= 0)
			break;
		program->size += (size_t)count;
		program->text[program->size] = '\0';
		if (strstr(program->text, "\nend\n"))
			break;
	}
	if (report_line(program, "failed", 0, value, sizeof(value)))
		FATAL("the program was not executed: %s", value);
}

void program_finish(struct program *program)
{
	close(program->input);
	REQUIRE_EQ(waitpid(program->pid, &program->status, 0), program->pid);
	close(program->output);
}

void program_run(struct program *program, const char *path, char *const argv[],
		 char *const envp[], void (*prepare)(void))
{
	program_start(program, path, argv, envp, prepare);
	program_finish(program);
}

bool report_line(const struct program *program, const char *key, int index,
		 char *value, size_t size)
{
	const char *line = program->text, *end;
	size_t length = strlen(key);

	for (; *line; line = end + 1) {
		end = strchrnul(line, '\n');
		if (!strncmp(line, key, length) && line[length] == ' ' && !index--) {
			snprintf(value, size, "%.*s", (int)(end - line - length - 1),
				 line + length + 1);
			return true;
		}
		if (!*end)
			break;
	}
	return false;
}

int report_count(const struct program *program, const char *key)
{
	char value[1];
	int count = 0;

	while (report_line(program, key, count, value, sizeof(value)))
		count++;
	return count;
}

uint64_t report_number(const struct program *program, const char *key)
{
	char value[64];

	if (!report_line(program, key, 0, value, sizeof(value)))
		FATAL("the program did not report \"%s\":\n%s", key, program->text);
	return strtoull(value, NULL, 16);
}

void check_report(const char *file, int line, const struct program *program,
		  const char *key, int index, const char *want)
{
	char value[8192];

	if (!report_line(program, key, index, value, sizeof(value)))
		check_fail(file, line, GO_ON, "no line %d of \"%s\"", index, key);
	else if (strcmp(value, want))
		check_fail(file, line, GO_ON, "%s is \"%s\", not \"%s\"", key, value, want);
}

void image_read(struct image *image, const char *path, size_t more)
{
	struct stat status;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		FATAL("%s: %s", path, strerror(errno));
	REQUIRE_EQ(fstat(fd, &status), 0);
	image->size = (size_t)status.st_size;
	image->room = image->size + more;
	image->bytes = calloc(1, image->room);
	REQUIRE(image->bytes != NULL);
	REQUIRE_EQ(read(fd, image->bytes, image->size), image->size);
	close(fd);
}

void image_write(const struct image *image, const char *path)
{
	int fd;

	/* A new file: the old one may still be executed. */
	unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
	if (fd < 0)
		FATAL("%s: %s", path, strerror(errno));
	REQUIRE_EQ(write(fd, image->bytes, image->size), image->size);
	close(fd);
}

void image_free(struct image *image)
{
	free(image->bytes);
}

struct segment_command *image_segment(struct image *image, const char *name)
{
	uint32_t ncmds, *command = (uint32_t *)(image->bytes + 32);

	memcpy(&ncmds, image->bytes + 16, sizeof(ncmds));
	for (; ncmds; ncmds--, command += command[1] / 4)
		if (*command == LC_SEGMENT_64 && !strcmp((char *)(command + 2), name))
			return (struct segment_command *)command;
	FATAL("no segment %s", name);
	return NULL;
}

int exec_error(const char *path)
{
	char *argv[] = { (char *)path, NULL };

	execve(path, argv, environ);
	return errno;
}
