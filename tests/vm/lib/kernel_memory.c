// SPDX-License-Identifier: GPL-2.0
/*
 * Reads /proc/slabinfo, vmallocinfo, meminfo and zoneinfo. Counted are objects that
 * live, not slabs: how full slabs are depends on the order of things, and would hide
 * a leak of less than megabytes.
 */
#define _GNU_SOURCE
#include "kernel_memory.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PAGE_BYTES	4096L
/* Lines of alloc_traces that are shown for one cache. */
#define TRACE_LINES	24

/* --- What the kernel can take back ---------------------------------------------------- */

static void write_to(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	if (write(fd, text, strlen(text)) < 0)
		printf("# %s cannot be written\n", path);
	close(fd);
}

/* Empty slabs, and the objects that CPUs keep at hand. */
static void shrink_slabs(void)
{
	DIR *slabs = opendir("/sys/kernel/slab");
	struct dirent *entry;
	char path[320];

	while (slabs && (entry = readdir(slabs)))
		if (entry->d_name[0] != '.') {
			snprintf(path, sizeof(path), "/sys/kernel/slab/%s/shrink", entry->d_name);
			write_to(path, "1");
		}
	if (slabs)
		closedir(slabs);
}

static void take_back(void)
{
	struct timespec pause = { .tv_nsec = 400000000 };

	/* From now on without a line in the log */
	write_to("/proc/sys/vm/drop_caches", "4");
	/* What is freed after a grace period may have held something else. */
	for (int i = 0; i < 3; i++) {
		write_to("/proc/sys/vm/drop_caches", "3");
		nanosleep(&pause, NULL);
	}
	shrink_slabs();
}

/* --- What is in use --------------------------------------------------------------------- */

static void add(struct kernel_memory *memory, const char *name, long bytes, long unit)
{
	size_t i = 0;

	memory->bytes += bytes;
	while (i < memory->count && strcmp(memory->use[i].name, name))
		i++;
	if (i == KERNEL_USES_MAX)
		return;
	if (i == memory->count) {
		memory->count++;
		snprintf(memory->use[i].name, sizeof(memory->use[i].name), "%s", name);
		memory->use[i].bytes = 0;
		memory->use[i].unit = unit;
	}
	memory->use[i].bytes += bytes;
}

static void read_slabs(struct kernel_memory *memory)
{
	FILE *file = fopen("/proc/slabinfo", "re");
	char line[512], name[40];
	long live, all, size;

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "%39s %ld %ld %ld", name, &live, &all, &size) == 4)
			add(memory, name, live * size, size);
	if (file)
		fclose(file);
}

/* Returns the bytes of the pages behind all areas. */
static long read_vmalloc(struct kernel_memory *memory)
{
	FILE *file = fopen("/proc/vmallocinfo", "re");
	char line[512], caller[40], name[48];
	long all = 0;

	while (file && fgets(line, sizeof(line), file)) {
		const char *pages = strstr(line, " pages=");

		/* 0xffff…-0xffff… 8192 caller+0x1b/0x60 pages=1 vmalloc */
		if (!pages || sscanf(line, "%*s %*d %39[^+ ]", caller) != 1)
			continue;
		snprintf(name, sizeof(name), "vmalloc %s", caller);
		add(memory, name, atol(pages + 7) * PAGE_BYTES, 0);
		all += atol(pages + 7) * PAGE_BYTES;
	}
	if (file)
		fclose(file);
	return all;
}

/* Free pages that CPUs keep at hand. */
static long pages_at_hand(void)
{
	FILE *file = fopen("/proc/zoneinfo", "re");
	char line[128];
	long pages = 0, count;

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, " count: %ld", &count) == 1)
			pages += count;
	if (file)
		fclose(file);
	return pages * PAGE_BYTES;
}

/*
 * Loading a module changes the access to its pages, for which the kernel maps the 2 MiB
 * around them in pages of 4 KiB, with one more page table, and does not always go back.
 * That is done at most once for each 2 MiB of memory: no leak, and not counted.
 */
static long page_tables_of_split(long split)
{
	return split / (2 << 20) * PAGE_BYTES;
}

static void read_pages(struct kernel_memory *memory, long vmalloc)
{
	static const struct {
		const char *key, *name;	/* without a name: counted elsewhere */
		bool plus;		/* a part of what is not free otherwise */
	} kinds[] = {
		{ "MemTotal:", NULL, true },
		{ "MemFree:", NULL, false },
		{ "Slab:", NULL, false },
		{ "Buffers:", "pages of buffers", false },
		{ "Cached:", "pages of files", false },
		{ "AnonPages:", "pages of processes", false },
		{ "PageTables:", "page tables", false },
		{ "KernelStack:", "kernel stacks", false },
		{ "Percpu:", "percpu", false },
	};
	FILE *file = fopen("/proc/meminfo", "re");
	long rest = -vmalloc - pages_at_hand(), value;
	char line[128], key[32];

	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%31s %ld", key, &value) != 2)
			continue;
		if (!strcmp(key, "DirectMap4k:"))
			add(memory, "page tables", -page_tables_of_split(value * 1024), 0);
		for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
			if (strcmp(key, kinds[i].key))
				continue;
			rest += kinds[i].plus ? value * 1024 : -value * 1024;
			if (kinds[i].name)
				add(memory, kinds[i].name, value * 1024, 0);
		}
	}
	if (file)
		fclose(file);
	add(memory, "other pages", rest, 0);
}

void kernel_memory_read(struct kernel_memory *memory)
{
	take_back();
	memset(memory, 0, sizeof(*memory));
	read_slabs(memory);
	read_pages(memory, read_vmalloc(memory));
}

/* --- What has grown ---------------------------------------------------------------------- */

static struct kernel_use *find(struct kernel_memory *memory, const char *name)
{
	for (size_t i = 0; i < memory->count; i++)
		if (!strcmp(memory->use[i].name, name))
			return &memory->use[i];
	return NULL;
}

static long bytes_of(const struct kernel_memory *memory, const char *name)
{
	const struct kernel_use *use = find((struct kernel_memory *)memory, name);

	return use ? use->bytes : 0;
}

void kernel_memory_raise(struct kernel_memory *bound, const struct kernel_memory *memory)
{
	long all = bound->bytes > memory->bytes ? bound->bytes : memory->bytes;

	for (size_t i = 0; i < memory->count; i++) {
		const struct kernel_use *use = &memory->use[i];
		long more = use->bytes - bytes_of(bound, use->name);

		if (more > 0)
			add(bound, use->name, more, use->unit);
	}
	bound->bytes = all;
}

void kernel_memory_lower(struct kernel_memory *bound, const struct kernel_memory *memory)
{
	for (size_t i = 0; i < bound->count; i++) {
		long bytes = bytes_of(memory, bound->use[i].name);

		if (bytes < bound->use[i].bytes)
			bound->use[i].bytes = bytes;
	}
	if (memory->bytes < bound->bytes)
		bound->bytes = memory->bytes;
}

/* Who allocated what lives in a cache, as the kernel sorts it: most first. */
static void tell_traces(const char *cache)
{
	char path[128], line[512];
	FILE *file;

	snprintf(path, sizeof(path), "/sys/kernel/debug/slab/%s/alloc_traces", cache);
	file = fopen(path, "re");
	for (int i = 0; file && i < TRACE_LINES && fgets(line, sizeof(line), file); i++)
		printf("#      %s", line);
	if (file)
		fclose(file);
}

long kernel_memory_tell_growth(const struct kernel_memory *before,
			       const struct kernel_memory *after, int lines, long much)
{
	bool told[KERNEL_USES_MAX] = { false };
	long first = 0;

	for (int line = 0; line < lines; line++) {
		const struct kernel_use *most = NULL;
		long growth = 0;

		for (size_t i = 0; i < after->count; i++) {
			long more = after->use[i].bytes - bytes_of(before, after->use[i].name);

			if (!told[i] && more > growth)
				growth = more, most = &after->use[i];
		}
		if (!most)
			break;
		told[most - after->use] = true;
		if (line == 0)
			first = growth;
		printf("#   %8ld bytes, to %9ld: %s", growth, most->bytes, most->name);
		if (most->unit)
			printf(" (%ld objects of %ld)", growth / most->unit, most->unit);
		printf("\n");
		if (most->unit && growth > much)
			tell_traces(most->name);
	}
	fflush(stdout);
	return first;
}
