/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Both sides of an exception: a client that catches Linux's signals and asks the
 * kernel what to do about them, and a debugger that is told.
 */
#ifndef TESTS_EXCEPTION_H
#define TESTS_EXCEPTION_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "message.h"

#define EXC_BAD_ACCESS		1u
#define EXC_BAD_INSTRUCTION	2u
#define EXC_ARITHMETIC		3u
#define EXC_SOFTWARE		5u
#define EXC_BREAKPOINT		6u
#define EXC_MASK_ALL		0x3ffeu

#define EXC_DEFAULT		1u
#define EXC_STATE		2u
#define EXC_STATE_IDENTITY	3u
#define EXC_WIDE		0x80000000u

#define THREAD_STATE64		4u
#define FLOAT_STATE64		5u
#define GENERAL_WORDS		42u
#define FLOAT_WORDS		131u

enum general { RAX, RBX, RCX, RDX, RDI, RSI, RBP, RSP, R8, R15 = 15, RIP, RFLAGS, GENERAL_COUNT = 21 };

/* thread_get_state() with room for @room words, and thread_set_state() */
#define GET_STATE	3603
#define SET_STATE	3604
int32_t get_state(name_t thread, uint32_t flavor, uint32_t room, void *state);
int32_t set_state(name_t thread, uint32_t flavor, uint32_t count, const void *state);

/* BSD's numbers */
enum { BSD_ILL = 4, BSD_TRAP = 5, BSD_FPE = 8, BSD_BUS = 10, BSD_SEGV = 11, BSD_USR1 = 30 };

/* The client */

/* The registers that a client hands in and gets back */
struct handed {
	uint64_t general[GENERAL_COUNT];
	uint32_t floating[FLOAT_WORDS];
};

/* A sigprocess() of one's own: everything about a signal is made up. */
struct fake_signal {
	int bsd, number, code;
	uint64_t address;	/* or the sender's pid, in the lower half */
};
void handed_fill(struct handed *handed, uint64_t seed);
bool handed_matches(const struct handed *handed, uint64_t seed);
/* Returns what the trap returns; @signum gets the signal to deliver. */
long sigprocess(const struct fake_signal *signal, struct handed *handed, int *signum);
long thread_suspended(struct handed *handed);

/* The ways for a program to go wrong */
enum fault { FAULT_SEGV, FAULT_BUS, FAULT_ILL, FAULT_FPE, FAULT_TRAP, FAULTS };
struct fault_kind {
	const char *name;
	int signal;		/* of Linux */
	uint32_t exception;
	int64_t codes[2];	/* the second of a bad access is where it was */
	int bsd;
};
extern const struct fault_kind faults[FAULTS];
/* The address that FAULT_SEGV reads */
#define BAD_ADDRESS	0x123450ul

/*
 * Catches the signals of all faults, as clients do: asks the kernel, with the
 * interrupted registers, and goes on with those that it gives back.
 */
void client_init(void);
/*
 * Goes wrong, until the kernel says which signal to deliver, which is returned,
 * or the registers are changed so that the program goes on: 0 then. The faults
 * are counted in *times.
 */
int go_wrong(enum fault fault, int *times);

/* The debugger */

/* A message about an exception */
struct told {
	struct message message;
	name_t reply, thread, task;	/* the latter two 0 where they are not told */
	uint32_t exception;
	int64_t codes[2];
	uint32_t flavor, count;		/* 0 where there is no state */
	uint32_t *state;
};

/* Has exceptions of @target, a task, a thread or the host, told to @port. */
int32_t listen_to(name_t target, uint32_t mask, name_t port, uint32_t behavior, uint32_t flavor);
/* Receives one within 10 s, and checks that it is laid out as @behavior says. */
#define RECEIVE_TOLD(told, port, behavior)				\
	receive_told(__FILE__, __LINE__, told, port, behavior)
void receive_told(const char *file, int line, struct told *told, name_t port, uint32_t behavior);
/* Answers, with the state that is in @told if there is one and @code is 0. */
void answer(struct told *told, int32_t code);
/* Sends @size bytes of body as the answer, with message id @id. */
void answer_raw(struct told *told, int32_t id, const void *body, uint32_t size);

long set_sigexc(pid_t pid, int sigexc);
long set_pending(pid_t tid, int signum);

#endif
