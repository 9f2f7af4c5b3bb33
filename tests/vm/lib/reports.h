/* SPDX-License-Identifier: GPL-2.0 */
/* What the kernel's log says when something is broken. */
#ifndef TESTS_REPORTS_H
#define TESTS_REPORTS_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

static inline bool is_report(const char *line)
{
	static const char *const patterns[] = {
		"WARNING:", "BUG:", "Oops", "kernel BUG at", "leaked",
		"KASAN:", "KCSAN:", "KFENCE:", "UBSAN:", "panicked at", "refcount_t:",
		"list_add corruption", "list_del corruption", "memory leak",
		"INFO: task ", "INFO: rcu", "self-detected stall", "lockup",
		"circular locking", "inconsistent lock state",
		"suspicious RCU usage", "invalid context", "bad: scheduling",
		"ODEBUG:", "workqueue lockup", "possible recursive locking",
	};

	for (size_t i = 0; i < sizeof(patterns) / sizeof(*patterns); i++)
		if (strstr(line, patterns[i]))
			return true;
	return false;
}

#endif
