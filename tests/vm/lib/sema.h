/* SPDX-License-Identifier: GPL-2.0 */
/* Mach semaphores: the traps, and making and destroying by message. */
#ifndef TESTS_SEMA_H
#define TESTS_SEMA_H

#include <stdint.h>

#include "mach.h"

/* Messages to the task port, and what their policy argument means */
#define MSG_SEMAPHORE_CREATE	3418
#define MSG_SEMAPHORE_DESTROY	3419
#define SYNC_POLICY_FIFO	0
#define SYNC_POLICY_FIXED_PRIORITY 1
#define SYNC_POLICY_LIFO	2

long sema_signal(name_t semaphore);
long sema_signal_all(name_t semaphore);
long sema_wait(name_t semaphore);
long sema_wait_signal(name_t wait, name_t signal);
long sema_timedwait(name_t semaphore, uint32_t sec, uint32_t nsec);
long sema_timedwait_signal(name_t wait, name_t signal, uint32_t sec, uint32_t nsec);
/* Takes a signal if there is one, without waiting. */
long sema_poll(name_t semaphore);

/* On the task that @task is a port of; returns the reply's code. */
int32_t sema_create_on(name_t task, int32_t policy, int32_t value, name_t *semaphore);
int32_t sema_destroy_on(name_t task, name_t semaphore, int disposition);

/* A new semaphore of the own task; ends the case when there is none. */
name_t new_sema(int32_t value);
name_t new_sema_with(int32_t policy, int32_t value);
/* Destroys a semaphore of the own task; the name stays. */
int32_t sema_destroy(name_t semaphore);

/* Takes all signals; returns how many there were. */
int32_t sema_drain(name_t semaphore);

#endif
