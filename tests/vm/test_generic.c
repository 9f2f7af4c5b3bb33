// SPDX-License-Identifier: GPL-2.0
/*
 * The small traps: identity, self ports, and what a program asks at its start.
 * time limit: 180 s
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "harness.h"
#include "mach.h"
#include "message.h"
#include "process.h"

/* Valid names: not 0, not dead, positive as an int, low two bits set. */
static void check_name(name_t name)
{
	CHECK(name != MACH_PORT_NULL && name != MACH_PORT_DEAD);
	CHECK((int32_t)name > 0);
	CHECK_EQ(name & 3, 3);
}

TEST(api_version_is_19)
{
	mach_open();
	CHECK_EQ(get_api_version(), 19);
	CHECK_EQ(get_api_version(), 19);
}

TEST(printk_takes_512_bytes)
{
	struct kernel_printk_args text;
	struct hole hole;

	mach_open();
	poison(&text, sizeof(text));
	CHECK_RET(trap_struct(NR_kernel_printk, &text), 0);
	CHECK(is_poison(&text, sizeof(text)));
	memset(&text, 0, sizeof(text));
	CHECK_RET(trap_struct(NR_kernel_printk, &text), 0);
	memset(&text, 'x', sizeof(text));
	CHECK_RET(trap_struct(NR_kernel_printk, &text), 0);
	/* Text is text: no format, no line of its own. */
	snprintf(text.buf, sizeof(text.buf), "%%s%%n%%d %%p\n\n\x01\x33 \xff\xfe tests");
	CHECK_RET(trap_struct(NR_kernel_printk, &text), 0);

	hole_init(&hole);
	strcpy(fault_at(&hole, 6), "short");
	CHECK_RET(trap_struct(NR_kernel_printk, fault_at(&hole, 6)), -EFAULT);
	CHECK_RET(trap_struct(NR_kernel_printk, fault_at(&hole, 511)), -EFAULT);
	CHECK_RET(trap_struct(NR_kernel_printk, fault_at(&hole, 512)), 0);
}

TEST(task_self_adds_a_reference)
{
	name_t name;

	mach_open();
	name = task_self();
	check_name(name);
	/* self() of these checks calls the trap once more, and only once. */
	CHECK_EQ(self(), name);
	CHECK_SEND_UREFS(name, 2);
	CHECK_EQ(task_self(), name);
	CHECK_EQ(task_self(), name);
	CHECK_SEND_UREFS(name, 4);
	CHECK_RET(deallocate(name), KERN_SUCCESS);
	CHECK_SEND_UREFS(name, 3);
	CHECK(!has_right(name, MACH_PORT_RIGHT_RECEIVE));
}

TEST(task_self_can_be_dropped_and_taken_again)
{
	name_t name, again;

	mach_open();
	name = self();
	CHECK_RET(deallocate(name), KERN_SUCCESS);
	/* Without a right there is no target. */
	CHECK_RET(deallocate_in(name, name), MACH_SEND_INVALID_DEST);
	again = task_self();
	check_name(again);
	CHECK_RET(mod_refs_in(again, again, MACH_PORT_RIGHT_SEND, 0), KERN_SUCCESS);
}

TEST(task_self_pegs_at_65535)
{
	name_t name;

	mach_open();
	name = self();
	CHECK_RET(mod_refs(name, MACH_PORT_RIGHT_SEND, 65533), KERN_SUCCESS);
	for (int i = 0; i < 5; i++)
		CHECK_EQ(task_self(), name);
	/* Pegged: nothing but -65535 takes anything away. */
	CHECK_RET(deallocate(name), KERN_SUCCESS);
	CHECK_RET(mod_refs(name, MACH_PORT_RIGHT_SEND, -65534), KERN_SUCCESS);
	CHECK_RET(mod_refs(name, MACH_PORT_RIGHT_SEND, 0), KERN_SUCCESS);
	CHECK_RET(mod_refs(name, MACH_PORT_RIGHT_SEND, -65535), KERN_SUCCESS);
	CHECK_RET(mod_refs(name, MACH_PORT_RIGHT_SEND, 0), MACH_SEND_INVALID_DEST);
}

TEST(thread_self_adds_a_reference)
{
	name_t name;

	mach_open();
	name = thread_self();
	check_name(name);
	CHECK(name != self());
	CHECK_SEND_UREFS(name, 1);
	CHECK_EQ(thread_self(), name);
	CHECK_SEND_UREFS(name, 2);
	CHECK(!has_right(name, MACH_PORT_RIGHT_RECEIVE));
}

TEST(host_self_adds_a_reference)
{
	name_t name;

	mach_open();
	name = host_self();
	check_name(name);
	CHECK(name != self() && name != thread_self());
	CHECK_SEND_UREFS(name, 1);
	CHECK_EQ(host_self(), name);
	CHECK_SEND_UREFS(name, 2);
	CHECK(!has_right(name, MACH_PORT_RIGHT_RECEIVE));
	CHECK_RET(mod_refs(name, MACH_PORT_RIGHT_SEND, -2), KERN_SUCCESS);
	CHECK_UNKNOWN(name);
	check_name(host_self());
}

struct thread_names {
	name_t task, thread, again, host;
};

static void *take_names(void *argument)
{
	struct thread_names *names = argument;

	names->task = task_self();
	names->thread = thread_self();
	names->host = host_self();
	names->again = thread_self();
	return NULL;
}

TEST(each_thread_is_its_own)
{
	enum { THREADS = 10 };
	struct thread_names names[THREADS];
	pthread_t threads[THREADS];

	mach_open();
	for (int i = 0; i < THREADS; i++)
		REQUIRE(!pthread_create(&threads[i], NULL, take_names, &names[i]));
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < THREADS; i++) {
		check_name(names[i].thread);
		CHECK_EQ(names[i].task, self());
		CHECK_EQ(names[i].host, host_self());
		CHECK_EQ(names[i].again, names[i].thread);
		CHECK(names[i].thread != thread_self());
		for (int j = 0; j < i; j++)
			CHECK(names[i].thread != names[j].thread);
	}
}

TEST(reply_port_is_a_bare_receive_right)
{
	struct message message;
	name_t name, other;

	mach_open();
	name = reply_port();
	check_name(name);
	other = reply_port();
	check_name(other);
	CHECK(name != other);
	CHECK(has_right(name, MACH_PORT_RIGHT_RECEIVE));
	CHECK_RET(deallocate(name), KERN_INVALID_RIGHT);
	CHECK_RET(mod_refs(name, MACH_PORT_RIGHT_SEND, 0), KERN_INVALID_RIGHT);
	CHECK_NO_MESSAGE(name);

	fill_queue(name);
	message_init(&message, MSGH_BITS(MAKE_SEND, 0), name, 0, 6);
	CHECK_RET(msg_send_within(&message, HEADER_SIZE, 0), MACH_SEND_TIMED_OUT);
}

static void *announce_death(void *argument)
{
	name_t *names = argument;

	names[0] = thread_self();
	if (trap(NR_thread_death_announce, 0) != 0)
		FAIL("thread_death_announce failed");
	/* Any later trap makes a new Mach thread. */
	names[1] = thread_self();
	return NULL;
}

TEST(thread_death_kills_the_thread_port)
{
	name_t names[2] = { 0, 0 };
	pthread_t thread;

	mach_open();
	CHECK_RET(trap(NR_thread_death_announce, 0), 0);
	CHECK_RET(trap(NR_thread_death_announce, 0), 0);
	REQUIRE(!pthread_create(&thread, NULL, announce_death, names));
	pthread_join(thread, NULL);
	check_name(names[0]);
	check_name(names[1]);
	CHECK(names[0] != names[1]);
	CHECK_UREFS(names[0], MACH_PORT_RIGHT_DEAD_NAME, 1);
	CHECK_RET(deallocate(names[0]), KERN_SUCCESS);
	CHECK_UNKNOWN(names[0]);
}

static void *take_thread_self(void *argument)
{
	*(name_t *)argument = thread_self();
	return NULL;
}

/* A thread that ends without a word: its port dies as well. */
TEST(thread_end_kills_the_thread_port)
{
	name_t names[8];

	mach_open();
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		pthread_t thread;

		REQUIRE(!pthread_create(&thread, NULL, take_thread_self, &names[i]));
		pthread_join(thread, NULL);
		check_name(names[i]);
	}
	/* pthread_join returns before the kernel's end of the thread is over. */
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		for (int tries = 0; tries < 2000; tries++) {
			if (has_right(names[i], MACH_PORT_RIGHT_DEAD_NAME))
				break;
			usleep(1000);
		}
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		CHECK_UREFS(names[i], MACH_PORT_RIGHT_DEAD_NAME, 1);
}

TEST(many_threads_one_after_the_other)
{
	mach_open();
	for (int i = 0; i < 300; i++) {
		pthread_t thread;
		name_t name = 0;

		REQUIRE(!pthread_create(&thread, NULL, take_thread_self, &name));
		pthread_join(thread, NULL);
		CHECK(name != 0);
		CHECK_RET(deallocate(name), KERN_SUCCESS);
	}
}

TEST(not_started_suspended)
{
	mach_open();
	CHECK_RET(trap(NR_started_suspended, 0), 0);
	CHECK_RET(trap(NR_started_suspended, 0), 0);
}

TEST(no_tracer)
{
	mach_open();
	CHECK_RET(trap(NR_get_tracer, 0), 0);
	CHECK_RET(trap(NR_get_tracer, (unsigned long)getpid()), 0);
	/* Not a pid; no such process; a process without a task. */
	CHECK_RET(trap(NR_get_tracer, (unsigned long)-1), -ESRCH);
	CHECK_RET(trap(NR_get_tracer, 0x7fffffff), -ESRCH);
	CHECK_RET(trap(NR_get_tracer, 0x80000000), -ESRCH);
	CHECK_RET(trap(NR_get_tracer, (unsigned long)getppid()), -ESRCH);
}

static void *ask_tracer_of_thread(void *argument)
{
	(void)argument;
	/* The id of a thread that is not the first is no pid. */
	CHECK_RET(trap(NR_get_tracer, (unsigned long)thread_id()), -ESRCH);
	return NULL;
}

TEST(no_tracer_of_a_thread_id)
{
	pthread_t thread;

	mach_open();
	REQUIRE(!pthread_create(&thread, NULL, ask_tracer_of_thread, NULL));
	pthread_join(thread, NULL);
}

TEST(uid_and_gid_start_at_zero)
{
	struct {
		uint32_t before;
		struct uidgid ids;
		uint32_t after;
	} out;
	struct hole hole;

	mach_open();
	poison(&out, sizeof(out));
	CHECK_RET(trap_struct(NR_getuidgid, &out.ids), 0);
	CHECK_EQ(out.ids.uid, 0);
	CHECK_EQ(out.ids.gid, 0);
	CHECK_HEX(out.before, POISON32);
	CHECK_HEX(out.after, POISON32);

	hole_init(&hole);
	for (size_t room = 0; room < sizeof(struct uidgid); room++)
		CHECK_RET(trap_struct(NR_getuidgid, fault_at(&hole, room)), -EFAULT);
	CHECK_RET(trap_struct(NR_getuidgid, fault_at(&hole, 8)), 0);
}

TEST(thread_handles_are_taken)
{
	struct set_thread_handles_args handles = { 0x1122334455667788, 0xffffffffffffffff };

	mach_open();
	CHECK_RET(trap_struct(NR_set_thread_handles, &handles), 0);
	handles.pthread_handle = 0;
	CHECK_RET(trap_struct(NR_set_thread_handles, &handles), 0);
}

TEST(closing_descriptor_takes_any_number)
{
	struct closing_descriptor_args closing;
	int fds[] = { 0, 1, 99, 1023, 65536, INT_MAX, -1, INT_MIN, AT_FDCWD, 0 };

	mach_open();
	fds[ARRAY_SIZE(fds) - 1] = mach_fd;
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		closing.fd = fds[i];
		CHECK_RET(trap_struct(NR_closing_descriptor, &closing), 0);
	}
	/* A hint only: the descriptor is still there. */
	CHECK_EQ(get_api_version(), 19);
	CHECK(fcntl(0, F_GETFD) >= 0 || errno == EBADF);
}

TEST(expand_without_vchroot_changes_nothing)
{
	static struct vchroot_expand_args arguments, same;
	static const char *const paths[] = { "/", "", "/usr/bin/../lib", "relative",
					    "/nowhere/at/all" };
	long result;

	mach_open();
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		for (unsigned int flags = 0; flags < 2; flags++) {
			poison(&arguments, sizeof(arguments));
			strcpy(arguments.path, paths[i]);
			arguments.flags = flags;
			arguments.dfd = i & 1 ? AT_FDCWD : -1;
			same = arguments;
			CHECK_RET(trap_struct(NR_vchroot_expand, &arguments), 0);
			CHECK(!memcmp(&arguments, &same, sizeof(same)));
		}
	/* No terminator anywhere */
	poison(&arguments, sizeof(arguments));
	CHECK_RET(trap_struct(NR_vchroot_expand, &arguments), 0);
	CHECK(is_poison(&arguments, sizeof(arguments)));
	/* With nothing to expand the structure need not even be looked at. */
	result = trap(NR_vchroot_expand, 0);
	CHECK(result == 0 || result == -EFAULT);
}

TEST(not_cancelled)
{
	mach_open();
	CHECK_RET(trap(NR_pthread_canceled, 0), -EINVAL);
	CHECK_RET(trap(NR_pthread_canceled, 1), 0);
	CHECK_RET(trap(NR_pthread_canceled, 0), -EINVAL);
	CHECK_RET(trap(NR_pthread_canceled, 2), 0);
	CHECK_RET(trap(NR_pthread_canceled, 0), -EINVAL);
	CHECK_RET(trap(NR_pthread_canceled, 3), -EINVAL);
	CHECK_RET(trap(NR_pthread_canceled, 0xffffffff), -EINVAL);
	CHECK_RET(trap(NR_pthread_canceled, 0x80000000), -EINVAL);
}

/* The order in which a program starts, from dyld's first trap on. */
TEST(start_of_a_program)
{
	struct closing_descriptor_args closing;
	struct kernel_printk_args text;
	static struct vchroot_expand_args expand;
	struct set_thread_handles_args handles = { 1, 2 };
	struct uidgid ids;
	int low = mach_open(), high;

	CHECK_EQ(get_api_version(), 19);
	high = dup2(low, 200);
	closing.fd = high;
	CHECK_RET(trap_struct(NR_closing_descriptor, &closing), 0);
	close(low);
	mach_fd = high;
	CHECK(task_self() != 0);
	CHECK(reply_port() != 0);
	memset(&text, 0, sizeof(text));
	CHECK_RET(trap_struct(NR_kernel_printk, &text), 0);
	CHECK_RET(trap(NR_started_suspended, 0), 0);
	CHECK_RET(trap(NR_get_tracer, 0), 0);
	CHECK_RET(deallocate(host_self()), KERN_SUCCESS);
	strcpy(expand.path, "/");
	CHECK_RET(trap_struct(NR_vchroot_expand, &expand), 0);
	CHECK_RET(strcmp(expand.path, "/"), 0);
	CHECK_RET(trap_struct(NR_getuidgid, &ids), 0);
	CHECK(thread_self() != 0);
	CHECK_EQ(get_api_version(), 19);
	CHECK_RET(trap_struct(NR_set_thread_handles, &handles), 0);
	CHECK_RET(deallocate(thread_self()), KERN_SUCCESS);
}
