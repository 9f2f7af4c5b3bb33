// SPDX-License-Identifier: GPL-2.0
#include "mach.h"

#define TIMEOUT_MS	10000

#define MSG_TASK_GET_SPECIAL_PORT	3409
#define MSG_TASK_SET_SPECIAL_PORT	3410
#define MSG_TEXT			1000

static int descriptor = -1;

bool mach_start(const struct startup *startup)
{
	const char *value = apple_value(startup, "kernfd=");

	descriptor = value ? (int)number(value) : -1;
	return descriptor >= 0;
}

int mach_descriptor(void)
{
	return descriptor;
}

long trap(unsigned int nr, unsigned long argument)
{
	return (int32_t)CALL3(ioctl, descriptor, nr, argument);
}

name_t new_port(void)
{
	name_t self = task_self(), port = 0;
	struct mach_port_allocate_args allocate = {
		.task_right_name = self,
		.right_type = PORT_RIGHT_RECEIVE,
		.out_right_name = ADDRESS(&port),
	};
	struct mach_port_insert_right_args insert = { .task_right_name = self };

	if (trap(NR__kernelrpc_mach_port_allocate, (uintptr_t)&allocate) != KERN_SUCCESS)
		return 0;
	insert.port_name = port;
	insert.right_name = port;
	insert.right_type = MAKE_SEND;
	if (trap(NR__kernelrpc_mach_port_insert_right_trap, (uintptr_t)&insert) != KERN_SUCCESS)
		return 0;
	return port;
}

long message(void *buffer, uint32_t size, uint32_t room, name_t reply_to)
{
	struct mach_msg_overwrite_args arguments = {
		.msg = ADDRESS(buffer),
		.option = (size ? SEND_MSG : 0) | (room ? RCV_MSG | RCV_TIMEOUT : 0),
		.send_size = size,
		.recv_size = room,
		.rcv_name = reply_to,
		.timeout = TIMEOUT_MS,
	};

	return (uint32_t)trap(NR_mach_msg_overwrite_trap, (uintptr_t)&arguments);
}

/* Messages to the own task port, as MIG lays them out */

struct port_descriptor {
	name_t name;
	uint32_t pad;
	uint32_t disposition_and_type;
};

struct special_port {
	struct header header;
	uint32_t descriptors;
	struct port_descriptor port;
	uint8_t ndr[8];
	int32_t which;
	uint32_t trailer[17];
};

struct which_port {
	struct header header;
	uint8_t ndr[8];
	int32_t which;		/* in a reply: the result */
};

#define NDR	{ 0, 0, 0, 0, 1, 0, 0, 0 }

long set_bootstrap_port(name_t port)
{
	name_t reply_to = reply_port();
	union {
		struct special_port request;
		struct which_port reply;
	} call = {
		.request = {
			.header = {
				.bits = MSGH_COMPLEX | MSGH_BITS(COPY_SEND, MAKE_SEND_ONCE),
				.remote = task_self(),
				.local = reply_to,
				.id = MSG_TASK_SET_SPECIAL_PORT,
			},
			.descriptors = 1,
			.port = { .name = port, .disposition_and_type = COPY_SEND << 16 },
			.ndr = NDR,
			.which = TASK_BOOTSTRAP_PORT,
		},
	};
	long result;

	result = message(&call, offsetof(struct special_port, trailer), sizeof(call), reply_to);
	return result ? result : call.reply.which;
}

name_t bootstrap_port(void)
{
	name_t reply_to = reply_port();
	union {
		struct which_port request;
		struct special_port reply;
	} call = {
		.request = {
			.header = {
				.bits = MSGH_BITS(COPY_SEND, MAKE_SEND_ONCE),
				.remote = task_self(),
				.local = reply_to,
				.id = MSG_TASK_GET_SPECIAL_PORT,
			},
			.ndr = NDR,
			.which = TASK_BOOTSTRAP_PORT,
		},
	};

	if (message(&call, sizeof(struct which_port), sizeof(call), reply_to))
		return 0;
	return call.reply.header.bits & MSGH_COMPLEX ? call.reply.port.name : 0;
}

static long send_text(struct text_message *buffer, uint32_t bits, name_t to, name_t reply_to,
		      const char *format, va_list arguments)
{
	char text[sizeof(buffer->text)];

	/* The arguments may be in the buffer. */
	print_into(text, sizeof(text), format, arguments);
	memcpy(buffer->text, text, sizeof(text));
	buffer->header = (struct header){
		.bits = bits,
		.remote = to,
		.local = reply_to,
		.id = MSG_TEXT,
	};
	return message(buffer, TEXT_SIZE, reply_to ? sizeof(*buffer) : 0, reply_to);
}

long send_request(struct text_message *buffer, name_t to, name_t reply_to,
		  const char *format, ...)
{
	va_list arguments;
	long result;

	va_start(arguments, format);
	result = send_text(buffer, MSGH_BITS(COPY_SEND, MAKE_SEND_ONCE), to, reply_to,
			   format, arguments);
	va_end(arguments);
	return result;
}

long send_answer(struct text_message *buffer, name_t to, const char *format, ...)
{
	va_list arguments;
	long result;

	va_start(arguments, format);
	result = send_text(buffer, MSGH_BITS(MOVE_SEND_ONCE, 0), to, 0, format, arguments);
	va_end(arguments);
	return result;
}

long send_notice(struct text_message *buffer, name_t to, const char *format, ...)
{
	va_list arguments;
	long result;

	va_start(arguments, format);
	result = send_text(buffer, MSGH_BITS(COPY_SEND, 0), to, 0, format, arguments);
	va_end(arguments);
	return result;
}
