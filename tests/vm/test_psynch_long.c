// SPDX-License-Identifier: GPL-2.0
/*
 * The loads of test_psynch_stress.c for as many operations as "psynch_ops=" on the
 * kernel's command line says: make stress-psynch.
 * time limit: 30000 s
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "psynch.h"
#include "psynch_load.h"

enum { LIMIT_S = 7000 };

/*
 * Its part of all operations; ends the case when there are none to do. Where each
 * operation takes a switch to another thread, as in a fair mutex that all want,
 * there are fewer: about as many seconds for each case.
 */
static unsigned long share(unsigned int thousandths)
{
	static char line[4096];
	FILE *file = fopen("/proc/cmdline", "r");
	const char *found = NULL;

	if (file && fgets(line, sizeof(line), file))
		found = strstr(line, "psynch_ops=");
	if (file)
		fclose(file);
	if (!found)
		SKIP("make stress-psynch");
	return strtoul(found + strlen("psynch_ops="), NULL, 10) / 1000 * thousandths;
}

TEST_LIMIT(mutexes_of_threads, LIMIT_S)
{
	psynch_load_mutex(PS_PRIVATE | PS_FAIR, 0, share(10));
}

TEST_LIMIT(first_fit_mutexes_of_threads, LIMIT_S)
{
	psynch_load_mutex(PS_PRIVATE | PS_FIRSTFIT, 0, share(500));
}

TEST_LIMIT(first_fit_mutexes_with_signals, LIMIT_S)
{
	psynch_load_mutex(PS_PRIVATE | PS_FIRSTFIT, WITH_SIGNALS, share(40));
}

TEST_LIMIT(condition_variables_of_threads, LIMIT_S)
{
	psynch_load_cond(PS_PRIVATE | PS_FIRSTFIT, 0, share(60));
}

TEST_LIMIT(condition_variables_with_signals, LIMIT_S)
{
	psynch_load_cond(PS_PRIVATE | PS_FAIR, WITH_SIGNALS, share(20));
}

TEST_LIMIT(read_write_locks_of_threads, LIMIT_S)
{
	psynch_load_rwlock(PS_PRIVATE, 0, share(15));
}

TEST_LIMIT(read_write_locks_with_signals, LIMIT_S)
{
	psynch_load_rwlock(PS_PRIVATE, WITH_SIGNALS, share(10));
}

TEST_LIMIT(first_fit_mutexes_of_processes, LIMIT_S)
{
	psynch_load_mutex(PS_SHARED | PS_FIRSTFIT, BY_PROCESSES | WITH_SIGNALS, share(330));
}

TEST_LIMIT(mutexes_of_processes, LIMIT_S)
{
	psynch_load_mutex(PS_SHARED | PS_FAIR, BY_PROCESSES | WITH_SIGNALS, share(5));
}

TEST_LIMIT(condition_variables_of_processes, LIMIT_S)
{
	psynch_load_cond(PS_SHARED | PS_FAIR, BY_PROCESSES | WITH_SIGNALS, share(5));
}

TEST_LIMIT(read_write_locks_of_processes, LIMIT_S)
{
	psynch_load_rwlock(PS_SHARED, BY_PROCESSES | WITH_SIGNALS, share(5));
}

TEST_LIMIT(kills, LIMIT_S)
{
	psynch_load_kills((unsigned int)(share(1000) / 50000));
}
