// SPDX-License-Identifier: GPL-2.0
/*
 * Kqueues and descriptors: what can be read and written, what is exceptional,
 * and what becomes of it when descriptors are closed.
 * time limit: 240 s
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <pty.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <termios.h>
#include <unistd.h>

#include "harness.h"
#include "kqueue.h"
#include "mach.h"
#include "process.h"

#define NOTE_LOWAT	1
#define NOTE_OOB	2

/* In the place of data: whatever it is, but more than nothing */
#define SOME		0x5eeee

/* The two ends of something, and the kqueue that watches the first. */
struct ends {
	int watched, other, kqueue;
};

/*
 * A line of a table: what is done to the ends, and the event that there is then:
 * none if flags are 0.
 */
struct line {
	const char *what;
	void (*act)(struct ends *ends);
	uint16_t flags;
	int64_t data;
	uint32_t fflags;
};

static void run_lines(struct ends *ends, int16_t filter, const struct line *lines, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct line *line = &lines[i];
		struct event event;
		long events;

		if (line->act)
			line->act(ends);
		events = fetch_events(ends->kqueue, &event, 1, 0);
		if (events != (line->flags != 0)) {
			FAIL("%s: %ld events", line->what, events);
			continue;
		}
		if (!events)
			continue;
		if (line->data == SOME && event.data > 0)
			event.data = SOME;
		if (event.filter != filter || event.ident != (uint64_t)ends->watched ||
		    event.flags != line->flags || event.data != line->data ||
		    event.fflags != line->fflags)
			FAIL("%s: filter %d flags %#x fflags %#x data %lld", line->what,
			     event.filter, event.flags, event.fflags, (long long)event.data);
	}
}

#define RUN(ends, filter, lines) run_lines(ends, filter, lines, ARRAY_SIZE(lines))

static long watch(struct ends *ends, int16_t filter, uint16_t flags, uint32_t fflags, int64_t data)
{
	return change_event(ends->kqueue,
			    (struct event)EVENT(filter, ends->watched, flags, fflags, data));
}

static struct ends pipe_for_reading(void)
{
	struct ends ends = { .kqueue = new_kqueue() };
	int fds[2];

	REQUIRE(!pipe(fds));
	ends.watched = fds[0];
	ends.other = fds[1];
	return ends;
}

static struct ends pipe_for_writing(void)
{
	struct ends ends = pipe_for_reading();
	int reader = ends.watched;

	ends.watched = ends.other;
	ends.other = reader;
	fcntl(ends.watched, F_SETFL, O_NONBLOCK);
	fcntl(ends.other, F_SETFL, O_NONBLOCK);
	return ends;
}

static struct ends socket_pair(int type)
{
	struct ends ends = { .kqueue = new_kqueue() };
	int fds[2];

	REQUIRE(!socketpair(AF_UNIX, type, 0, fds));
	ends.watched = fds[0];
	ends.other = fds[1];
	return ends;
}

static void other_writes_3(struct ends *ends)
{
	REQUIRE_EQ(write(ends->other, "abc", 3), 3);
}

static void other_writes_4(struct ends *ends)
{
	REQUIRE_EQ(write(ends->other, "defg", 4), 4);
}

static void read_all(struct ends *ends)
{
	char bytes[100];

	REQUIRE(read(ends->watched, bytes, sizeof(bytes)) > 0);
}

static void read_1(struct ends *ends)
{
	char byte;

	REQUIRE_EQ(read(ends->watched, &byte, 1), 1);
}

static void close_other(struct ends *ends)
{
	close(ends->other);
}

static void shut_other(struct ends *ends)
{
	REQUIRE(!shutdown(ends->other, SHUT_WR));
}

static void fill(struct ends *ends)
{
	static char bytes[4096];

	while (write(ends->watched, bytes, sizeof(bytes)) > 0)
		;
}

static void other_drains(struct ends *ends)
{
	static char bytes[4096];

	while (read(ends->other, bytes, sizeof(bytes)) > 0)
		;
}

TEST(a_pipe_tells_how_much_can_be_read)
{
	static const struct line lines[] = {
		{ "empty", NULL, 0, 0, 0 },
		{ "3 bytes", other_writes_3, EV_ADD, 3, 0 },
		{ "still", NULL, EV_ADD, 3, 0 },
		{ "7 bytes", other_writes_4, EV_ADD, 7, 0 },
		{ "read 1", read_1, EV_ADD, 6, 0 },
		{ "empty again", read_all, 0, 0, 0 },
		{ "3 bytes", other_writes_3, EV_ADD, 3, 0 },
		{ "no writer", close_other, EV_ADD | EV_EOF, 3, 0 },
		{ "end", read_all, EV_ADD | EV_EOF, 0, 0 },
	};
	struct ends ends;

	mach_open();
	ends = pipe_for_reading();
	CHECK_RET(watch(&ends, EVFILT_READ, EV_ADD, 0, 0), 0);
	RUN(&ends, EVFILT_READ, lines);
}

TEST(with_clear_only_what_is_new_is_told)
{
	static const struct line lines[] = {
		{ "3 bytes", other_writes_3, EV_ADD | EV_CLEAR, 3, 0 },
		{ "nothing new", NULL, 0, 0, 0 },
		{ "7 bytes", other_writes_4, EV_ADD | EV_CLEAR, 7, 0 },
		{ "read", read_all, 0, 0, 0 },
		{ "no writer", close_other, EV_ADD | EV_CLEAR | EV_EOF, 0, 0 },
		{ "told once", NULL, 0, 0, 0 },
	};
	struct ends ends;

	mach_open();
	ends = pipe_for_reading();
	CHECK_RET(watch(&ends, EVFILT_READ, EV_ADD | EV_CLEAR, 0, 0), 0);
	RUN(&ends, EVFILT_READ, lines);
}

TEST(a_pipe_tells_how_much_can_be_written)
{
	static const struct line lines[] = {
		{ "empty", NULL, EV_ADD, 16 * 4096, 0 },
		{ "full", fill, 0, 0, 0 },
		{ "drained", other_drains, EV_ADD, 16 * 4096, 0 },
		{ "no reader", close_other, EV_ADD | EV_EOF, 16 * 4096, 0 },
	};
	struct ends ends;

	mach_open();
	ends = pipe_for_writing();
	CHECK_RET(watch(&ends, EVFILT_WRITE, EV_ADD, 0, 0), 0);
	RUN(&ends, EVFILT_WRITE, lines);
}

static void lower_mark(struct ends *ends)
{
	CHECK_RET(watch(ends, EVFILT_READ, EV_ADD, NOTE_LOWAT, 2), 0);
}

TEST(events_wait_for_the_low_water_mark)
{
	static const struct line lines[] = {
		{ "3 of 5", other_writes_3, 0, 0, 0 },
		{ "7 of 5", other_writes_4, EV_ADD, 7, 0 },
		{ "emptied", read_all, 0, 0, 0 },
		{ "3 of 5", other_writes_3, 0, 0, 0 },
		{ "3 of 2", lower_mark, EV_ADD, 3, 0 },
		{ "1 of 2", read_1, EV_ADD, 2, 0 },
		{ "1 of 2", read_1, 0, 0, 0 },
		{ "no more to come", close_other, EV_ADD | EV_EOF, 1, 0 },
	};
	struct ends ends;

	mach_open();
	ends = pipe_for_reading();
	CHECK_RET(watch(&ends, EVFILT_READ, EV_ADD, NOTE_LOWAT, 5), 0);
	RUN(&ends, EVFILT_READ, lines);
}

TEST(sockets_tell_what_can_be_read_and_written)
{
	static const struct line reading[] = {
		{ "empty", NULL, 0, 0, 0 },
		{ "3 bytes", other_writes_3, EV_ADD, 3, 0 },
		{ "shut", shut_other, EV_ADD | EV_EOF, 3, 0 },
		{ "end", read_all, EV_ADD | EV_EOF, 0, 0 },
	};
	static const struct line writing[] = {
		{ "empty", NULL, EV_ADD, SOME, 0 },
		{ "full", fill, 0, 0, 0 },
		{ "drained", other_drains, EV_ADD, SOME, 0 },
		{ "closed", close_other, EV_ADD | EV_EOF, 0, 0 },
	};
	static const struct line messages[] = {
		{ "one", other_writes_3, EV_ADD, 3, 0 },
		{ "two", other_writes_4, EV_ADD, 3, 0 },
		{ "the second", read_all, EV_ADD, 4, 0 },
	};
	struct ends ends;

	mach_open();
	ends = socket_pair(SOCK_STREAM);
	CHECK_RET(watch(&ends, EVFILT_READ, EV_ADD, 0, 0), 0);
	RUN(&ends, EVFILT_READ, reading);
	ends = socket_pair(SOCK_STREAM);
	fcntl(ends.watched, F_SETFL, O_NONBLOCK);
	fcntl(ends.other, F_SETFL, O_NONBLOCK);
	CHECK_RET(watch(&ends, EVFILT_WRITE, EV_ADD, 0, 0), 0);
	RUN(&ends, EVFILT_WRITE, writing);
	ends = socket_pair(SOCK_DGRAM);
	CHECK_RET(watch(&ends, EVFILT_READ, EV_ADD, 0, 0), 0);
	RUN(&ends, EVFILT_READ, messages);
}

static struct sockaddr_in bound(int socket)
{
	struct ifreq loopback = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t size = sizeof(address);

	ioctl(socket, SIOCSIFFLAGS, &loopback);
	if (bind(socket, (struct sockaddr *)&address, size))
		SKIP("no loopback interface");
	REQUIRE(!getsockname(socket, (struct sockaddr *)&address, &size));
	return address;
}

static void other_is_urgent(struct ends *ends)
{
	REQUIRE_EQ(send(ends->other, "!", 1, MSG_OOB), 1);
}

static void take_urgent(struct ends *ends)
{
	char byte;

	REQUIRE_EQ(recv(ends->watched, &byte, 1, MSG_OOB), 1);
}

static void reset(struct ends *ends)
{
	struct linger linger = { .l_onoff = 1 };

	REQUIRE(!setsockopt(ends->other, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)));
	close(ends->other);
}

TEST(tcp_tells_of_connections_urgent_data_and_resets)
{
	static const struct line urgent[] = {
		{ "nothing", NULL, 0, 0, 0 },
		{ "in band", other_writes_3, 0, 0, 0 },
		{ "out of band", other_is_urgent, EV_ADD | EV_OOBAND, SOME, NOTE_OOB },
		{ "taken", take_urgent, 0, 0, 0 },
	};
	static const struct line reading[] = {
		{ "in band", NULL, EV_ADD, SOME, 0 },
		{ "both", other_is_urgent, EV_ADD | EV_OOBAND, SOME, NOTE_OOB },
		{ "taken", take_urgent, EV_ADD, SOME, 0 },
		/* ECONNRESET of XNU */
		{ "reset", reset, EV_ADD | EV_EOF, SOME, 54 },
	};
	struct sockaddr_in address;
	struct ends ends, listener;
	struct event event;

	mach_open();
	listener.kqueue = new_kqueue();
	listener.watched = socket(AF_INET, SOCK_STREAM, 0);
	if (listener.watched < 0)
		SKIP("a kernel without TCP");
	address = bound(listener.watched);
	REQUIRE(!listen(listener.watched, 5));
	CHECK_RET(watch(&listener, EVFILT_READ, EV_ADD, 0, 0), 0);
	CHECK_RET(fetch_events(listener.kqueue, &event, 1, 0), 0);
	ends.other = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(ends.other, (struct sockaddr *)&address, sizeof(address)))
		SKIP("no loopback interface");
	CHECK_RET(fetch_events(listener.kqueue, &event, 1, 5000), 1);
	CHECK_EQ(event.data, 1);

	ends.watched = accept(listener.watched, NULL, NULL);
	ends.kqueue = new_kqueue();
	CHECK_RET(fetch_events(listener.kqueue, &event, 1, 0), 0);
	CHECK_RET(watch(&ends, EVFILT_EXCEPT, EV_ADD, NOTE_OOB, 0), 0);
	RUN(&ends, EVFILT_EXCEPT, urgent);
	CHECK_RET(watch(&ends, EVFILT_EXCEPT, EV_DELETE, 0, 0), 0);
	CHECK_RET(watch(&ends, EVFILT_READ, EV_ADD, 0, 0), 0);
	RUN(&ends, EVFILT_READ, reading);
}

static void other_opens(struct ends *ends)
{
	ends->other = open("/tmp/kqueue-fifo", O_WRONLY);
	REQUIRE(ends->other >= 0);
}

TEST(the_end_of_a_fifo_is_over_when_somebody_else_writes)
{
	static const struct line lines[] = {
		{ "no writer ever", NULL, 0, 0, 0 },
		{ "a writer", other_opens, 0, 0, 0 },
		{ "who leaves", close_other, EV_ADD | EV_EOF, 0, 0 },
		{ "another", other_opens, 0, 0, 0 },
		{ "who writes", other_writes_3, EV_ADD, 3, 0 },
	};
	struct ends ends;

	mach_open();
	mkdir("/tmp", 0777);
	unlink("/tmp/kqueue-fifo");
	REQUIRE(!mkfifo("/tmp/kqueue-fifo", 0600));
	ends.kqueue = new_kqueue();
	ends.watched = open("/tmp/kqueue-fifo", O_RDONLY | O_NONBLOCK);
	REQUIRE(ends.watched >= 0);
	CHECK_RET(watch(&ends, EVFILT_READ, EV_ADD, 0, 0), 0);
	RUN(&ends, EVFILT_READ, lines);
	unlink("/tmp/kqueue-fifo");
}

static int scratch_file(void)
{
	int fd;

	mkdir("/tmp", 0777);
	fd = open("/tmp", O_TMPFILE | O_RDWR, 0600);
	if (fd < 0) {
		fd = open("/tmp/kqueue-file", O_CREAT | O_TRUNC | O_RDWR, 0600);
		unlink("/tmp/kqueue-file");
	}
	REQUIRE(fd >= 0);
	REQUIRE_EQ(write(fd, "0123456789", 10), 10);
	return fd;
}

static void seek_to_3(struct ends *ends)
{
	lseek(ends->watched, 3, SEEK_SET);
}

static void seek_behind(struct ends *ends)
{
	lseek(ends->watched, 15, SEEK_SET);
}

static void append(struct ends *ends)
{
	REQUIRE_EQ(pwrite(ends->watched, "abcd", 4, 10), 4);
}

TEST(a_stored_file_tells_what_lies_behind_its_position)
{
	static const struct line lines[] = {
		{ "at the end", NULL, EV_ADD, 0, 0 },
		{ "before it", seek_to_3, EV_ADD, 7, 0 },
		{ "longer", append, EV_ADD, 11, 0 },
		{ "behind the end", seek_behind, EV_ADD, -1, 0 },
	};
	static const struct line clear[] = {
		{ "once", NULL, EV_ADD | EV_CLEAR, 0, 0 },
		{ "nothing new", NULL, 0, 0, 0 },
		{ "longer", append, EV_ADD | EV_CLEAR, 4, 0 },
		{ "nothing new", NULL, 0, 0, 0 },
	};
	static const struct line writing[] = {
		{ "can be written", NULL, EV_ADD, 0, 0 },
	};
	struct ends ends = { .other = -1 };

	mach_open();
	ends.kqueue = new_kqueue();
	ends.watched = scratch_file();
	CHECK_RET(watch(&ends, EVFILT_READ, EV_ADD, 0, 0), 0);
	RUN(&ends, EVFILT_READ, lines);
	ends.kqueue = new_kqueue();
	ends.watched = scratch_file();
	CHECK_RET(watch(&ends, EVFILT_READ, EV_ADD | EV_CLEAR, 0, 0), 0);
	RUN(&ends, EVFILT_READ, clear);
	ends.kqueue = new_kqueue();
	CHECK_RET(watch(&ends, EVFILT_WRITE, EV_ADD, 0, 0), 0);
	RUN(&ends, EVFILT_WRITE, writing);
}

static void open_terminal(int *master, int *slave)
{
	mkdir("/dev/pts", 0755);
	mount("devpts", "/dev/pts", "devpts", 0, "ptmxmode=0666");
	if (openpty(master, slave, NULL, NULL, NULL))
		SKIP("no terminals");
}

TEST(descriptors_of_all_kinds_can_be_watched)
{
	struct itimerspec soon = { .it_value.tv_nsec = 1000000 };
	int kqueue, inner, fd, epoll, master, slave;
	struct epoll_event in = { .events = EPOLLIN };
	struct event event;
	uint64_t one = 1;

	mach_open();
	kqueue = new_kqueue();

	fd = eventfd(0, 0);
	CHECK_RET(change_event(kqueue, (struct event)EVENT(EVFILT_READ, fd, EV_ADD)), 0);
	CHECK_RET(fetch_events(kqueue, &event, 1, 0), 0);
	REQUIRE_EQ(write(fd, &one, 8), 8);
	CHECK_RET(fetch_events(kqueue, &event, 1, 0), 1);
	CHECK_EQ(event.ident, fd);
	REQUIRE_EQ(read(fd, &one, 8), 8);
	CHECK_RET(fetch_events(kqueue, &event, 1, 0), 0);

	/* An epoll that watches the same. */
	epoll = epoll_create1(0);
	REQUIRE(!epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &in));
	CHECK_RET(change_event(kqueue, (struct event)EVENT(EVFILT_READ, fd, EV_DELETE)), 0);
	CHECK_RET(change_event(kqueue, (struct event)EVENT(EVFILT_READ, epoll, EV_ADD)), 0);
	CHECK_RET(fetch_events(kqueue, &event, 1, 0), 0);
	REQUIRE_EQ(write(fd, &one, 8), 8);
	CHECK_RET(fetch_events(kqueue, &event, 1, 5000), 1);
	CHECK_EQ(event.ident, epoll);
	CHECK_RET(change_event(kqueue, (struct event)EVENT(EVFILT_READ, epoll, EV_DELETE)), 0);

	fd = timerfd_create(CLOCK_MONOTONIC, 0);
	CHECK_RET(change_event(kqueue, (struct event)EVENT(EVFILT_READ, fd, EV_ADD)), 0);
	REQUIRE(!timerfd_settime(fd, 0, &soon, NULL));
	CHECK_RET(fetch_events(kqueue, &event, 1, 5000), 1);
	CHECK_EQ(event.ident, fd);
	close(fd);

	/* No poll of its own */
	fd = open("/dev/mach", O_RDWR);
	CHECK_RET(change_event(kqueue, (struct event)EVENT(EVFILT_WRITE, fd, EV_ADD)), 0);
	CHECK_RET(fetch_events(kqueue, &event, 1, 0), 1);
	CHECK_EQ(event.ident, fd);
	close(fd);

	inner = new_kqueue();
	CHECK_RET(change_event(kqueue, (struct event)EVENT(EVFILT_READ, inner, EV_ADD)), 0);
	CHECK_RET(fetch_events(kqueue, &event, 1, 0), 0);
	CHECK_RET(change_event(inner, (struct event)EVENT(EVFILT_USER, 1, EV_ADD, NOTE_TRIGGER)), 0);
	CHECK_RET(fetch_events(kqueue, &event, 1, 5000), 1);
	CHECK_EQ(event.ident, inner);
	CHECK_EQ(event.data, 1);
	close(inner);

	open_terminal(&master, &slave);
	CHECK_RET(change_event(kqueue, (struct event)EVENT(EVFILT_READ, slave, EV_ADD)), 0);
	CHECK_RET(change_event(kqueue, (struct event)EVENT(EVFILT_READ, master, EV_ADD | EV_CLEAR)),
		  0);
	CHECK_RET(fetch_events(kqueue, &event, 1, 0), 0);
	REQUIRE_EQ(write(slave, "x", 1), 1);
	CHECK_RET(fetch_events(kqueue, &event, 1, 5000), 1);
	CHECK_EQ(event.ident, master);
	CHECK_EQ(event.data, 1);
	REQUIRE_EQ(write(master, "line\n", 5), 5);
	CHECK_RET(fetch_events(kqueue, &event, 1, 5000), 1);
	if (event.ident == (uint64_t)master)	/* the echo */
		CHECK_RET(fetch_events(kqueue, &event, 1, 5000), 1);
	CHECK_EQ(event.ident, slave);
	CHECK_EQ(event.data, 5);
	CHECK_RET(change_event(kqueue, (struct event)EVENT(EVFILT_READ, master, EV_DELETE)), 0);
	CHECK_RET(change_event(kqueue, (struct event)EVENT(EVFILT_READ, master, EV_ADD)), 0);
	tcflush(slave, TCIFLUSH);
	close(master);
	CHECK_RET(closing_descriptor(master), 0);
	CHECK_RET(fetch_events(kqueue, &event, 1, 5000), 1);
	CHECK_EQ(event.ident, slave);
	CHECK_HEX(event.flags, EV_ADD | EV_EOF);
}

TEST(what_cannot_be_watched_is_refused)
{
	static const struct {
		const char *what;
		struct event change;
		long result;
	} rows[] = {
		{ "no descriptor", EVENT(EVFILT_READ, 77, EV_ADD), -EBADF },
		{ "no number of one", EVENT(EVFILT_WRITE, 1ull << 40, EV_ADD), -EBADF },
		{ "not watched", EVENT(EVFILT_READ, 0, EV_DELETE), -ENOENT },
		{ "no descriptor", EVENT(EVFILT_EXCEPT, -1ull, EV_ADD), -EBADF },
	};
	int kqueue;

	mach_open();
	kqueue = new_kqueue();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (change_event(kqueue, rows[i].change) != rows[i].result)
			FAIL("%s", rows[i].what);
}

static bool is_at_end(int fd, int timeout_ms)
{
	struct pollfd poll_fd = { .fd = fd };

	return poll(&poll_fd, 1, timeout_ms) == 1 && (poll_fd.revents & (POLLERR | POLLHUP));
}

static void close_it(struct ends *ends)
{
	close(ends->watched);
}

static void close_range_it(struct ends *ends)
{
	close_range(ends->watched, ends->watched, 0);
}

static void dup_over_it(struct ends *ends)
{
	int other = eventfd(0, 0);

	REQUIRE_EQ(dup2(other, ends->watched), ends->watched);
	close(other);
}

static void *close_in_thread(void *ends)
{
	close(((struct ends *)ends)->watched);
	return NULL;
}

static void another_thread_closes_it(struct ends *ends)
{
	struct worker worker;

	worker_start(&worker, close_in_thread, ends);
	worker_join(&worker);
}

static void announce_and_close_it(struct ends *ends)
{
	CHECK_RET(closing_descriptor(ends->watched), 0);
	close(ends->watched);
}

/* However a descriptor is closed, its file is released at once, and nothing is told of it. */
TEST(a_kqueue_keeps_no_file_open)
{
	static const struct {
		const char *what;
		void (*close)(struct ends *ends);
	} rows[] = {
		{ "close", close_it },
		{ "close_range", close_range_it },
		{ "dup2", dup_over_it },
		{ "close by another thread", another_thread_closes_it },
		{ "closing_descriptor", announce_and_close_it },
	};

	mach_open();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		for (int kind = 0; kind < 3; kind++) {
			struct ends ends = kind == 0 ? pipe_for_reading() :
					   kind == 1 ? socket_pair(SOCK_STREAM) : pipe_for_writing();
			int16_t filter = kind == 2 ? EVFILT_WRITE : EVFILT_READ;
			struct event event;

			REQUIRE_RET(watch(&ends, filter, EV_ADD, 0, 0), 0);
			if (kind < 2)
				other_writes_3(&ends);
			rows[i].close(&ends);
			if (!is_at_end(ends.other, 0))
				FAIL("%s: kind %d is not closed", rows[i].what, kind);
			if (fetch_events(ends.kqueue, &event, 1, 0))
				FAIL("%s: kind %d has an event", rows[i].what, kind);
			if (watch(&ends, filter, EV_DELETE, 0, 0) != -ENOENT)
				FAIL("%s: kind %d is there", rows[i].what, kind);
			close(ends.other);
			close(ends.kqueue);
		}
	}
}

/* Who asks for it is told that the descriptor is gone. */
TEST(a_descriptor_that_vanishes_is_told_when_asked)
{
	enum { VANISHING = EV_ADD | EV_DISPATCH2 | EV_VANISHED };
	static const struct {
		const char *what;
		void (*close)(struct ends *ends);
		bool is_active;
	} rows[] = {
		{ "close", close_it, false },
		{ "close with data", close_it, true },
		{ "dup2", dup_over_it, false },
		{ "closing_descriptor", announce_and_close_it, false },
		{ "closing_descriptor with data", announce_and_close_it, true },
	};

	mach_open();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct ends ends = pipe_for_reading();
		struct event event;

		REQUIRE_RET(watch(&ends, EVFILT_READ, VANISHING, 0, 0), 0);
		if (rows[i].is_active)
			other_writes_3(&ends);
		rows[i].close(&ends);
		if (!is_at_end(ends.other, 0))
			FAIL("%s: not closed", rows[i].what);
		if (fetch_events(ends.kqueue, &event, 1, 0) != 1)
			FAIL("%s: no event", rows[i].what);
		else if (event.flags != (EV_DISPATCH2 | EV_VANISHED | EV_ONESHOT))
			FAIL("%s: flags %#x", rows[i].what, event.flags);
		CHECK_RET(fetch_events(ends.kqueue, &event, 1, 0), 0);
		CHECK_RET(watch(&ends, EVFILT_READ, EV_DELETE | EV_DISPATCH2, 0, 0), -XNU_EINPROGRESS);
		CHECK_RET(watch(&ends, EVFILT_READ, EV_ENABLE | EV_DISPATCH2, 0, 0), 0);
		close(ends.other);
		close(ends.kqueue);
	}
}

TEST(a_number_that_is_used_again_is_another_descriptor)
{
	struct ends first, second;
	struct event event;

	mach_open();
	first = pipe_for_reading();
	REQUIRE_RET(watch(&first, EVFILT_READ, EV_ADD, 0, 0), 0);
	other_writes_3(&first);
	for (int i = 0; i < 50; i++) {
		int fds[2];

		close(first.watched);
		close(first.other);
		REQUIRE(!pipe(fds));
		second = first;
		second.watched = fds[0];
		second.other = fds[1];
		REQUIRE_EQ(second.watched, first.watched);
		/* Whatever the first pipe had is not told of the second. */
		CHECK_RET(fetch_events(first.kqueue, &event, 1, 0), 0);
		CHECK_RET(watch(&second, EVFILT_READ, EV_ADD, 0, 0), 0);
		CHECK_RET(fetch_events(first.kqueue, &event, 1, 0), 0);
		other_writes_4(&second);
		CHECK_RET(fetch_events(first.kqueue, &event, 1, 0), 1);
		CHECK_EQ(event.data, 4);
		first = second;
	}
}

TEST(a_duplicate_is_not_watched)
{
	struct ends ends;
	struct event event;
	char bytes[3];
	int duplicate;

	mach_open();
	ends = pipe_for_reading();
	duplicate = dup(ends.watched);
	REQUIRE_RET(watch(&ends, EVFILT_READ, EV_ADD, 0, 0), 0);
	close(ends.watched);
	other_writes_3(&ends);
	CHECK_RET(fetch_events(ends.kqueue, &event, 1, 0), 0);
	CHECK(!is_at_end(ends.other, 0));
	CHECK_EQ(read(duplicate, bytes, 3), 3);
	close(duplicate);
	CHECK(is_at_end(ends.other, 0));
}

struct passing {
	int socket;
	struct gate closed, done;
};

static void keep_passed(void *argument)
{
	struct passing *passing = argument;
	int fd = take_fd(passing->socket);
	char bytes[3];

	gate_pass(&passing->closed);
	CHECK_EQ(read(fd, bytes, 3), 3);
	gate_pass(&passing->done);
}

TEST(a_descriptor_that_was_passed_on_lives_on)
{
	struct passing passing;
	struct ends ends;
	struct event event;
	int sockets[2];
	pid_t child;

	mach_open();
	REQUIRE(!socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
	gate_init(&passing.closed);
	gate_init(&passing.done);
	passing.socket = sockets[1];
	child = start_child(keep_passed, &passing);
	ends = pipe_for_reading();
	REQUIRE_RET(watch(&ends, EVFILT_READ, EV_ADD, 0, 0), 0);
	pass_fd(sockets[0], ends.watched);
	close(ends.watched);
	other_writes_3(&ends);
	CHECK_RET(fetch_events(ends.kqueue, &event, 1, 0), 0);
	gate_open(&passing.closed);
	gate_open(&passing.done);
	WAIT_CHILD_OK(child);
	CHECK(is_at_end(ends.other, 0));
}

/* Files that tell nobody of their release are looked at now and then. */
TEST(a_terminal_is_not_kept_for_long)
{
	int kqueue, master, slave;

	mach_open();
	kqueue = new_kqueue();
	open_terminal(&master, &slave);
	REQUIRE_RET(change_event(kqueue, (struct event)EVENT(EVFILT_READ, master, EV_ADD)), 0);
	close(master);
	CHECK(is_at_end(slave, 30000));
}

/* Some watches end before, in no order, so that others move in what keeps account of them. */
TEST(terminals_are_let_go_of_whichever_was_first)
{
	enum { COUNT = 9 };
	static const int deleted[] = { 3, 8, 0, 5 };
	int kqueue, masters[COUNT], slaves[COUNT];

	mach_open();
	kqueue = new_kqueue();
	for (int i = 0; i < COUNT; i++) {
		open_terminal(&masters[i], &slaves[i]);
		REQUIRE_RET(change_event(kqueue, (struct event)EVENT(EVFILT_READ, masters[i], EV_ADD)),
			    0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(deleted); i++) {
		struct event change = EVENT(EVFILT_READ, masters[deleted[i]], EV_DELETE);

		REQUIRE_RET(change_event(kqueue, change), 0);
	}
	for (int i = 0; i < COUNT; i++)
		close(masters[i]);
	for (int i = 0; i < COUNT; i++)
		if (!is_at_end(slaves[i], 30000))
			FAIL("terminal %d is kept", i);
}

static void *fetch_for_ever(void *kqueue)
{
	struct event event;

	REQUIRE_RET(fetch_events(*(int *)kqueue, &event, 1, FOR_EVER), 1);
	return (void *)(uintptr_t)event.ident;
}

TEST(a_thread_that_waits_is_woken_by_data_and_not_by_closing)
{
	struct worker worker;
	struct ends ends, more;
	void *ident;

	mach_open();
	ends = pipe_for_reading();
	more = pipe_for_reading();
	close(more.kqueue);
	more.kqueue = ends.kqueue;
	REQUIRE_RET(watch(&ends, EVFILT_READ, EV_ADD, 0, 0), 0);
	REQUIRE_RET(watch(&more, EVFILT_READ, EV_ADD, 0, 0), 0);
	worker_start(&worker, fetch_for_ever, &ends.kqueue);
	worker_wait_in_trap(&worker);
	close(ends.watched);
	CHECK(is_at_end(ends.other, 0));
	worker_wait_in_trap(&worker);
	other_writes_3(&more);
	REQUIRE(!pthread_join(worker.thread, &ident));
	CHECK_EQ((uintptr_t)ident, more.watched);
}

static void killed_with_watches(void *argument)
{
	struct ends *ends = argument;
	struct event event;

	mach_open();
	ends->kqueue = new_kqueue();
	REQUIRE_RET(watch(ends, EVFILT_READ, EV_ADD, 0, 0), 0);
	fetch_events(ends->kqueue, &event, 1, FOR_EVER);
}

TEST(who_is_killed_while_waiting_leaves_nothing)
{
	for (int i = 0; i < 10; i++) {
		struct ends ends;
		int fds[2];
		pid_t child;

		REQUIRE(!pipe(fds));
		ends.watched = fds[0];
		ends.other = fds[1];
		child = start_child(killed_with_watches, &ends);
		wait_until_in_trap(child, child);
		close(fds[0]);
		kill_child(child);
		CHECK(is_at_end(fds[1], 0));
		close(fds[1]);
	}
}

/* Everything at once: for the debug kernel to see. */

#define PIPES		8
#define ROUNDS		400
/* Numbers from here on are not given to anybody who opens something. */
#define FIRST_NUMBER	500

static struct {
	int fds[PIPES][2];
	int kqueue;
} crowd;

static void *open_and_close(void *seed)
{
	unsigned int state = (uintptr_t)seed;

	for (int i = 0; i < ROUNDS; i++) {
		int at = rand_r(&state) % PIPES, end = rand_r(&state) % 2, fds[2];

		if (pipe2(fds, O_NONBLOCK))
			continue;
		dup2(fds[end], crowd.fds[at][end]);
		close(fds[0]);
		close(fds[1]);
		if (rand_r(&state) % 2)
			close(crowd.fds[at][end]);
	}
	return NULL;
}

static void *write_and_read(void *seed)
{
	unsigned int state = (uintptr_t)seed;
	char bytes[64];

	for (int i = 0; i < ROUNDS; i++) {
		int at = rand_r(&state) % PIPES;

		if (write(crowd.fds[at][1], bytes, sizeof(bytes)) < 0 ||
		    read(crowd.fds[at][0], bytes, sizeof(bytes)) < 0)
			continue;
	}
	return NULL;
}

static void *watch_and_fetch(void *seed)
{
	unsigned int state = (uintptr_t)seed;
	struct event events[4];

	for (int i = 0; i < ROUNDS; i++) {
		int at = rand_r(&state) % PIPES, end = rand_r(&state) % 2;
		uint16_t flags = rand_r(&state) % 4 ? EV_ADD | EV_CLEAR : EV_DELETE;
		int16_t filter = end ? EVFILT_WRITE : EVFILT_READ;

		if (rand_r(&state) % 8 == 0)
			closing_descriptor(crowd.fds[at][end]);
		change_event(crowd.kqueue, (struct event)EVENT(filter, crowd.fds[at][end], flags));
		fetch_events(crowd.kqueue, events, ARRAY_SIZE(events), 0);
	}
	return NULL;
}

TEST_LIMIT(descriptors_come_and_go_while_they_are_watched, 200)
{
	static void *(*const parts[])(void *) = {
		open_and_close, open_and_close, write_and_read, watch_and_fetch, watch_and_fetch,
	};
	struct worker workers[ARRAY_SIZE(parts)];

	signal(SIGPIPE, SIG_IGN);
	mach_open();
	crowd.kqueue = new_kqueue();
	for (int i = 0; i < PIPES; i++) {
		int fds[2];

		REQUIRE(!pipe2(fds, O_NONBLOCK));
		for (int end = 0; end < 2; end++) {
			crowd.fds[i][end] = FIRST_NUMBER + 2 * i + end;
			REQUIRE(dup2(fds[end], crowd.fds[i][end]) >= 0);
			close(fds[end]);
		}
	}
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		worker_start(&workers[i], parts[i], (void *)(uintptr_t)(i + 1));
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		worker_join(&workers[i]);
}
