// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include "mach.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>

#include "harness.h"
#include "message.h"

int mach_fd = -1;

static name_t self_name;

int mach_open_new(void)
{
	return open("/dev/mach", O_RDWR | O_CLOEXEC);
}

int mach_open(void)
{
	mach_fd = mach_open_new();
	if (mach_fd < 0)
		FATAL("cannot open /dev/mach: %s", strerror(errno));
	self_name = 0;
	return mach_fd;
}

/*
 * libc would turn -1..-4095 into errno, and cuts nothing off the rest; the
 * instruction itself shows all 64 bits.
 */
long trap_on(int fd, unsigned int number, unsigned long argument)
{
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "0"((long)SYS_ioctl), "D"((long)fd), "S"((long)number), "d"(argument)
			 : "rcx", "r11", "memory");
	return result;
}

long trap(unsigned int number, unsigned long argument)
{
	return trap_on(mach_fd, number, argument);
}

bool trap_is_built(unsigned int number)
{
	return trap(number, 0) != -ENOSYS;
}

long get_api_version(void)
{
	return trap(NR_get_api_version, 0);
}

name_t task_self(void)
{
	return (name_t)trap(NR_task_self_trap, 0);
}

name_t thread_self(void)
{
	return (name_t)trap(NR_thread_self_trap, 0);
}

name_t host_self(void)
{
	return (name_t)trap(NR_host_self_trap, 0);
}

name_t reply_port(void)
{
	return (name_t)trap(NR_mach_reply_port, 0);
}

long fork_wait(void)
{
	return trap(NR_fork_wait_for_child, 0);
}

name_t self(void)
{
	if (!self_name)
		self_name = task_self();
	return self_name;
}

void mach_forget(void)
{
	self_name = 0;
}

long port_allocate_in(name_t target, int right, void *name)
{
	struct mach_port_allocate_args arguments = {
		.task_right_name = target,
		.right_type = right,
		.out_right_name = name,
	};

	return trap_struct(NR__kernelrpc_mach_port_allocate, &arguments);
}

long mod_refs_in(name_t target, name_t name, int right, int delta)
{
	struct mach_port_mod_refs_args arguments = {
		.task_right_name = target,
		.port_right_name = name,
		.right_type = right,
		.delta = delta,
	};

	return trap_struct(NR__kernelrpc_mach_port_mod_refs, &arguments);
}

long deallocate_in(name_t target, name_t name)
{
	struct mach_port_deallocate_args arguments = {
		.task_right_name = target,
		.port_right_name = name,
	};

	return trap_struct(NR__kernelrpc_mach_port_deallocate, &arguments);
}

long insert_right_in(name_t target, name_t name, name_t poly, int disposition)
{
	struct mach_port_insert_right_args arguments = {
		.task_right_name = target,
		.port_name = name,
		.right_name = poly,
		.right_type = disposition,
	};

	return trap_struct(NR__kernelrpc_mach_port_insert_right_trap, &arguments);
}

long port_allocate(int right, name_t *name)
{
	*name = POISON32;
	return port_allocate_in(self(), right, name);
}

long mod_refs(name_t name, int right, int delta)
{
	return mod_refs_in(self(), name, right, delta);
}

long deallocate(name_t name)
{
	return deallocate_in(self(), name);
}

long insert_right(name_t name, name_t poly, int disposition)
{
	return insert_right_in(self(), name, poly, disposition);
}

long port_destroy(name_t name)
{
	struct mach_port_destroy_args arguments = {
		.task_right_name = self(),
		.port_right_name = name,
	};

	return trap_struct(NR__kernelrpc_mach_port_destroy, &arguments);
}

/* The three traps on members have the same arguments. */
static long change_members(unsigned int number, name_t port, name_t set)
{
	struct mach_port_insert_member_args arguments = {
		.task_right_name = self(),
		.port_right_name = port,
		.pset_right_name = set,
	};

	return trap_struct(number, &arguments);
}

long insert_member(name_t port, name_t set)
{
	return change_members(NR__kernelrpc_mach_port_insert_member_trap, port, set);
}

long extract_member(name_t port, name_t set)
{
	return change_members(NR__kernelrpc_mach_port_extract_member_trap, port, set);
}

long move_member(name_t port, name_t after)
{
	return change_members(NR__kernelrpc_mach_port_move_member_trap, port, after);
}

long port_type(name_t name, uint32_t *type)
{
	struct mach_port_type_args arguments = {
		.task_right_name = self(),
		.port_right_name = name,
		.port_type_out = type,
	};

	*type = POISON32;
	return trap_struct(NR__kernelrpc_mach_port_type_trap, &arguments);
}

long request_notification(name_t name, int id, uint32_t sync, name_t notify,
			  int disposition, name_t *previous)
{
	struct mach_port_request_notification_args arguments = {
		.task_right_name = self(),
		.port_right_name = name,
		.message_id = id,
		.make_send_count = sync,
		.notification_destination_port_name = notify,
		.message_type = (unsigned int)disposition,
		.previous_destination_port_name_out = previous,
	};

	*previous = POISON32;
	return trap_struct(NR__kernelrpc_mach_port_request_notification_trap, &arguments);
}

long mach_msg_args(const struct mach_msg_overwrite_args *arguments)
{
	return trap_struct(NR_mach_msg_overwrite_trap, arguments);
}

long mach_msg_overwrite(const void *message, uint32_t option, uint32_t send_size,
			uint32_t receive_size, name_t receive_name, uint32_t timeout_ms,
			void *receive_message)
{
	struct mach_msg_overwrite_args arguments = {
		.msg = (void *)(uintptr_t)message,
		.option = option,
		.send_size = send_size,
		.recv_size = receive_size,
		.rcv_name = receive_name,
		.timeout = timeout_ms,
		.notify = 0,
		.rcv_msg = receive_message,
		.rcv_limit = 0,
	};

	return mach_msg_args(&arguments);
}

long mach_msg(void *message, uint32_t option, uint32_t send_size, uint32_t receive_size,
	      name_t receive_name, uint32_t timeout_ms)
{
	return mach_msg_overwrite(message, option, send_size, receive_size, receive_name,
				  timeout_ms, NULL);
}

static name_t allocated(int right)
{
	name_t name;

	REQUIRE_RET(port_allocate(right, &name), KERN_SUCCESS);
	REQUIRE(name != POISON32 && name != MACH_PORT_NULL && name != MACH_PORT_DEAD);
	return name;
}

name_t new_port(void)
{
	return allocated(MACH_PORT_RIGHT_RECEIVE);
}

name_t new_send_right(void)
{
	name_t port = new_port();

	REQUIRE_RET(insert_right(port, port, MAKE_SEND), KERN_SUCCESS);
	return port;
}

name_t new_dead_name(void)
{
	return allocated(MACH_PORT_RIGHT_DEAD_NAME);
}

name_t new_port_set(void)
{
	return allocated(MACH_PORT_RIGHT_PORT_SET);
}

name_t unused_name(void)
{
	name_t name = new_dead_name();

	REQUIRE_RET(deallocate(name), KERN_SUCCESS);
	return name;
}

/* Sends the port its own send-once right as the reply right. */
name_t new_send_once(name_t port)
{
	struct message message;

	message_init(&message, MSGH_BITS(MAKE_SEND_ONCE, MAKE_SEND_ONCE), port, port, 1);
	REQUIRE_RET(msg_send(&message, 24), 0);
	REQUIRE_RET(msg_receive(&message, port), 0);
	REQUIRE_EQ(message.header.id, 1);
	REQUIRE_EQ(MSGH_REMOTE(message.header.bits), MOVE_SEND_ONCE);
	return message.header.remote;
}

void destroy_receive(name_t port)
{
	REQUIRE_RET(mod_refs(port, MACH_PORT_RIGHT_RECEIVE, -1), KERN_SUCCESS);
}

bool has_right(name_t name, int right)
{
	return mod_refs(name, right, 0) == KERN_SUCCESS;
}

/*
 * There is no trap that tells the count. Taking one more than there should be
 * is refused without effect; taking all but one must work, and giving them back
 * as well, which it would not if none were left.
 */
void check_urefs(const char *file, int line, name_t name, int right, int urefs)
{
	static const char what[] = "references of the name";

	if (urefs == 0) {
		check_true(file, line, GO_ON, "the name has no such right",
			   !has_right(name, right));
		return;
	}
	if (!check_equal(file, line, CHECK_CODE, GO_ON, what, mod_refs(name, right, 0),
			 "there", KERN_SUCCESS))
		return;
	if (!check_equal(file, line, CHECK_CODE, GO_ON, "taking one reference too many",
			 mod_refs(name, right, -(urefs + 1)), "refused", KERN_INVALID_VALUE))
		return;
	if (urefs == 1)
		return;
	check_equal(file, line, CHECK_CODE, GO_ON, "taking all references but one",
		    mod_refs(name, right, -(urefs - 1)), "done", KERN_SUCCESS);
	check_equal(file, line, CHECK_CODE, GO_ON, "giving all references but one",
		    mod_refs(name, right, urefs - 1), "done", KERN_SUCCESS);
}
