// SPDX-License-Identifier: GPL-2.0
/*
 * The locks of psynch.h under a short load: by threads, by processes that share
 * them, and with signals and kills. test_psynch_long.c has the long one.
 * time limit: 1200 s
 */
#include "harness.h"
#include "psynch.h"
#include "psynch_load.h"

enum { OPERATIONS = 4000 };

TEST_LIMIT(fair_mutex_of_threads, 240)
{
	psynch_load_mutex(PS_PRIVATE | PS_FAIR, 0, OPERATIONS);
}

TEST_LIMIT(first_fit_mutex_of_threads, 240)
{
	psynch_load_mutex(PS_PRIVATE | PS_FIRSTFIT, 0, OPERATIONS);
}

TEST_LIMIT(condition_variables_of_threads, 240)
{
	psynch_load_cond(PS_PRIVATE | PS_FAIR, 0, OPERATIONS);
}

TEST_LIMIT(condition_variables_with_first_fit, 240)
{
	psynch_load_cond(PS_PRIVATE | PS_FIRSTFIT, 0, OPERATIONS);
}

TEST_LIMIT(read_write_lock_of_threads, 240)
{
	psynch_load_rwlock(PS_PRIVATE, 0, OPERATIONS);
}

TEST_LIMIT(fair_mutex_with_signals, 240)
{
	psynch_load_mutex(PS_PRIVATE | PS_FAIR, WITH_SIGNALS, OPERATIONS);
}

TEST_LIMIT(first_fit_mutex_with_signals, 240)
{
	psynch_load_mutex(PS_PRIVATE | PS_FIRSTFIT, WITH_SIGNALS, OPERATIONS);
}

TEST_LIMIT(condition_variables_with_signals, 240)
{
	psynch_load_cond(PS_PRIVATE | PS_FAIR, WITH_SIGNALS, OPERATIONS);
}

TEST_LIMIT(read_write_lock_with_signals, 240)
{
	psynch_load_rwlock(PS_PRIVATE, WITH_SIGNALS, OPERATIONS);
}

TEST_LIMIT(fair_mutex_of_processes, 240)
{
	psynch_load_mutex(PS_SHARED | PS_FAIR, BY_PROCESSES, OPERATIONS);
}

TEST_LIMIT(first_fit_mutex_of_processes, 240)
{
	psynch_load_mutex(PS_SHARED | PS_FIRSTFIT, BY_PROCESSES, OPERATIONS);
}

TEST_LIMIT(condition_variables_of_processes, 240)
{
	psynch_load_cond(PS_SHARED | PS_FAIR, BY_PROCESSES, OPERATIONS);
}

TEST_LIMIT(read_write_lock_of_processes, 240)
{
	psynch_load_rwlock(PS_SHARED, BY_PROCESSES, OPERATIONS);
}

TEST_LIMIT(fair_mutex_of_processes_with_signals, 240)
{
	psynch_load_mutex(PS_SHARED | PS_FAIR, BY_PROCESSES | WITH_SIGNALS, OPERATIONS);
}

TEST_LIMIT(first_fit_mutex_of_processes_with_signals, 240)
{
	psynch_load_mutex(PS_SHARED | PS_FIRSTFIT, BY_PROCESSES | WITH_SIGNALS, OPERATIONS);
}

TEST_LIMIT(condition_variables_of_processes_with_signals, 240)
{
	psynch_load_cond(PS_SHARED | PS_FAIR, BY_PROCESSES | WITH_SIGNALS, OPERATIONS);
}

TEST_LIMIT(read_write_lock_of_processes_with_signals, 240)
{
	psynch_load_rwlock(PS_SHARED, BY_PROCESSES | WITH_SIGNALS, OPERATIONS);
}

TEST_LIMIT(kills_of_waiters_and_owners_leave_nothing, 240)
{
	psynch_load_kills(10);
}
