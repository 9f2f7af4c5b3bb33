// SPDX-License-Identifier: GPL-2.0
/*
 * Messages with every kind of descriptor, and requests to the kernel, with the n-th
 * allocation or user copy failing. See lib/attempt.h.
 *
 * time limit: 600 s
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "attempt.h"
#include "body.h"
#include "harness.h"
#include "mach.h"
#include "message.h"
#include "port.h"
#include "process.h"
#include "rpc.h"
#include "short_rights.h"

#define PAGE	4096u
#define GUARD	0x1234567890ull

static struct complex_message body;
static uint8_t block[3 * PAGE];
static name_t names[3];

/* Sending */

static void an_empty_body(struct scene *scene)
{
	a_port(scene);
	complex_init(&body, scene->port, COPY_SEND);
}

static void memory(struct scene *scene)
{
	an_empty_body(scene);
	body_fill(block, sizeof(block), 3);
	add_ool(&body, block, 100, MSG_PHYSICAL_COPY, false);
	add_ool(&body, block, sizeof(block), MSG_VIRTUAL_COPY, false);
}

static void rights(struct scene *scene)
{
	an_empty_body(scene);
	names[0] = scene->port;
	names[1] = scene->other;
	names[2] = MACH_PORT_NULL;
	add_ool_ports(&body, names, 3, MAKE_SEND, false);
}

static void a_guarded_right(struct scene *scene)
{
	an_empty_body(scene);
	scene->out = new_port();
	REQUIRE_RET(port_guard(scene->out, GUARD, false), KERN_SUCCESS);
	add_guarded(&body, scene->out, GUARD, GUARD_IMMOVABLE_RECEIVE);
}

static void all_kinds(struct scene *scene)
{
	memory(scene);
	names[0] = scene->other;
	add_ool_ports(&body, names, 1, MAKE_SEND_ONCE, false);
	add_port(&body, scene->other, MAKE_SEND);
}

static long send_body(struct scene *scene)
{
	(void)scene;
	return complex_send(&body);
}

/*
 * It has arrived, whole, at the second try if the first one failed without harm, or
 * nothing of it has; what it took up is free again.
 */
static void sent_or_not(struct scene *scene, long result)
{
	static struct complex_message message;

	if (result != MACH_SEND_NO_BUFFER && result != MACH_SEND_INVALID_MEMORY) {
		CHECK_RET(complex_receive(&message, scene->port, MACH_RCV_GUARDED_DESC), 0);
		CHECK_EQ(message.count, body.count);
	}
	CHECK_NO_MESSAGE(scene->port);
	CHECK(no_message_is_left(0));
}

/* What cannot be read is found out before anything is taken, what cannot be kept is not. */
#define SENDS(place)							\
	(&(struct attempt){						\
		.prepare = place, .act = send_body,			\
		.harmless = { -EFAULT, MACH_SEND_INVALID_DATA },	\
		.others = { MACH_SEND_NO_BUFFER, MACH_SEND_INVALID_MEMORY },	\
		.verify = sent_or_not,					\
	})

TEST_LIMIT(sending_memory, 300)
{
	try_all(SENDS(memory));
}

TEST_LIMIT(sending_arrays_of_rights, 300)
{
	try_all(SENDS(rights));
}

TEST_LIMIT(sending_a_guarded_right, 300)
{
	try_all(SENDS(a_guarded_right));
}

TEST_LIMIT(sending_all_kinds, 300)
{
	try_all(SENDS(all_kinds));
}

/* Receiving */

/* What is sent, to be received: one of the above */
static void (*content)(struct scene *scene);

static void mail(struct scene *scene)
{
	content(scene);
	REQUIRE_RET(send_body(scene), 0);
}

static long receive_body(struct scene *scene)
{
	return complex_receive(&body, scene->port, MACH_RCV_GUARDED_DESC);
}

/* Once, whole or in part, and never a second time. */
static void received_once(struct scene *scene, long result)
{
	(void)result;
	CHECK_NO_MESSAGE(scene->port);
	receive_id(scene->other);
	CHECK(no_message_is_left(0));
}

static void try_receiving(void (*what)(struct scene *scene))
{
	content = what;
	try_all(&(struct attempt){
		.prepare = mail, .act = receive_body, .harmless = { -EFAULT },
		.others = { MACH_RCV_INVALID_DATA,
			    MACH_RCV_HEADER_ERROR | MACH_MSG_IPC_SPACE,
			    MACH_RCV_BODY_ERROR | MACH_MSG_IPC_SPACE,
			    MACH_RCV_BODY_ERROR | MACH_MSG_VM_SPACE,
			    MACH_RCV_BODY_ERROR | MACH_MSG_VM_KERNEL },
		.verify = received_once,
	});
}

TEST_LIMIT(receiving_memory, 300)
{
	try_receiving(memory);
}

TEST_LIMIT(receiving_arrays_of_rights, 300)
{
	try_receiving(rights);
}

TEST_LIMIT(receiving_a_guarded_right, 300)
{
	try_receiving(a_guarded_right);
}

TEST_LIMIT(receiving_all_kinds, 300)
{
	try_receiving(all_kinds);
}

/* Requests to the kernel */

static struct rpc rpc;

/* The request is sent; the answer is taken later, with no fault on the way. */
static long send_request(struct scene *scene)
{
	(void)scene;
	return mach_msg(&rpc.message, MACH_SEND_MSG | MACH_SEND_TIMEOUT, rpc.size, 0, 0, 0);
}

/*
 * Whatever failed is told in the answer or, without memory for one, by the end of
 * the reply right or not at all. What is left is what a whole request leaves.
 */
static void answered_or_not(struct scene *scene, long result)
{
	static struct complex_message reply;
	long code = complex_receive(&reply, rpc.reply, 0);

	(void)scene;
	/* What failed without harm has been sent again. */
	CHECK(code == 0 || code == MACH_RCV_TIMED_OUT);
	if (result == MACH_SEND_NO_BUFFER || result == MACH_SEND_INVALID_MEMORY)
		CHECK(code || reply.header.id == NOTIFY_SEND_ONCE);
	CHECK(no_message_is_left(0));
}

#define ASKS(place)							\
	(&(struct attempt){						\
		.prepare = place, .act = send_request,			\
		.harmless = { -EFAULT, MACH_SEND_INVALID_DATA },	\
		.others = { MACH_SEND_NO_BUFFER, MACH_SEND_INVALID_MEMORY },	\
		.verify = answered_or_not,				\
	})

static void to_allocate(struct scene *scene)
{
	a_task(scene);
	rpc_begin(&rpc, self(), 3204);
	rpc_word(&rpc, MACH_PORT_RIGHT_RECEIVE);
}

static void to_be_notified(struct scene *scene)
{
	a_port(scene);
	rpc_begin(&rpc, self(), 3213);
	rpc_port(&rpc, scene->other, MAKE_SEND_ONCE);
	rpc_word(&rpc, scene->port);
	rpc_word(&rpc, NOTIFY_NO_SENDERS);
	rpc_word(&rpc, 100);
}

static void to_extract(struct scene *scene)
{
	a_port(scene);
	rpc_begin(&rpc, self(), 3215);
	rpc_word(&rpc, scene->port);
	rpc_word(&rpc, MAKE_SEND);
}

static void to_insert(struct scene *scene)
{
	a_port(scene);
	rpc_begin(&rpc, self(), 3214);
	rpc_port(&rpc, scene->other, MAKE_SEND);
	rpc_word(&rpc, 100u << 8 | 3);
}

static void to_make_a_semaphore(struct scene *scene)
{
	a_task(scene);
	rpc_begin(&rpc, self(), 3418);
	rpc_word(&rpc, 0);
	rpc_word(&rpc, 1);
}

static void to_tell_of_the_task(struct scene *scene)
{
	a_task(scene);
	rpc_begin(&rpc, self(), 3405);
	rpc_word(&rpc, 20);
	rpc_word(&rpc, 12);
}

static void to_read_memory(struct scene *scene)
{
	a_task(scene);
	rpc_begin(&rpc, self(), 4804);
	rpc_wide(&rpc, (uintptr_t)block);
	rpc_wide(&rpc, sizeof(block));
}

static void to_write_memory(struct scene *scene)
{
	a_task(scene);
	rpc_begin(&rpc, self(), 4806);
	rpc_memory(&rpc, block, sizeof(block));
	rpc_wide(&rpc, (uintptr_t)block);
	rpc_word(&rpc, sizeof(block));
}

static void to_tell_of_memory(struct scene *scene)
{
	a_task(scene);
	rpc_begin(&rpc, self(), 4816);
	rpc_wide(&rpc, (uintptr_t)block);
	rpc_word(&rpc, 9);
	rpc_word(&rpc, 9);
}

TEST_LIMIT(requests_for_rights, 300)
{
	try_all(ASKS(to_allocate));
	try_all(ASKS(to_be_notified));
	try_all(ASKS(to_extract));
	try_all(ASKS(to_insert));
}

TEST_LIMIT(requests_for_objects, 300)
{
	try_all(ASKS(to_make_a_semaphore));
	try_all(ASKS(to_tell_of_the_task));
}

TEST_LIMIT(requests_for_memory, 300)
{
	try_all(ASKS(to_read_memory));
	try_all(ASKS(to_write_memory));
	try_all(ASKS(to_tell_of_memory));
}

/* Memory by trap */

static long allocate_memory(struct scene *scene)
{
	struct mach_vm_allocate_args arguments = {
		.target = self(), .size = PAGE, .flags = 1,
	};

	(void)scene;
	return trap_struct(NR__kernelrpc_mach_vm_allocate_trap, &arguments);
}

TEST_LIMIT(allocating_memory, 300)
{
	try_all(&(struct attempt){
		.prepare = a_task, .act = allocate_memory,
		.harmless = { -EFAULT, KERN_RESOURCE_SHORTAGE, KERN_NO_SPACE,
			      KERN_INVALID_ARGUMENT },
	});
}
