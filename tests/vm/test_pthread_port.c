// SPDX-License-Identifier: GPL-2.0
/*
 * Traps on threads by their ports: signals, cancellation, numbers.
 * time limit: 120 s
 */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include "harness.h"
#include "mach.h"
#include "message.h"
#include "process.h"
#include "sema.h"
#include "short_rights.h"

static long kill_port(name_t thread, int sig)
{
	struct pthread_kill_args arguments = { .thread_port = (int)thread, .sig = sig };

	return trap_struct(NR_pthread_kill_trap, &arguments);
}

static long mark_cancel(name_t thread)
{
	return trap(NR_pthread_markcancel, thread);
}

static long canceled(int action)
{
	return trap(NR_pthread_canceled, (unsigned long)action);
}

static long tid_of(name_t thread)
{
	return trap(NR_tid_for_thread, thread);
}

static struct {
	atomic_int count;
	atomic_int code;
	atomic_int pid;
	atomic_int uid;
	atomic_int tid;
} caught;

static void catch(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	caught.code = info->si_code;
	caught.pid = info->si_pid;
	caught.uid = (int)info->si_uid;
	caught.tid = thread_id();
	atomic_fetch_add(&caught.count, 1);
}

static void catch_with_info(int sig)
{
	struct sigaction action = { .sa_sigaction = catch, .sa_flags = SA_SIGINFO };

	REQUIRE(sigaction(sig, &action, NULL) == 0);
}

/* A thread that waits for a semaphore until it is let go. */
struct sleeper {
	struct worker worker;
	name_t port;
	name_t sema;
	atomic_bool ready;
	bool cancellable;
	long result;
};

static void *sleep_in_semaphore(void *argument)
{
	struct sleeper *sleeper = argument;

	sleeper->port = thread_self();
	CHECK_RET(canceled(sleeper->cancellable ? 1 : 2), 0);
	atomic_store(&sleeper->ready, true);
	sleeper->result = sema_wait(sleeper->sema);
	return NULL;
}

static void sleeper_start(struct sleeper *sleeper)
{
	sleeper->sema = new_sema(0);
	atomic_store(&sleeper->ready, false);
	worker_start(&sleeper->worker, sleep_in_semaphore, sleeper);
	while (!atomic_load(&sleeper->ready))
		usleep(100);
	worker_wait_in_trap(&sleeper->worker);
}

TEST(signal_goes_to_that_thread)
{
	struct sleeper sleeper = { .cancellable = true };

	mach_open();
	catch_with_info(SIGUSR2);
	sleeper_start(&sleeper);
	CHECK_RET(kill_port(sleeper.port, SIGUSR2), 0);
	worker_join(&sleeper.worker);
	CHECK_RET(sleeper.result, KERN_ABORTED);
	CHECK_EQ(caught.count, 1);
	CHECK_EQ(caught.tid, sleeper.worker.tid);
	CHECK_EQ(caught.code, SI_TKILL);
	CHECK_EQ(caught.pid, getpid());
	CHECK_EQ(caught.uid, getuid());
}

TEST(signal_goes_to_oneself)
{
	name_t port;

	mach_open();
	catch_with_info(SIGUSR2);
	port = thread_self();
	for (int i = 1; i <= 5; i++) {
		CHECK_RET(kill_port(port, SIGUSR2), 0);
		CHECK_EQ(caught.count, i);
		CHECK_EQ(caught.tid, thread_id());
	}
}

TEST(signal_zero_asks)
{
	struct sleeper sleeper = { .cancellable = true };

	mach_open();
	sleeper_start(&sleeper);
	CHECK_RET(kill_port(sleeper.port, 0), 0);
	CHECK_RET(sema_signal(sleeper.sema), KERN_SUCCESS);
	worker_join(&sleeper.worker);
	CHECK_RET(sleeper.result, KERN_SUCCESS);
	CHECK_RET(kill_port(thread_self(), 0), 0);
}

TEST(numbers_that_are_no_signals)
{
	static const int bad[] = { -1, INT_MIN, 65, 128, INT_MAX };

	mach_open();
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		CHECK_RET(kill_port(thread_self(), bad[i]), -EINVAL);
		/* The name comes first. */
		CHECK_RET(kill_port(0, bad[i]), -ESRCH);
	}
}

static void *take_port(void *argument)
{
	*(name_t *)argument = thread_self();
	return NULL;
}

TEST(names_that_are_no_threads)
{
	pthread_t thread;
	name_t ended = 0;

	mach_open();
	REQUIRE(!pthread_create(&thread, NULL, take_port, &ended));
	pthread_join(thread, NULL);
	for (int tries = 0; tries < 2000 && !has_right(ended, DEAD_NAME); tries++)
		usleep(1000);

	const name_t bad[] = {
		MACH_PORT_NULL, MACH_PORT_DEAD, unused_name(), new_dead_name(), new_port(),
		new_send_right(), new_port_set(), self(), host_self(), new_sema(0), ended,
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		CHECK_RET(kill_port(bad[i], 0), -ESRCH);
		CHECK_RET(kill_port(bad[i], SIGKILL), -ESRCH);
		CHECK_RET(mark_cancel(bad[i]), -ESRCH);
		CHECK_EQ(tid_of(bad[i]), -1);
	}
}

TEST(arguments_that_cannot_be_read)
{
	struct hole hole;

	mach_open();
	hole_init(&hole);
	for (size_t i = 0; i < bad_pointer_count; i++)
		CHECK_RET(trap(NR_pthread_kill_trap, bad_pointers[i]), -EFAULT);
	for (size_t room = 0; room < sizeof(struct pthread_kill_args); room++)
		CHECK_RET(trap_struct(NR_pthread_kill_trap, fault_at(&hole, room)), -EFAULT);
}

TEST(tid_is_that_of_linux)
{
	struct sleeper sleeper = { .cancellable = true };

	mach_open();
	CHECK_EQ(tid_of(thread_self()), getpid());
	sleeper_start(&sleeper);
	CHECK_EQ(tid_of(sleeper.port), sleeper.worker.tid);
	CHECK_RET(sema_signal(sleeper.sema), KERN_SUCCESS);
	worker_join(&sleeper.worker);
}

static void *exchange_ports(void *argument)
{
	name_t *ports = argument;

	ports[0] = thread_self();
	CHECK_RET(trap(NR_thread_death_announce, 0), 0);
	ports[1] = thread_self();
	CHECK_EQ(tid_of(ports[1]), thread_id());
	CHECK_EQ(tid_of(ports[0]), -1);
	return NULL;
}

/* The same Linux thread, but not the same Mach thread. */
TEST(announced_death_ends_the_port)
{
	pthread_t thread;
	name_t ports[2];

	mach_open();
	REQUIRE(!pthread_create(&thread, NULL, exchange_ports, ports));
	pthread_join(thread, NULL);
	CHECK_RET(kill_port(ports[0], 0), -ESRCH);
}

/* Cancellation */

TEST(marked_thread_finds_itself_cancelled)
{
	name_t port;

	mach_open();
	port = thread_self();
	CHECK_RET(canceled(0), -EINVAL);
	CHECK_RET(mark_cancel(port), 0);
	/* Asking does not change the answer. */
	CHECK_RET(canceled(0), 0);
	CHECK_RET(canceled(0), 0);
	CHECK_RET(canceled(2), 0);
	CHECK_RET(canceled(0), -EINVAL);
	CHECK_RET(canceled(1), 0);
	CHECK_RET(canceled(0), 0);
	CHECK_RET(canceled(3), -EINVAL);
	CHECK_RET(canceled(-1), -EINVAL);
	CHECK_RET(canceled(0), 0);
}

TEST(thread_that_does_not_want_it_is_not_marked)
{
	name_t port;

	mach_open();
	port = thread_self();
	CHECK_RET(canceled(2), 0);
	CHECK_RET(mark_cancel(port), 0);
	CHECK_RET(canceled(1), 0);
	CHECK_RET(canceled(0), -EINVAL);
	CHECK_RET(mark_cancel(port), 0);
	CHECK_RET(canceled(0), 0);
}

static void *see_that_not_cancelled(void *argument)
{
	(void)argument;
	CHECK_RET(canceled(0), -EINVAL);
	return NULL;
}

TEST(other_threads_are_not_cancelled)
{
	pthread_t thread;

	mach_open();
	CHECK_RET(mark_cancel(thread_self()), 0);
	REQUIRE(!pthread_create(&thread, NULL, see_that_not_cancelled, NULL));
	pthread_join(thread, NULL);
	CHECK_RET(canceled(0), 0);
}

TEST(cancelling_does_not_end_a_semaphore_wait)
{
	mach_open();
	for (int cancellable = 0; cancellable < 2; cancellable++) {
		struct sleeper sleeper = { .cancellable = cancellable };

		sleeper_start(&sleeper);
		for (int i = 0; i < 20; i++) {
			CHECK_RET(mark_cancel(sleeper.port), 0);
			usleep(500);
		}
		worker_wait_in_trap(&sleeper.worker);
		CHECK_RET(sema_signal(sleeper.sema), KERN_SUCCESS);
		worker_join(&sleeper.worker);
		CHECK_RET(sleeper.result, KERN_SUCCESS);
	}
}

struct receiver {
	name_t port;
	atomic_uint thread;
	long result;
};

static void *receive(void *argument)
{
	struct receiver *receiver = argument;
	struct message message;

	atomic_store(&receiver->thread, thread_self());
	receiver->result = msg_receive_blocking(&message, receiver->port);
	return NULL;
}

TEST(cancelling_does_not_end_a_receive)
{
	struct receiver receiver = { .thread = 0 };
	struct worker worker;

	mach_open();
	receiver.port = new_port();
	worker_start(&worker, receive, &receiver);
	worker_wait_in_trap(&worker);
	for (int i = 0; i < 20; i++) {
		CHECK_RET(mark_cancel(atomic_load(&receiver.thread)), 0);
		usleep(500);
	}
	worker_wait_in_trap(&worker);
	CHECK_RET(send_id(receiver.port, MAKE_SEND, 1), 0);
	worker_join(&worker);
	CHECK_RET(receiver.result, 0);
}

/* Other tasks */

static void give_thread_port(struct peer_side *side)
{
	catch_with_info(SIGUSR2);
	REQUIRE_RET(send_with_reply(side->parent, COPY_SEND, thread_self(), COPY_SEND, 1), 0);
	while (!caught.count)
		usleep(200);
	CHECK_EQ(caught.pid, getppid());
	CHECK_EQ(caught.code, SI_TKILL);
	while (canceled(0))
		usleep(200);
	pause();
}

TEST(thread_of_another_task)
{
	struct message message;
	struct peer peer;
	name_t thread;

	mach_open();
	peer_start(&peer, give_thread_port, NULL);
	REQUIRE_RET(msg_receive_within(&message, peer.service, 20000), 0);
	thread = message.header.remote;
	CHECK_EQ(tid_of(thread), peer.pid);
	CHECK_RET(kill_port(thread, 0), 0);
	CHECK_RET(kill_port(thread, SIGUSR2), 0);
	CHECK_RET(mark_cancel(thread), 0);
	CHECK_RET(canceled(0), -EINVAL);
	CHECK_RET(kill_port(thread, SIGKILL), 0);
	CHECK_HEX(wait_child(peer.pid), SIGKILL);
	CHECK_RET(kill_port(thread, 0), -ESRCH);
	CHECK_RET(mark_cancel(thread), -ESRCH);
	CHECK_EQ(tid_of(thread), -1);
}

/* Threads come and go while others act on their ports. */
static void *live_shortly(void *argument)
{
	atomic_store((atomic_uint *)argument, thread_self());
	canceled(0);
	return NULL;
}

TEST(threads_come_and_go)
{
	atomic_uint port = 0;

	mach_open();
	catch_signal(SIGUSR1);
	for (int i = 0; i < 400; i++) {
		pthread_t thread;

		REQUIRE(!pthread_create(&thread, NULL, live_shortly, &port));
		for (int j = 0; j < 10; j++) {
			name_t name = atomic_load(&port);
			long result = kill_port(name, j % 2 ? SIGUSR1 : 0);

			CHECK(result == 0 || result == -ESRCH);
			result = mark_cancel(name);
			CHECK(result == 0 || result == -ESRCH);
			tid_of(name);
		}
		pthread_join(thread, NULL);
		deallocate(atomic_load(&port));
	}
}
