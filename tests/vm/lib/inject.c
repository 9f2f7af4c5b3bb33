// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include "inject.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness.h"

#define DEBUGFS "/sys/kernel/debug/"

/* Code of the module lies this far around the start of its text. */
#define TEXT_BEFORE	(1ul << 20)
#define TEXT_AFTER	(16ul << 20)

static int nth = -1;

static bool set(const char *kind, const char *what, const char *format, unsigned long value)
{
	char path[128], text[32];
	bool good;
	int fd;

	snprintf(path, sizeof(path), DEBUGFS "%s/%s", kind, what);
	snprintf(text, sizeof(text), format, value);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	good = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	close(fd);
	return good;
}

void inject_init(void)
{
	static const char *const kinds[] = { "failslab", "fail_page_alloc", "fail_usercopy" };
	unsigned long text = 0;
	FILE *file;

	if (access("/proc/self/fail-nth", W_OK))
		SKIP("the kernel cannot inject faults");
	file = fopen("/sys/module/mach/sections/.text", "re");
	if (!file || fscanf(file, "%lx", &text) != 1 || !text)
		FATAL("where is the module's code?");
	fclose(file);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		REQUIRE(set(kinds[i], "verbose", "%lu", 0));
		REQUIRE(set(kinds[i], "stacktrace-depth", "%lu", 32));
		REQUIRE(set(kinds[i], "require-start", "%#lx", text - TEXT_BEFORE));
		REQUIRE(set(kinds[i], "require-end", "%#lx", text + TEXT_AFTER));
	}
	/* Those that may sleep fail as well, and pages of any order. */
	REQUIRE(set("failslab", "ignore-gfp-wait", "%lu", 0));
	REQUIRE(set("fail_page_alloc", "ignore-gfp-wait", "%lu", 0));
	REQUIRE(set("fail_page_alloc", "ignore-gfp-highmem", "%lu", 0));
	REQUIRE(set("fail_page_alloc", "min-order", "%lu", 0));
}

void inject_arm(unsigned int n)
{
	char text[16];
	int length = snprintf(text, sizeof(text), "%u", n);

	/* Of the thread that arms first; each process arms one thread only. */
	if (nth < 0)
		nth = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	REQUIRE(nth >= 0);
	REQUIRE_EQ(write(nth, text, (size_t)length), length);
}

static bool is_spent(int fd)
{
	char text[16] = "";

	REQUIRE(pread(fd, text, sizeof(text) - 1, 0) > 0);
	return atoi(text) == 0;
}

bool inject_done(void)
{
	bool spent = is_spent(nth);

	REQUIRE_EQ(write(nth, "0", 1), 1);
	close(nth);
	nth = -1;
	return spent;
}

bool inject_done_in(pid_t pid)
{
	char path[64];
	bool spent;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/fail-nth", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	REQUIRE(fd >= 0);
	spent = is_spent(fd);
	close(fd);
	return spent;
}
