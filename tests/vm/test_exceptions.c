// SPDX-License-Identifier: GPL-2.0
/*
 * Faults and who is told of them: messages, answers, and what comes of no answer.
 * time limit: 300 s
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "exception.h"
#include "harness.h"
#include "mach.h"
#include "message.h"
#include "process.h"
#include "rpc.h"

#define WIDE_DEFAULT	(EXC_WIDE | EXC_DEFAULT)

/* What a fault of the same kind as @fault is, made up */
static struct fake_signal fake(enum fault fault)
{
	return (struct fake_signal){
		.bsd = faults[fault].bsd, .number = faults[fault].signal,
		.code = faults[fault].exception == EXC_ARITHMETIC ? FPE_INTDIV :
			fault == FAULT_TRAP ? SI_KERNEL : 1,
		.address = BAD_ADDRESS,
	};
}

TEST(a_fault_that_nobody_listens_to_is_its_signal)
{
	int times;

	mach_open();
	client_init();
	for (int i = 0; i < FAULTS; i++) {
		CHECK_EQ(go_wrong(i, &times), faults[i].bsd);
		CHECK_EQ(times, 1);
	}
}

TEST(codes_of_signals)
{
	static const struct {
		struct fake_signal signal;
		int bsd;
	} cases[] = {
		/* Sent by somebody, whatever they are */
		{ { BSD_USR1, SIGUSR1, SI_USER, 0 }, BSD_USR1 },
		{ { BSD_SEGV, SIGSEGV, SI_USER, 0 }, BSD_SEGV },
		{ { BSD_USR1, SIGUSR1, SI_TKILL, 0 }, BSD_USR1 },
		{ { 6, SIGABRT, SI_TKILL, 0 }, 6 },
		{ { 12, SIGSYS, 1, 0 }, 12 },
		{ { 31, SIGUSR2, SI_QUEUE, 0 }, 31 },
		/* Faults; the client's own number does not count */
		{ { 99, SIGSEGV, SEGV_MAPERR, ~0ul }, BSD_SEGV },
		{ { 99, SIGSEGV, SI_KERNEL, 0 }, BSD_SEGV },
		{ { 99, SIGBUS, BUS_ADRERR, 0 }, BSD_BUS },
		{ { 99, SIGILL, ILL_ILLOPN, 0 }, BSD_ILL },
		{ { 99, SIGFPE, FPE_FLTDIV, 0 }, BSD_FPE },
		{ { 99, SIGTRAP, TRAP_BRKPT, 0 }, BSD_TRAP },
		{ { 99, SIGTRAP, SI_TKILL, 0 }, BSD_TRAP },
	};
	struct handed handed;
	int signum;

	mach_open();
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		handed_fill(&handed, i);
		signum = -1;
		CHECK_RET(sigprocess(&cases[i].signal, &handed, &signum), 0);
		CHECK_EQ(signum, cases[i].bsd);
		CHECK(handed_matches(&handed, i));
	}
}

/* A thread that calls sigprocess() once for each gate opening */
struct client {
	struct worker worker;
	struct gate go, done;
	struct fake_signal signal;
	struct handed handed;
	long result;
	int signum;
	name_t port;
	volatile int over;
};

static void *be_client(void *argument)
{
	struct client *client = argument;

	client->port = thread_self();
	gate_open(&client->done);
	for (;;) {
		gate_pass(&client->go);
		if (client->over)
			return NULL;
		client->result = sigprocess(&client->signal, &client->handed, &client->signum);
		gate_open(&client->done);
	}
}

static void client_start(struct client *client)
{
	memset(client, 0, sizeof(*client));
	gate_init(&client->go);
	gate_init(&client->done);
	worker_start(&client->worker, be_client, client);
	gate_pass(&client->done);
}

static void client_ask(struct client *client, struct fake_signal signal, uint64_t seed)
{
	client->signal = signal;
	handed_fill(&client->handed, seed);
	client->signum = -1;
	gate_open(&client->go);
}

/* A task with one client */
static void begin(struct client *client)
{
	mach_open();
	self();
	client_start(client);
}

/* Waits for the answer, and checks that it is this signal. */
#define CLIENT_GETS(client, bsd)					\
	do {								\
		gate_pass(&(client)->done);				\
		CHECK_RET((client)->result, 0);				\
		CHECK_EQ((client)->signum, bsd);			\
	} while (0)

static void client_end(struct client *client)
{
	client->over = 1;
	gate_open(&client->go);
	worker_join(&client->worker);
}

TEST(listeners_are_told_what_they_want)
{
	static const uint32_t behaviors[] = { EXC_DEFAULT, EXC_STATE, EXC_STATE_IDENTITY };
	static const uint32_t flavors[] = { THREAD_STATE64, FLOAT_STATE64 };
	struct client client;
	struct told told;
	name_t port;

	begin(&client);
	port = new_send_right();
	for (int i = 0; i < FAULTS; i++) {
		const struct fault_kind *kind = &faults[i];

		for (uint32_t j = 0; j < 12; j++) {
			uint32_t behavior = behaviors[j % 3] | (j / 3 % 2 ? EXC_WIDE : 0);
			uint32_t flavor = flavors[j / 6];

			REQUIRE_RET(listen_to(client.port, 1u << kind->exception, port, behavior,
					      flavor), 0);
			client_ask(&client, fake(i), j);
			RECEIVE_TOLD(&told, port, behavior);
			CHECK_EQ(told.exception, kind->exception);
			CHECK_EQ(told.codes[0], kind->codes[0]);
			CHECK_EQ(told.codes[1], kind->codes[1]);
			if ((behavior & 3) != EXC_STATE) {
				CHECK_HEX(told.thread, client.port);
				CHECK_HEX(told.task, self());
				CHECK_RET(deallocate(told.thread), 0);
				CHECK_RET(deallocate(told.task), 0);
			}
			if ((behavior & 3) != EXC_DEFAULT) {
				CHECK_EQ(told.flavor, flavor);
				CHECK_EQ(told.count, flavor == THREAD_STATE64 ? GENERAL_WORDS :
					 FLOAT_WORDS);
				CHECK(flavor == THREAD_STATE64 ?
				      body_matches(told.state, told.count * 4, j) :
				      body_matches(told.state, told.count * 4, j + 1));
			}
			answer(&told, 0);
			CHECK_UNKNOWN(told.reply);
			CLIENT_GETS(&client, 0);
			CHECK(handed_matches(&client.handed, j));
		}
	}
	client_end(&client);
}

TEST(the_upper_half_of_an_address_needs_wide_codes)
{
	const struct fake_signal signal = { 11, SIGSEGV, SEGV_MAPERR, 0x123456789abcdef0 };
	struct client client;
	struct told told;
	name_t port;

	begin(&client);
	port = new_send_right();
	for (int wide = 0; wide < 2; wide++) {
		uint32_t behavior = EXC_DEFAULT | (wide ? EXC_WIDE : 0);

		REQUIRE_RET(listen_to(self(), EXC_MASK_ALL, port, behavior, 0), 0);
		client_ask(&client, signal, 0);
		RECEIVE_TOLD(&told, port, behavior);
		CHECK_HEX(told.codes[1], wide ? 0x123456789abcdef0 : (int64_t)(int32_t)0x9abcdef0);
		answer(&told, 0);
		CLIENT_GETS(&client, 0);
	}
	client_end(&client);
}

TEST(who_refuses_leaves_it_to_the_next)
{
	struct client client;
	struct told told;
	name_t ports[3], targets[3];

	begin(&client);
	targets[0] = client.port;
	targets[1] = self();
	targets[2] = host_self();
	for (int i = 0; i < 3; i++) {
		ports[i] = new_send_right();
		REQUIRE_RET(listen_to(targets[i], EXC_MASK_ALL, ports[i], WIDE_DEFAULT, 0), 0);
	}
	/* @taker deals with it; 3: nobody. */
	for (int taker = 0; taker <= 3; taker++) {
		for (int i = 0; i < FAULTS; i++) {
			client_ask(&client, fake(i), 7);
			for (int level = 0; level <= taker && level < 3; level++) {
				RECEIVE_TOLD(&told, ports[level], WIDE_DEFAULT);
				CHECK_EQ(told.exception, faults[i].exception);
				answer(&told, level == taker ? 0 : KERN_FAILURE);
			}
			CLIENT_GETS(&client, taker == 3 ? faults[i].bsd : 0);
			CHECK(handed_matches(&client.handed, 7));
		}
	}
	/* A listener of another exception is not asked, */
	REQUIRE_RET(listen_to(targets[0], EXC_MASK_ALL, 0, 0, 0), 0);
	REQUIRE_RET(listen_to(targets[1], EXC_MASK_ALL & ~(1u << EXC_BAD_ACCESS), ports[1],
			      WIDE_DEFAULT, 0), 0);
	REQUIRE_RET(listen_to(targets[1], 1u << EXC_BAD_ACCESS, 0, 0, 0), 0);
	client_ask(&client, fake(FAULT_BUS), 7);
	RECEIVE_TOLD(&told, ports[2], WIDE_DEFAULT);
	answer(&told, 0);
	CLIENT_GETS(&client, 0);
	/* nor is one that is dead. */
	destroy_receive(ports[2]);
	client_ask(&client, fake(FAULT_BUS), 7);
	CLIENT_GETS(&client, BSD_BUS);
	CHECK_NO_MESSAGE(ports[0]);
	CHECK_NO_MESSAGE(ports[1]);
	client_end(&client);
}

TEST(an_answer_can_change_the_state)
{
	struct client client;
	struct told told;
	struct handed want;
	name_t port;

	begin(&client);
	port = new_send_right();
	for (int i = 0; i < 4; i++) {
		uint32_t flavor = i & 1 ? FLOAT_STATE64 : THREAD_STATE64;
		uint32_t behavior = EXC_WIDE | (i & 2 ? EXC_STATE : EXC_STATE_IDENTITY);

		REQUIRE_RET(listen_to(self(), EXC_MASK_ALL, port, behavior, flavor), 0);
		client_ask(&client, fake(FAULT_ILL), 3);
		handed_fill(&want, 3);
		RECEIVE_TOLD(&told, port, behavior);
		body_fill(told.state, told.count * 4, 99);
		((uint64_t *)told.state)[RIP] = 0x1000;
		memcpy(i & 1 ? (void *)want.floating : want.general, told.state, told.count * 4);
		answer(&told, 0);
		CLIENT_GETS(&client, 0);
		CHECK(!memcmp(&client.handed, &want, sizeof(want)));
	}
	client_end(&client);
}

TEST(a_program_goes_on_where_its_debugger_says)
{
	struct told told;
	pid_t pid;
	name_t port;

	mach_open();
	port = new_send_right();
	REQUIRE_RET(listen_to(self(), EXC_MASK_ALL, port, EXC_WIDE | EXC_STATE_IDENTITY,
			      THREAD_STATE64), 0);
	pid = fork();
	if (pid == 0) {
		int times;

		mach_forget();
		REQUIRE_EQ(get_api_version(), 19);
		client_init();
		for (int i = 0; i < FAULTS; i++) {
			CHECK_EQ(go_wrong(i, &times), 0);
			CHECK_EQ(times, i == FAULT_TRAP ? 1 : 2);
		}
		_exit(0);
	}
	for (int i = 0; i < FAULTS; i++) {
		/* Once as it is: the program goes wrong again. */
		for (int again = i != FAULT_TRAP; again >= 0; again--) {
			RECEIVE_TOLD(&told, port, EXC_WIDE | EXC_STATE_IDENTITY);
			CHECK_EQ(told.exception, faults[i].exception);
			CHECK_EQ(told.codes[0], faults[i].codes[0]);
			CHECK_EQ(told.codes[1], faults[i].codes[1]);
			if (!again && i != FAULT_TRAP)
				((uint64_t *)told.state)[RIP] += 2;
			answer(&told, 0);
		}
	}
	WAIT_CHILD_OK(pid);
}

TEST(an_answer_that_is_none_leaves_it_to_the_next)
{
	static const struct {
		int32_t id;
		uint32_t size;
		uint32_t words[5];
	} answers[] = {
		{ 2505, 0, { 0 } },
		{ 2505, 4, { 0 } },
		{ 2505, 8, { 0, 1 } },
		{ 2505, 16, { 0, 1, 0, 0 } },
		{ 2506, 12, { 0, 1, 0 } },
		{ 2507, 20, { 0, 1, 0, 4, 0 } },
		{ 2501, 12, { 0, 1, 0 } },
		{ 2405, 12, { 0, 1, 0 } },
		{ 0, 0, { 0 } },
		{ 71, 0, { 0 } },
		{ 3404, 0, { 0 } },
		{ 2505, 12, { 0, 1, (uint32_t)-1 } },
		{ 2505, 12, { 0, 1, 5 } },
	};
	struct client client;
	struct told told;
	struct rpc rpc;
	name_t first, second;

	begin(&client);
	first = new_send_right();
	second = new_send_right();
	REQUIRE_RET(listen_to(client.port, EXC_MASK_ALL, first, WIDE_DEFAULT, 0), 0);
	REQUIRE_RET(listen_to(self(), EXC_MASK_ALL, second, WIDE_DEFAULT, 0), 0);
	for (size_t i = 0; i <= ARRAY_SIZE(answers) + 1; i++) {
		client_ask(&client, fake(FAULT_FPE), i);
		RECEIVE_TOLD(&told, first, WIDE_DEFAULT);
		if (i < ARRAY_SIZE(answers)) {
			answer_raw(&told, answers[i].id, answers[i].words, answers[i].size);
		} else if (i == ARRAY_SIZE(answers)) {
			/* With rights in it */
			rpc_begin(&rpc, told.reply, 2505);
			rpc.message.header.bits = MSGH_BITS(MOVE_SEND_ONCE, 0);
			rpc.message.header.local = 0;
			rpc_port(&rpc, second, COPY_SEND);
			rpc_word(&rpc, 0);
			CHECK_RET(msg_send(&rpc.message, rpc.size), 0);
		} else {
			/* The right is dropped. */
			CHECK_RET(deallocate(told.reply), 0);
		}
		RECEIVE_TOLD(&told, second, WIDE_DEFAULT);
		answer(&told, 0);
		CLIENT_GETS(&client, 0);
		CHECK(handed_matches(&client.handed, i));
	}
	CHECK_SEND_UREFS(second, 1);
	client_end(&client);
}

TEST(a_state_that_cannot_be_set_leaves_it_to_the_next)
{
	struct client client;
	struct told told;
	name_t first, second;

	begin(&client);
	first = new_send_right();
	second = new_send_right();
	REQUIRE_RET(listen_to(client.port, EXC_MASK_ALL, first, EXC_WIDE | EXC_STATE,
			      THREAD_STATE64), 0);
	REQUIRE_RET(listen_to(self(), EXC_MASK_ALL, second, WIDE_DEFAULT, 0), 0);
	for (int i = 1; i < 6; i++) {
		client_ask(&client, fake(FAULT_FPE), 5);
		RECEIVE_TOLD(&told, first, EXC_WIDE | EXC_STATE);
		switch (i) {
		case 1:
			told.count--;
			break;
		case 2:
			told.flavor = 1;
			break;
		case 3:
			told.flavor = 6;
			break;
		case 4:
			told.flavor = 99;
			break;
		case 5:
			told.flavor = FLOAT_STATE64;
			break;
		}
		answer(&told, 0);
		RECEIVE_TOLD(&told, second, WIDE_DEFAULT);
		answer(&told, 0);
		CLIENT_GETS(&client, 0);
		CHECK(handed_matches(&client.handed, 5));
	}
	/* A state that there is not is not told. */
	REQUIRE_RET(listen_to(client.port, EXC_MASK_ALL, first, EXC_WIDE | EXC_STATE, 1), 0);
	client_ask(&client, fake(FAULT_FPE), 5);
	RECEIVE_TOLD(&told, second, WIDE_DEFAULT);
	answer(&told, 0);
	CLIENT_GETS(&client, 0);
	CHECK_NO_MESSAGE(first);
	client_end(&client);
}

TEST(when_the_port_dies_the_exception_is_dealt_with)
{
	struct client client;
	struct told told;
	name_t port, task;

	begin(&client);
	task = new_send_right();
	REQUIRE_RET(listen_to(self(), EXC_MASK_ALL, task, WIDE_DEFAULT, 0), 0);
	for (int received = 0; received < 2; received++) {
		port = new_send_right();
		REQUIRE_RET(listen_to(client.port, EXC_MASK_ALL, port, WIDE_DEFAULT, 0), 0);
		client_ask(&client, fake(FAULT_SEGV), 5);
		if (received)
			RECEIVE_TOLD(&told, port, WIDE_DEFAULT);
		else
			worker_wait_in_trap(&client.worker);
		destroy_receive(port);
		if (received)
			CHECK_RET(deallocate(told.reply), 0);
		CLIENT_GETS(&client, 0);
		CHECK(handed_matches(&client.handed, 5));
	}
	CHECK_NO_MESSAGE(task);
	client_end(&client);
}

/* The parent's program goes wrong, and this is its debugger until it dies. */
static void be_mortal_debugger(struct peer_side *side)
{
	struct told told;

	if (*(bool *)side->argument) {
		RECEIVE_TOLD(&told, side->own, WIDE_DEFAULT);
		kill(getpid(), SIGKILL);
	}
	for (;;)
		pause();
}

TEST(a_debugger_that_dies_leaves_the_program_alone)
{
	struct client client;
	struct peer peer;
	bool receives;

	mach_open();
	self();
	for (int i = 0; i < 2; i++) {
		receives = i;
		peer_start(&peer, be_mortal_debugger, &receives);
		client_start(&client);
		REQUIRE_RET(listen_to(client.port, EXC_MASK_ALL, peer.port, WIDE_DEFAULT, 0), 0);
		client_ask(&client, fake(FAULT_SEGV), 5);
		if (!receives) {
			worker_wait_in_trap(&client.worker);
			kill(peer.pid, SIGKILL);
		}
		CLIENT_GETS(&client, 0);
		CHECK(handed_matches(&client.handed, 5));
		/* The next time there is nobody. */
		client_ask(&client, fake(FAULT_SEGV), 6);
		CLIENT_GETS(&client, BSD_SEGV);
		CHECK_EQ(waitpid(peer.pid, NULL, 0), peer.pid);
		client_end(&client);
	}
}

TEST(who_waits_for_a_debugger_can_be_killed)
{
	struct told told;
	struct rpc rpc;
	name_t port;
	pid_t pid;

	mach_open();
	port = new_send_right();
	REQUIRE_RET(listen_to(self(), EXC_MASK_ALL, port, EXC_WIDE | EXC_STATE_IDENTITY,
			      THREAD_STATE64), 0);
	for (int i = 0; i < 3; i++) {
		pid = fork();
		if (pid == 0) {
			int times;

			mach_forget();
			REQUIRE_EQ(get_api_version(), 19);
			client_init();
			go_wrong(FAULT_ILL, &times);
			_exit(1);
		}
		RECEIVE_TOLD(&told, port, EXC_WIDE | EXC_STATE_IDENTITY);
		/* Other signals do not disturb it. */
		REQUIRE_EQ(kill(pid, SIGFPE), 0);
		sleep_ms(30);
		CHECK_NO_MESSAGE(port);
		if (i < 2) {
			REQUIRE_EQ(kill(pid, SIGKILL), 0);
		} else {
			/* task_terminate */
			rpc_begin(&rpc, told.task, 3401);
			REQUIRE_RET(rpc_call(&rpc), 0);
		}
		CHECK_HEX(wait_child(pid), SIGKILL);
		/* Nobody minds an answer that comes too late. */
		if (i)
			answer(&told, 0);
	}
}

static volatile int caught;

static void count_signal(int number)
{
	(void)number;
	caught++;
}

TEST(signals_wait_for_the_answer)
{
	struct client client;
	struct told told;
	name_t port;

	signal(SIGUSR2, count_signal);
	begin(&client);
	port = new_send_right();
	REQUIRE_RET(listen_to(self(), EXC_MASK_ALL, port, WIDE_DEFAULT, 0), 0);
	client_ask(&client, fake(FAULT_ILL), 5);
	RECEIVE_TOLD(&told, port, WIDE_DEFAULT);
	for (int i = 0; i < 3; i++) {
		worker_signal(&client.worker, SIGUSR2);
		sleep_ms(20);
		CHECK_EQ(caught, 0);
	}
	answer(&told, 0);
	CLIENT_GETS(&client, 0);
	while (!caught)
		sleep_ms(1);
	CHECK_EQ(caught, 1);
	client_end(&client);
}

/* Told of its own child, and watched by the parent */
static void be_middle(struct peer_side *side)
{
	struct client client, inner;
	struct told told;
	name_t port = new_send_right();

	self();
	client_start(&client);
	client_start(&inner);
	REQUIRE_RET(listen_to(client.port, EXC_MASK_ALL, side->parent, WIDE_DEFAULT, 0), 0);
	REQUIRE_RET(listen_to(inner.port, EXC_MASK_ALL, port, WIDE_DEFAULT, 0), 0);
	client_ask(&inner, fake(FAULT_SEGV), 1);
	RECEIVE_TOLD(&told, port, WIDE_DEFAULT);
	/* The debugger goes wrong itself. */
	client_ask(&client, fake(FAULT_FPE), 2);
	CLIENT_GETS(&client, BSD_FPE);
	answer(&told, 0);
	CLIENT_GETS(&inner, 0);
	client_end(&client);
	client_end(&inner);
}

TEST(debuggers_have_debuggers)
{
	struct peer peer;
	struct told told;

	mach_open();
	peer_start(&peer, be_middle, NULL);
	RECEIVE_TOLD(&told, peer.service, WIDE_DEFAULT);
	CHECK_EQ(told.exception, EXC_ARITHMETIC);
	answer(&told, KERN_FAILURE);
	WAIT_CHILD_OK(peer.pid);
}

TEST(bad_addresses)
{
	const struct fake_signal signal = { BSD_USR1, SIGUSR1, SI_USER, 0 };
	struct sigprocess_args *args, good = { .signum = BSD_USR1 };
	struct thread_suspended_args suspended;
	struct handed handed;
	struct hole hole;
	void *read_only;
	int signum = -1;

	mach_open();
	hole_init(&hole);
	read_only = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	REQUIRE(read_only != MAP_FAILED);
	good.state.tstate = handed.general;
	good.state.fstate = handed.floating;
	memcpy(good.siginfo, &signal.number, 4);
	for (size_t i = 0; i < bad_pointer_count; i++) {
		void *bad = (void *)(uintptr_t)bad_pointers[i];

		CHECK_RET(trap(NR_sigprocess, bad_pointers[i]), -EFAULT);
		CHECK_RET(trap(NR_thread_suspended, bad_pointers[i]), -EFAULT);
		CHECK_RET(trap(NR_ptrace_sigexc, bad_pointers[i]), -EFAULT);
		CHECK_RET(trap(NR_ptrace_thupdate, bad_pointers[i]), -EFAULT);
		for (int both = 0; both < 2; both++) {
			struct sigprocess_args wrong = good;

			if (both)
				wrong.state.tstate = bad;
			else
				wrong.state.fstate = bad;
			suspended.state = wrong.state;
			CHECK_RET(trap_struct(NR_sigprocess, &wrong), -EFAULT);
			CHECK_RET(trap_struct(NR_thread_suspended, &suspended), -EFAULT);
		}
	}
	for (int part = 0; part < 2; part++) {
		size_t size = part ? sizeof(handed.general) : sizeof(handed.floating);
		/* What is handed in must be there, and be given back. */
		void *const places[] = {
			fault_at(&hole, size), fault_at(&hole, size - 1), read_only,
		};

		memset(hole.pages, 0, hole.page_size);
		for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
			struct sigprocess_args wrong = good;

			if (part)
				wrong.state.tstate = places[i];
			else
				wrong.state.fstate = places[i];
			CHECK_RET(trap_struct(NR_sigprocess, &wrong), i ? -EFAULT : 0);
		}
	}
	args = fault_at(&hole, sizeof(*args));
	memcpy(args, &good, sizeof(good));
	CHECK_RET(trap_struct(NR_sigprocess, args), 0);
	CHECK_EQ(args->signum, BSD_USR1);
	CHECK_RET(trap_struct(NR_sigprocess, fault_at(&hole, sizeof(*args) - 1)), -EFAULT);
	memcpy(hole.pages, &good, sizeof(good));
	REQUIRE_EQ(mprotect(hole.pages, hole.page_size, PROT_READ), 0);
	CHECK_RET(trap_struct(NR_sigprocess, hole.pages), -EFAULT);
	/* Nothing of all this is left. */
	handed_fill(&handed, 1);
	CHECK_RET(sigprocess(&signal, &handed, &signum), 0);
	CHECK_EQ(signum, BSD_USR1);
	CHECK(handed_matches(&handed, 1));
}

/* The structures of 32-bit clients have short pointers, and so has their siginfo. */
TEST(narrow_structures)
{
	struct {
		int32_t signum;
		uint32_t tstate, fstate;
		int32_t number, error, code;
		uint32_t address;
		uint8_t rest[112];
	} *args;
	struct handed *handed;
	struct told told;
	name_t port;
	uint32_t low;
	pid_t pid;

	if (!has_int80())
		SKIP("no 32-bit system calls here");
	mach_open();
	self();
	_Static_assert(sizeof(*args) == 140, "as structs32.csv says");
	args = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT,
		    -1, 0);
	REQUIRE(args != MAP_FAILED);
	low = (uint32_t)(uintptr_t)args;
	handed = (void *)((char *)args + 2048);
	handed_fill(handed, 9);
	args->tstate = (uint32_t)(uintptr_t)handed->general;
	args->fstate = (uint32_t)(uintptr_t)handed->floating;
	args->signum = 99;
	args->number = SIGSEGV;
	args->code = SEGV_MAPERR;
	args->address = 0xdeadbee0;
	CHECK_RET(int80(54, (unsigned int)mach_fd, NR_sigprocess, low), 0);
	CHECK_EQ(args->signum, BSD_SEGV);
	CHECK(handed_matches(handed, 9));
	CHECK_RET(int80(54, (unsigned int)mach_fd, NR_thread_suspended,
			(uint32_t)(uintptr_t)&args->tstate), 0);
	CHECK(handed_matches(handed, 9));
	/* The address is in its place: another thread tells what it is told. */
	port = new_send_right();
	REQUIRE_RET(listen_to(self(), EXC_MASK_ALL, port, WIDE_DEFAULT, 0), 0);
	pid = fork();
	if (pid == 0) {
		mach_forget();
		REQUIRE_EQ(get_api_version(), 19);
		CHECK_RET(int80(54, (unsigned int)mach_fd, NR_sigprocess, low), 0);
		CHECK_EQ(args->signum, 0);
		_exit(0);
	}
	RECEIVE_TOLD(&told, port, WIDE_DEFAULT);
	CHECK_HEX(told.codes[1], 0xdeadbee0);
	answer(&told, 0);
	WAIT_CHILD_OK(pid);
}
