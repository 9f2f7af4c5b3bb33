// SPDX-License-Identifier: GPL-2.0
/*
 * Kqueues and what happens to files and directories.
 * time limit: 120 s
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness.h"
#include "kqueue.h"
#include "mach.h"
#include "process.h"

#define NOTE_DELETE	0x1
#define NOTE_WRITE	0x2
#define NOTE_EXTEND	0x4
#define NOTE_ATTRIB	0x8
#define NOTE_LINK	0x10
#define NOTE_RENAME	0x20
#define NOTE_REVOKE	0x40
#define NOTE_FUNLOCK	0x100
#define ALL_NOTES	0x17f

#define DIR_PATH	"/tmp/kqueue-vnode"

/* A file and a directory of the same parent, and a kqueue with all notes of one of them. */
static int kqueue, file, directory;

static void prepare(void)
{
	mkdir("/tmp", 0777);
	umount(DIR_PATH);
	mkdir(DIR_PATH, 0777);
	REQUIRE(!mount("none", DIR_PATH, "tmpfs", 0, NULL));
	REQUIRE(!chdir(DIR_PATH));
	file = open("file", O_CREAT | O_RDWR, 0600);
	REQUIRE(file >= 0 && !mkdir("directory", 0700) && !mkdir("elsewhere", 0700));
	REQUIRE_EQ(write(file, "0123456789", 10), 10);
	directory = open("directory", O_RDONLY | O_DIRECTORY);
	REQUIRE(directory >= 0);
	mach_open();
	kqueue = new_kqueue();
}

static void finish(void)
{
	REQUIRE(!chdir("/"));
	umount2(DIR_PATH, MNT_DETACH);
}

static void watch(int fd, uint16_t flags, uint32_t notes)
{
	REQUIRE_RET(change_event(kqueue, (struct event)EVENT(EVFILT_VNODE, fd, flags, notes)), 0);
}

static void overwrite(void)
{
	REQUIRE_EQ(pwrite(file, "ab", 2, 0), 2);
}

static void append(void)
{
	REQUIRE_EQ(pwrite(file, "ab", 2, lseek(file, 0, SEEK_END)), 2);
}

static void cut(void)
{
	REQUIRE(!ftruncate(file, 3));
}

static void stretch(void)
{
	REQUIRE(!ftruncate(file, 100));
}

static void chmod_file(void)
{
	REQUIRE(!chmod("file", 0640));
}

static void link_file(void)
{
	REQUIRE(!link("file", "second"));
}

static void unlink_second(void)
{
	REQUIRE(!unlink("second"));
}

static void rename_file(void)
{
	REQUIRE(!rename("file", "elsewhere/file"));
}

static void read_file(void)
{
	char byte;

	REQUIRE_EQ(pread(file, &byte, 1, 0), 1);
}

static void unlink_file(void)
{
	REQUIRE(!unlink("elsewhere/file"));
}

static void create_in(void)
{
	close(open("directory/new", O_CREAT | O_RDWR, 0600));
}

static void write_in(void)
{
	int fd = open("directory/new", O_RDWR);

	REQUIRE_EQ(write(fd, "x", 1), 1);
	close(fd);
}

static void rename_in(void)
{
	REQUIRE(!rename("directory/new", "directory/newer"));
}

static void remove_in(void)
{
	REQUIRE(!unlink("directory/newer"));
}

static void mkdir_in(void)
{
	REQUIRE(!mkdir("directory/sub", 0700));
}

static void rmdir_in(void)
{
	REQUIRE(!rmdir("directory/sub"));
}

static void chmod_directory(void)
{
	REQUIRE(!chmod("directory", 0750));
}

static void move_directory(void)
{
	REQUIRE(!rename("directory", "elsewhere/directory"));
}

static void remove_another(void)
{
	REQUIRE(!mkdir("elsewhere/another", 0700) && !rmdir("elsewhere/another"));
}

static void remove_directory(void)
{
	REQUIRE(!rmdir("elsewhere/directory"));
}

/* What is done, and the notes that it gives: none if 0. */
struct line {
	const char *what;
	void (*act)(void);
	uint32_t notes;
};

static void run_lines(int fd, const struct line *lines, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct event event;
		long events;

		lines[i].act();
		events = fetch_events(kqueue, &event, 1, 0);
		if (events != (lines[i].notes != 0))
			FAIL("%s: %ld events", lines[i].what, events);
		else if (events && (event.fflags != lines[i].notes || event.data ||
				    event.ident != (uint64_t)fd ||
				    event.flags != (EV_ADD | EV_CLEAR)))
			FAIL("%s: notes %#x flags %#x", lines[i].what, event.fflags, event.flags);
	}
}

TEST(a_file_tells_what_happens_to_it)
{
	static const struct line lines[] = {
		{ "overwrite", overwrite, NOTE_WRITE },
		{ "append", append, NOTE_WRITE | NOTE_EXTEND },
		{ "truncate", cut, NOTE_WRITE },
		{ "grow", stretch, NOTE_WRITE | NOTE_EXTEND },
		{ "read", read_file, 0 },
		{ "chmod", chmod_file, NOTE_ATTRIB },
		{ "link", link_file, NOTE_LINK },
		{ "unlink one of two", unlink_second, NOTE_LINK },
		{ "rename", rename_file, NOTE_RENAME },
		{ "unlink", unlink_file, NOTE_DELETE | NOTE_LINK },
		{ "write what has no name", append, NOTE_WRITE | NOTE_EXTEND },
	};

	prepare();
	watch(file, EV_ADD | EV_CLEAR, ALL_NOTES);
	run_lines(file, lines, ARRAY_SIZE(lines));
	finish();
}

TEST(a_directory_tells_what_happens_to_it)
{
	static const struct line lines[] = {
		{ "create in it", create_in, NOTE_WRITE },
		{ "write in it", write_in, 0 },
		{ "rename in it", rename_in, NOTE_WRITE },
		{ "unlink in it", remove_in, NOTE_WRITE },
		{ "mkdir in it", mkdir_in, NOTE_WRITE | NOTE_LINK },
		{ "rmdir in it", rmdir_in, NOTE_WRITE | NOTE_LINK },
		{ "chmod", chmod_directory, NOTE_ATTRIB },
		{ "rename", move_directory, NOTE_RENAME },
		{ "rmdir beside it", remove_another, 0 },
		{ "rmdir", remove_directory, NOTE_DELETE | NOTE_LINK },
	};

	prepare();
	watch(directory, EV_ADD | EV_CLEAR, ALL_NOTES);
	run_lines(directory, lines, ARRAY_SIZE(lines));
	finish();
}

TEST(a_file_that_another_one_replaces_is_deleted)
{
	struct event event;

	prepare();
	close(open("new", O_CREAT | O_RDWR, 0600));
	watch(file, EV_ADD | EV_CLEAR, ALL_NOTES);
	REQUIRE(!rename("new", "file"));
	CHECK_RET(fetch_events(kqueue, &event, 1, 0), 1);
	CHECK_HEX(event.fflags, NOTE_DELETE | NOTE_LINK);
	finish();
}

TEST(only_notes_that_are_wanted_come)
{
	static const struct event want = EVENT(EVFILT_VNODE, 0, EV_ADD, NOTE_ATTRIB);
	struct event event;

	prepare();
	watch(file, EV_ADD, NOTE_ATTRIB);
	append();
	CHECK_RET(fetch_events(kqueue, &event, 1, 0), 0);
	chmod_file();
	/* Without EV_CLEAR it stays. */
	for (int i = 0; i < 2; i++) {
		CHECK_RET(fetch_events(kqueue, &event, 1, 0), 1);
		CHECK_EQ(event.ident, file);
		CHECK_HEX(event.flags, want.flags);
		CHECK_HEX(event.fflags, want.fflags);
	}
	watch(file, EV_ADD, NOTE_WRITE);
	CHECK_RET(fetch_events(kqueue, &event, 1, 0), 0);
	append();
	CHECK_RET(fetch_events(kqueue, &event, 1, 0), 1);
	CHECK_HEX(event.fflags, NOTE_WRITE);
	finish();
}

TEST(notes_add_up_until_they_are_fetched)
{
	struct event event;

	prepare();
	watch(file, EV_ADD | EV_CLEAR, ALL_NOTES);
	append();
	chmod_file();
	link_file();
	CHECK_RET(fetch_events(kqueue, &event, 1, 0), 1);
	CHECK_HEX(event.fflags, NOTE_WRITE | NOTE_EXTEND | NOTE_ATTRIB | NOTE_LINK);
	CHECK_RET(fetch_events(kqueue, &event, 1, 0), 0);
	finish();
}

TEST(what_is_no_file_has_no_notes)
{
	int fds[2], sockets[2];

	prepare();
	REQUIRE(!pipe(fds) && !socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
	const int none[] = { fds[0], sockets[0], eventfd(0, 0) };

	for (size_t i = 0; i < ARRAY_SIZE(none); i++)
		CHECK_RET(change_event(kqueue, (struct event)EVENT(EVFILT_VNODE, none[i], EV_ADD,
								     ALL_NOTES)), -EINVAL);
	CHECK_RET(change_event(kqueue, (struct event)EVENT(EVFILT_VNODE, 99, EV_ADD)), -EBADF);
	finish();
}

/* Neither the file nor its file system is kept. */
TEST(a_closed_file_tells_nothing_and_is_not_kept)
{
	struct event event;
	int again;

	prepare();
	watch(file, EV_ADD | EV_CLEAR, ALL_NOTES);
	watch(directory, EV_ADD | EV_CLEAR, ALL_NOTES);
	append();
	create_in();
	close(file);
	close(directory);
	CHECK_RET(fetch_events(kqueue, &event, 1, 0), 0);
	chmod_file();
	CHECK_RET(fetch_events(kqueue, &event, 1, 0), 0);
	again = open("file", O_RDWR);
	REQUIRE(again == file || again == directory);
	CHECK_RET(change_event(kqueue, (struct event)EVENT(EVFILT_VNODE, again, EV_DELETE)),
		  -ENOENT);
	close(again);
	REQUIRE(!chdir("/"));
	CHECK(!umount(DIR_PATH));
}

TEST(unlocking_is_not_told)
{
	struct event event;

	prepare();
	watch(file, EV_ADD | EV_CLEAR, NOTE_FUNLOCK);
	REQUIRE(!flock(file, LOCK_EX) && !flock(file, LOCK_UN));
	CHECK_RET(fetch_events(kqueue, &event, 1, 0), 0);
	watch(file, EV_ADD | EV_CLEAR, NOTE_FUNLOCK | NOTE_ATTRIB);
	chmod_file();
	CHECK_RET(fetch_events(kqueue, &event, 1, 0), 1);
	CHECK_HEX(event.fflags, NOTE_ATTRIB);
	finish();
}

/* A file that is open keeps its file system: what NOTE_REVOKE tells does not come about. */
TEST(an_open_file_is_not_revoked)
{
	struct event event;

	prepare();
	watch(file, EV_ADD | EV_CLEAR, NOTE_REVOKE);
	watch(directory, EV_ADD | EV_CLEAR, ALL_NOTES);
	REQUIRE(!chdir("/"));
	CHECK(umount(DIR_PATH) == -1 && errno == EBUSY);
	CHECK(!umount2(DIR_PATH, MNT_DETACH));
	CHECK_RET(fetch_events(kqueue, &event, 1, 0), 0);
	/* Out of sight, it goes on as it was. */
	REQUIRE(!fchmod(file, 0640) && !fchmod(directory, 0750));
	CHECK_RET(fetch_events(kqueue, &event, 1, 0), 1);
	CHECK_EQ(event.ident, directory);
	CHECK_HEX(event.fflags, NOTE_ATTRIB);
	CHECK_HEX(event.flags, EV_ADD | EV_CLEAR);
}

static void write_until(void *argument)
{
	for (int i = 0; i < 300; i++) {
		append();
		chmod_file();
	}
	gate_open(argument);
}

TEST(a_file_that_others_change_is_watched_and_closed)
{
	struct gate done;
	struct event event;
	pid_t child;

	prepare();
	gate_init(&done);
	child = start_child(write_until, &done);
	for (int i = 0; i < 300; i++) {
		int fd = open("file", O_RDONLY);

		watch(fd, EV_ADD | EV_CLEAR, ALL_NOTES);
		fetch_events(kqueue, &event, 1, 0);
		if (i % 2)
			change_event(kqueue, (struct event)EVENT(EVFILT_VNODE, fd, EV_DELETE));
		close(fd);
	}
	gate_pass(&done);
	WAIT_CHILD_OK(child);
	finish();
}
