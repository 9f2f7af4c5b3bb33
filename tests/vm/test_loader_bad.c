// SPDX-License-Identifier: GPL-2.0
/*
 * Files that must not be executed: refused before anything happens to the caller,
 * whose image, task, ports and descriptor go on as they were.
 *
 * tests/host/loader has a case for each reason; here it is about the caller.
 *
 * time limit: 300 s
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "debugfs.h"
#include "harness.h"
#include "mach.h"
#include "message.h"
#include "process.h"
#include "program.h"

#define PROBE		"/macho/probe"
#define BAD		"/tmp/bad"

#define SIZEOFCMDS	20

static name_t task, port;

/* A task with a port, to be found unharmed later. */
static void settle(void)
{
	mach_open();
	task = self();
	port = new_send_right();
}

static void check_settled(void)
{
	CHECK_EQ(get_api_version(), 19);
	CHECK_EQ(fcntl(mach_fd, F_GETFD), FD_CLOEXEC);
	mach_forget();
	CHECK_EQ(self(), task);
	CHECK(has_right(port, MACH_PORT_RIGHT_RECEIVE));
	CHECK_SEND_UREFS(port, 1);
	CHECK_RET(send_id(port, COPY_SEND, 77), 0);
	CHECK_EQ(receive_id(port), 77);
}

/* Executes a file made of @image and wants @error. */
static void refuse(const struct image *image, int error)
{
	image_write(image, BAD);
	CHECK_EQ(exec_error(BAD), error);
}

static uint32_t *word(struct image *image, size_t offset)
{
	return (uint32_t *)(image->bytes + offset);
}

TEST(truncated_file)
{
	struct image image;
	size_t size, commands;

	settle();
	image_read(&image, PROBE, 0);
	size = image.size;
	commands = 32 + *word(&image, SIZEOFCMDS);
	/* Every length around the header, then some in each part of the file. */
	for (image.size = 1; image.size < size;
	     image.size += image.size < 36 ? 1 : image.size < commands ? 60 : 1021)
		refuse(&image, ENOEXEC);
	image.size = size - 1;
	refuse(&image, ENOEXEC);
	check_settled();
	image_free(&image);
}

TEST(empty_file_and_other_files)
{
	struct image image = { .size = 0, .bytes = NULL };

	settle();
	refuse(&image, ENOEXEC);
	image_read(&image, "/init", 0);
	image.bytes[0] = 'x';
	refuse(&image, ENOEXEC);
	check_settled();
	image_free(&image);
}

TEST(damaged_header)
{
	static const struct {
		size_t offset;
		uint32_t value;
	} damage[] = {
		{ 0, 0xcffaedfe },	/* magic: big-endian */
		{ 0, 0xfeedface },	/* 32 bits */
		{ 4, 7 },		/* CPU: i386 */
		{ 4, 0x0100000c },	/* arm64 */
		{ 12, 6 },		/* file type: library */
		{ 12, 7 },		/* dynamic linker */
		{ 16, 0 },		/* ncmds */
		{ 16, 3 },
		{ 16, 100 },
		{ 16, 0xffffffff },
		{ 20, 0 },		/* sizeofcmds */
		{ 20, 8 },
		{ 20, 0x100000 },
		{ 20, 0xffffffff },
		{ 36, 0 },		/* cmdsize of the first command */
		{ 36, 7 },
		{ 36, 73 },
		{ 36, 0x7fffffff },
		{ 36, 0xfffffffc },
	};
	struct image image;
	uint32_t good;

	settle();
	image_read(&image, PROBE, 0);
	for (size_t i = 0; i < ARRAY_SIZE(damage); i++) {
		good = *word(&image, damage[i].offset);
		*word(&image, damage[i].offset) = damage[i].value;
		refuse(&image, ENOEXEC);
		*word(&image, damage[i].offset) = good;
	}
	check_settled();
	image_free(&image);
}

TEST(damaged_segment)
{
	struct segment_command good, *data;
	struct image image;

	settle();
	image_read(&image, PROBE, 0);
	data = image_segment(&image, "__DATA");
	good = *data;
#define DAMAGE(field, value) do {					\
	data->field = (value);						\
	refuse(&image, ENOEXEC);					\
	*data = good;							\
} while (0)
	DAMAGE(vmaddr, good.vmaddr + 8);
	DAMAGE(vmaddr, good.vmaddr - 4096);
	DAMAGE(vmaddr, 0x7fffffe00000);
	DAMAGE(vmaddr, 0xffffffff80000000);
	DAMAGE(vmsize, 8);
	DAMAGE(vmsize, ~0ul);
	DAMAGE(vmsize, 1ul << 47);
	DAMAGE(fileoff, good.fileoff + 8);
	DAMAGE(fileoff, 1ul << 40);
	DAMAGE(fileoff, ~0xffful);
	DAMAGE(filesize, 1ul << 40);
	DAMAGE(filesize, ~0ul);
	DAMAGE(initprot, 0xff);
	DAMAGE(maxprot, 0);
	DAMAGE(nsects, 3);
	DAMAGE(nsects, 0x0333333f);
	DAMAGE(nsects, 0xffffffff);
	DAMAGE(cmd, 1);
#undef DAMAGE
	check_settled();
	image_free(&image);
}

TEST(damaged_dylinker_command)
{
	uint32_t ncmds, *command, good[2];
	struct image image;

	settle();
	image_read(&image, "/macho/dynamic", 0);
	ncmds = *word(&image, 16);
	for (command = word(&image, 32); *command != 0xe; command += command[1] / 4)
		REQUIRE(ncmds-- > 0);
	good[0] = command[2];
	good[1] = command[3];

	command[2] = 0;
	refuse(&image, ENOEXEC);
	command[2] = 0xffffffff;
	refuse(&image, ENOEXEC);
	command[2] = command[1];
	refuse(&image, ENOEXEC);
	command[2] = good[0];
	/* A relative path: "macho/dyld" */
	*(uint8_t *)&command[3] = 'm';
	refuse(&image, ENOEXEC);
	command[3] = good[1];
	/* Another one, that is not there */
	memcpy(&command[3], "/mach0/", 7);
	refuse(&image, ENOENT);
	check_settled();
	image_free(&image);
}

/* Executes /macho/dynamic with @path for its dynamic linker; wants @error. */
static void refuse_linker(const char *path, int error)
{
	uint32_t ncmds, *command;
	struct image image;

	image_read(&image, "/macho/dynamic", 0);
	ncmds = *word(&image, 16);
	for (command = word(&image, 32); *command != 0xe; command += command[1] / 4)
		REQUIRE(ncmds-- > 0);
	REQUIRE(strlen(path) < command[1] - 12);
	memset(&command[3], 0, command[1] - 12);
	memcpy(&command[3], path, strlen(path));
	refuse(&image, error);
	image_free(&image);
}

TEST(linker_that_is_none)
{
	int fd;

	settle();
	refuse_linker("/macho/none", ENOENT);
	refuse_linker("/macho", EACCES);
	refuse_linker("/macho/probe", ENOEXEC);
	refuse_linker("/bin/busybox", ENOEXEC);

	fd = open("/tmp/linker", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	REQUIRE(fd >= 0);
	refuse_linker("/tmp/linker", EACCES);
	REQUIRE_EQ(fchmod(fd, 0755), 0);
	refuse_linker("/tmp/linker", ETXTBSY);
	close(fd);
	refuse_linker("/tmp/linker", ENOEXEC);
	unlink("/tmp/linker");
	check_settled();
}

TEST(linker_on_a_noexec_file_system)
{
	struct image image;

	settle();
	REQUIRE_EQ(mount("none", "/mnt", "tmpfs", MS_NOEXEC, NULL), 0);
	image_read(&image, "/macho/dyld", 0);
	image_write(&image, "/mnt/dyld");
	image_free(&image);
	refuse_linker("/mnt/dyld", EACCES);
	CHECK_EQ(exec_error("/mnt/dyld"), EACCES);
	REQUIRE_EQ(umount("/mnt"), 0);
	check_settled();
}

TEST(damaged_linker)
{
	struct image image;

	settle();
	image_read(&image, "/macho/dyld", 0);
	*word(&image, 36) = 0;
	image_write(&image, "/tmp/linker");
	refuse_linker("/tmp/linker", ENOEXEC);
	image_free(&image);
	unlink("/tmp/linker");
	check_settled();
}

/* After a failed exec a forked child must still inherit. */
TEST(failed_exec_then_fork)
{
	struct image image;
	pid_t child;

	settle();
	image_read(&image, PROBE, 0);
	*word(&image, 36) = 0;
	refuse(&image, ENOEXEC);
	child = fork();
	if (!child) {
		CHECK_EQ(get_api_version(), 19);
		CHECK(!has_right(port, MACH_PORT_RIGHT_RECEIVE));
		refuse(&image, ENOEXEC);
		CHECK_EQ(get_api_version(), 19);
		_exit(0);
	}
	WAIT_CHILD_OK(child);
	check_settled();
	image_free(&image);
}

static uint64_t xorshift(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static void write_to(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		SKIP("%s: %s", path, strerror(errno));
	REQUIRE_EQ(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

TEST(reason_is_logged_at_debug_level)
{
	char record[1024], *found = NULL;
	struct image image;
	ssize_t size;
	int log;

	debugfs_mount();
	write_to("/sys/kernel/debug/dynamic_debug/control", "module mach +p");
	log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	REQUIRE(log >= 0);
	lseek(log, 0, SEEK_END);

	image_read(&image, PROBE, 0);
	*word(&image, 36) = 0;
	refuse(&image, ENOEXEC);
	write_to("/sys/kernel/debug/dynamic_debug/control", "module mach -p");
	while (!found && (size = read(log, record, sizeof(record) - 1)) > 0) {
		record[size] = '\0';
		found = strstr(record, BAD " is not executed: load command shorter than");
	}
	CHECK(found != NULL);
	close(log);
	image_free(&image);
}

/*
 * Whatever the damage, the caller either goes on or is another program; what that
 * one does is its own affair. The kernel's log is looked at afterwards.
 */
TEST_LIMIT(random_damage, 180)
{
	uint64_t state = 0x9e3779b97f4a7c15;
	struct image image, good;
	int status, refused = 0;
	char *argv[] = { "probe", "exit", "0", NULL };
	pid_t child;

	/* Programs that crash are no news here. */
	write_to("/proc/sys/debug/exception-trace", "0");
	image_read(&good, PROBE, 0);
	image_read(&image, PROBE, 0);
	for (int round = 0; round < 400; round++) {
		uint32_t end = 32 + *word(&good, SIZEOFCMDS);

		memcpy(image.bytes, good.bytes, good.size);
		for (int i = 0; i <= round % 3; i++) {
			uint32_t at = (uint32_t)(xorshift(&state) % (end - 8)) & ~3u;

			if (round & 1)
				image.bytes[at + xorshift(&state) % 4] ^= 1 << xorshift(&state) % 8;
			else
				*word(&image, at) = (uint32_t)xorshift(&state) & 0x1ffff;
		}
		image_write(&image, BAD);
		child = fork();
		REQUIRE(child >= 0);
		if (!child) {
			alarm(10);
			execve(BAD, argv, (char *[]){ NULL });
			_exit(errno == ENOEXEC ? 100 : 101);
		}
		REQUIRE_EQ(waitpid(child, &status, 0), child);
		if (WIFEXITED(status) && WEXITSTATUS(status) == 100)
			refused++;
		if (WIFEXITED(status) && WEXITSTATUS(status) == 101)
			FAIL("round %d: exec failed with another error", round);
	}
	write_to("/proc/sys/debug/exception-trace", "1");
	note("%d of 400 files were refused", refused);
	CHECK(refused > 50 && refused < 400);
	image_free(&image);
	image_free(&good);
}
