// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include "act.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "files.h"
#include "mach_abi.h"
#include "mach_const.h"

#define PAGE		4096ul
/* The same places in all processes. Behind each area nothing is mapped. */
#define PLAY		0x10000000ul
#define PLAY_PAGES	4ul
#define READ_ONLY	0x10100000ul
#define NOWHERE		0x10200000ul
#define MESSAGE		0x10300000ul
#define MESSAGE_ROOM	0x20000ul
#define RECEIVED	0x10400000ul
#define OOL_NAMES	64u
/* Structures for traps made as 32-bit programs do: two pages for each thread */
#define NARROW		0x10500000ul

/* In the first page of PLAY, so that traps can write names there. */
#define slots		((volatile uint32_t *)PLAY)
#define words		((volatile uint64_t *)(PLAY + 64))

#define HEADER_SIZE	24u
#define REPLY_SLOT	7u
#define FIRST_FREE_SLOT	8u

static int device = -1;
static uint32_t self_name;
static bool is_narrow;

/* The message that is being put together; its size, and its descriptors. */
static uint32_t message_size, message_items;

long trap_of(unsigned int number, unsigned long argument)
{
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "0"((long)SYS_ioctl), "D"((long)device), "S"((long)number), "d"(argument)
			 : "rcx", "r11", "memory");
	return result;
}

/* --- Values ------------------------------------------------------------------- */

static uint32_t special_name(uint32_t which)
{
	switch (which) {
	case NAME_SELF:
		return self_name;
	case NAME_THREAD:
		return (uint32_t)trap_of(NR_thread_self_trap, 0);
	case NAME_HOST:
		return (uint32_t)trap_of(NR_host_self_trap, 0);
	case NAME_DEAD:
		return MACH_PORT_DEAD;
	case NAME_BAD:
		return 0x12345603;
	default:
		return MACH_PORT_NULL;
	}
}

static uint64_t special_pointer(uint32_t which)
{
	switch (which) {
	case POINTER_MESSAGE:
		return MESSAGE;
	case POINTER_HOLE:
		return PLAY + PLAY_PAGES * PAGE - 6;
	case POINTER_NOWHERE:
		return NOWHERE;
	case POINTER_KERNEL:
		return 0xffff888000001000ull;
	case POINTER_READ_ONLY:
		return READ_ONLY;
	default:
		return PLAY + PAGE + 3;
	}
}

static uint64_t resolve(uint32_t value)
{
	uint32_t which = value & 0xffffff;

	if (TAG(value) == TAG_NAME && which < NAMES)
		return which < SLOTS ? slots[which] : special_name(which);
	if (TAG(value) == TAG_POINTER && which < POINTERS) {
		if (which < POINTER_WORDS)
			return PLAY + 4 * which;
		if (which < POINTER_MESSAGE)
			return (uintptr_t)&words[which - POINTER_WORDS];
		return special_pointer(which);
	}
	if (TAG(value) == TAG_WIDE && which < WIDES)
		return wide_values[which];
	return (uint64_t)(int64_t)(int32_t)value;
}

static uint64_t argument(const struct call *call, uint32_t index)
{
	return index < call->count ? resolve(call->args[index]) : 0;
}

static uint32_t word_argument(const struct call *call, uint32_t index)
{
	return (uint32_t)argument(call, index);
}

/* --- What comes back ------------------------------------------------------------- */

static volatile bool *poison_seen;

void act_watch_poison(volatile bool *seen)
{
	poison_seen = seen;
}

/*
 * Memory that the kernel has allocated and not written: with slab_debug=P it is full
 * of this. No sequence has such a word of its own.
 */
static void look_for_poison(const volatile uint32_t *memory, uint32_t size)
{
	for (uint32_t i = 0; i < size / 4; i++)
		if (poison_seen && (memory[i] == 0x6b6b6b6b || memory[i] == 0xaaaaaaaa))
			*poison_seen = true;
}

/* --- Messages --------------------------------------------------------------------- */

static void append(const void *bytes, uint32_t size)
{
	if (message_size + size > MESSAGE_ROOM)
		return;
	memcpy((void *)(MESSAGE + message_size), bytes, size);
	message_size += size;
}

static void append_word(uint32_t word)
{
	append(&word, 4);
}

static void begin(uint32_t target, uint32_t target_disposition, uint32_t reply,
		  uint32_t reply_disposition, uint32_t id)
{
	const uint32_t header[6] = {
		(target_disposition & 0xff) | (reply_disposition & 0xff) << 8,
		0, target, reply, 0, id,
	};

	message_size = message_items = 0;
	append(header, sizeof(header));
}

/* Begins a descriptor: the message is a complex one from now on. */
static void item(const void *bytes, uint32_t size)
{
	volatile uint32_t *header = (volatile uint32_t *)MESSAGE;

	if (message_size < HEADER_SIZE)
		begin(slots[0], MAKE_SEND, 0, 0, 0);
	if (!message_items) {
		header[0] |= MSGH_COMPLEX;
		append_word(0);
	}
	append(bytes, size);
	header[6] = ++message_items;
}

static void port_item(uint32_t name, uint32_t disposition)
{
	const uint32_t port[3] = { name, 0, (disposition & 0xff) << 16 };

	item(port, sizeof(port));
}

static void memory_item(uint64_t address, uint32_t size, uint32_t flags, uint32_t kind)
{
	struct {
		uint64_t address;
		uint32_t flags, size;
	} memory = { address, flags | kind << 24, size };

	item(&memory, sizeof(memory));
}

/* Names of slots in memory of their own, as they are by then. */
static void ports_item(uint32_t count, uint32_t first, uint32_t disposition, uint32_t flags)
{
	uint32_t *names = (uint32_t *)(PLAY + PAGE);

	for (uint32_t i = 0; i < OOL_NAMES; i++)
		names[i] = slots[(first + (i < count ? i : 0)) % SLOTS];
	memory_item((uintptr_t)names, count, (flags & 0x1ff) | (disposition & 0xff) << 16, 2);
}

static void guarded_item(uint32_t name, uint32_t flags, uint64_t context)
{
	struct {
		uint64_t context;
		uint32_t flags, name;
	} guarded = { context, (flags & 0xff) | MOVE_RECEIVE << 16 | 4u << 24, name };

	item(&guarded, sizeof(guarded));
}

static void data(const struct call *call)
{
	for (uint32_t i = 0; i < call->count; i++) {
		uint64_t value = argument(call, i);
		uint32_t tag = TAG(call->args[i]);

		append(&value, tag == TAG_POINTER || tag == TAG_WIDE ? 8 : 4);
	}
}

/* Keeps the first two names of an array that was received. */
static void keep_array(const uint32_t *names, uint32_t count, uint32_t *slot)
{
	for (uint32_t i = 0; names && i < count && i < 2; i++)
		slots[(*slot)++ % SLOTS] = names[i];
}

/* Keeps the names in the message at @address in slots, from @slot on. */
static void keep_names(uintptr_t address, uint32_t slot)
{
	const volatile uint32_t *message = (const volatile uint32_t *)address;
	uint32_t at = 7, count = message[6], size = message[1];

	look_for_poison(message, size + MACH_TRAILER_MAX < MESSAGE_ROOM ?
					 size + MACH_TRAILER_MAX : MESSAGE_ROOM);
	slots[slot++ % SLOTS] = message[2];
	if (!(message[0] & MSGH_COMPLEX))
		return;
	for (uint32_t i = 0; i < count && i < 8; i++) {
		const volatile uint32_t *one = message + at;

		switch (one[2] >> 24) {
		case 0:
			slots[slot++ % SLOTS] = one[0];
			at += 3;
			break;
		case 2:
			words[8] = one[0] | (uint64_t)one[1] << 32;
			keep_array((const uint32_t *)words[8], one[3], &slot);
			at += 4;
			break;
		case 4:
			slots[slot++ % SLOTS] = one[3];
			at += 4;
			break;
		default:
			words[8] = one[0] | (uint64_t)one[1] << 32;
			at += 4;
		}
	}
}

static long message_trap(uint32_t options, uint32_t send_size, uint32_t receive_size,
			 uint32_t receive_name, uint32_t limit_ms, uintptr_t to)
{
	const struct mach_msg_overwrite_args arguments = {
		.msg = (void *)MESSAGE, .option = options, .send_size = send_size,
		.recv_size = receive_size, .rcv_name = receive_name, .timeout = limit_ms,
		.rcv_msg = (void *)to,
	};

	return trap_of(NR_mach_msg_overwrite_trap, (unsigned long)&arguments);
}

static void ask(uint32_t more)
{
	const uint32_t options = MACH_SEND_MSG | MACH_RCV_MSG | MACH_SEND_TIMEOUT | MACH_RCV_TIMEOUT;

	if (!message_trap(options, message_size + more, MESSAGE_ROOM, slots[REPLY_SLOT], 5,
			  RECEIVED))
		keep_names(RECEIVED, FIRST_FREE_SLOT);
}

static void receive(const struct call *call)
{
	uint32_t size = call->count > 2 ? word_argument(call, 2) : MESSAGE_ROOM;

	if (!message_trap(MACH_RCV_MSG | MACH_RCV_TIMEOUT | (word_argument(call, 1) & ~1u), 0,
			  size, word_argument(call, 0), word_argument(call, 3) % 16, RECEIVED))
		keep_names(RECEIVED, word_argument(call, 4));
}

int32_t act_ask(uint32_t target, int32_t id, unsigned int kind, unsigned int ports,
		unsigned int count)
{
	static const uint8_t ndr[8] = { 0, 0, 0, 0, 1 };
	const volatile uint32_t *reply = (const volatile uint32_t *)RECEIVED;

	begin(target, COPY_SEND, slots[REPLY_SLOT], MAKE_SEND_ONCE, (uint32_t)id);
	for (unsigned int i = 0; i < ports; i++) {
		if (kind)
			memory_item(0, 0, MOVE_SEND << 16, kind);
		else
			port_item(0, MOVE_SEND);
	}
	append(ndr, count ? 8 : 0);
	for (unsigned int i = 0; i < count; i++)
		append_word(0);
	if (message_trap(MACH_SEND_MSG | MACH_RCV_MSG | MACH_SEND_TIMEOUT | MACH_RCV_TIMEOUT,
			 message_size, MESSAGE_ROOM, slots[REPLY_SLOT], 20, RECEIVED))
		return 1;
	return reply[0] & MSGH_COMPLEX ? 0 : (int32_t)reply[8];
}

/* --- Traps ---------------------------------------------------------------------------- */

/* The system call of 32-bit programs, which 64-bit ones may make as well */
static long narrow_trap_of(unsigned int number, unsigned long argument)
{
	long result;

	__asm__ volatile("int $0x80"
			 : "=a"(result)
			 : "0"(54l), "b"((long)device), "c"((long)number), "d"(argument)
			 : "r8", "r9", "r10", "r11", "memory");
	return (int32_t)result;
}

static void write_field(uint8_t *structure, const struct trap_form *form, uint32_t index,
			uint64_t value)
{
	uint32_t offset = is_narrow ? form->field[index].narrow_offset : form->field[index].offset;
	uint32_t size = is_narrow ? form->field[index].narrow_size : form->field[index].size;

	if (form->field[index].kind == FIELD_BYTES && form->number == NR_handle_to_path && index == 1)
		file_handle(structure + offset, size, (uint32_t)value % 64);
	else if (form->field[index].kind == FIELD_BYTES)
		file_name((char *)structure + offset, size, (uint32_t)value % 64);
	else
		memcpy(structure + offset, &value, size);
}

static void make_trap(const struct call *call, const struct trap_form *form)
{
	static __thread uint8_t wide_structure[8192];
	uint8_t *structure = is_narrow ? (uint8_t *)NARROW + call->thread * 2 * PAGE : wide_structure;
	uint32_t size = is_narrow ? form->narrow_size : form->size;
	unsigned long given = 0;
	long result;

	if (size && size <= sizeof(wide_structure)) {
		memset(structure, 0, size);
		for (uint32_t i = 0; i < form->fields; i++)
			write_field(structure, form, i, argument(call, i));
		/* Beyond the last member: where the structure is. */
		given = call->count > form->fields ? argument(call, form->fields) :
						     (unsigned long)structure;
	} else if (form->fields) {
		given = argument(call, 0);
	}
	result = is_narrow ? narrow_trap_of(form->number, given) : trap_of(form->number, given);
	look_for_poison((const volatile uint32_t *)PLAY, 64 + 8 * WORDS);
	if (form->gives_name)
		slots[FIRST_FREE_SLOT + form->number % FIRST_FREE_SLOT] = (uint32_t)result;
}

/* --- Processes and memory ---------------------------------------------------------------- */

static void map(unsigned long address, unsigned long size, int protection)
{
	mmap((void *)address, size, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}

static void open_device(void)
{
	int fd = open("/dev/mach", O_RDWR | O_CLOEXEC);

	if (fd >= 0)
		device = fd;
}

static void nap(uint32_t ms)
{
	const struct timespec ts = { 0, (long)(ms % 20) * 1000000 };

	nanosleep(&ts, NULL);
}

/* A program with changes; the words are taken as they are. */
static void execute_changed(const struct call *call)
{
	uint32_t count = call->count > 2 ? call->count - 2 : 0;

	file_execute_changed(word_argument(call, 0), word_argument(call, 1), &call->args[2], count);
}

static void open_file(uint32_t which, uint32_t slot)
{
	int other, fd = file_open(which, &other);

	slots[slot % SLOTS] = (uint32_t)fd;
	if (other >= 0)
		slots[(slot + 1) % SLOTS] = (uint32_t)other;
}

static void write_text(uint32_t word, uint32_t which)
{
	char text[128];

	file_name(text, sizeof(text), which % 64);
	text[sizeof(text) - 1] = '\0';
	word %= WORDS - sizeof(text) / 8;
	memcpy((void *)&words[word], text, strlen(text) + 1);
}

/* A structure that kevent, kevent64 or kevent_qos takes, by the layout */
static void write_event(const struct call *call)
{
	uint64_t ident = argument(call, 2), data = argument(call, 6), udata = argument(call, 7);
	uint32_t head = (word_argument(call, 3) & 0xffff) | word_argument(call, 4) << 16;
	uint32_t fflags = word_argument(call, 5), at = word_argument(call, 0) % (WORDS - 9);
	volatile uint64_t *event = &words[at];

	event[0] = ident;
	if (word_argument(call, 1) % 3 < 2) {
		event[1] = head | (uint64_t)fflags << 32;
		event[2] = data;
		event[3] = udata;
		return;
	}
	event[1] = head;
	event[2] = udata;
	event[3] = fflags;
	event[4] = data;
	/* Where a port's messages are received to */
	event[5] = MESSAGE + MESSAGE_ROOM / 2;
	event[6] = PAGE;
}

static void child(void)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		trap_of(NR_get_api_version, 0);
		_exit(0);
	}
	trap_of(NR_fork_wait_for_child, 0);
	if (pid > 0)
		waitpid(pid, &status, WNOHANG);
}

static void change_memory(uint32_t page, uint32_t how)
{
	void *address = (void *)(PLAY + PAGE * (1 + page % (PLAY_PAGES - 1)));

	switch (how % 4) {
	case 0:
		munmap(address, PAGE);
		break;
	case 1:
		mmap(address, PAGE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		break;
	case 2:
		mprotect(address, PAGE, PROT_READ);
		break;
	default:
		mprotect(address, PAGE, PROT_NONE);
	}
}

/* What calls have taken away of the memory to play with comes back when it is used. */
static void repair(int signal_number, siginfo_t *info, void *context)
{
	unsigned long address = (unsigned long)info->si_addr & ~(PAGE - 1);

	(void)signal_number;
	(void)context;
	if (address < PLAY || address >= PLAY + PLAY_PAGES * PAGE)
		_exit(1);
	map(address, PAGE, PROT_READ | PROT_WRITE);
}

static void nothing(int signal_number)
{
	(void)signal_number;
}

static void kill_one(const struct call *call, const pid_t pids[PROCESSES])
{
	static const int signals[] = { SIGKILL, SIGUSR1, SIGSTOP, SIGCONT, SIGSEGV };
	pid_t pid = pids[word_argument(call, 0) % PROCESSES];

	if (pid > 0)
		kill(pid, signals[word_argument(call, 1) % 5]);
}

static void poke(const struct call *call)
{
	for (uint32_t i = 1; i < call->count; i++)
		words[(word_argument(call, 0) + i - 1) % WORDS] = argument(call, i);
}

void act(const struct call *call, const pid_t pids[PROCESSES])
{
	static const uint8_t ndr[8] = { 0, 0, 0, 0, 1 };
	const struct trap_form *form = op_trap(call->op);

	if (form) {
		make_trap(call, form);
		return;
	}
	switch ((enum op)call->op) {
	case OP_BEGIN:
		begin(word_argument(call, 0), word_argument(call, 1), word_argument(call, 2),
		      word_argument(call, 3), word_argument(call, 4));
		break;
	case OP_PORT:
		port_item(word_argument(call, 0), word_argument(call, 1));
		break;
	case OP_OOL:
		memory_item(argument(call, 0), word_argument(call, 1),
			    word_argument(call, 2) & 0xffff, 1);
		break;
	case OP_OOL_PORTS:
		ports_item(word_argument(call, 0), word_argument(call, 1),
			   word_argument(call, 2), word_argument(call, 3));
		break;
	case OP_GUARDED:
		guarded_item(word_argument(call, 0), word_argument(call, 1), argument(call, 2));
		break;
	case OP_NDR:
		append(ndr, sizeof(ndr));
		break;
	case OP_DATA:
		data(call);
		break;
	case OP_SEND:
		message_trap(MACH_SEND_MSG | MACH_SEND_TIMEOUT | (word_argument(call, 0) & ~2u),
			     message_size + word_argument(call, 2), 0, 0,
			     word_argument(call, 1) % 16, 0);
		break;
	case OP_ASK:
		ask(word_argument(call, 0));
		break;
	case OP_RECEIVE:
		receive(call);
		break;
	case OP_CHILD:
		child();
		break;
	case OP_EXEC:
		file_execute(word_argument(call, 0));
		break;
	case OP_KILL:
		kill_one(call, pids);
		break;
	case OP_EXIT:
		_exit(0);
	case OP_OPEN:
		open_device();
		break;
	case OP_CLOSE:
		close((int)(word_argument(call, 0) % 16));
		break;
	case OP_MACHO:
		execute_changed(call);
		break;
	case OP_FILE:
		open_file(word_argument(call, 0), word_argument(call, 1));
		break;
	case OP_TEXT:
		write_text(word_argument(call, 0), word_argument(call, 1));
		break;
	case OP_EVENT:
		write_event(call);
		break;
	case OP_NARROW:
		is_narrow = word_argument(call, 0);
		break;
	case OP_POKE:
		poke(call);
		break;
	case OP_MEMORY:
		change_memory(word_argument(call, 0), word_argument(call, 1));
		break;
	case OP_NAP:
		nap(word_argument(call, 0));
		break;
	case OP_FORK:
	case OPS_OWN:
		break;
	}
}

/* --- What each process starts with ---------------------------------------------------------- */

static uint32_t allocate(int right)
{
	const struct mach_port_allocate_args arguments = {
		.task_right_name = self_name, .right_type = right,
		.out_right_name = (unsigned int *)&words[0],
	};

	trap_of(NR__kernelrpc_mach_port_allocate, (unsigned long)&arguments);
	return (uint32_t)words[0];
}

static uint32_t allocate_port(void)
{
	uint32_t name = allocate(MACH_PORT_RIGHT_RECEIVE);
	const struct mach_port_insert_right_args arguments = {
		.task_right_name = self_name, .port_name = name, .right_name = name,
		.right_type = MAKE_SEND,
	};

	trap_of(NR__kernelrpc_mach_port_insert_right_trap, (unsigned long)&arguments);
	return name;
}

/* The bootstrap port, which children inherit, is the first port of process 0. */
static void meet(unsigned int process)
{
	static const uint8_t ndr[8] = { 0, 0, 0, 0, 1 };

	begin(self_name, COPY_SEND, slots[REPLY_SLOT], MAKE_SEND_ONCE,
	      process ? MSG_TASK_GET_SPECIAL_PORT : MSG_TASK_SET_SPECIAL_PORT);
	if (!process)
		port_item(slots[0], MAKE_SEND);
	append(ndr, sizeof(ndr));
	append_word(4);
	ask(0);
	if (process)
		slots[5] = slots[FIRST_FREE_SLOT + 1];
}

/* A semaphore, by message; it comes in a slot that is free. */
static void make_semaphore(void)
{
	static const uint8_t ndr[8] = { 0, 0, 0, 0, 1 };

	begin(self_name, COPY_SEND, slots[REPLY_SLOT], MAKE_SEND_ONCE, 3418);
	append(ndr, sizeof(ndr));
	append_word(0);
	append_word(1);
	ask(0);
	slots[3] = slots[FIRST_FREE_SLOT + 1];
}

void act_forget(void)
{
	self_name = 0;
	message_size = message_items = 0;
}

void act_prepare(unsigned int process)
{
	const struct sigaction none = { .sa_handler = nothing };
	const struct sigaction repairing = { .sa_sigaction = repair, .sa_flags = SA_SIGINFO };

	signal(SIGPIPE, SIG_IGN);
	sigaction(SIGUSR1, &none, NULL);
	sigaction(SIGSEGV, &repairing, NULL);
	if (!process) {
		map(PLAY, PLAY_PAGES * PAGE, PROT_READ | PROT_WRITE);
		map(READ_ONLY, PAGE, PROT_READ);
		map(MESSAGE, MESSAGE_ROOM, PROT_READ | PROT_WRITE);
		map(RECEIVED, MESSAGE_ROOM, PROT_READ | PROT_WRITE);
		map(NARROW, THREADS * 2 * PAGE, PROT_READ | PROT_WRITE);
		open_device();
	}
	self_name = (uint32_t)trap_of(NR_task_self_trap, 0);
	for (uint32_t i = 0; i < SLOTS; i++)
		slots[i] = 0;
	slots[0] = allocate_port();
	slots[1] = allocate_port();
	slots[2] = allocate(MACH_PORT_RIGHT_PORT_SET);
	slots[4] = (uint32_t)trap_of(NR_mk_timer_create_trap, 0);
	slots[6] = allocate(MACH_PORT_RIGHT_DEAD_NAME);
	slots[REPLY_SLOT] = (uint32_t)trap_of(NR_mach_reply_port, 0);
	make_semaphore();
	meet(process);
	message_size = 0;
}
