/* SPDX-License-Identifier: GPL-2.0 */
/* What a process of a sequence is, and how it makes one call. */
#ifndef FUZZ_ACT_H
#define FUZZ_ACT_H

#include <sys/types.h>

#include "sequence.h"

/*
 * Makes this process a task that has something to work with: memory; ports, sets,
 * semaphores and timers in its slots; and a send right to the port of process 0.
 */
void act_prepare(unsigned int process);

/* After a fork that is to go on as another process. */
void act_forget(void);

/* Makes a call; @pids are those of the processes, as they see each other. */
void act(const struct call *call, const pid_t pids[PROCESSES]);

/* Sets *@seen when memory comes back that the kernel has never written. */
void act_watch_poison(volatile bool *seen);

long trap_of(unsigned int number, unsigned long argument);

/*
 * Asks the port with the name @target for routine @id: @ports empty descriptors of
 * the kind @kind, @words words of 0. Returns the code in the reply, 0 for a reply
 * with rights, or 1 for none. For finding out the layouts of requests.
 */
int32_t act_ask(uint32_t target, int32_t id, unsigned int kind, unsigned int ports,
		unsigned int words);

#endif
