// SPDX-License-Identifier: GPL-2.0
/*
 * From processes and threads to their ports, and what the ports tell.
 * time limit: 240 s
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"
#include "lookup.h"
#include "mach.h"
#include "message.h"
#include "other.h"
#include "process.h"
#include "rpc.h"

TEST(own_task_by_pid)
{
	name_t name;
	int32_t pid;

	mach_open();
	CHECK_RET(task_for(getpid(), &name), 0);
	CHECK_HEX(name, self());
	CHECK_RET(pid_for(name, &pid), 0);
	CHECK_EQ(pid, getpid());
	CHECK_RET(task_name_for(getpid(), &name), 0);
	CHECK(name != self());
	CHECK_RET(pid_for(name, &pid), 0);
	CHECK_EQ(pid, getpid());
	CHECK_EQ(trap(NR_tid_for_thread, thread_self()), thread_id());
}

TEST(other_task_by_pid)
{
	struct other other;
	struct rpc rpc;
	name_t task, name;
	int32_t pid;

	mach_open();
	other_start(&other, NULL, NULL);
	CHECK_RET(task_for(other.pid, &task), 0);
	CHECK_HEX(task, other.task);
	CHECK_RET(task_name_for(other.pid, &name), 0);
	CHECK_RET(pid_for(task, &pid), 0);
	CHECK_EQ(pid, other.pid);
	CHECK_RET(pid_for(name, &pid), 0);
	CHECK_EQ(pid, other.pid);
	CHECK_EQ(trap(NR_tid_for_thread, other.thread), other.pid);
	/* A name is no control. */
	CHECK_RET(RPC(&rpc, task, 3204, 1), 0);
	CHECK_RET(RPC(&rpc, name, 3204, 1), KERN_INVALID_ARGUMENT);
	other_end(&other);
	CHECK_RET(pid_for(task, &pid), -ESRCH);
	CHECK_RET(pid_for(name, &pid), -ESRCH);
	CHECK_EQ(trap(NR_tid_for_thread, other.thread), -1);
	CHECK_RET(task_for(other.pid, &task), KERN_FAILURE);
	CHECK_RET(task_name_for(other.pid, &task), KERN_FAILURE);
}

TEST(process_without_a_task)
{
	struct gate gate;
	name_t name;
	pid_t pid;

	mach_open();
	gate_init(&gate);
	pid = fork();
	if (pid == 0) {
		gate_never_opens_here(&gate);
		gate_pass(&gate);
		_exit(0);
	}
	CHECK_RET(task_for(pid, &name), KERN_FAILURE);
	CHECK_HEX(name, POISON32);
	CHECK_RET(task_for(0, &name), KERN_FAILURE);
	CHECK_RET(task_for(-1, &name), KERN_FAILURE);
	CHECK_RET(task_for(0x7fffffff, &name), KERN_FAILURE);
	gate_open(&gate);
	WAIT_CHILD_OK(pid);
}

TEST(output_that_cannot_be_written)
{
	struct task_for_pid args = { .pid = getpid(), .task_port = NULL };
	struct pid_for_task pid_args = { .task_port = 0, .pid = NULL };

	mach_open();
	CHECK_SEND_UREFS(self(), 1);
	CHECK_RET(trap_struct(NR_task_for_pid_trap, &args), KERN_INVALID_ADDRESS);
	CHECK_SEND_UREFS(self(), 1);
	pid_args.task_port = self();
	CHECK_RET(trap_struct(NR_pid_for_task_trap, &pid_args), KERN_INVALID_ADDRESS);
	for (size_t i = 0; i < bad_pointer_count; i++) {
		CHECK_RET(trap(NR_task_for_pid_trap, bad_pointers[i]), -EFAULT);
		CHECK_RET(trap(NR_task_name_for_pid_trap, bad_pointers[i]), -EFAULT);
		CHECK_RET(trap(NR_pid_for_task_trap, bad_pointers[i]), -EFAULT);
	}
}

TEST(names_that_are_no_tasks)
{
	int32_t pid;

	mach_open();
	CHECK_RET(pid_for(0, &pid), -ESRCH);
	CHECK_RET(pid_for(new_port(), &pid), -ESRCH);
	CHECK_RET(pid_for(new_send_right(), &pid), -ESRCH);
	CHECK_RET(pid_for(host_self(), &pid), -ESRCH);
	CHECK_RET(pid_for(thread_self(), &pid), -ESRCH);
	CHECK_EQ((uint32_t)pid, POISON32);
	CHECK_EQ(trap(NR_tid_for_thread, 0), -1);
	CHECK_EQ(trap(NR_tid_for_thread, self()), -1);
	CHECK_EQ(trap(NR_tid_for_thread, new_send_right()), -1);
}

TEST(control_of_another_user_is_refused)
{
	name_t name;
	pid_t victim = getpid(), pid;

	mach_open();
	pid = fork();
	if (pid == 0) {
		mach_forget();
		REQUIRE_EQ(get_api_version(), 19);
		CHECK_RET(task_for(victim, &name), 0);
		become_nobody(NULL);
		CHECK_RET(task_for(victim, &name), KERN_FAILURE);
		/* Its name is no secret. */
		CHECK_RET(task_name_for(victim, &name), 0);
		_exit(0);
	}
	WAIT_CHILD_OK(pid);
}

TEST(control_of_an_undumpable_process_is_refused)
{
	struct other other;
	name_t name;

	mach_open();
	become_nobody(NULL);
	other_start(&other, NULL, NULL);
	CHECK_RET(task_for(other.pid, &name), 0);
	other_end(&other);
	other_start(&other, become_undumpable, NULL);
	CHECK_RET(task_for(other.pid, &name), KERN_FAILURE);
	other_end(&other);
	become_undumpable(NULL);
	CHECK_RET(task_for(getpid(), &name), 0);
}

TEST(process_goes_on_without_its_first_thread)
{
	struct other other;
	struct rpc rpc;
	name_t task;
	int32_t pid;

	mach_open();
	other_start(&other, lose_first_thread, NULL);
	CHECK_RET(task_for(other.pid, &task), 0);
	CHECK_HEX(task, other.task);
	CHECK_RET(pid_for(task, &pid), 0);
	CHECK_EQ(pid, other.pid);
	CHECK_EQ(trap(NR_task_64bit, (unsigned long)other.pid), 1);
	CHECK_RET(RPC(&rpc, task, 3405, 20, 12), 0);
	CHECK(rpc_wide_at(&rpc, 1) != 0);
	CHECK_RET(RPC(&rpc, task, 3405, 17, 5), 0);
	CHECK(trap(NR_tid_for_thread, other.thread) > 0);
	CHECK_RET(RPC(&rpc, other.thread, 3612, 3, 10), 0);
	other_end(&other);
	CHECK_RET(task_for(other.pid, &task), KERN_FAILURE);
}

TEST(threads_of_another_user_tell_nothing)
{
	struct rpc rpc;
	name_t thread;
	pid_t pid;

	mach_open();
	self();
	thread = thread_self();
	bootstrap_set(thread, COPY_SEND);
	pid = fork();
	if (pid == 0) {
		mach_forget();
		REQUIRE_EQ(get_api_version(), 19);
		thread = bootstrap_get();
		CHECK_RET(RPC(&rpc, thread, 3612, 3, 10), 0);
		become_nobody(NULL);
		CHECK_RET(RPC(&rpc, thread, 3612, 3, 10), KERN_NO_ACCESS);
		_exit(0);
	}
	WAIT_CHILD_OK(pid);
}

TEST(processes_by_number)
{
	struct gate gate;
	pid_t pid;

	mach_open();
	CHECK_EQ(trap(NR_task_64bit, (unsigned long)getpid()), 1);
	CHECK_EQ(trap(NR_task_64bit, 1), 1);
	CHECK_EQ(trap(NR_task_64bit, 0), -ESRCH);
	CHECK_EQ(trap(NR_task_64bit, (unsigned long)-5), -ESRCH);
	/* A kernel thread has no memory of its own. */
	CHECK_EQ(trap(NR_task_64bit, 2), 0);
	gate_init(&gate);
	pid = fork();
	if (pid == 0) {
		gate_never_opens_here(&gate);
		gate_pass(&gate);
		_exit(0);
	}
	sleep_ms(50);
	CHECK_EQ(trap(NR_pid_get_state, (unsigned long)pid), 1);
	CHECK_EQ(trap(NR_pid_get_state, (unsigned long)getpid()), 0);
	CHECK_EQ(trap(NR_pid_get_state, 0x7fffffff), 0);
	gate_open(&gate);
	WAIT_CHILD_OK(pid);
}

static long set_tracer(int32_t target, int32_t tracer)
{
	struct set_tracer_args args = { .target = target, .tracer = tracer };

	return trap_struct(NR_set_tracer, &args);
}

TEST(tracer_is_set_once)
{
	struct other other;

	mach_open();
	CHECK_EQ(trap(NR_get_tracer, 0), 0);
	CHECK_RET(set_tracer(0, getppid()), 0);
	CHECK_EQ(trap(NR_get_tracer, 0), getppid());
	CHECK_RET(set_tracer(0, getppid()), -EPERM);
	CHECK_RET(set_tracer(0, 0), 0);
	CHECK_EQ(trap(NR_get_tracer, 0), 0);
	CHECK_RET(set_tracer(0, 0x7fffffff), -ESRCH);
	CHECK_RET(set_tracer(0x7fffffff, getpid()), -ESRCH);
	other_start(&other, NULL, NULL);
	CHECK_RET(set_tracer(other.pid, getpid()), 0);
	CHECK_EQ(trap(NR_get_tracer, (unsigned long)other.pid), getpid());
	CHECK_RET(set_tracer(other.pid, -1), 0);
	CHECK_EQ(trap(NR_get_tracer, (unsigned long)other.pid), 0);
	become_nobody(NULL);
	CHECK_RET(set_tracer(other.pid, getpid()), -EPERM);
}

static long resident_pages(void)
{
	long size = 0, resident = 0;
	FILE *file = fopen("/proc/self/statm", "re");

	REQUIRE(file && fscanf(file, "%ld %ld", &size, &resident) == 2);
	fclose(file);
	return resident;
}

TEST(task_info_has_the_sizes_of_linux)
{
	struct rpc rpc;
	long resident;
	name_t name;

	mach_open();
	resident = resident_pages() * 4096;
	CHECK_RET(RPC(&rpc, self(), 3405, 20, 12), 0);
	REQUIRE_EQ(rpc.size, 40 + 48);
	CHECK_EQ(rpc_words(&rpc)[0], 12);
	CHECK(rpc_wide_at(&rpc, 1) > rpc_wide_at(&rpc, 3));
	CHECK(rpc_wide_at(&rpc, 3) + (1 << 20) > (uint64_t)resident);
	CHECK(rpc_wide_at(&rpc, 3) < (uint64_t)resident + (1 << 20));
	CHECK(rpc_wide_at(&rpc, 5) >= rpc_wide_at(&rpc, 3));
	CHECK_RET(RPC(&rpc, self(), 3405, 5, 10), 0);
	REQUIRE_EQ(rpc.size, 40 + 40);
	CHECK(rpc_wide_at(&rpc, 2) > rpc_wide_at(&rpc, 4));
	CHECK_RET(RPC(&rpc, self(), 3405, 4, 8), 0);
	REQUIRE_EQ(rpc.size, 40 + 32);
	CHECK(rpc_words(&rpc)[2] > rpc_words(&rpc)[3]);
	CHECK_RET(RPC(&rpc, self(), 3405, 22, 42), 0);
	REQUIRE_EQ(rpc.size, 40 + 168);
	CHECK_EQ(rpc_words(&rpc)[4], 4096);
	CHECK_RET(RPC(&rpc, self(), 3405, 22, 36), 0);
	CHECK_EQ(rpc_words(&rpc)[0], 36);
	CHECK_RET(RPC(&rpc, self(), 3405, 22, 31), KERN_INVALID_ARGUMENT);
	CHECK_RET(RPC(&rpc, self(), 3405, 20, 11), KERN_INVALID_ARGUMENT);
	CHECK_RET(RPC(&rpc, self(), 3405, 4, 7), KERN_INVALID_ARGUMENT);
	CHECK_RET(RPC(&rpc, self(), 3405, 5, 9), KERN_INVALID_ARGUMENT);
	CHECK_RET(RPC(&rpc, self(), 3405, 99, 68), KERN_FAILURE);
	/* The name port tells what is public. */
	CHECK_RET(task_name_for(getpid(), &name), 0);
	CHECK_RET(RPC(&rpc, name, 3405, 20, 12), 0);
	CHECK_RET(RPC(&rpc, name, 3405, 22, 42), KERN_FAILURE);
	CHECK_RET(RPC(&rpc, name, 3405, 17, 5), KERN_FAILURE);
}

static void spin(unsigned int ms)
{
	uint64_t end = now_ns() + (uint64_t)ms * 1000000;

	while (now_ns() < end)
		;
}

static uint64_t time_at(const struct rpc *rpc, unsigned int word)
{
	return (uint64_t)rpc_words(rpc)[word] * 1000000 + rpc_words(rpc)[word + 1];
}

TEST(times_are_those_of_linux)
{
	struct rpc rpc;
	uint64_t before;

	mach_open();
	CHECK_RET(RPC(&rpc, thread_self(), 3612, 3, 10), 0);
	REQUIRE_EQ(rpc.size, 40 + 40);
	before = time_at(&rpc, 1) + time_at(&rpc, 3);
	CHECK_EQ(rpc_words(&rpc)[7], 1);
	spin(300);
	CHECK_RET(RPC(&rpc, thread_self(), 3612, 3, 10), 0);
	CHECK(time_at(&rpc, 1) + time_at(&rpc, 3) > before + 50000);
	CHECK_RET(RPC(&rpc, self(), 3405, 3, 4), 0);
	REQUIRE_EQ(rpc.size, 40 + 16);
	CHECK(time_at(&rpc, 1) + time_at(&rpc, 3) > before + 50000);
	CHECK_RET(RPC(&rpc, self(), 3405, 3, 3), KERN_INVALID_ARGUMENT);
}

TEST(thread_info_identifies_a_thread)
{
	struct set_thread_handles_args handles = {
		.pthread_handle = 0x1122334455667788, .dispatch_qaddr = 0x99aabbccddeeff00,
	};
	struct other other;
	struct rpc rpc;

	mach_open();
	CHECK_RET(trap_struct(NR_set_thread_handles, &handles), 0);
	CHECK_RET(RPC(&rpc, thread_self(), 3612, 4, 6), 0);
	REQUIRE_EQ(rpc.size, 40 + 24);
	CHECK_EQ(rpc_wide_at(&rpc, 1), thread_id());
	CHECK_HEX(rpc_wide_at(&rpc, 3), handles.pthread_handle);
	CHECK_HEX(rpc_wide_at(&rpc, 5), 0x99aabbccddeeff00);
	CHECK_RET(RPC(&rpc, thread_self(), 3612, 4, 5), KERN_INVALID_ARGUMENT);
	CHECK_RET(RPC(&rpc, thread_self(), 3612, 3, 9), KERN_INVALID_ARGUMENT);
	CHECK_RET(RPC(&rpc, thread_self(), 3612, 5, 68), KERN_INVALID_ARGUMENT);
	other_start(&other, NULL, NULL);
	sleep_ms(50);
	CHECK_RET(RPC(&rpc, other.thread, 3612, 3, 10), 0);
	CHECK_EQ(rpc_words(&rpc)[7], 3);
	CHECK_RET(RPC(&rpc, other.thread, 3612, 4, 6), 0);
	CHECK_EQ(rpc_wide_at(&rpc, 1), other.pid);
}

TEST(dyld_info_is_what_was_set)
{
	struct set_dyld_info_args args = {
		.all_images_address = 0x123456789000, .all_images_length = 0x456,
	};
	struct rpc rpc;

	mach_open();
	if (!trap_is_built(NR_set_dyld_info))
		SKIP("set_dyld_info is not built");
	CHECK_RET(trap_struct(NR_set_dyld_info, &args), 0);
	CHECK_RET(RPC(&rpc, self(), 3405, 17, 5), 0);
	REQUIRE_EQ(rpc.size, 40 + 20);
	CHECK_HEX(rpc_wide_at(&rpc, 1), 0x123456789000);
	CHECK_HEX(rpc_wide_at(&rpc, 3), 0x456);
	CHECK_EQ(rpc_words(&rpc)[5], 1);
	CHECK_RET(RPC(&rpc, self(), 3405, 17, 4), 0);
	CHECK_EQ(rpc.size, 40 + 16);
	CHECK_RET(RPC(&rpc, self(), 3405, 17, 3), KERN_INVALID_ARGUMENT);
}

HELPER(hold_and_exec)
{
	(void)argc;
	(void)argv;
	mach_open();
	sleep_ms(300);
	return 0;
}

TEST(task_port_does_not_survive_exec)
{
	struct rpc rpc;
	name_t task;
	pid_t pid;
	struct gate ready, go;

	mach_open();
	gate_init(&ready);
	gate_init(&go);
	pid = fork();
	if (pid == 0) {
		mach_forget();
		REQUIRE_EQ(get_api_version(), 19);
		gate_open(&ready);
		gate_pass(&go);
		exec_helper("hold_and_exec", "");
	}
	gate_pass(&ready);
	CHECK_RET(task_for(pid, &task), 0);
	CHECK_RET(RPC(&rpc, task, 3204, 1), 0);
	gate_open(&go);
	for (int i = 0; i < 2000 && has_right(task, MACH_PORT_RIGHT_SEND); i++)
		sleep_ms(1);
	CHECK(has_right(task, MACH_PORT_RIGHT_DEAD_NAME));
	WAIT_CHILD_OK(pid);
}
