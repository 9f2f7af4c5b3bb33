// SPDX-License-Identifier: GPL-2.0
/* Processes: fork, exec and exit. */
#define _GNU_SOURCE
#include "ours.h"

#include <sys/wait.h>
#include <unistd.h>

#define TIMES	60

static void reap(pid_t pid)
{
	int status;

	MUST(pid > 0);
	MUST(waitpid(pid, &status, 0) == pid);
	if (status)
		bench_skip("a child ended with status %#x", status);
}

static void fork_exec(struct run *run, const char *path)
{
	while (bench_more(run)) {
		pid_t pid = fork();

		if (pid == 0) {
			execl(path, path, (char *)NULL);
			_exit(126);
		}
		reap(pid);
	}
}

BENCH(elf_fork_exec, TIMES, ONE)
{
	fork_exec(run, "/bench/exit_elf");
}

BENCH(macho_fork_exec, TIMES, OURS)
{
	fork_exec(run, "/bench/exit_macho");
}

BENCH(fork_exit, TIMES, ONE)
{
	while (bench_more(run)) {
		pid_t pid = fork();

		if (pid == 0)
			_exit(0);
		reap(pid);
	}
}

BENCH(fork_exit_of_a_task, TIMES, OURS)
{
	mach_open();
	MUST(get_api_version() == 19);
	while (bench_more(run)) {
		pid_t pid = fork();

		if (pid == 0)
			_exit(get_api_version() != 19);
		reap(pid);
	}
}
