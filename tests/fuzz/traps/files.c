// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include "files.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define COUNT(array)	(sizeof(array) / sizeof(*(array)))

#define ROOT		"/tmp/root"
#define ROOT_LINKER	ROOT "/macho/dyld"
#define PAGE		4096u
#define IMAGE_ROOM	(1u << 20)

void files_init(void)
{
	static const char *const directories[] = {
		"/tmp", ROOT, ROOT "/sub", ROOT "/sub/deep", ROOT "/macho", ROOT "/Volumes",
	};
	int fd;

	for (size_t i = 0; i < COUNT(directories); i++)
		mkdir(directories[i], 0755);
	fd = open(ROOT "/file", O_CREAT | O_RDWR | O_CLOEXEC, 0644);
	if (write(fd, "text\n", 5) != 5)
		perror(ROOT);
	close(fd);
	if (symlink("/sub/deep", ROOT "/link") || symlink("loop", ROOT "/loop") ||
	    symlink("../../../file", ROOT "/sub/up"))
		perror(ROOT);
}

int file_open(uint32_t which, int *other)
{
	static const struct {
		const char *path;
		int flags;
	} files[] = {
		{ "/", O_RDONLY }, { ROOT, O_RDONLY }, { ROOT "/sub", O_PATH },
		{ ROOT "/file", O_RDWR }, { ROOT "/link", O_PATH | O_NOFOLLOW },
		{ "/macho", O_RDONLY }, { "/macho/probe", O_RDONLY }, { "/dev/null", O_RDWR },
		{ "/proc/self/exe", O_RDONLY }, { "/proc/self", O_RDONLY },
	};
	int pair[2] = { -1, -1 };

	*other = -1;
	which %= COUNT(files) + 4;
	if (which < COUNT(files))
		return open(files[which].path, files[which].flags);
	switch (which - COUNT(files)) {
	case 0:
		if (pipe2(pair, O_NONBLOCK))
			return -1;
		break;
	case 1:
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair))
			return -1;
		break;
	case 2:
		return eventfd(1, EFD_NONBLOCK);
	default:
		return timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
	}
	*other = pair[1];
	return pair[0];
}

void file_name(char *bytes, size_t size, uint32_t which)
{
	static const char *const paths[] = {
		"", "/", "/tmp", "/proc/self/exe", "../..", "a//b", ROOT, ROOT "/file",
		ROOT "/nothing", "/file", "file", "/link", "link/../deep", "/loop", "/sub/up",
		"/Volumes/SystemRoot", "/Volumes/SystemRoot/tmp/root/sub", "./sub/./deep/",
		"/macho/dyld", "/file/", "/..",
	};

	if (which < COUNT(paths))
		snprintf(bytes, size, "%s", paths[which]);
	else if (which % 2)
		memset(bytes, 'a', size);
	else
		memset(bytes, (int)(which >> 3), size);
}

void file_handle(void *bytes, size_t size, uint32_t which)
{
	struct file_handle *handle = bytes;
	char path[64];
	int mount;

	file_name(path, sizeof(path), which);
	path[sizeof(path) - 1] = '\0';
	memset(bytes, 0, size);
	handle->handle_bytes = (unsigned int)(size - sizeof(*handle));
	if (name_to_handle_at(AT_FDCWD, path, handle, &mount, 0))
		handle->handle_bytes = which;
}

/* --- Programs --------------------------------------------------------------------- */

/* A zero page of 4 GiB is more than sequences may have. */
static void allow_address_space(rlim_t size)
{
	const struct rlimit limit = { size, RLIM_INFINITY };

	setrlimit(RLIMIT_AS, &limit);
}

static void execute(const char *path, char *const environment[])
{
	char *argv[] = { "true", NULL };
	struct rlimit old;

	getrlimit(RLIMIT_AS, &old);
	allow_address_space(RLIM_INFINITY);
	execve(path, argv, environment);
	allow_address_space(old.rlim_cur);
}

void file_execute(uint32_t which)
{
	static const char *const paths[] = {
		"/bin/busybox", "/macho/probe", "/macho/dynamic", "/nothing", "/macho/probe32",
		"/macho/dynamic32", "/macho/messages", "/macho/messages32",
	};
	char *environment[] = { "A=b", NULL };

	execute(paths[which % COUNT(paths)], environment);
}

/* Appends the file at @path to @image of @size bytes; returns how many there are then. */
static uint32_t append_file(uint8_t *image, uint32_t size, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t count = fd < 0 ? -1 : read(fd, image + size, IMAGE_ROOM - size);

	close(fd);
	return count < 0 ? size : size + (uint32_t)count;
}

static void put_be(uint8_t *at, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		at[i] = (uint8_t)(value >> 8 * (3 - i));
}

/* A universal file of a 32-bit and a 64-bit program */
static uint32_t make_universal(uint8_t *image)
{
	static const char *const paths[] = { "/macho/probe32", "/macho/probe" };
	static const uint32_t types[] = { 7, 0x01000007 };
	uint32_t size = PAGE;

	put_be(image, 0xcafebabe);
	put_be(image + 4, COUNT(paths));
	for (uint32_t i = 0; i < COUNT(paths); i++) {
		uint8_t *arch = image + 8 + 20 * i;
		uint32_t end = append_file(image, size, paths[i]);

		put_be(arch, types[i]);
		put_be(arch + 4, 3);
		put_be(arch + 8, size);
		put_be(arch + 12, end - size);
		put_be(arch + 16, 12);
		size = (end + PAGE - 1) & ~(PAGE - 1);
	}
	return size;
}

static uint32_t read_image(uint8_t *image, uint32_t which)
{
	static const char *const paths[] = {
		"/macho/probe", "/macho/dynamic", "/macho/probe_fixed", "/macho/dynamic_fixed",
		"/macho/probe32", "/macho/probe32_fixed", "/macho/dynamic32",
	};

	which %= COUNT(paths) + 1;
	return which < COUNT(paths) ? append_file(image, 0, paths[which]) : make_universal(image);
}

static void change(uint8_t *image, uint32_t size, const uint32_t *words, uint32_t count)
{
	for (uint32_t i = 0; i + 1 < count; i += 2)
		if (words[i] <= size - 4)
			memcpy(image + words[i], &words[i + 1], 4);
}

/* Writes a file that nobody else sees, and makes @path its name. */
static int write_image(const uint8_t *image, uint32_t size, char path[32])
{
	int written = memfd_create("image", MFD_CLOEXEC), fd;

	if (written < 0 || write(written, image, size) != (ssize_t)size)
		return -1;
	fchmod(written, 0755);
	snprintf(path, 32, "/proc/self/fd/%d", written);
	/* What can be written is not executed. */
	fd = open(path, O_RDONLY | O_CLOEXEC);
	snprintf(path, 32, "/proc/self/fd/%d", fd);
	close(written);
	return fd;
}

void file_execute_changed(uint32_t which, uint32_t how, const uint32_t *words, uint32_t count)
{
	static char *environments[][4] = {
		{ "A=b", NULL },
		{ "__mldr_bprefs=7,1000007,0,0", "A=b", NULL },
		{ "DYLD_ROOT_PATH=/", "__mldr_bprefs=1000007,7", NULL },
		{ "DYLD_ROOT_PATH=" ROOT, "A=", "=", NULL },
	};
	uint8_t *image = calloc(1, IMAGE_ROOM);
	char path[32];
	uint32_t size;
	int fd;

	if (!image)
		return;
	how %= COUNT(environments);
	if (how == 3) {
		/* The linker that the program names is found below the root. */
		size = append_file(image, 0, "/macho/dyld");
		change(image, size, words, count);
		unlink(ROOT_LINKER);
		fd = open(ROOT_LINKER, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0755);
		if (fd >= 0 && write(fd, image, size) != (ssize_t)size)
			unlink(ROOT_LINKER);
		close(fd);
		memset(image, 0, size);
		count = 0;
	}
	size = read_image(image, which);
	if (size >= 4)
		change(image, size, words, count);
	fd = write_image(image, size, path);
	free(image);
	if (fd >= 0)
		execute(path, environments[how]);
	close(fd);
}
