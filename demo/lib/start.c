// SPDX-License-Identifier: GPL-2.0
#include "runtime.h"

/* Called by entry.S. */
__attribute__((noreturn)) void start_on(const uint64_t *stack);

void start_on(const uint64_t *stack)
{
	struct startup startup = read_stack(stack);

	leave(run(&startup));
}
