// SPDX-License-Identifier: GPL-2.0
/*
 * Damaged files of all kinds, executed one after the other: each is refused, or
 * becomes a program, whatever that does then. MACH_TEST_ROUNDS says how many;
 * `make test-long` takes ten thousand. The seed is printed; MACH_TEST_SEED
 * repeats a run.
 *
 * time limit: 1500 s
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "debugfs.h"
#include "harness.h"
#include "mach.h"
#include "process.h"
#include "program.h"

#define BAD	"/tmp/damaged"

static const char *const sources[] = {
	"/macho/probe", "/macho/probe_fixed", "/macho/dynamic", "/macho/probe32",
	"/macho/probe32_fixed", "/macho/dynamic32", "universal", "/macho/dyld",
};

static struct image images[ARRAY_SIZE(sources)];

/* How far the children have got */
static struct progress {
	unsigned int round, refused, other_errors;
	int last_error;
} *progress;

static unsigned int number_from(const char *name, unsigned int otherwise)
{
	const char *text = getenv(name);

	return text ? (unsigned int)strtoul(text, NULL, 0) : otherwise;
}

static void put_be(uint8_t *at, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		at[i] = (uint8_t)(value >> 8 * (3 - i));
}

/* A universal file of two programs */
static void make_universal(struct image *image)
{
	static const uint32_t cputypes[] = { 7, 0x01000007 };
	const struct image *slices[] = { &images[3], &images[0] };
	size_t end = 4096;

	image->size = 4096 + ((images[0].size + 4095) & ~4095ul) +
		      ((images[3].size + 4095) & ~4095ul);
	image->bytes = calloc(1, image->size);
	REQUIRE(image->bytes != NULL);
	put_be(image->bytes, 0xcafebabe);
	put_be(image->bytes + 4, 2);
	for (int i = 0; i < 2; i++) {
		uint8_t *arch = image->bytes + 8 + 20 * i;

		put_be(arch, cputypes[i]);
		put_be(arch + 4, 3);
		put_be(arch + 8, (uint32_t)end);
		put_be(arch + 12, (uint32_t)slices[i]->size);
		put_be(arch + 16, 12);
		memcpy(image->bytes + end, slices[i]->bytes, slices[i]->size);
		end += (slices[i]->size + 4095) & ~4095ul;
	}
}

static uint32_t interesting(unsigned int *seed)
{
	static const uint32_t values[] = {
		0, 1, 4, 8, 0xfff, 0x1000, 0x2000, 0x7fffffff, 0x80000000, 0xfffff000,
		0xffffffff, 0xffff0000, 0xf7ff0000, 0x7fff, 0x20000, 0x100000,
	};

	return values[(unsigned int)rand_r(seed) % ARRAY_SIZE(values)] +
	       (uint32_t)(rand_r(seed) % 3);
}

/* Damages what the loader looks at: the first bytes, and those of a slice. */
static void write_damaged(unsigned int seed)
{
	const struct image *source;
	struct image image;
	size_t start = 0, end = 1200;

	source = &images[(unsigned int)rand_r(&seed) % ARRAY_SIZE(images)];
	image = (struct image){ .size = source->size, .bytes = malloc(source->size) };
	REQUIRE(image.bytes != NULL);
	memcpy(image.bytes, source->bytes, source->size);
	if (source == &images[6]) {
		if (rand_r(&seed) & 1)
			end = 48;
		else
			start = 4096;
	}
	for (int i = rand_r(&seed) % 4; i >= 0; i--) {
		size_t at = start + (unsigned int)rand_r(&seed) % (end - 8);
		uint32_t value = interesting(&seed);

		switch (rand_r(&seed) % 4) {
		case 0:
			image.bytes[at] ^= 1 << rand_r(&seed) % 8;
			break;
		case 1:
			memcpy(image.bytes + (at & ~3ul), &value, 4);
			break;
		case 2:
			memmove(image.bytes + (at & ~3ul),
				image.bytes + start + (unsigned int)rand_r(&seed) % (end - 64), 8);
			break;
		default:
			image.bytes[at] = (uint8_t)rand_r(&seed);
		}
	}
	if (rand_r(&seed) % 16 == 0)
		image.size = (unsigned int)rand_r(&seed) % image.size;
	image_write(&image, BAD);
	image_free(&image);
}

/* Executes files until one becomes a program, or there are no more. */
static void execute(unsigned int seed, unsigned int rounds)
{
	static char *argv[] = { "damaged", "exit", "0", NULL };
	static char *envp[] = { NULL };
	struct rlimit no_core = { 0, 0 };

	/* What these programs print is not for the results. */
	dup2(open("/dev/null", O_RDWR | O_CLOEXEC), 1);
	setrlimit(RLIMIT_CORE, &no_core);
	alarm(20);
	while (progress->round < rounds) {
		write_damaged(seed + progress->round++);
		execve(BAD, argv, envp);
		progress->refused++;
		if (errno != ENOEXEC && errno != ENOENT && errno != EACCES && errno != ENOMEM) {
			progress->other_errors++;
			progress->last_error = errno;
		}
	}
	_exit(0);
}

static void write_to(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd >= 0 && write(fd, text, strlen(text)) >= 0)
		close(fd);
}

TEST_LIMIT(damaged_files_are_refused_or_run, 1400)
{
	unsigned int rounds = number_from("MACH_TEST_ROUNDS", 400);
	unsigned int seed = number_from("MACH_TEST_SEED", (unsigned int)now_ns());
	char why[400];

	note("seed %u", seed);
	progress = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	REQUIRE(progress != MAP_FAILED);
	for (size_t i = 0; i < ARRAY_SIZE(sources); i++)
		if (i != 6)
			image_read(&images[i], sources[i], 0);
	make_universal(&images[6]);
	/* Programs that crash are no news here. */
	write_to("/proc/sys/debug/exception-trace", "0");
	while (progress->round < rounds) {
		pid_t pid = fork();

		REQUIRE(pid >= 0);
		if (!pid)
			execute(seed, rounds);
		REQUIRE_EQ(waitpid(pid, NULL, 0), pid);
	}
	write_to("/proc/sys/debug/exception-trace", "1");
	note("%u of %u files were refused", progress->refused, rounds);
	CHECK(progress->refused > rounds / 10 && progress->refused < rounds);
	if (progress->other_errors)
		FAIL("%u times another error, as %d", progress->other_errors,
		     progress->last_error);
	if (!wait_until_no_objects(5000, why, sizeof(why)))
		FAIL("left: %s", why);
}
