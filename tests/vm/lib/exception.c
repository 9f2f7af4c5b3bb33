// SPDX-License-Identifier: GPL-2.0
/*
 * Both sides of an exception, see exception.h.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include "exception.h"
#include "harness.h"
#include "mach.h"
#include "process.h"
#include "rpc.h"

#define REPLY		100
#define FXSAVE_SIZE	512u

int32_t get_state(name_t thread, uint32_t flavor, uint32_t room, void *state)
{
	struct rpc rpc;
	int32_t result = RPC(&rpc, thread, GET_STATE, flavor, room);

	if (!result) {
		REQUIRE(rpc_words(&rpc)[0] <= room);
		memcpy(state, rpc_words(&rpc) + 1, rpc_words(&rpc)[0] * 4);
	}
	return result;
}

int32_t set_state(name_t thread, uint32_t flavor, uint32_t count, const void *state)
{
	struct rpc rpc;

	rpc_begin(&rpc, thread, SET_STATE);
	rpc_word(&rpc, flavor);
	rpc_word(&rpc, count);
	rpc_bytes(&rpc, state, count * 4);
	return rpc_call(&rpc);
}

void handed_fill(struct handed *handed, uint64_t seed)
{
	body_fill(handed->general, sizeof(handed->general), (uint32_t)seed);
	body_fill(handed->floating, sizeof(handed->floating), (uint32_t)seed + 1);
}

bool handed_matches(const struct handed *handed, uint64_t seed)
{
	return body_matches(handed->general, sizeof(handed->general), (uint32_t)seed) &&
	       body_matches(handed->floating, sizeof(handed->floating), (uint32_t)seed + 1);
}

long sigprocess(const struct fake_signal *signal, struct handed *handed, int *signum)
{
	struct sigprocess_args args;
	long result;

	memset(&args, 0, sizeof(args));
	args.signum = signal->bsd;
	args.state.tstate = handed->general;
	args.state.fstate = handed->floating;
	memcpy(args.siginfo, &signal->number, 4);
	memcpy(args.siginfo + 8, &signal->code, 4);
	memcpy(args.siginfo + 16, &signal->address, 8);
	result = trap_struct(NR_sigprocess, &args);
	if (signum)
		*signum = args.signum;
	return result;
}

long thread_suspended(struct handed *handed)
{
	struct thread_suspended_args args = {
		.state = { .tstate = handed->general, .fstate = handed->floating },
	};

	return trap_struct(NR_thread_suspended, &args);
}

const struct fault_kind faults[FAULTS] = {
	[FAULT_SEGV] = { "SEGV", SIGSEGV, EXC_BAD_ACCESS, { 1, BAD_ADDRESS }, BSD_SEGV },
	[FAULT_BUS] = { "BUS", SIGBUS, EXC_BAD_ACCESS, { 17, 0 }, BSD_BUS },
	[FAULT_ILL] = { "ILL", SIGILL, EXC_BAD_INSTRUCTION, { 1, 0 }, BSD_ILL },
	[FAULT_FPE] = { "FPE", SIGFPE, EXC_ARITHMETIC, { FPE_INTDIV, 0 }, BSD_FPE },
	[FAULT_TRAP] = { "TRAP", SIGTRAP, EXC_BREAKPOINT, { 2, 0 }, BSD_TRAP },
};

/* How registers are called in a signal context, in the order of the interface */
static const int context_names[RFLAGS + 1] = {
	REG_RAX, REG_RBX, REG_RCX, REG_RDX, REG_RDI, REG_RSI, REG_RBP, REG_RSP, REG_R8,
	REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15, REG_RIP, REG_EFL,
};

static __thread sigjmp_buf way_out;
static __thread volatile char *empty_page;
static __thread volatile int fault_count;

static void handle(int number, siginfo_t *info, void *argument)
{
	mcontext_t *context = &((ucontext_t *)argument)->uc_mcontext;
	struct handed handed = { 0 };
	struct sigprocess_args args;

	fault_count++;
	for (int i = 0; i <= RFLAGS; i++)
		handed.general[i] = (uint64_t)context->gregs[context_names[i]];
	memcpy(handed.floating + 2, context->fpregs, FXSAVE_SIZE);
	memset(&args, 0, sizeof(args));
	for (int i = 0; i < FAULTS; i++)
		if (faults[i].signal == number)
			args.signum = faults[i].bsd;
	args.state.tstate = handed.general;
	args.state.fstate = handed.floating;
	memcpy(args.siginfo, info, sizeof(args.siginfo));
	REQUIRE_RET(trap_struct(NR_sigprocess, &args), 0);
	if (args.signum)
		siglongjmp(way_out, args.signum);
	for (int i = 0; i <= RFLAGS; i++)
		context->gregs[context_names[i]] = (greg_t)handed.general[i];
	memcpy(context->fpregs, handed.floating + 2, FXSAVE_SIZE);
}

void client_init(void)
{
	struct sigaction action = { .sa_sigaction = handle, .sa_flags = SA_SIGINFO };

	for (int i = 0; i < FAULTS; i++)
		REQUIRE_EQ(sigaction(faults[i].signal, &action, NULL), 0);
}

/* A page of a file that has no bytes for it */
static __attribute__((noinline)) volatile char *beyond_the_end(void)
{
	int fd = memfd_create("empty", MFD_CLOEXEC);
	void *page;

	REQUIRE(fd >= 0);
	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	REQUIRE(page != MAP_FAILED);
	close(fd);
	return page;
}

int go_wrong(enum fault fault, int *times)
{
	int result;

	if (fault == FAULT_BUS && !empty_page)
		empty_page = beyond_the_end();
	result = sigsetjmp(way_out, 1);
	if (result) {
		*times = fault_count;
		return result;
	}
	fault_count = 0;
	/* Each is of two bytes, so that who changes registers can step over it. */
	switch (fault) {
	case FAULT_SEGV:
		__asm__ volatile("movb (%%rcx), %%al" : : "c"(BAD_ADDRESS) : "rax", "memory");
		break;
	case FAULT_BUS:
		__asm__ volatile("movb (%%rcx), %%al" : : "c"(empty_page) : "rax", "memory");
		break;
	case FAULT_ILL:
		__asm__ volatile("ud2");
		break;
	case FAULT_FPE:
		__asm__ volatile("div %%ecx" : : "c"(0) : "rax", "rdx");
		break;
	case FAULT_TRAP:
		__asm__ volatile("int3; nop");
		break;
	default:
		FATAL("no such fault");
	}
	*times = fault_count;
	return 0;
}

int32_t listen_to(name_t target, uint32_t mask, name_t port, uint32_t behavior, uint32_t flavor)
{
	int32_t id = target == host_self() ? 415 : target == self() ? 3413 : 3613;
	struct rpc rpc;
	int32_t result;

	do {
		rpc_begin(&rpc, target, id);
		rpc_port(&rpc, port, port ? COPY_SEND : MOVE_SEND);
		rpc_word(&rpc, mask);
		rpc_word(&rpc, behavior);
		rpc_word(&rpc, flavor);
		result = rpc_call(&rpc);
		/* It may be the port of another task. */
	} while (result == KERN_INVALID_ARGUMENT && id == 3613 && (id = 3413));
	return result;
}

void receive_told(const char *file, int line, struct told *told, name_t port, uint32_t behavior)
{
	static const uint8_t ndr[8] = { 0, 0, 0, 0, 1, 0, 0, 0 };
	struct message *message = &told->message;
	struct port_descriptor ports[2];
	bool wide = behavior & EXC_WIDE;
	uint32_t plain = behavior & 3;
	uint32_t *at = message->body;
	long result = msg_receive_within(message, port, 10000);

	if (result)
		check_fail(file, line, END_CASE, "no message: %#lx", result);
	told->thread = told->task = told->flavor = told->count = 0;
	CHECK_EQ(message->header.id, (wide ? 2404 : 2400) + (int)plain);
	CHECK_HEX(message->header.bits,
		  MSGH_BITS(MOVE_SEND_ONCE, MOVE_SEND) | (plain == EXC_STATE ? 0 : MSGH_COMPLEX));
	CHECK_HEX(message->header.local, port);
	told->reply = message->header.remote;
	if (plain != EXC_STATE) {
		REQUIRE_EQ(message->body[0], 2);
		memcpy(ports, message->body + 1, sizeof(ports));
		told->thread = ports[0].name;
		told->task = ports[1].name;
		for (int i = 0; i < 2; i++)
			CHECK_HEX(ports[i].pad16_disposition_type, MOVE_SEND << 16);
		at += 1 + 2 * 3;
	}
	CHECK(!memcmp(at, ndr, sizeof(ndr)));
	at += 2;
	told->exception = *at++;
	CHECK_EQ(*at, 2);
	at++;
	for (int i = 0; i < 2; i++) {
		if (wide)
			memcpy(&told->codes[i], at, 8);
		else
			told->codes[i] = (int32_t)*at;
		at += wide ? 2 : 1;
	}
	if (plain != EXC_DEFAULT) {
		told->flavor = *at++;
		told->count = *at++;
		told->state = at;
		at += told->count;
	}
	CHECK_EQ(message->header.size, (uint32_t)((uint8_t *)at - (uint8_t *)message));
}

void answer_raw(struct told *told, int32_t id, const void *body, uint32_t size)
{
	struct message reply;

	message_init(&reply, MSGH_BITS(MOVE_SEND_ONCE, 0), told->reply, 0, id);
	memcpy(reply.body, body, size);
	CHECK_RET(msg_send(&reply, HEADER_SIZE + size), 0);
}

void answer(struct told *told, int32_t code)
{
	uint32_t body[5 + 614] = { 0, 1, (uint32_t)code, told->flavor, told->count };
	uint32_t words = 3;

	if (told->count && !code) {
		memcpy(body + 5, told->state, told->count * 4);
		words = 5 + told->count;
	}
	answer_raw(told, told->message.header.id + REPLY, body, words * 4);
}

long set_sigexc(pid_t pid, int sigexc)
{
	struct ptrace_sigexc_args args = { .pid = pid, .sigexc = sigexc };

	return trap_struct(NR_ptrace_sigexc, &args);
}

long set_pending(pid_t tid, int signum)
{
	struct ptrace_thupdate_args args = { .tid = tid, .signum = signum };

	return trap_struct(NR_ptrace_thupdate, &args);
}
