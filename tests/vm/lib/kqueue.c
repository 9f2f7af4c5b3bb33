// SPDX-License-Identifier: GPL-2.0
#include "kqueue.h"

#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "mach.h"

#define MOST	256

union native {
	struct kevent_wide wide[MOST];
	struct kevent64_s s64[MOST];
	struct kevent_qos_s qos[MOST];
};

int new_kqueue(void)
{
	long kqueue = trap(NR_kqueue_create, 0);

	REQUIRE(kqueue >= 0);
	return (int)kqueue;
}

long kevent_at(enum dialect dialect, int kqueue, const void *changes, int nchanges, void *events,
	       int nevents, unsigned int flags, const void *timeout)
{
	struct kevent_args plain = {
		.fd = kqueue,
		.changelist = (uintptr_t)changes, .nchanges = nchanges,
		.eventlist = (uintptr_t)events, .nevents = nevents,
		.timeout = (uintptr_t)timeout,
	};
	struct kevent64_args s64 = {
		.fd = kqueue,
		.changelist = (uintptr_t)changes, .nchanges = nchanges,
		.eventlist = (uintptr_t)events, .nevents = nevents,
		.flags = flags,
		.timeout = (uintptr_t)timeout,
	};
	struct kevent_qos_args qos = {
		.fd = kqueue,
		.changelist = (uintptr_t)changes, .nchanges = nchanges,
		.eventlist = (uintptr_t)events, .nevents = nevents,
		.flags = flags,
	};

	switch (dialect) {
	case KEVENT:
		return trap_struct(NR_kevent, &plain);
	case KEVENT64:
		return trap_struct(NR_kevent64, &s64);
	default:
		return trap_struct(NR_kevent_qos, &qos);
	}
}

#define COPY_COMMON(to, from) do {		\
	(to).ident = (from).ident;		\
	(to).filter = (from).filter;		\
	(to).flags = (from).flags;		\
	(to).fflags = (from).fflags;		\
	(to).data = (from).data;		\
	(to).udata = (from).udata;		\
} while (0)

static void to_native(enum dialect dialect, union native *native, int at,
		      const struct event *event)
{
	switch (dialect) {
	case KEVENT:
		COPY_COMMON(native->wide[at], *event);
		break;
	case KEVENT64:
		COPY_COMMON(native->s64[at], *event);
		memcpy(native->s64[at].ext, event->ext, sizeof(native->s64[at].ext));
		break;
	default:
		COPY_COMMON(native->qos[at], *event);
		memcpy(native->qos[at].ext, event->ext, sizeof(event->ext));
		native->qos[at].qos = event->qos;
		native->qos[at].xflags = 0;
	}
}

static void from_native(enum dialect dialect, const union native *native, int at,
			struct event *event)
{
	memset(event, 0, sizeof(*event));
	switch (dialect) {
	case KEVENT:
		COPY_COMMON(*event, native->wide[at]);
		break;
	case KEVENT64:
		COPY_COMMON(*event, native->s64[at]);
		memcpy(event->ext, native->s64[at].ext, sizeof(native->s64[at].ext));
		break;
	default:
		COPY_COMMON(*event, native->qos[at]);
		memcpy(event->ext, native->qos[at].ext, sizeof(event->ext));
		event->qos = native->qos[at].qos;
	}
}

long kevent_in(enum dialect dialect, int kqueue, const struct event *changes, int nchanges,
	       struct event *events, int nevents, unsigned int flags, int timeout_ms)
{
	long long timeout[2] = { timeout_ms / 1000, timeout_ms % 1000 * 1000000LL };
	union native in, out;
	long result;

	REQUIRE(nchanges <= MOST && nevents <= MOST);
	for (int i = 0; i < nchanges; i++)
		to_native(dialect, &in, i, &changes[i]);
	poison(&out, sizeof(out));
	/* kevent_qos has no timeout: it waits or it does not. */
	if (dialect == KEVENT_QOS && timeout_ms != FOR_EVER)
		flags |= KEVENT_FLAG_IMMEDIATE;
	result = kevent_at(dialect, kqueue, in.wide, nchanges, out.wide, nevents, flags,
			   timeout_ms == FOR_EVER ? NULL : timeout);
	for (int i = 0; i < result && i < nevents; i++)
		from_native(dialect, &out, i, &events[i]);
	return result;
}

long change_event(int kqueue, struct event change)
{
	return kevent_in(KEVENT64, kqueue, &change, 1, NULL, 0, 0, 0);
}

long fetch_events(int kqueue, struct event *events, int room, int timeout_ms)
{
	return kevent_in(KEVENT64, kqueue, NULL, 0, events, room, 0, timeout_ms);
}

void check_event(const char *file, int line, const struct event *got, const struct event *want)
{
#define FIELD(kind, name)							\
	check_equal(file, line, kind, GO_ON, #name, (long long)got->name,	\
		    "wanted", (long long)want->name)
	FIELD(CHECK_NUMBER, ident);
	FIELD(CHECK_NUMBER, filter);
	FIELD(CHECK_HEX, flags);
	FIELD(CHECK_HEX, fflags);
	FIELD(CHECK_NUMBER, data);
	FIELD(CHECK_HEX, udata);
#undef FIELD
}

long closing_descriptor(int fd)
{
	struct closing_descriptor_args arguments = { .fd = fd };

	return trap_struct(NR_closing_descriptor, &arguments);
}

void run_steps(int kqueue, const struct kqueue_step *steps, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct kqueue_step *step = &steps[i];
		struct event event;
		long result, want = step->event.filter != 0;

		if (step->change.filter) {
			result = change_event(kqueue, step->change);
			if (result != step->result)
				FAIL("%s: the change returns %ld, not %ld", step->what, result,
				     step->result);
		}
		result = fetch_events(kqueue, &event, 1, 0);
		if (result != want)
			FAIL("%s: %ld events, not %ld", step->what, result, want);
		else if (want && (event.ident != step->event.ident ||
				  event.filter != step->event.filter ||
				  event.flags != step->event.flags ||
				  event.fflags != step->event.fflags ||
				  event.data != step->event.data ||
				  event.udata != step->event.udata))
			FAIL("%s: event %llu flags %#x fflags %#x data %lld udata %#llx", step->what,
			     (unsigned long long)event.ident, event.flags, event.fflags,
			     (long long)event.data, (unsigned long long)event.udata);
	}
}
