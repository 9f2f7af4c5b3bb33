// SPDX-License-Identifier: GPL-2.0
/*
 * The runner: starts each case, watches its time, collects its checks, cleans up
 * after it, and prints the results as TAP.
 */
#define _GNU_SOURCE
#include "harness.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "debugfs.h"
#include "mach_const.h"

#define NOTES		8
#define NOTE_SIZE	512

/* How long the processes of a case may take to die, and objects to be freed */
#define DEATH_LIMIT_MS	10000
#define LEAK_LIMIT_MS	5000

/* From here on the time that a case took is worth telling. */
#define SLOW_MS		2000

/* Shared between the runner and all processes of the running case. */
struct report {
	atomic_uint failures;
	atomic_uint remarks;
	atomic_bool skipped;
	char failure[NOTES][NOTE_SIZE];
	char remark[NOTES][NOTE_SIZE];
	char why_skipped[NOTE_SIZE];
};

extern const struct test_case *const __start_test_cases[];
extern const struct test_case *const __stop_test_cases[];
extern const struct test_helper *const __start_test_helpers[] __attribute__((weak));
extern const struct test_helper *const __stop_test_helpers[] __attribute__((weak));

static struct report *report;
/* How many times slower than usual the kernel is; multiplies all limits. */
static unsigned int slowness = 1;
static char path_of_program[PATH_MAX];

/* Checks */

const char *code_name(long long code)
{
	static const struct {
		long long code;
		const char *name;
	} names[] = {
#define NAME(code) { code, #code }
		NAME(KERN_SUCCESS), NAME(KERN_INVALID_ADDRESS), NAME(KERN_NO_SPACE),
		NAME(KERN_INVALID_ARGUMENT), NAME(KERN_FAILURE),
		NAME(KERN_RESOURCE_SHORTAGE), NAME(KERN_NO_ACCESS),
		NAME(KERN_ALREADY_IN_SET), NAME(KERN_NOT_IN_SET),
		NAME(KERN_NAME_EXISTS), NAME(KERN_ABORTED), NAME(KERN_INVALID_NAME),
		NAME(KERN_INVALID_TASK), NAME(KERN_INVALID_RIGHT),
		NAME(KERN_INVALID_VALUE), NAME(KERN_UREFS_OVERFLOW),
		NAME(KERN_INVALID_CAPABILITY), NAME(KERN_RIGHT_EXISTS),
		NAME(KERN_INVALID_HOST), NAME(KERN_TERMINATED),
		NAME(KERN_PROTECTION_FAILURE), NAME(KERN_MEMORY_ERROR), NAME(KERN_INVALID_OBJECT),
		NAME(KERN_NOT_SUPPORTED), NAME(KERN_OPERATION_TIMED_OUT),
		NAME(MIG_BAD_ID), NAME(MIG_BAD_ARGUMENTS),
		NAME(MACH_SEND_INVALID_DATA), NAME(MACH_SEND_INVALID_DEST),
		NAME(MACH_SEND_TIMED_OUT), NAME(MACH_SEND_INVALID_VOUCHER),
		NAME(MACH_SEND_INTERRUPTED), NAME(MACH_SEND_MSG_TOO_SMALL),
		NAME(MACH_SEND_INVALID_REPLY), NAME(MACH_SEND_INVALID_RIGHT),
		NAME(MACH_SEND_INVALID_MEMORY), NAME(MACH_SEND_NO_BUFFER),
		NAME(MACH_SEND_TOO_LARGE), NAME(MACH_SEND_INVALID_TYPE),
		NAME(MACH_SEND_INVALID_HEADER),
		NAME(MACH_RCV_INVALID_NAME), NAME(MACH_RCV_TIMED_OUT),
		NAME(MACH_RCV_TOO_LARGE), NAME(MACH_RCV_INTERRUPTED),
		NAME(MACH_RCV_PORT_CHANGED), NAME(MACH_RCV_INVALID_NOTIFY),
		NAME(MACH_RCV_INVALID_DATA), NAME(MACH_RCV_HEADER_ERROR),
		NAME(MACH_RCV_BODY_ERROR),
#undef NAME
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (names[i].code == code)
			return names[i].name;
	if (code < 0 && code > -4096) {
		const char *name = strerrorname_np((int)-code);

		return name ? name : "";
	}
	return "";
}

static void describe(char *text, size_t size, enum check_kind kind, long long value)
{
	const char *sign = value < 0 ? "-" : "";
	unsigned long long magnitude = (unsigned long long)value;

	if (value < 0)
		magnitude = -magnitude;

	switch (kind) {
	case CHECK_CODE:
		if (magnitude >= 0x1000)
			snprintf(text, size, "%s0x%llx (%s)", sign, magnitude, code_name(value));
		else
			snprintf(text, size, "%lld (%s)", value, code_name(value));
		break;
	case CHECK_HEX:
		snprintf(text, size, "%s0x%llx", sign, magnitude);
		break;
	default:
		snprintf(text, size, "%lld", value);
	}
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static void end_case(void)
{
	/* All processes of the case: one that is waited for must not be waited for in vain. */
	kill(0, SIGKILL);
	_exit(1);
}

static void record(enum on_failure then, const char *text)
{
	unsigned int index;

	/* Helpers run without a runner above them in the same memory. */
	if (!report) {
		fprintf(stderr, "# %s\n", text);
		_exit(1);
	}
	index = atomic_fetch_add(&report->failures, 1);
	if (index < NOTES)
		strncpy(report->failure[index], text, NOTE_SIZE - 1);
	if (then == END_CASE)
		end_case();
}

bool check_equal(const char *file, int line, enum check_kind kind,
		 enum on_failure then, const char *got_text, long long got,
		 const char *want_text, long long want)
{
	char text[NOTE_SIZE], got_value[96], want_value[96];

	if (got == want)
		return true;
	describe(got_value, sizeof(got_value), kind, got);
	describe(want_value, sizeof(want_value), kind, want);
	snprintf(text, sizeof(text), "%s:%d: %.120s is %s, expected %s [%.80s]",
		 base_name(file), line, got_text, got_value, want_value, want_text);
	record(then, text);
	return false;
}

bool check_true(const char *file, int line, enum on_failure then,
		const char *condition, bool value)
{
	char text[NOTE_SIZE];

	if (value)
		return true;
	snprintf(text, sizeof(text), "%s:%d: not true: %.300s", base_name(file), line,
		 condition);
	record(then, text);
	return false;
}

void check_fail(const char *file, int line, enum on_failure then, const char *format, ...)
{
	char text[NOTE_SIZE];
	int used = snprintf(text, sizeof(text), "%s:%d: ", base_name(file), line);
	va_list args;

	va_start(args, format);
	vsnprintf(text + used, sizeof(text) - (size_t)used, format, args);
	va_end(args);
	record(then, text);
}

void skip_case(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(report->why_skipped, NOTE_SIZE, format, args);
	va_end(args);
	atomic_store(&report->skipped, true);
	_exit(0);
}

void note(const char *format, ...)
{
	unsigned int index;
	va_list args;

	if (!report)
		return;
	index = atomic_fetch_add(&report->remarks, 1);
	if (index >= NOTES)
		return;
	va_start(args, format);
	vsnprintf(report->remark[index], NOTE_SIZE, format, args);
	va_end(args);
}

void poison(void *bytes, size_t size)
{
	memset(bytes, POISON, size);
}

bool is_poison(const void *bytes, size_t size)
{
	const uint8_t *byte = bytes;

	for (size_t i = 0; i < size; i++)
		if (byte[i] != POISON)
			return false;
	return true;
}

const char *program_path(void)
{
	return path_of_program;
}

/* The runner */

static long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void print_file(const char *path)
{
	char line[200];
	FILE *file = fopen(path, "r");

	if (!file)
		return;
	for (int i = 0; i < 12 && fgets(line, sizeof(line), file); i++) {
		line[strcspn(line, "\n")] = '\0';
		printf("#     %s\n", line);
	}
	fclose(file);
}

/* Shows where the threads of process group @group hang. */
static void print_stacks(pid_t group)
{
	DIR *processes = opendir("/proc");
	struct dirent *process, *thread;
	char path[PATH_MAX];

	while (processes && (process = readdir(processes))) {
		pid_t pid = atoi(process->d_name);
		DIR *threads;

		if (pid <= 0 || getpgid(pid) != group)
			continue;
		snprintf(path, sizeof(path), "/proc/%d/task", pid);
		threads = opendir(path);
		while (threads && (thread = readdir(threads))) {
			if (thread->d_name[0] == '.')
				continue;
			printf("#   pid %d thread %s\n", pid, thread->d_name);
			snprintf(path, sizeof(path), "/proc/%d/task/%s/syscall", pid,
				 thread->d_name);
			print_file(path);
			snprintf(path, sizeof(path), "/proc/%d/task/%s/stack", pid, thread->d_name);
			print_file(path);
		}
		if (threads)
			closedir(threads);
	}
	if (processes)
		closedir(processes);
}

/* Ends whatever a case left behind. False when something does not die. */
static bool reap_group(pid_t group)
{
	long deadline = now_ms() + DEATH_LIMIT_MS * slowness;

	for (;;) {
		pid_t pid;

		kill(-group, SIGKILL);
		do {
			pid = waitpid(-1, NULL, WNOHANG);
		} while (pid > 0);
		if (pid < 0 && errno == ECHILD)
			return true;
		if (now_ms() > deadline)
			return false;
		usleep(2000);
	}
}

/* Waits until no more objects live than before the case. */
static bool objects_back_to(const struct object_counts *before, char *why, size_t size)
{
	long deadline = now_ms() + LEAK_LIMIT_MS * slowness;
	struct object_counts after;

	for (;;) {
		if (!read_object_counts(&after))
			return true;
		if (object_counts_within(&after, before, why, size))
			return true;
		if (now_ms() > deadline)
			return false;
		usleep(5000);
	}
}

static bool run_case(int number, const struct test_case *test)
{
	struct object_counts before;
	/* In a soak, others make and free objects meanwhile. */
	bool counted = !getenv("MACH_SOAK") && read_object_counts(&before);
	char why[NOTE_SIZE] = "", leak[NOTE_SIZE] = "";
	unsigned int failures, remarks;
	int status = 0, ready, pidfd;
	long began = now_ms();
	pid_t pid;

	memset(report, 0, sizeof(*report));
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		setpgid(0, 0);
		test->run();
		_exit(0);
	}
	setpgid(pid, pid);
	pidfd = pidfd_open(pid, 0);
	ready = poll(&(struct pollfd){ .fd = pidfd, .events = POLLIN }, 1,
		     (int)(test->limit_s * slowness) * 1000);
	close(pidfd);
	if (ready != 1) {
		snprintf(why, sizeof(why), "no end within %u s", test->limit_s * slowness);
		print_stacks(pid);
		kill(-pid, SIGKILL);
		kill(pid, SIGKILL);
	}
	if (ready == 1)
		waitpid(pid, &status, 0);
	if (!reap_group(pid) && !why[0]) {
		snprintf(why, sizeof(why), "a process does not die");
		print_stacks(pid);
	}

	failures = atomic_load(&report->failures);
	if (failures)
		snprintf(why, sizeof(why), "%.400s%s", report->failure[0],
			 failures > 1 ? " (and more)" : "");
	else if (!why[0] && WIFSIGNALED(status))
		snprintf(why, sizeof(why), "killed by signal %d", WTERMSIG(status));
	else if (!why[0] && WEXITSTATUS(status))
		snprintf(why, sizeof(why), "exit status %d", WEXITSTATUS(status));
	if (counted && !objects_back_to(&before, leak, sizeof(leak)))
		snprintf(why + strlen(why), sizeof(why) - strlen(why), "%sleaked objects: %.200s",
			 why[0] ? "; " : "", leak);

	for (unsigned int i = 1; i < failures && i < NOTES; i++)
		printf("# %s\n", report->failure[i]);
	if (failures > NOTES)
		printf("# … %u failed checks in all\n", failures);
	remarks = atomic_load(&report->remarks);
	for (unsigned int i = 0; i < remarks && i < NOTES; i++)
		printf("# %s\n", report->remark[i]);
	if (now_ms() - began >= SLOW_MS)
		printf("# took %ld ms\n", now_ms() - began);
	if (why[0])
		printf("not ok %d - %s # %s\n", number, test->name, why);
	else if (atomic_load(&report->skipped))
		printf("ok %d - %s # SKIP %s\n", number, test->name, report->why_skipped);
	else
		printf("ok %d - %s\n", number, test->name);
	fflush(stdout);
	return !why[0];
}

static int by_line(const void *a, const void *b)
{
	return (*(const struct test_case *const *)a)->line -
	       (*(const struct test_case *const *)b)->line;
}

static int run_helper(int argc, char **argv)
{
	for (const struct test_helper *const *entry = __start_test_helpers;
	     entry < __stop_test_helpers; entry++)
		if (!strcmp((*entry)->name, argv[1] + 1))
			return (*entry)->run(argc - 1, argv + 1);
	fprintf(stderr, "no helper %s\n", argv[1]);
	return 127;
}

static bool selected(const struct test_case *test, int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (!strcmp(argv[i], test->name))
			return true;
	return argc < 2;
}

int main(int argc, char **argv)
{
	size_t total = (size_t)(__stop_test_cases - __start_test_cases), count = 0;
	const struct test_case **cases = calloc(total + 1, sizeof(*cases));
	bool good = true;

	if (readlink("/proc/self/exe", path_of_program, sizeof(path_of_program) - 1) < 0 &&
	    !realpath(argv[0], path_of_program))
		strncpy(path_of_program, argv[0], sizeof(path_of_program) - 1);
	signal(SIGPIPE, SIG_IGN);
	if (getenv("MACH_SLOWNESS"))
		slowness = (unsigned int)atoi(getenv("MACH_SLOWNESS"));
	if (argc > 1 && argv[1][0] == '@')
		return run_helper(argc, argv);

	report = mmap(NULL, sizeof(*report), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (report == MAP_FAILED || !cases)
		return 2;
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	setvbuf(stdout, NULL, _IOLBF, 0);
	debugfs_mount();

	for (size_t i = 0; i < total; i++)
		if (selected(__start_test_cases[i], argc, argv))
			cases[count++] = __start_test_cases[i];
	qsort(cases, count, sizeof(*cases), by_line);
	if (argc == 2 && !strcmp(argv[1], "-l")) {
		for (size_t i = 0; i < total; i++)
			printf("%s\n", __start_test_cases[i]->name);
		return 0;
	}
	printf("1..%zu\n", count);
	for (size_t i = 0; i < count; i++)
		good &= run_case((int)i + 1, cases[i]);
	return good && count ? 0 : 1;
}
