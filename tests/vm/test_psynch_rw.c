// SPDX-License-Identifier: GPL-2.0
/*
 * The psynch traps on read-write locks: who is chosen, and when. And objects in
 * memory that processes share.
 * time limit: 200 s
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "debugfs.h"
#include "harness.h"
#include "psynch.h"

#define LOCK		((void *)0x12345678)
#define GRANT(seq)	((seq) | PS_E | PS_K)

static struct ps_call reader_at(uint32_t l)
{
	return (struct ps_call){ .op = PS_RDLOCK, .object = LOCK, .l = l, .s = 0x100 };
}

static struct ps_call writer_at(uint32_t l)
{
	return (struct ps_call){ .op = PS_WRLOCK, .object = LOCK, .l = l, .s = 0x100 };
}

TEST(unlock_chooses_one_writer)
{
	struct ps_call first = writer_at(0x200), second = writer_at(0x300);

	mach_open();
	ps_call_block(&second);
	ps_call_block(&first);
	/* Another writer waits, which the word says. */
	CHECK_HEX(ps_rwunlock(LOCK, 0x300, 0x100, 0x100, 0), PS_INC | PS_K | PS_E | PS_W);
	CHECK_HEX(ps_call_end(&first), PS_INC | PS_K | PS_E | PS_W);
	CHECK(ps_call_is_blocked(&second));
	CHECK_HEX(ps_rwunlock(LOCK, 0x300, 0x200, 0x200, 0), PS_INC | PS_K | PS_E);
	CHECK_HEX(ps_call_end(&second), PS_INC | PS_K | PS_E);
}

TEST(unlock_chooses_all_readers_before_a_writer)
{
	struct ps_call calls[] = {
		reader_at(0x200), reader_at(0x300), writer_at(0x400), reader_at(0x500),
	};

	mach_open();
	for (size_t i = ARRAY_SIZE(calls); i--;)
		ps_call_block(&calls[i]);
	CHECK_HEX(ps_rwunlock(LOCK, 0x500, 0x100, 0x100, 0), 2 * PS_INC | PS_W | PS_K);
	CHECK_HEX(ps_call_end(&calls[0]), 2 * PS_INC | PS_W | PS_K);
	CHECK_HEX(ps_call_end(&calls[1]), 2 * PS_INC | PS_W | PS_K);
	CHECK(ps_call_is_blocked(&calls[2]));
	CHECK_HEX(ps_rwunlock(LOCK, 0x500, 0x300, 0x300, 0), PS_INC | PS_K | PS_E);
	CHECK_HEX(ps_call_end(&calls[2]), PS_INC | PS_K | PS_E);
	CHECK(ps_call_is_blocked(&calls[3]));
	CHECK_HEX(ps_rwunlock(LOCK, 0x500, 0x400, 0x400, 0), PS_INC);
	CHECK_HEX(ps_call_end(&calls[3]), PS_INC);
}

TEST(readers_may_join_readers)
{
	struct ps_call reader = reader_at(0x200);

	mach_open();
	ps_call_block(&reader);
	CHECK_HEX(ps_rwunlock(LOCK, 0x200, 0x100, 0x100, 0), PS_INC);
	CHECK_HEX(ps_call_end(&reader), PS_INC);
	CHECK_HEX(ps_rdlock(LOCK, 0x300, 0x100, 0x100, 0), PS_INC | PS_M);
	CHECK_HEX(ps_rdlock(LOCK, 0x400, 0x100, 0x300, 0), PS_INC | PS_M);
	/* Not when a writer waits */
	struct ps_call behind = reader_at(0x600 | PS_W);

	behind.s = 0x400;
	ps_call_block(&behind);
	/* Nor when that is put aside in S */
	struct ps_call saved = reader_at(0x700);

	saved.s = 0x400 | PS_S_SAVED_W;
	ps_call_block(&saved);
	CHECK_HEX(ps_rwunlock(LOCK, 0x700, 0x500, 0x500, 0), 2 * PS_INC);
	CHECK_HEX(ps_call_end(&behind), 2 * PS_INC);
	CHECK_HEX(ps_call_end(&saved), 2 * PS_INC);
}

TEST(unlock_waits_for_those_who_are_counted)
{
	struct ps_call writer = writer_at(0x300);

	mach_open();
	ps_call_block(&writer);
	/* The one at 0x200 has not come. */
	CHECK_HEX(ps_rwunlock(LOCK, 0x300 | PS_W | PS_K, 0x100, 0x100, 0), 0x300 | PS_W | PS_K);
	CHECK(ps_call_is_blocked(&writer));
	/* It comes, and is chosen, as a reader before the writer. */
	CHECK_HEX(ps_rdlock(LOCK, 0x200, 0x100, 0x100, 0), PS_INC | PS_W | PS_K);
	CHECK_HEX(ps_rwunlock(LOCK, 0x300, 0x200, 0x200, 0), PS_INC | PS_K | PS_E);
	CHECK_HEX(ps_call_end(&writer), PS_INC | PS_K | PS_E);
}

TEST(last_to_come_has_another_chosen)
{
	struct ps_call first = writer_at(0x200), last = writer_at(0x300);

	mach_open();
	ps_call_block(&first);
	CHECK_HEX(ps_rwunlock(LOCK, 0x300, 0x100, 0x100, 0), 0x300);
	ps_call_block(&last);
	CHECK_HEX(ps_call_end(&first), PS_INC | PS_K | PS_E | PS_W);
	CHECK(ps_call_is_blocked(&last));
	CHECK_HEX(ps_rwunlock(LOCK, 0x300, 0x200, 0x200, 0), PS_INC | PS_K | PS_E);
	CHECK_HEX(ps_call_end(&last), PS_INC | PS_K | PS_E);
}

TEST(last_to_come_may_be_chosen_to_write)
{
	struct ps_call other = writer_at(0x300);

	mach_open();
	ps_call_block(&other);
	CHECK_HEX(ps_rwunlock(LOCK, 0x300, 0x100, 0x100, 0), 0x300);
	CHECK_HEX(ps_wrlock(LOCK, 0x200, 0x100, 0x100, 0), PS_INC | PS_K | PS_E | PS_W);
	CHECK_HEX(ps_rwunlock(LOCK, 0x300, 0x200, 0x200, 0), PS_INC | PS_K | PS_E);
	CHECK_HEX(ps_call_end(&other), PS_INC | PS_K | PS_E);
}

TEST(unlock_before_anybody_comes_is_kept)
{
	mach_open();
	CHECK_HEX(ps_rwunlock(LOCK, 0x200, 0x100, 0x100, 0), 0x200);
	CHECK_HEX(ps_wrlock(LOCK, 0x200, 0x100, 0x100, 0), PS_INC | PS_K | PS_E);
}

TEST(later_comers_are_not_waited_for)
{
	struct ps_call later = reader_at(0x400);

	mach_open();
	CHECK_HEX(ps_rwunlock(LOCK, 0x200, 0x100, 0x100, 0), 0x200);
	ps_call_block(&later);
	CHECK_HEX(ps_wrlock(LOCK, 0x200, 0x100, 0x100, 0), PS_INC | PS_K | PS_E);
	CHECK_HEX(ps_rwunlock(LOCK, 0x400, 0x300, 0x200, 0), PS_INC);
	CHECK_HEX(ps_call_end(&later), PS_INC);
}

TEST(unlock_that_is_late_does_nothing)
{
	struct ps_call writer = writer_at(0x400), next = writer_at(0x500);

	mach_open();
	ps_call_block(&writer);
	CHECK_HEX(ps_rwunlock(LOCK, 0x400, 0x300, 0x300, 0), PS_INC | PS_K | PS_E);
	CHECK_HEX(ps_call_end(&writer), PS_INC | PS_K | PS_E);
	ps_call_block(&next);
	CHECK_HEX(ps_rwunlock(LOCK, 0x500, 0x200, 0x200, 0), 0);
	CHECK(ps_call_is_blocked(&next));
	/* Unless the lock is made anew */
	CHECK_HEX(ps_rwunlock(LOCK, 0x500 | PS_I, 0x400, 0x200, 0), PS_INC | PS_K | PS_E);
	CHECK_HEX(ps_call_end(&next), PS_INC | PS_K | PS_E);
}

TEST(initialised_lock_knows_no_kept_unlock)
{
	struct ps_call reader = reader_at(0x200 | PS_I);

	mach_open();
	CHECK_HEX(ps_rwunlock(LOCK, 0x200, 0x100, 0x100, 0), 0x200);
	ps_call_block(&reader);
	CHECK_HEX(ps_rwunlock(LOCK, 0x200, 0x100, 0x100, 0), PS_INC);
	CHECK_HEX(ps_call_end(&reader), PS_INC);
}

TEST(equal_counts_do_not_wait_together)
{
	struct ps_call reader = reader_at(0x200), writer = writer_at(0x300);

	mach_open();
	ps_call_block(&reader);
	ps_call_block(&writer);
	CHECK_RET(ps_rdlock(LOCK, 0x200, 0x100, 0x100, 0), -EBUSY);
	CHECK_RET(ps_wrlock(LOCK, 0x300, 0x100, 0x100, 0), -EBUSY);
	CHECK_HEX(ps_rwunlock(LOCK, 0x300, 0x100, 0x100, 0), PS_INC | PS_W | PS_K);
	CHECK_HEX(ps_call_end(&reader), PS_INC | PS_W | PS_K);
	CHECK_HEX(ps_rwunlock(LOCK, 0x300, 0x200, 0x200, 0), PS_INC | PS_K | PS_E);
	CHECK_HEX(ps_call_end(&writer), PS_INC | PS_K | PS_E);
}

TEST(signal_interrupts_the_wait)
{
	struct ps_call calls[] = { reader_at(0x200), writer_at(0x300) };

	catch_signal(SIGUSR1);
	mach_open();
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		ps_call_block(&calls[i]);
		worker_signal(&calls[i].worker, SIGUSR1);
		CHECK_RET(ps_call_end(&calls[i]), -EINTR);
	}
	/* They have left: none is here. */
	CHECK_HEX(ps_rwunlock(LOCK, 0x300, 0x100, 0x100, 0), 0x300);
}

/* A lock that is tried again after signals, as a library does. */
struct persistent {
	struct worker worker;
	bool write;
	uint32_t l;
	atomic_int interruptions;
	atomic_bool done;
	long result;
};

static void *lock_until_granted(void *argument)
{
	struct persistent *lock = argument;

	for (;;) {
		lock->result = lock->write ? ps_wrlock(LOCK, lock->l, 0x100, 0x100, 0) :
			ps_rdlock(LOCK, lock->l, 0x100, 0x100, 0);
		if (lock->result != -EINTR)
			break;
		atomic_fetch_add(&lock->interruptions, 1);
	}
	atomic_store(&lock->done, true);
	return NULL;
}

/* Interrupts the thread, and waits until it waits again or has the lock. */
static void interrupt(struct persistent *lock)
{
	int before = atomic_load(&lock->interruptions);

	worker_signal(&lock->worker, SIGUSR1);
	while (atomic_load(&lock->interruptions) == before)
		sleep_ms(1);
	sleep_ms(50);
}

TEST(interrupted_thread_is_not_the_one_that_is_waited_for)
{
	struct persistent writer = { .write = true, .l = 0x300 };

	catch_signal(SIGUSR1);
	mach_open();
	worker_start(&writer.worker, lock_until_granted, &writer);
	worker_wait_in_trap(&writer.worker);
	/* The one at 0x200 has not come, or reads already; the writer has, and comes back. */
	CHECK_HEX(ps_rwunlock(LOCK, 0x300, 0x100, 0x100, 0), 0x300);
	for (int i = 0; i < 3; i++) {
		interrupt(&writer);
		CHECK(!atomic_load(&writer.done));
	}
	CHECK_HEX(ps_rdlock(LOCK, 0x200, 0x100, 0x100, 0), PS_INC | PS_W | PS_K);
	CHECK_HEX(ps_rwunlock(LOCK, 0x300, 0x200, 0x200, 0), PS_INC | PS_K | PS_E);
	worker_join(&writer.worker);
	CHECK_HEX(writer.result, PS_INC | PS_K | PS_E);
}

TEST(thread_that_comes_back_makes_nothing_forgotten)
{
	struct ps_call writer = writer_at(0x200 | PS_I);
	struct persistent reader = { .l = 0x300 | PS_I };

	catch_signal(SIGUSR1);
	mach_open();
	ps_call_block(&writer);
	worker_start(&reader.worker, lock_until_granted, &reader);
	worker_wait_in_trap(&reader.worker);
	CHECK_HEX(ps_rwunlock(LOCK, 0x300 | PS_I, 0x100, 0x100, 0), PS_INC | PS_K | PS_E);
	CHECK_HEX(ps_call_end(&writer), PS_INC | PS_K | PS_E);
	/* An unlock is kept; the reader comes back with its old word before the other comes. */
	CHECK_HEX(ps_rwunlock(LOCK, 0x400, 0x200, 0x200, 0), 0x400);
	interrupt(&reader);
	CHECK(!atomic_load(&reader.done));
	CHECK_HEX(ps_rdlock(LOCK, 0x400, 0x200, 0x200, 0), 2 * PS_INC);
	worker_join(&reader.worker);
	CHECK_HEX(reader.result, 2 * PS_INC);
}

static long psynch_objects(void)
{
	struct object_counts counts;

	REQUIRE(read_object_counts(&counts));
	for (size_t i = 0; i < counts.kinds; i++)
		if (!strcmp(counts.kind[i].name, "psynch_objects"))
			return counts.kind[i].live;
	FATAL("psynch objects are not counted");
	return 0;
}

static void *shared_page(int fd);

/* They stay for some seconds; then they go although nobody comes by. */
TEST_LIMIT(idle_locks_go_by_themselves, 120)
{
	char *page;
	long before;

	mach_open();
	page = shared_page(-1);
	before = psynch_objects();
	for (int i = 0; i < 100; i++) {
		uint32_t flags = i % 2 ? PS_SHARED : PS_PRIVATE;

		CHECK_HEX(ps_rwunlock(page + i * 16, 0x200, 0x100, 0x100, flags), 0x200);
		CHECK_HEX(ps_wrlock(page + i * 16, 0x200, 0x100, 0x100, flags),
			  PS_INC | PS_K | PS_E);
	}
	CHECK_EQ(psynch_objects(), before + 100);
	while (psynch_objects() > before)
		sleep_ms(100);
	/* Again, with an alarm that has gone off before */
	CHECK_HEX(ps_rwunlock(page, 0x200, 0x100, 0x100, PS_PRIVATE), 0x200);
	CHECK_HEX(ps_wrlock(page, 0x200, 0x100, 0x100, PS_PRIVATE), PS_INC | PS_K | PS_E);
	while (psynch_objects() > before)
		sleep_ms(100);
}

/* Every trap on what is not the kind of object that it works on, as long as that is in use. */
TEST(busy_objects_are_nothing_else)
{
	struct ps_wait wait = { .cv = LOCK, .l = 0x200, .s = PS_CV_C };
	struct ps_call waiters[] = {
		{ .op = PS_CVWAIT, .wait = { .cv = LOCK, .l = 0x100, .s = PS_CV_C } },
		reader_at(0x200),
		writer_at(0x200),
	};

	mach_open();
	for (size_t i = 0; i < ARRAY_SIZE(waiters); i++) {
		bool is_cv = waiters[i].op == PS_CVWAIT;

		ps_call_block(&waiters[i]);
		CHECK_RET(ps_mutexwait(LOCK, 0x203, 0x100, PS_FAIR), -EBUSY);
		CHECK_RET(ps_mutexwait(LOCK, 0x203, 0x100, PS_FIRSTFIT), -EBUSY);
		CHECK_RET(ps_mutexdrop(LOCK, 0x203, 0x100, PS_FAIR), -EBUSY);
		CHECK_RET(ps_mutexdrop(LOCK, 0x203, 0x100, PS_FIRSTFIT), -EBUSY);
		CHECK_RET(ps_cvclrprepost(LOCK, 0x203, 0x100, 0, 0, PS_OPT_MUTEX | PS_FIRSTFIT),
			  -EBUSY);
		if (is_cv) {
			CHECK_RET(ps_rdlock(LOCK, 0x200, 0x100, 0x100, 0), -EBUSY);
			CHECK_RET(ps_wrlock(LOCK, 0x200, 0x100, 0x100, 0), -EBUSY);
			CHECK_RET(ps_rwunlock(LOCK, 0x200, 0x100, 0x100, 0), -EBUSY);
			CHECK_HEX(ps_cvsignal(LOCK, 0x100, 0, PS_CV_C, 0, 0), PS_INC | PS_CV_C);
			CHECK_HEX(ps_call_end(&waiters[i]), 0);
		} else {
			CHECK_RET(ps_cvwait(&wait), -EBUSY);
			CHECK_RET(ps_cvsignal(LOCK, 0x200, 0, 0, 0, 0), -EBUSY);
			CHECK_RET(ps_cvbroad(LOCK, 0x200, 0, 0, 0x200, 0), -EBUSY);
			CHECK_RET(ps_cvclrprepost(LOCK, 0x200, 0, 0, 0, 0), -EBUSY);
			CHECK(ps_rwunlock(LOCK, 0x200, 0x100, 0x100, 0) > 0);
			CHECK(ps_call_end(&waiters[i]) > 0);
		}
	}
}

TEST(idle_lock_can_become_something_else)
{
	mach_open();
	CHECK_HEX(ps_rwunlock(LOCK, 0x200, 0x100, 0x100, 0), 0x200);
	CHECK_RET(ps_mutexdrop(LOCK, 0x203, 0x100, PS_FAIR), -EBUSY);
	CHECK_HEX(ps_wrlock(LOCK, 0x200, 0x100, 0x100, 0), PS_INC | PS_K | PS_E);
	CHECK_HEX(ps_mutexdrop(LOCK, 0x203, 0x100, PS_FAIR), 0);
	CHECK_HEX(ps_mutexwait(LOCK, 0x203, 0x100, PS_FAIR), GRANT(0x200));
}

/* Shared memory */

static void *shared_page(int fd)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			  MAP_SHARED | (fd < 0 ? MAP_ANONYMOUS : 0), fd, 0);

	REQUIRE(page != MAP_FAILED);
	return page;
}

struct wait_there {
	char *address;
	uint32_t seq, flags;
	long want;
};

static void wait_in_child(void *argument)
{
	struct wait_there *there = argument;

	mach_forget();
	CHECK_HEX(ps_mutexwait(there->address, there->seq, 0x100, there->flags), there->want);
}

TEST(shared_objects_are_known_by_memory)
{
	int fd = memfd_create("psynch", MFD_CLOEXEC);
	char *one, *two;
	pid_t child;

	mach_open();
	REQUIRE(ftruncate(fd, 4096) == 0);
	one = shared_page(fd);
	two = shared_page(fd);
	/* The same memory at two addresses, and in two processes */
	CHECK_HEX(ps_mutexdrop(one + 64, 0x203, 0x100, PS_SHARED | PS_FAIR), 0);
	CHECK_HEX(ps_mutexwait(two + 64, 0x203, 0x100, PS_SHARED | PS_FAIR), GRANT(0x200));
	child = start_child(wait_in_child, &(struct wait_there){
		two + 64, 0x300, PS_SHARED | PS_FAIR, GRANT(0x300) });
	wait_until_in_trap(child, child);
	CHECK_HEX(ps_mutexdrop(one + 64, 0x303, 0x200, PS_SHARED | PS_FAIR), 0);
	WAIT_CHILD_OK(child);
}

TEST(shared_objects_are_told_apart)
{
	struct ps_call waiters[3] = { 0 };
	char *one, *two;

	mach_open();
	one = shared_page(-1);
	two = shared_page(-1);
	/* By memory, and by offset */
	for (int i = 0; i < 3; i++) {
		waiters[i] = (struct ps_call){
			.op = PS_MUTEXWAIT, .object = i == 0 ? one : i == 1 ? one + 8 : two,
			.l = 0x203, .u = 0x100, .flags = PS_SHARED | PS_FAIR,
		};
		ps_call_block(&waiters[i]);
	}
	for (int i = 2; i >= 0; i--) {
		for (int j = 0; j <= i; j++)
			CHECK(ps_call_is_blocked(&waiters[j]));
		CHECK_HEX(ps_mutexdrop(waiters[i].object, 0x203, 0x100, PS_SHARED | PS_FAIR), 0);
		CHECK_HEX(ps_call_end(&waiters[i]), GRANT(0x200));
	}
}

TEST(private_objects_are_not_shared)
{
	char *page = shared_page(-1);
	pid_t child;

	mach_open();
	child = start_child(wait_in_child, &(struct wait_there){
		page, 0x200, PS_PRIVATE | PS_FAIR, 0 });
	wait_until_in_trap(child, child);
	CHECK_HEX(ps_mutexdrop(page, 0x203, 0x100, PS_PRIVATE | PS_FAIR), 0);
	CHECK_HEX(ps_mutexdrop(page, 0x203, 0x100, PS_SHARED | PS_FAIR), 0);
	sleep_ms(20);
	CHECK_HEX(ps_mutexwait(page, 0x203, 0x100, PS_PRIVATE | PS_FAIR), GRANT(0x200));
	kill_child(child);
}

TEST(shared_flag_in_private_memory_is_of_the_process)
{
	static char private[64];
	pid_t child;

	mach_open();
	child = start_child(wait_in_child, &(struct wait_there){
		private, 0x200, PS_SHARED | PS_FAIR, 0 });
	wait_until_in_trap(child, child);
	CHECK_HEX(ps_mutexdrop(private, 0x203, 0x100, PS_SHARED | PS_FAIR), 0);
	CHECK_HEX(ps_mutexwait(private, 0x203, 0x100, PS_SHARED | PS_FAIR), GRANT(0x200));
	kill_child(child);
}

static void drop_and_leave(void *argument)
{
	mach_forget();
	CHECK_HEX(ps_mutexdrop(argument, 0x203, 0x100, PS_SHARED | PS_FAIR), 0);
}

TEST(drop_outlives_the_one_who_made_it)
{
	char *page = shared_page(-1);

	mach_open();
	WAIT_CHILD_OK(start_child(drop_and_leave, page));
	/* Longer than it takes until unused memory is looked for */
	sleep_ms(300);
	CHECK_HEX(ps_mutexwait(page, 0x203, 0x100, PS_SHARED | PS_FAIR), GRANT(0x200));
}

TEST(what_is_left_in_shared_memory_goes_with_it)
{
	mach_open();
	for (int i = 0; i < 100; i++) {
		char *page = shared_page(-1);

		CHECK_HEX(ps_mutexdrop(page + i, 0x203, 0x100, PS_SHARED | PS_FAIR), 0);
		CHECK_HEX(ps_cvsignal(page + 512, 0x200, 0x100, 0, 0, PS_SHARED), PS_CV_P);
		CHECK_HEX(ps_rwunlock(page + 1024, 0x200, 0x100, 0x100, PS_SHARED), 0x200);
		if (i % 2)
			munmap(page, 4096);
	}
	/* The counts of objects after the case tell. */
}
