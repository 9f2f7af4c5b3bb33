// SPDX-License-Identifier: GPL-2.0
#include "runtime.h"

/* Called by entry.S. */
__attribute__((noreturn)) void start_on(const uintptr_t *stack);

#ifndef __x86_64__
/* entry32.S fills it; what the compiler defines can be found by its distance. */
unsigned long initial_registers[INITIAL_REGISTERS];
#endif

void start_on(const uintptr_t *stack)
{
	struct startup startup = read_stack(stack);

	leave(run(&startup));
}
