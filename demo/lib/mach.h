/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The Mach traps that the demo uses: each is one ioctl on the descriptor that
 * the kernel gave the program.
 */
#ifndef DEMO_MACH_H
#define DEMO_MACH_H

#include <stdint.h>

#include "mach_abi.h"
#include "runtime.h"

typedef uint32_t name_t;

/* An address, as the structures of this width hold it */
#ifdef __x86_64__
#define ADDRESS(address)	((void *)(address))
#else
#define ADDRESS(address)	((uint32_t)(uintptr_t)(address))
#endif

#define KERN_SUCCESS		0

#define PORT_RIGHT_RECEIVE	1

/* How a right is taken out of the sender's space */
#define COPY_SEND		19
#define MAKE_SEND		20
#define MAKE_SEND_ONCE		21
/* What a reply port arrives as */
#define MOVE_SEND_ONCE		18

#define MSGH_BITS(remote, local)	((uint32_t)((remote) | (local) << 8))
#define MSGH_COMPLEX			0x80000000u

#define SEND_MSG		0x1u
#define RCV_MSG			0x2u
#define RCV_TIMEOUT		0x100u

#define TASK_BOOTSTRAP_PORT	4

struct header {
	uint32_t bits;
	uint32_t size;
	name_t remote;
	name_t local;
	uint32_t voucher;
	int32_t id;
};

/* A message of the demo: a header and a line of text. */
struct text_message {
	struct header header;
	char text[64];
	uint32_t trailer[17];	/* what the kernel adds on receipt */
};

#define TEXT_SIZE	(sizeof(struct header) + 64)

/* Finds the descriptor among the apple strings. False when there is none. */
bool mach_start(const struct startup *startup);

/* The descriptor. */
int mach_descriptor(void);

long trap(unsigned int number, unsigned long argument);

static inline name_t task_self(void)
{
	return (name_t)trap(NR_task_self_trap, 0);
}

static inline name_t reply_port(void)
{
	return (name_t)trap(NR_mach_reply_port, 0);
}

/* A new receive right with a send right under the same name; 0 on failure. */
name_t new_port(void);

/*
 * Sends @size bytes and, with a @reply_to, receives up to @room bytes there;
 * with @size 0 only receives. Returns a mach_msg_return_t.
 */
long message(void *buffer, uint32_t size, uint32_t room, name_t reply_to);

/* Makes @port the bootstrap port, which children and later images inherit. */
long set_bootstrap_port(name_t port);

/* The bootstrap port, or 0. */
name_t bootstrap_port(void);

/*
 * Messages with formatted text. A request goes to a send right and comes back
 * as the answer; an answer goes to the send-once right that came with a
 * request; a notice wants no answer.
 */
__attribute__((format(printf, 4, 5)))
long send_request(struct text_message *buffer, name_t to, name_t reply_to,
		  const char *format, ...);
__attribute__((format(printf, 3, 4)))
long send_answer(struct text_message *buffer, name_t to, const char *format, ...);
__attribute__((format(printf, 3, 4)))
long send_notice(struct text_message *buffer, name_t to, const char *format, ...);

#endif
