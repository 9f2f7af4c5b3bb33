// SPDX-License-Identifier: GPL-2.0
/*
 * Tens of processes that run cases of all test programs at random, side by side,
 * and kill whom they like; round after round, with the module unloaded and loaded
 * between two. Whether a case passes is not asked: they get in each other's way.
 * Asked is that each round ends with no object left, that the module can be
 * unloaded, that memory does not grow, and that the kernel's log is clean, in which
 * its detectors of hung tasks and of lockups speak.
 *
 * Memory is looked at between rounds, when no case runs and the module is not loaded
 * (lib/kernel_memory.h). Each use of it goes up and down by chance; a leak goes up
 * only. So a use has grown by what it had at the least in the last third of the run
 * more than at the most in the first one, after two rounds that warm up. A steady leak
 * shows a third of itself so: in an hour one of three bytes in each case is found.
 *
 * In the environment: MACH_MINUTES (without it, one short round of few workers, as
 * in `make test`), MACH_SEED (to repeat the choices of a run, as far as the timing
 * allows). The runner has loaded the module, and finds it loaded.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kernel_memory.h"
#include "reports.h"

#define WORKERS		24
#define ROUND_S		40
#define SHORT_WORKERS	4
#define SHORT_S		20
/* A case gets this long, and what is left of it this long to die. */
#define CASE_MS		6000
#define DEATH_MS	90000
/* The module is loaded anew so often between two rounds. */
#define RELOADS		5
/* One use of memory may grow by so much, and all together, after the first rounds. */
#define WARM_ROUNDS	2
#define LAST_ROUNDS	2
#define USE_GROWTH	(32 << 10)
#define ALL_GROWTH	(128 << 10)
/* No need to go on after this. */
#define FAST_GROWTH	(8 << 20)
#define LINES_TOLD	8
#define CASES_MAX	2000

struct test {
	char program[64];
	char name[96];
};

/* Shared by all processes. */
struct totals {
	atomic_bool stop;
	atomic_ulong cases, kills, stuck;
};

static struct test tests[CASES_MAX];
static unsigned int test_count;
static struct totals *totals;
static long slowness = 1;
static int kmsg = -1;

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
	fflush(stdout);
}

/* xorshift: each worker has a state of its own. */
static uint64_t chance = 1;

static unsigned int below(unsigned int limit)
{
	chance ^= chance << 13;
	chance ^= chance >> 7;
	chance ^= chance << 17;
	return (unsigned int)(chance >> 33) % limit;
}

/* --- The cases ---------------------------------------------------------------- */

static void list_program(const char *program)
{
	char command[128], line[96];
	FILE *pipe;

	snprintf(command, sizeof(command), "/tests/%.60s -l", program);
	pipe = popen(command, "re");
	while (pipe && test_count < CASES_MAX && fgets(line, sizeof(line), pipe)) {
		line[strcspn(line, "\n")] = '\0';
		snprintf(tests[test_count].program, sizeof(tests->program), "%.60s", program);
		snprintf(tests[test_count].name, sizeof(tests->name), "%s", line);
		test_count++;
	}
	if (pipe)
		pclose(pipe);
}

static void list_tests(void)
{
	DIR *dir = opendir("/tests");
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		/* Injected faults would hit the others as well; parameters are for a module anew. */
		if (!strncmp(entry->d_name, "test_", 5) &&
		    strncmp(entry->d_name, "test_faults", 11) &&
		    strcmp(entry->d_name, "test_parameters"))
			list_program(entry->d_name);
	if (dir)
		closedir(dir);
}

/* --- A worker -------------------------------------------------------------------- */

/* The processes of this worker's session but itself, in @found; how many. */
static int descendants(pid_t found[], int room)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	int count = 0;

	while (proc && count < room && (entry = readdir(proc))) {
		pid_t pid = atoi(entry->d_name);

		if (pid > 1 && pid != getpid() && getsid(pid) == getpid())
			found[count++] = pid;
	}
	if (proc)
		closedir(proc);
	return count;
}

static void reap(void)
{
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

static void print_file(pid_t pid, const char *name, int lines)
{
	char path[64], line[256];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	file = fopen(path, "re");
	while (file && lines-- && fgets(line, sizeof(line), file))
		tell("# %d %s: %s%s", pid, name, line, strchr(line, '\n') ? "" : "\n");
	if (file)
		fclose(file);
}

static bool clear_away(const struct test *test)
{
	long deadline = now_ms() + DEATH_MS * slowness;
	pid_t found[256];

	for (;;) {
		int count;

		reap();
		count = descendants(found, 256);
		if (!count)
			return true;
		if (now_ms() > deadline) {
			tell("# left of %s %s:\n", test->program, test->name);
			for (int i = 0; i < count; i++) {
				print_file(found[i], "stat", 1);
				print_file(found[i], "stack", 12);
			}
			return false;
		}
		for (int i = 0; i < count; i++)
			kill(found[i], SIGKILL);
		sleep_ms(20);
	}
}

static void run_one(void)
{
	const struct test *test = &tests[below(test_count)];
	long killing = below(4) ? -1 : now_ms() + below(400 * (unsigned int)slowness);
	long deadline = now_ms() + CASE_MS * slowness;
	char path[80];
	pid_t pid;

	snprintf(path, sizeof(path), "/tests/%s", test->program);
	pid = fork();
	if (pid < 0)
		return;
	if (pid == 0) {
		int null = open("/dev/null", O_RDWR);

		setpgid(0, 0);
		for (int fd = 0; fd < 3; fd++)
			dup2(null, fd);
		execl(path, path, test->name, NULL);
		_exit(127);
	}
	atomic_fetch_add(&totals->cases, 1);
	while (waitpid(pid, NULL, WNOHANG) == 0) {
		if (killing >= 0 && now_ms() > killing) {
			pid_t found[64];
			int count = descendants(found, 64);

			if (count) {
				kill(found[below((unsigned int)count)], SIGKILL);
				atomic_fetch_add(&totals->kills, 1);
			}
			killing = below(2) ? -1 : now_ms() + below(100);
		}
		if (now_ms() > deadline || atomic_load(&totals->stop))
			break;
		sleep_ms(20);
	}
	if (!clear_away(test))
		atomic_fetch_add(&totals->stuck, 1);
}

static void work(uint64_t seed)
{
	chance = seed * 0x9e3779b97f4a7c15u | 1;
	setsid();
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* The mounts and files that cases leave when they are killed go with this worker. */
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("none", "/tmp", "tmpfs", 0, "mode=1777") || chdir("/tmp"))
		_exit(1);
	while (!atomic_load(&totals->stop))
		run_one();
	_exit(0);
}

/* --- What is asked -------------------------------------------------------------------- */

static bool objects_gone(char *left, size_t size)
{
	long deadline = now_ms() + 10000 * slowness;
	char line[128], kind[64];

	for (;;) {
		FILE *file = fopen("/sys/kernel/debug/mach/objects", "re");
		size_t used = 0;

		left[0] = '\0';
		while (file && fgets(line, sizeof(line), file)) {
			long count;

			if (sscanf(line, "%63s %ld", kind, &count) == 2 && count &&
			    used < size)
				used += (size_t)snprintf(left + used, size - used, " %s=%ld",
							 kind, count);
		}
		if (file)
			fclose(file);
		if (file && !left[0])
			return true;
		if (now_ms() > deadline)
			return false;
		sleep_ms(50);
	}
}

static int unload(void)
{
	int error = 0;

	for (int i = 0; i < 100; i++) {
		error = syscall(SYS_delete_module, "mach", O_NONBLOCK) ? errno : 0;
		if (error != EBUSY && error != EAGAIN)
			break;
		sleep_ms(50);
	}
	return error;
}

static int load(void)
{
	int fd = open("/mach.ko", O_RDONLY | O_CLOEXEC);
	int error = syscall(SYS_finit_module, fd, "", 0) ? errno : 0;

	close(fd);
	return error;
}

/* From unloaded to loaded, several times. */
static int reload(void)
{
	int error = load();

	for (int i = 1; !error && i < RELOADS; i++) {
		error = unload();
		if (!error)
			error = load();
	}
	return error;
}

/* Seconds after which a detector of the kernel speaks, or 0. */
static int detector(const char *name)
{
	char path[64];
	int value = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/sys/kernel/%s", name);
	file = fopen(path, "re");
	if (file) {
		if (fscanf(file, "%d", &value) != 1)
			value = 0;
		fclose(file);
	}
	return value;
}

/* Threads in the system now. */
static long threads(void)
{
	FILE *file = fopen("/proc/loadavg", "re");
	long count = 0;

	if (file) {
		if (fscanf(file, "%*s %*s %*s %*d/%ld", &count) != 1)
			count = 0;
		fclose(file);
	}
	return count;
}

static bool log_is_clean(char *report, size_t size)
{
	char record[8192];
	ssize_t n;

	while ((n = read(kmsg, record, sizeof(record) - 1)) > 0 || errno == EPIPE) {
		char *text;

		if (n <= 0)
			continue;
		record[n] = '\0';
		text = strchr(record, ';');
		if (!text)
			continue;
		text++;
		text[strcspn(text, "\n")] = '\0';
		if (is_report(text)) {
			snprintf(report, size, "%s", text);
			return false;
		}
	}
	return true;
}

/* --- Memory ----------------------------------------------------------------------------- */

/* What each use of memory had in the first and in the last third of the run. */
static struct {
	struct kernel_memory now, warm, first_most, last_least;
	int last_rounds;
} memory;

/* Notes the memory after a round that ended at @now. Returns what is wrong, or NULL. */
static const char *watch_memory(int round, long now, long begin, long end)
{
	kernel_memory_read(&memory.now);
	if (round <= WARM_ROUNDS) {
		memory.warm = memory.now;
	} else if (round == WARM_ROUNDS + 1 || now - begin < (end - begin) / 3) {
		kernel_memory_raise(&memory.first_most, &memory.now);
	} else if (end - now < (end - begin) / 3) {
		if (!memory.last_rounds++)
			memory.last_least = memory.now;
		kernel_memory_lower(&memory.last_least, &memory.now);
	}
	if (memory.now.bytes > memory.warm.bytes + FAST_GROWTH * slowness) {
		kernel_memory_tell_growth(&memory.warm, &memory.now, LINES_TOLD, USE_GROWTH);
		return "memory grows fast";
	}
	return NULL;
}

/* Whether memory has not grown in the whole run; a short one cannot tell. */
static bool memory_is_steady(void)
{
	long all = memory.last_least.bytes - memory.first_most.bytes, one;

	if (memory.last_rounds < LAST_ROUNDS)
		return true;
	tell("# in use at the least in the last third, more than at the most in the first:\n");
	tell("#   %8ld bytes in all, of which grew:\n", all);
	one = kernel_memory_tell_growth(&memory.first_most, &memory.last_least, LINES_TOLD,
					USE_GROWTH * slowness);
	return one <= USE_GROWTH * slowness && all <= ALL_GROWTH * slowness;
}

/* --- Rounds --------------------------------------------------------------------------- */

/* Returns how many threads there were at the most. */
static long run_round(uint64_t seed, int count, long until_ms)
{
	pid_t workers[WORKERS];
	long most = 0, before = threads();

	atomic_store(&totals->stop, false);
	for (int i = 0; i < count; i++) {
		workers[i] = fork();
		if (workers[i] == 0)
			work(seed + (uint64_t)i);
	}
	while (now_ms() < until_ms) {
		long now = threads() - before;

		if (now > most)
			most = now;
		sleep_ms(100);
	}
	atomic_store(&totals->stop, true);
	for (int i = 0; i < count; i++)
		waitpid(workers[i], NULL, 0);
	/* Those whose worker was killed are our children now. */
	reap();
	return most;
}

static bool start(void)
{
	setenv("MACH_SOAK", "1", 1);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	totals = mmap(NULL, sizeof(*totals), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	lseek(kmsg, 0, SEEK_END);
	list_tests();
	return totals != MAP_FAILED && kmsg >= 0 && test_count &&
	       detector("hung_task_timeout_secs") && detector("soft_watchdog");
}

int main(void)
{
	const char *minutes = getenv("MACH_MINUTES"), *seeds = getenv("MACH_SEED");
	int workers = minutes ? WORKERS : SHORT_WORKERS;
	long begin = now_ms();
	long end = begin + (minutes ? 60000 * atol(minutes) : 1000 * SHORT_S);
	uint64_t seed = seeds ? strtoull(seeds, NULL, 0) : (uint64_t)time(NULL);
	char text[512] = "";
	int round = 0;

	if (getenv("MACH_SLOWNESS"))
		slowness = atol(getenv("MACH_SLOWNESS"));
	if (!start()) {
		tell("not ok 1 - start\n");
		return 1;
	}
	tell("# %u cases, %d workers, seed %llu; hung tasks tell after %d s, lockups after %d s\n",
	     test_count, workers, (unsigned long long)seed,
	     detector("hung_task_timeout_secs"), 2 * detector("watchdog_thresh"));
	do {
		const char *why = NULL, *grown;
		long stop = now_ms() + ROUND_S * 1000, most;
		int error;

		most = run_round(seed + 1000u * (uint64_t)round++, workers,
				 stop < end ? stop : end);
		if (!objects_gone(text, sizeof(text)))
			why = "objects are left:";
		else if ((error = unload()))
			snprintf(text, sizeof(text), "%s", strerror(error)), why = "unload:";
		grown = watch_memory(round, now_ms(), begin, end);
		if (!why && grown)
			why = grown, text[0] = '\0';
		if (!why && (error = reload()))
			snprintf(text, sizeof(text), "%s", strerror(error)), why = "load:";
		if (!why && atomic_load(&totals->stuck))
			why = "a process does not die", text[0] = '\0';
		if (!why && !log_is_clean(text, sizeof(text)))
			why = "log:";
		tell("# round %d: %lu cases, %lu kills so far; %ld threads at most; then %ld KiB in use\n",
		     round, atomic_load(&totals->cases), atomic_load(&totals->kills), most,
		     memory.now.bytes / 1024);
		if (why) {
			tell("not ok 1 - soak # round %d: %s %s\n", round, why, text);
			return 1;
		}
	} while (now_ms() < end);
	if (!memory_is_steady()) {
		tell("not ok 1 - soak # memory grows\n");
		return 1;
	}
	tell("ok 1 - soak\n1..1\n");
	return 0;
}
