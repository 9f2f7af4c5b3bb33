// SPDX-License-Identifier: GPL-2.0
/*
 * Runs the test programs inside the VM: loads the module, runs each program as
 * a process of its own with a time limit, watches the kernel log and the
 * module's object counts after each, and unloads, loads and unloads the module
 * at the end. Judges nothing but what only the inside can see; the counting of
 * results is done on the host (scripts/run-tests.py).
 *
 * In the debug kernel (MACH_DEBUG in the environment) any report is the last of
 * its boot, as lockdep turns itself off after one and KASAN keeps quiet; and
 * before the module goes it looks for memory that nothing points to (kmemleak).
 *
 * Usage: runner LIST. Each line of LIST is "name seconds"; the program of a test
 * is /tests/name. Lines on standard output, by their first character:
 *
 *   @ start NAME SECONDS     a program, or a step of ours, begins
 *   @ end NAME VERDICT MS    VERDICT is "exit N", "signal N" or "timeout"
 *   @ fault NAME TEXT        NAME did harm: kernel warning, leak, stuck process
 *   @ abort TEXT             the kernel is not fit to go on
 *   @ unfit TEXT             it was not before the module came: no test has run
 *   @ done                   all programs have run
 *   | TEXT                   output of the program
 *   # TEXT                   kernel log
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/reports.h"

#define MODULE_FILE "/mach.ko"
#define MODULE_NAME "mach"
#define OBJECTS "/sys/kernel/debug/mach/objects"
#define KMEMLEAK "/sys/kernel/debug/kmemleak"

/* How long objects may live on after their processes, and rmmod be refused. */
#define SETTLE_MS 3000
/* How long a killed process may take to go. */
#define KILL_MS 5000
/* How long a step of ours may take. */
#define STEP_S 30L
/* Kernel log lines kept for one program. */
#define LOG_LINES 400

static bool debug_kernel;
/* What all times are multiplied by */
static long slowness = 1;

static int kmsg = -1;
static char *log_lines[LOG_LINES];
static int log_count;

static long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void sleep_ms(long ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&ts, NULL);
}

__attribute__((format(printf, 1, 2)))
static void tell(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
}

/* --- The kernel log -------------------------------------------------------- */

/* After these the kernel's state is unknown. */
static bool is_fatal(const char *line)
{
	return strstr(line, "Oops") || strstr(line, "kernel BUG at") ||
	       strstr(line, "panicked at") || strstr(line, "lockup");
}

/*
 * A record of /dev/kmsg is "level,seq,usec,flags;text\n" and " KEY=value\n"s. Those
 * before the first of which `begins` says yes are left out.
 */
static void read_log_from(bool (*begins)(const char *line))
{
	char record[8192];
	ssize_t n;

	for (;;) {
		n = read(kmsg, record, sizeof(record) - 1);
		if (n < 0 && errno == EPIPE)
			continue;	/* records were overwritten; go on */
		if (n <= 0)
			return;
		record[n] = '\0';
		char *text = strchr(record, ';');

		if (!text || log_count == LOG_LINES)
			continue;
		text++;
		text[strcspn(text, "\n")] = '\0';
		if (begins && log_count == 0 && !begins(text))
			continue;
		log_lines[log_count++] = strdup(text);
	}
}

static void read_log(void)
{
	read_log_from(NULL);
}

static void forget_log(void)
{
	while (log_count > 0)
		free(log_lines[--log_count]);
}

static void print_log(void)
{
	for (int i = 0; i < log_count; i++)
		tell("# %s", log_lines[i]);
}

/*
 * Look at what the kernel has said since the last call. Returns whether it is
 * fit to go on.
 */
static bool check_log(const char *name, bool print)
{
	const char *fatal = NULL;
	bool blamed = false;

	read_log();
	for (int i = 0; i < log_count; i++) {
		if (is_report(log_lines[i]) && !blamed) {
			tell("@ fault %s kernel log: %s", name, log_lines[i]);
			blamed = true;
		}
		if (!fatal && (is_fatal(log_lines[i]) ||
			       (debug_kernel && is_report(log_lines[i]))))
			fatal = log_lines[i];
	}
	if (blamed || print)
		print_log();
	if (fatal)
		tell("@ abort %s", fatal);
	forget_log();
	return !fatal;
}

/* --- Processes ------------------------------------------------------------- */

/* The parent of a process, or -1. */
static pid_t parent_of(pid_t pid)
{
	char path[64], stat[512], *end;
	FILE *file;
	size_t n;
	int parent = -1;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	file = fopen(path, "r");
	if (!file)
		return -1;
	n = fread(stat, 1, sizeof(stat) - 1, file);
	fclose(file);
	stat[n] = '\0';
	end = strrchr(stat, ')');
	if (end)
		sscanf(end + 1, " %*c %d", &parent);
	return parent;
}

/* Call `visit` for each process that is our child; returns how many. */
static int each_child(void (*visit)(pid_t pid))
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	int count = 0;

	while (proc && (entry = readdir(proc))) {
		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		pid_t pid = atoi(entry->d_name);

		if (parent_of(pid) == getpid()) {
			visit(pid);
			count++;
		}
	}
	if (proc)
		closedir(proc);
	return count;
}

static void kill_child(pid_t pid)
{
	kill(pid, SIGKILL);
}

static void print_file(const char *path)
{
	char line[256];
	FILE *file = fopen(path, "r");

	while (file && fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		tell("#   %s", line);
	}
	if (file)
		fclose(file);
}

/* Where the threads of a process are, for a test that hangs. */
static void print_stacks(pid_t pid)
{
	char path[300];
	struct dirent *entry;
	DIR *tasks;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	tasks = opendir(path);
	while (tasks && (entry = readdir(tasks))) {
		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		tell("# thread %s of process %d:", entry->d_name, pid);
		snprintf(path, sizeof(path), "/proc/%d/task/%.20s/syscall", pid,
			 entry->d_name);
		print_file(path);
		snprintf(path, sizeof(path), "/proc/%d/task/%.20s/stack", pid,
			 entry->d_name);
		print_file(path);
	}
	if (tasks)
		closedir(tasks);
}

/* The stacks of all processes of a group. */
static void print_group(pid_t group)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;

	while (proc && (entry = readdir(proc)))
		if (isdigit((unsigned char)entry->d_name[0]) &&
		    getpgid(atoi(entry->d_name)) == group)
			print_stacks(atoi(entry->d_name));
	if (proc)
		closedir(proc);
}

/*
 * Kill a program's group and whatever else it has left behind; all of it is our
 * child by now, or becomes it (PR_SET_CHILD_SUBREAPER). Returns false when
 * something does not die.
 */
static bool clear_away(pid_t group)
{
	long deadline = now_ms() + KILL_MS * slowness;

	kill(-group, SIGKILL);
	for (;;) {
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		if (each_child(kill_child) == 0)
			return true;
		if (now_ms() > deadline)
			return false;
		sleep_ms(10);
	}
}

/* --- Running one program --------------------------------------------------- */

/* Passes on a program's output, line by line. */
struct relay {
	int fd;
	bool eof;
	size_t used;
	char line[12000];
};

static void relay_line(struct relay *relay)
{
	tell("| %.*s", (int)relay->used, relay->line);
	relay->used = 0;
}

static void relay_output(struct relay *relay)
{
	char buffer[4096];
	ssize_t n;

	while ((n = read(relay->fd, buffer, sizeof(buffer))) > 0) {
		for (ssize_t i = 0; i < n; i++) {
			if (buffer[i] != '\n' && relay->used < sizeof(relay->line))
				relay->line[relay->used++] = buffer[i];
			if (buffer[i] == '\n' || relay->used == sizeof(relay->line))
				relay_line(relay);
		}
	}
	if (n == 0)
		relay->eof = true;
}

static pid_t start(const char *path, int *output)
{
	int pipes[2];
	pid_t pid;

	if (pipe2(pipes, O_CLOEXEC))
		return -1;
	pid = fork();
	if (pid == 0) {
		int null = open("/dev/null", O_RDONLY);

		setpgid(0, 0);
		dup2(null, 0);
		dup2(pipes[1], 1);
		dup2(pipes[1], 2);
		if (chdir("/tmp"))
			_exit(127);
		execl(path, path, NULL);
		dprintf(2, "%s: %s\n", path, strerror(errno));
		_exit(127);
	}
	close(pipes[1]);
	if (pid < 0) {
		close(pipes[0]);
		return -1;
	}
	setpgid(pid, pid);
	fcntl(pipes[0], F_SETFL, O_NONBLOCK);
	*output = pipes[0];
	return pid;
}

/* Returns the wait status, or -1 when the time was up. */
static int follow(pid_t pid, struct relay *relay, long limit_ms)
{
	long deadline = now_ms() + limit_ms;
	int pidfd = syscall(SYS_pidfd_open, pid, 0);
	int status = -1;

	for (;;) {
		struct pollfd fds[] = {
			{ .fd = pidfd, .events = POLLIN },
			{ .fd = relay->eof ? -1 : relay->fd, .events = POLLIN },
		};
		long left = deadline - now_ms();

		if (left <= 0)
			break;
		poll(fds, 2, left);
		relay_output(relay);
		if (waitpid(pid, &status, WNOHANG) == pid)
			break;
		status = -1;
	}
	close(pidfd);
	return status;
}

/* Live objects after all clients are gone are leaks. */
static void check_objects(const char *name)
{
	long deadline = now_ms() + SETTLE_MS * slowness;
	char line[256], leaks[1024];

	do {
		FILE *file = fopen(OBJECTS, "r");

		if (!file)
			return;
		leaks[0] = '\0';
		while (fgets(line, sizeof(line), file)) {
			char kind[64];
			long count;

			if (sscanf(line, "%63s %ld", kind, &count) == 2 && count) {
				size_t used = strlen(leaks);

				snprintf(leaks + used, sizeof(leaks) - used,
					 " %s=%ld", kind, count);
			}
		}
		fclose(file);
		if (!leaks[0])
			return;
		sleep_ms(20);
	} while (now_ms() < deadline);
	tell("@ fault %s objects leaked:%s", name, leaks);
}

/* Returns whether the kernel is fit to go on. */
static bool run_program(const char *name, long limit_s)
{
	struct relay relay = { 0 };
	char path[256], verdict[64];
	long began = now_ms();
	bool cleared, failed;
	int status;
	pid_t pid;

	snprintf(path, sizeof(path), "/tests/%s", name);
	tell("@ start %s %ld", name, limit_s);
	pid = start(path, &relay.fd);
	if (pid < 0) {
		tell("@ end %s exit 127 0", name);
		return true;
	}
	status = follow(pid, &relay, limit_s * 1000);
	if (status == -1) {
		snprintf(verdict, sizeof(verdict), "timeout");
		print_group(pid);
	} else if (WIFSIGNALED(status)) {
		snprintf(verdict, sizeof(verdict), "signal %d", WTERMSIG(status));
	} else {
		snprintf(verdict, sizeof(verdict), "exit %d", WEXITSTATUS(status));
	}
	failed = status != 0;
	cleared = clear_away(pid);
	relay_output(&relay);
	if (relay.used)
		relay_line(&relay);
	close(relay.fd);
	if (cleared)
		check_objects(name);
	else
		tell("@ fault %s a process cannot be killed", name);
	if (!check_log(name, failed))
		return false;
	tell("@ end %s %s %ld", name, verdict, now_ms() - began);
	if (!cleared)
		tell("@ abort a process of %s cannot be killed", name);
	return cleared;
}

/* --- The module ------------------------------------------------------------ */

static int load_module(void)
{
	int fd = open(MODULE_FILE, O_RDONLY | O_CLOEXEC);
	int result = syscall(SYS_finit_module, fd, "", 0) ? errno : 0;

	close(fd);
	return result;
}

static int unload_module(void)
{
	long deadline = now_ms() + SETTLE_MS * slowness;
	int result;

	do {
		result = syscall(SYS_delete_module, MODULE_NAME, O_NONBLOCK) ? errno : 0;
		if (result != EBUSY && result != EAGAIN)
			break;
		sleep_ms(50);
	} while (now_ms() < deadline);
	return result;
}

/* A step of ours, reported as a program with one result. */
static bool module_step(const char *name, int (*step)(void))
{
	long began = now_ms();
	int error;

	tell("@ start %s %ld", name, STEP_S * slowness);
	error = step();
	if (error)
		tell("| not ok 1 - %s # %s", name, strerror(error));
	else
		tell("| ok 1 - %s", name);
	if (!check_log(name, error != 0))
		return false;
	tell("@ end %s exit %d %ld", name, error != 0, now_ms() - began);
	return error == 0;
}

/* --- What only the debug kernel knows ---------------------------------------- */

static bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool written = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	close(fd);
	return written;
}

/* What the kernel has lost until now is not ours. */
static int forget_leaks(void)
{
	return write_file(KMEMLEAK, "scan") && write_file(KMEMLEAK, "clear") ? 0 : ENOENT;
}

/*
 * Memory that nothing points to any more. Only that which is some seconds old is
 * looked at, and one found for the first time may just be on its way from one
 * place to another: so look more than once. A report tells the program that the
 * allocating process ran ("comm").
 */
static int find_leaks(void)
{
	char line[256];
	bool found = false;
	FILE *file;

	for (int i = 0; i < 3; i++) {
		sleep_ms(6000);
		if (!write_file(KMEMLEAK, "scan"))
			return ENOENT;
	}
	file = fopen(KMEMLEAK, "r");
	while (file && fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		tell("# %s", line);
		found = true;
	}
	if (file)
		fclose(file);
	return found ? EUCLEAN : 0;
}

/*
 * The kernel has found fault with itself, before the module came. Nothing that it
 * would say from now on is worth anything, so somebody has to boot again.
 */
static void tell_unfit(void)
{
	read_log_from(is_report);
	print_log();
	tell("@ unfit %s", log_count ? log_lines[0] : "lockdep is off, the log does not say why");
}

/* Lockdep still watches, or it has reported something. */
static int lockdep_is_on(void)
{
	char line[256];
	int value, on = 0;
	FILE *file = fopen("/proc/lockdep_stats", "r");

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, " debug_locks: %d", &value) == 1)
			on = value;
	if (file)
		fclose(file);
	return on ? 0 : ENOLCK;
}

int main(int argc, char **argv)
{
	char line[256], name[200];
	bool fit = true;
	FILE *list;

	if (argc != 2 || !(list = fopen(argv[1], "r"))) {
		tell("@ abort runner: no list of tests");
		return 1;
	}
	fcntl(fileno(list), F_SETFD, FD_CLOEXEC);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	debug_kernel = getenv("MACH_DEBUG");
	if (getenv("MACH_SLOWNESS"))
		slowness = atol(getenv("MACH_SLOWNESS"));
	if (debug_kernel && lockdep_is_on() == ENOLCK) {
		tell_unfit();
		return 0;
	}
	lseek(kmsg, 0, SEEK_END);
	if (debug_kernel) {
		fit = module_step("kernel/lockdep", lockdep_is_on) &&
		      module_step("kernel/kmemleak", forget_leaks);
	}

	fit = fit && module_step("module/load", load_module);
	while (fit && fgets(line, sizeof(line), list)) {
		long limit_s;

		if (sscanf(line, "%199s %ld", name, &limit_s) == 2)
			fit = run_program(name, limit_s);
	}
	fclose(list);
	if (debug_kernel)
		fit = fit && module_step("module/leaks", find_leaks);
	fit = fit && module_step("module/unload", unload_module);
	fit = fit && module_step("module/load-again", load_module);
	fit = fit && module_step("module/unload-again", unload_module);
	if (debug_kernel) {
		fit = fit && module_step("module/leaks-of-itself", find_leaks);
		fit = fit && module_step("module/lockdep-still-on", lockdep_is_on);
	}
	tell("@ done");
	return 0;
}
