/* SPDX-License-Identifier: GPL-2.0 */
/* Kqueues: the calls in their dialects, and tables of what is done and expected. */
#ifndef TESTS_KQUEUE_H
#define TESTS_KQUEUE_H

#include <stddef.h>
#include <stdint.h>

#define EVFILT_READ		(-1)
#define EVFILT_WRITE		(-2)
#define EVFILT_AIO		(-3)
#define EVFILT_VNODE		(-4)
#define EVFILT_PROC		(-5)
#define EVFILT_SIGNAL		(-6)
#define EVFILT_TIMER		(-7)
#define EVFILT_MACHPORT		(-8)
#define EVFILT_FS		(-9)
#define EVFILT_USER		(-10)
#define EVFILT_VM		(-12)
#define EVFILT_SOCK		(-13)
#define EVFILT_MEMORYSTATUS	(-14)
#define EVFILT_EXCEPT		(-15)
#define EVFILT_WORKLOOP		(-17)

#define EV_ADD			0x1
#define EV_DELETE		0x2
#define EV_ENABLE		0x4
#define EV_DISABLE		0x8
#define EV_ONESHOT		0x10
#define EV_CLEAR		0x20
#define EV_RECEIPT		0x40
#define EV_DISPATCH		0x80
#define EV_UDATA_SPECIFIC	0x100
#define EV_DISPATCH2		(EV_DISPATCH | EV_UDATA_SPECIFIC)
#define EV_VANISHED		0x200
#define EV_OOBAND		0x2000
#define EV_ERROR		0x4000
#define EV_EOF			0x8000

#define NOTE_TRIGGER		0x01000000u
#define NOTE_FFAND		0x40000000u
#define NOTE_FFOR		0x80000000u
#define NOTE_FFCOPY		0xc0000000u

#define NOTE_SECONDS		0x1
#define NOTE_USECONDS		0x2
#define NOTE_NSECONDS		0x4
#define NOTE_ABSOLUTE		0x8
#define NOTE_LEEWAY		0x10
#define NOTE_MACH_CONTINUOUS	0x80
#define NOTE_MACHTIME		0x100

#define KEVENT_FLAG_IMMEDIATE		0x1
#define KEVENT_FLAG_ERROR_EVENTS	0x2
#define KEVENT_FLAG_STACK_DATA		0x8
#define KEVENT_FLAG_WORKQ		0x20
#define KEVENT_FLAG_WORKLOOP		0x400

/* Errnos of XNU that Linux has other numbers for */
#define XNU_EINPROGRESS		36
#define XNU_ENOTSUP		45

/* An event with all that any dialect has; the order is that of tables. */
struct event {
	uint64_t ident;
	int16_t filter;
	uint16_t flags;
	uint32_t fflags;
	int64_t data;
	uint64_t udata;
	uint64_t ext[4];
	int32_t qos;
};

/* EVENT(filter, ident, flags[, fflags[, data[, udata]]]) initialises one. */
#define EVENT(filter_, ...)	EVENT_OF(filter_, __VA_ARGS__, 0, 0, 0, 0)
#define EVENT_OF(filter_, ident_, flags_, fflags_, data_, udata_, ...) {	\
	.ident = (ident_), .filter = (filter_), .flags = (flags_),		\
	.fflags = (fflags_), .data = (data_), .udata = (udata_),		\
}

enum dialect { KEVENT, KEVENT64, KEVENT_QOS, DIALECTS };

/* The structures as they are in memory */
struct kevent_wide {
	uint64_t ident;
	int16_t filter;
	uint16_t flags;
	uint32_t fflags;
	int64_t data;
	uint64_t udata;
} __attribute__((packed, aligned(4)));

struct kevent64_s {
	uint64_t ident;
	int16_t filter;
	uint16_t flags;
	uint32_t fflags;
	int64_t data;
	uint64_t udata;
	uint64_t ext[2];
} __attribute__((packed, aligned(4)));

struct kevent_qos_s {
	uint64_t ident;
	int16_t filter;
	uint16_t flags;
	int32_t qos;
	uint64_t udata;
	uint32_t fflags;
	uint32_t xflags;
	int64_t data;
	uint64_t ext[4];
} __attribute__((packed, aligned(4)));

#define FOR_EVER	(-1)

/* A new kqueue, or the end of the case. */
int new_kqueue(void);

/* The traps, with lists in the form of the dialect at any address */
long kevent_at(enum dialect dialect, int kqueue, const void *changes, int nchanges, void *events,
	       int nevents, unsigned int flags, const void *timeout);

/* The same with lists that are converted. Waits for @timeout_ms, or FOR_EVER. */
long kevent_in(enum dialect dialect, int kqueue, const struct event *changes, int nchanges,
	       struct event *events, int nevents, unsigned int flags, int timeout_ms);

/* In the dialect of kevent64: makes one change; fetches up to @room events that are there. */
long change_event(int kqueue, struct event change);
long fetch_events(int kqueue, struct event *events, int room, int timeout_ms);

/* Checks all that @want has but ext and qos. */
#define CHECK_EVENT(got, want) check_event(__FILE__, __LINE__, &(got), &(want))
void check_event(const char *file, int line, const struct event *got, const struct event *want);

long closing_descriptor(int fd);

/*
 * A line of a table: a change (none when its filter is 0), what the call returns,
 * and the event that can be fetched afterwards (none when its filter is 0).
 */
struct kqueue_step {
	const char *what;
	struct event change;
	long result;
	struct event event;
};

void run_steps(int kqueue, const struct kqueue_step *steps, size_t count);

#endif
