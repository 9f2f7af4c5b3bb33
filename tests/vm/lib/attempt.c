// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include "attempt.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"
#include "inject.h"
#include "process.h"
#include "short_rights.h"

static bool is_among(long result, const long *codes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (codes[i] && codes[i] == result)
			return true;
	return false;
}

void same_objects(const struct object_counts *before)
{
	struct object_counts after;
	char why[256];

	REQUIRE(read_object_counts(&after));
	if (!object_counts_within(&after, before, why, sizeof(why)) ||
	    !object_counts_within(before, &after, why, sizeof(why)))
		FAIL("a failed call leaves %s", why);
}

bool no_message_is_left(long others)
{
	return live("messages") <= others + 1;
}

/* How many there are of the first hundred. */
static int descriptors(void)
{
	int count = 0;

	for (int fd = 0; fd < 100; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

void try(const struct attempt *attempt, unsigned int n)
{
	static struct scene scene;
	struct object_counts before;
	int open_before;
	bool faulted;
	long result;

	attempt->prepare(&scene);
	REQUIRE(read_object_counts(&before));
	open_before = descriptors();
	inject_arm(n);
	result = attempt->act(&scene);
	faulted = inject_done();

	if (!faulted)
		REQUIRE_RET(result, attempt->success);
	if (is_among(result, attempt->harmless, ARRAY_SIZE(attempt->harmless))) {
		same_objects(&before);
		CHECK_EQ(descriptors(), open_before);
		CHECK_RET(attempt->act(&scene), attempt->success);
	} else if (result != attempt->success &&
		   !is_among(result, attempt->others, ARRAY_SIZE(attempt->others))) {
		FAIL("fault %u gives %#lx (%s)", n, result, code_name(result));
	}
	if (attempt->verify)
		attempt->verify(&scene, result);
	_exit(faulted ? TRY_FAULTED : TRY_CLEAN);
}

void try_all(const struct attempt *attempt)
{
	unsigned int n = 0;
	int status;

	inject_init();
	do {
		pid_t pid;

		n++;
		REQUIRE(n < MOST_FAULTS);
		pid = fork();
		REQUIRE(pid >= 0);
		if (pid == 0)
			try(attempt, n);
		status = wait_child(pid);
		if (status && status != TRY_CLEAN << 8)
			FATAL("fault %u: status %#x", n, status);
	} while (status != TRY_CLEAN << 8);
	/* The argument of every trap that has one can fail to arrive at least. */
	CHECK(n > 1);
	note("%u faults", n - 1);
}

void a_task(struct scene *scene)
{
	mach_open();
	self();
	scene->out = POISON32;
}

void a_port(struct scene *scene)
{
	a_task(scene);
	scene->port = new_send_right();
	scene->other = new_port();
}
