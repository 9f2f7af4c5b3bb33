// SPDX-License-Identifier: GPL-2.0
/* Mach semaphores, see sema.h. */
#include "sema.h"

#include "harness.h"
#include "message.h"
#include "rpc.h"

long sema_signal(name_t semaphore)
{
	struct semaphore_signal_args arguments = { .signal = semaphore };

	return trap_struct(NR_semaphore_signal_trap, &arguments);
}

long sema_signal_all(name_t semaphore)
{
	struct semaphore_signal_all_args arguments = { .signal = semaphore };

	return trap_struct(NR_semaphore_signal_all_trap, &arguments);
}

long sema_wait(name_t semaphore)
{
	struct semaphore_wait_args arguments = { .signal = semaphore };

	return trap_struct(NR_semaphore_wait_trap, &arguments);
}

long sema_wait_signal(name_t wait, name_t signal)
{
	struct semaphore_wait_signal_args arguments = { .wait = wait, .signal = signal };

	return trap_struct(NR_semaphore_wait_signal_trap, &arguments);
}

long sema_timedwait(name_t semaphore, uint32_t sec, uint32_t nsec)
{
	struct semaphore_timedwait_args arguments = {
		.wait = semaphore,
		.sec = sec,
		.nsec = nsec,
	};

	return trap_struct(NR_semaphore_timedwait_trap, &arguments);
}

long sema_timedwait_signal(name_t wait, name_t signal, uint32_t sec, uint32_t nsec)
{
	struct semaphore_timedwait_signal_args arguments = {
		.wait = wait,
		.signal = signal,
		.sec = sec,
		.nsec = nsec,
	};

	return trap_struct(NR_semaphore_timedwait_signal_trap, &arguments);
}

long sema_poll(name_t semaphore)
{
	return sema_timedwait(semaphore, 0, 0);
}

int32_t sema_create_on(name_t task, int32_t policy, int32_t value, name_t *semaphore)
{
	struct rpc rpc;
	int32_t code = RPC(&rpc, task, MSG_SEMAPHORE_CREATE, (uint32_t)policy, (uint32_t)value);

	*semaphore = MACH_PORT_NULL;
	if (code == KERN_SUCCESS) {
		REQUIRE_EQ(rpc.size, 40);
		*semaphore = rpc_right(&rpc, 0, MOVE_SEND);
	}
	return code;
}

int32_t sema_destroy_on(name_t task, name_t semaphore, int disposition)
{
	struct rpc rpc;

	rpc_begin(&rpc, task, MSG_SEMAPHORE_DESTROY);
	rpc_port(&rpc, semaphore, disposition);
	REQUIRE_EQ(rpc.size, 40);
	return rpc_call(&rpc);
}

name_t new_sema_with(int32_t policy, int32_t value)
{
	name_t semaphore;

	REQUIRE_RET(sema_create_on(self(), policy, value, &semaphore), KERN_SUCCESS);
	REQUIRE(semaphore != MACH_PORT_NULL && semaphore != MACH_PORT_DEAD);
	return semaphore;
}

name_t new_sema(int32_t value)
{
	return new_sema_with(SYNC_POLICY_FIFO, value);
}

int32_t sema_destroy(name_t semaphore)
{
	return sema_destroy_on(self(), semaphore, COPY_SEND);
}

int32_t sema_drain(name_t semaphore)
{
	int32_t count = 0;

	while (sema_poll(semaphore) == KERN_SUCCESS)
		count++;
	return count;
}
