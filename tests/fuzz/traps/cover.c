// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include "cover.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define KCOV_INIT_TRACE	_IOR('c', 1, unsigned long)
#define KCOV_ENABLE	_IO('c', 100)
#define KCOV_TRACE_PC	0

#define THREADS_MAX	16u
#define ENTRIES		65536u
/* Descriptors that sequences do not come upon */
#define FIRST_FD	200
/* Bytes of the module's code */
#define CODE_MAX	(16u << 20)
#define STEPS_SIZE	(1u << 22)

static unsigned int threads;
static volatile uint64_t *areas[THREADS_MAX];
static uint64_t code;
static uint8_t *known_points, *known_steps;
static uint32_t points, steps;

/* Not for the processes of sequences, which would copy their page tables. */
static void *own_memory(size_t size, int fd)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
			    fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED, fd, 0);

	if (memory == MAP_FAILED)
		return NULL;
	madvise(memory, size, MADV_DONTFORK);
	return memory;
}

bool cover_init(unsigned int count)
{
	char text[32] = "";
	int fd = open("/sys/module/mach/sections/.text", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
		return false;
	close(fd);
	code = strtoull(text, NULL, 16);
	threads = count < THREADS_MAX ? count : THREADS_MAX;
	for (unsigned int i = 0; i < threads; i++) {
		fd = open("/sys/kernel/debug/kcov", O_RDWR | O_CLOEXEC);
		if (fd < 0 || ioctl(fd, KCOV_INIT_TRACE, ENTRIES))
			return false;
		areas[i] = own_memory(ENTRIES * 8, fd);
		if (!areas[i] || dup2(fd, FIRST_FD + (int)i) < 0)
			return false;
		close(fd);
	}
	known_points = own_memory(CODE_MAX, -1);
	known_steps = own_memory(STEPS_SIZE, -1);
	return known_points && known_steps;
}

void cover_begin(unsigned int thread)
{
	if (thread < threads)
		ioctl(FIRST_FD + (int)thread, KCOV_ENABLE, KCOV_TRACE_PC);
}

void cover_clear(void)
{
	for (unsigned int i = 0; i < threads; i++)
		areas[i][0] = 0;
}

static uint32_t hash(uint32_t from, uint32_t to)
{
	return (from * 0x9e3779b1u ^ to * 0x85ebca6bu) % STEPS_SIZE;
}

static void print_point(uint32_t offset, uint32_t nth)
{
	printf("%s%x", nth % 64 ? " " : nth ? "\npoints " : "points ", offset);
}

/* @mark: 1 makes known; 2 only keeps from counting twice, and is taken back. */
static struct cover_news walk(uint8_t mark)
{
	struct cover_news news = { 0 };

	for (unsigned int i = 0; i < threads; i++) {
		uint64_t count = areas[i][0];
		uint32_t last = 0;

		for (uint64_t j = 1; j <= count && j < ENTRIES; j++) {
			uint64_t offset = areas[i][j] - code;
			uint32_t step;

			if (offset >= CODE_MAX)
				continue;
			step = hash(last, (uint32_t)offset);
			last = (uint32_t)offset;
			if (!mark) {
				known_points[offset] &= 1;
				known_steps[step] &= 1;
				continue;
			}
			if (!known_points[offset]) {
				known_points[offset] = mark;
				if (mark == 1)
					print_point((uint32_t)offset, news.points);
				news.points++;
			}
			if (!known_steps[step]) {
				known_steps[step] = mark;
				news.steps++;
			}
		}
	}
	return news;
}

struct cover_news cover_look(void)
{
	struct cover_news news = walk(2);

	walk(0);
	return news;
}

struct cover_news cover_add(void)
{
	struct cover_news news = walk(1);

	if (news.points)
		printf("\n");
	points += news.points;
	steps += news.steps;
	return news;
}

uint32_t cover_points(void)
{
	return points;
}

uint32_t cover_steps(void)
{
	return steps;
}
