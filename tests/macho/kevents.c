// SPDX-License-Identifier: GPL-2.0
/*
 * A static program that uses kqueues with events laid out for its own width.
 * Prints "wrong LINE GOT WANT" for what is not as it should be, and "end".
 */
#include "mach.h"

#define EVFILT_USER	(-10)
#define EV_ADD		0x1
#define EV_RECEIPT	0x40
#define EV_ERROR	0x4000
#define NOTE_TRIGGER	0x01000000u
#define MINUS_EINVAL	(-22)
#define MINUS_EFAULT	(-14)

#define EXPECT(got, want)	expect(__LINE__, (unsigned long)(got), (unsigned long)(want))
/* Of 64 bits, also where a word has 32 */
#define EXPECT64(got, want) do {				\
	EXPECT((uint64_t)(got) & 0xffffffffu, (uint64_t)(want) & 0xffffffffu);	\
	EXPECT((uint64_t)(got) >> 32, (uint64_t)(want) >> 32);	\
} while (0)

/* struct kevent: 32 bytes, or 20 */
struct plain {
	unsigned long ident;
	int16_t filter;
	uint16_t flags;
	uint32_t fflags;
	long data;
	unsigned long udata;
};

/* struct kevent64_s: 48 bytes */
struct wide {
	uint64_t ident;
	int16_t filter;
	uint16_t flags;
	uint32_t fflags;
	int64_t data;
	uint64_t udata;
	uint64_t ext[2];
} __attribute__((packed));

_Static_assert(sizeof(struct plain) == (sizeof(long) == 8 ? 32 : 20), "struct kevent");
_Static_assert(sizeof(struct wide) == 48, "struct kevent64_s");

static void expect(int line, unsigned long value, unsigned long want)
{
	if (value != want)
		say("wrong %d %lx %lx\n", line, value, want);
}

static int new_kqueue(void)
{
	return (int)trap(NR_kqueue_create, 0);
}

static long kevent(int kqueue, const struct plain *changes, int nchanges, struct plain *events,
		   int nevents, const long *timeout)
{
	struct kevent_args arguments = {
		.fd = kqueue,
		.changelist = (uintptr_t)changes, .nchanges = nchanges,
		.eventlist = (uintptr_t)events, .nevents = nevents,
		.timeout = (uintptr_t)timeout,
	};

	return trap(NR_kevent, (uintptr_t)&arguments);
}

static long kevent64(int kqueue, const struct wide *changes, int nchanges, struct wide *events,
		     int nevents, const long *timeout)
{
	struct kevent64_args arguments = {
		.fd = kqueue,
		.changelist = (uintptr_t)changes, .nchanges = nchanges,
		.eventlist = (uintptr_t)events, .nevents = nevents,
		.timeout = (uintptr_t)timeout,
	};

	return trap(NR_kevent64, (uintptr_t)&arguments);
}

/* Lists are read and written one event after the other, field by field. */
static void try_plain(int kqueue)
{
	struct plain changes[2] = {
		{ 0xfedcba98, EVFILT_USER, EV_ADD, NOTE_TRIGGER | 0x123456, -5, 0x89abcdef },
		{ 2, EVFILT_USER, EV_ADD, NOTE_TRIGGER | 0x654321, 0x7fffffff, 3 },
	};
	struct plain events[3];
	long now[2] = { 0, 0 };

	memset(events, 0xcc, sizeof(events));
	EXPECT(kevent(kqueue, changes, 2, events, 3, now), 2);
	for (int i = 0; i < 2; i++) {
		EXPECT(events[i].ident, changes[i].ident);
		EXPECT(events[i].filter, EVFILT_USER);
		EXPECT(events[i].flags, EV_ADD);
		EXPECT(events[i].fflags, changes[i].fflags);
		EXPECT(events[i].data, changes[i].data);
		EXPECT(events[i].udata, changes[i].udata);
	}
	for (size_t i = 0; i < sizeof(events[2]); i++)
		EXPECT(((uint8_t *)&events[2])[i], 0xcc);
}

/* How changes went is told in the same form. */
static void try_receipts(int kqueue)
{
	struct plain changes[2] = {
		{ 7, EVFILT_USER, EV_ADD | EV_RECEIPT, 0, 0, 0x77777777 },
		{ 8, 5, EV_ADD, 0, 0, 0x88888888 },
	};
	struct plain events[2];

	EXPECT(kevent(kqueue, changes, 2, events, 2, NULL), 2);
	EXPECT(events[0].ident, 7);
	EXPECT(events[0].flags, EV_ADD | EV_RECEIPT | EV_ERROR);
	EXPECT(events[0].data, 0);
	EXPECT(events[0].udata, 0x77777777);
	EXPECT(events[1].filter, 5);
	EXPECT(events[1].flags, EV_ADD | EV_ERROR);
	EXPECT(events[1].data, 22);
	EXPECT(events[1].udata, 0x88888888);
	EXPECT(kevent(kqueue, (struct plain *)16, 1, NULL, 0, NULL), MINUS_EFAULT);
}

/* This form has 64 bits everywhere. */
static void try_wide(int kqueue)
{
	struct wide changes[2] = {
		{ 0x123456789abcdef0, EVFILT_USER, EV_ADD, NOTE_TRIGGER | 1, -0x100000002,
		  0xfedcba9876543210, { 0x1111111122222222, 0x3333333344444444 } },
		{ 2, EVFILT_USER, EV_ADD, NOTE_TRIGGER | 2, 3, 4, { 5, 6 } },
	};
	struct wide events[3];
	long now[2] = { 0, 0 };

	memset(events, 0xcc, sizeof(events));
	EXPECT(kevent64(kqueue, changes, 2, events, 3, now), 2);
	for (int i = 0; i < 2; i++) {
		EXPECT64(events[i].ident, changes[i].ident);
		EXPECT(events[i].filter, EVFILT_USER);
		EXPECT(events[i].flags, EV_ADD);
		EXPECT(events[i].fflags, changes[i].fflags);
		EXPECT64(events[i].data, changes[i].data);
		EXPECT64(events[i].udata, changes[i].udata);
		EXPECT64(events[i].ext[0], changes[i].ext[0]);
		EXPECT64(events[i].ext[1], changes[i].ext[1]);
	}
	for (size_t i = 0; i < sizeof(events[2]); i++)
		EXPECT(((uint8_t *)&events[2])[i], 0xcc);
}

/* A timeout has two words; those after it are not looked at. */
static void try_timeouts(int plain, int wide)
{
	long soon[4] = { 0, 1000000, -1, -1 }, wrong[4] = { 0, 1000000000, 0, 0 };
	struct plain event;
	struct wide wide_event;

	EXPECT(kevent(plain, NULL, 0, &event, 1, soon), 0);
	EXPECT(kevent(plain, NULL, 0, &event, 1, wrong), MINUS_EINVAL);
	EXPECT(kevent64(wide, NULL, 0, &wide_event, 1, soon), 0);
	EXPECT(kevent64(wide, NULL, 0, &wide_event, 1, wrong), MINUS_EINVAL);
}

int run(const struct startup *startup)
{
	int plain, wide;

	if (!mach_start(startup))
		return 1;
	plain = new_kqueue();
	wide = new_kqueue();
	try_plain(plain);
	try_receipts(plain);
	try_wide(wide);
	/* A kqueue is used in one of the two forms. */
	EXPECT(kevent64(plain, NULL, 0, NULL, 0, NULL), MINUS_EINVAL);
	EXPECT(kevent(wide, NULL, 0, NULL, 0, NULL), MINUS_EINVAL);
	try_timeouts(new_kqueue(), new_kqueue());
	say("end\n");
	return 0;
}
