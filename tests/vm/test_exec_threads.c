// SPDX-License-Identifier: GPL-2.0
/*
 * Threads that make traps while another thread of their process executes a
 * program: as long as they live they are threads of the old task.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "family.h"
#include "harness.h"
#include "mach.h"
#include "message.h"
#include "process.h"
#include "program.h"

#define THREADS		3
#define PROBE		"/macho/probe"
#define NO_LINKER	"/tmp/no_linker"
#define NO_SEGMENT	"/tmp/no_segment"
#define NO_FILE		"/tmp/no_file"

static char *const no_env[] = { NULL };

static struct family family;

/* Shared with the parent, as the process that has it becomes another program. */
static struct counts {
	atomic_ulong traps;
	atomic_uint odd;	/* answers that are not the task's */
	atomic_bool stop;
} *counts;

static void *make_traps(void *argument)
{
	name_t port = family.port[(long)argument], own = thread_self();
	uint32_t type;

	while (!atomic_load(&counts->stop)) {
		type = 0;
		if (task_self() != family.task || thread_self() != own ||
		    port_type(port, &type) || !(type & 0x20000) ||
		    send_id(port, MAKE_SEND, 1) || receive_id(port) != 1)
			atomic_fetch_add(&counts->odd, 1);
		atomic_fetch_add(&counts->traps, 1);
	}
	return NULL;
}

static void wait_for_traps(unsigned long more)
{
	unsigned long until = atomic_load(&counts->traps) + more;

	while (atomic_load(&counts->traps) < until)
		sleep_ms(1);
}

/* A program whose dynamic linker is not there, and one with a damaged command */
static void make_files(void)
{
	struct image image;

	image_read(&image, "/macho/dynamic", 0);
	for (size_t i = 0; i + 20 < image.size; i++)
		if (!memcmp(image.bytes + i, "/macho/../macho/dyld", 20))
			memcpy(image.bytes + i, "/macho/../macho/none", 20);
	image_write(&image, NO_LINKER);
	image_free(&image);
	image_read(&image, PROBE, 0);
	image_segment(&image, "__TEXT")->fileoff = image.size + 4096;
	image_write(&image, NO_SEGMENT);
	image_free(&image);
}

TEST(failing_exec_is_not_noticed)
{
	static const struct {
		const char *path;
		int error;
	} failing[] = {
		{ NO_LINKER, ENOENT }, { NO_SEGMENT, ENOEXEC }, { NO_FILE, ENOENT },
		{ "/tmp", EACCES },
	};
	struct worker workers[THREADS];

	counts = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	REQUIRE(counts != MAP_FAILED);
	make_files();
	family_init(&family);
	for (long i = 0; i < THREADS; i++)
		worker_start(&workers[i], make_traps, (void *)i);
	for (int i = 0; i < 60; i++) {
		CHECK_EQ(exec_error(failing[i % 4].path), failing[i % 4].error);
		wait_for_traps(5);
	}
	atomic_store(&counts->stop, true);
	for (int i = 0; i < THREADS; i++)
		worker_join(&workers[i]);
	CHECK_EQ(atomic_load(&counts->odd), 0);
	check_parent(&family);
}

static void exec_with_threads(void *argument)
{
	char *argv[] = { "probe", "exit", "5", NULL };
	struct worker workers[THREADS];

	family_init(&family);
	for (long i = 0; i < THREADS; i++)
		worker_start(&workers[i], make_traps, (void *)i);
	wait_for_traps(20);
	usleep((useconds_t)(long)argument * 137);
	execve(PROBE, argv, no_env);
	_exit(99);
}

TEST(threads_are_of_the_old_task_to_their_end)
{
	counts = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	REQUIRE(counts != MAP_FAILED);
	for (long i = 0; i < 40; i++)
		CHECK_HEX(wait_child(start_child(exec_with_threads, (void *)i)), 5 << 8);
	CHECK_EQ(atomic_load(&counts->odd), 0);
	CHECK(atomic_load(&counts->traps) > 800);
}
