// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include "watch.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "reports.h"

#define OBJECTS		"/sys/kernel/debug/mach/objects"
/* How long objects may live on after their processes. */
#define SETTLE_MS	4000

static int kmsg = -1;
static long slowness = 1;

bool watch_init(long slow)
{
	slowness = slow;
	kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	return kmsg >= 0 && lseek(kmsg, 0, SEEK_END) >= 0;
}

bool watch_log(char *text, size_t size)
{
	char record[8192];
	bool found = false;
	ssize_t n;

	while ((n = read(kmsg, record, sizeof(record) - 1)) > 0 || errno == EPIPE) {
		char *line;

		if (n <= 0)
			continue;
		record[n] = '\0';
		line = strchr(record, ';');
		/* What programs write by kernel_printk is at debug level. */
		if (!line || (atoi(record) & 7) == 7)
			continue;
		line++;
		line[strcspn(line, "\n")] = '\0';
		if (!found && is_report(line)) {
			snprintf(text, size, "%s", line);
			found = true;
		}
	}
	return found;
}

static bool some_left(char *text, size_t size)
{
	FILE *file = fopen(OBJECTS, "re");
	char line[128], kind[64];
	size_t used = 0;
	long count;

	text[0] = '\0';
	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "%63s %ld", kind, &count) == 2 && count && used + 100 < size)
			used += (size_t)snprintf(text + used, size - used, "%s%s=%ld",
						 used ? " " : "left: ", kind, count);
	if (file)
		fclose(file);
	return used > 0;
}

bool watch_objects(char *text, size_t size)
{
	const struct timespec pause = { 0, 10000000 };

	for (long i = 0; some_left(text, size); i++) {
		if (i * 10 > SETTLE_MS * slowness)
			return true;
		nanosleep(&pause, NULL);
	}
	return false;
}

static void print_file(const char *path)
{
	FILE *file = fopen(path, "re");
	char line[256];

	while (file && fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		printf("# %s: %s\n", path, line);
	}
	if (file)
		fclose(file);
}

void watch_stacks(void)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;

	while (proc && (entry = readdir(proc))) {
		char path[300], command[16] = "";
		DIR *threads;
		FILE *file;

		if (!isdigit((unsigned char)entry->d_name[0]) || atoi(entry->d_name) == getpid())
			continue;
		/* Kernel threads have no command line. */
		snprintf(path, sizeof(path), "/proc/%.20s/cmdline", entry->d_name);
		file = fopen(path, "re");
		if (!file || !fgets(command, sizeof(command), file))
			command[0] = '\0';
		if (file)
			fclose(file);
		snprintf(path, sizeof(path), "/proc/%.20s/task", entry->d_name);
		threads = command[0] ? opendir(path) : NULL;
		while (threads && (entry = readdir(threads))) {
			char stack[600];

			snprintf(stack, sizeof(stack), "%.250s/%.20s/stack", path, entry->d_name);
			print_file(stack);
		}
		if (threads)
			closedir(threads);
	}
	if (proc)
		closedir(proc);
}
