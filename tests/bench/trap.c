// SPDX-License-Identifier: GPL-2.0
/* Entering the kernel. */
#define _GNU_SOURCE
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/android/binder.h>
#include <linux/ioctl.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "mach.h"

BENCH(getppid, 20000, ONE)
{
	while (bench_more(run))
		syscall(SYS_getppid);
}

BENCH(ntsync_refused, 20000, ONE)
{
	int fd = open("/dev/ntsync", O_RDWR);

	MUST(fd >= 0);
	while (bench_more(run))
		syscall(SYS_ioctl, fd, 0x4eff, 0);
}

BENCH(binder_version, 20000, ONE)
{
	struct binder_version version;
	int fd = open("/dev/binder", O_RDWR);

	MUST(fd >= 0);
	while (bench_more(run))
		MUST(ioctl(fd, BINDER_VERSION, &version) == 0);
}

BENCH(null_trap, 20000, OURS)
{
	mach_open();
	MUST(get_api_version() == 19);
	while (bench_more(run))
		trap(NR_get_api_version, 0);
}

BENCH(task_self_trap, 20000, OURS)
{
	mach_open();
	while (bench_more(run))
		trap(NR_task_self_trap, 0);
}

static void yield_for_ever(void *unused)
{
	(void)unused;
	for (;;)
		sched_yield();
}

BENCH(two_switches, 4000, ONE)
{
	bench_peer(run, yield_for_ever, NULL);
	while (bench_more(run))
		sched_yield();
}
