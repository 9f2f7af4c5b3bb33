// SPDX-License-Identifier: GPL-2.0
/*
 * A static program that sends and receives what the bodies of messages carry,
 * laid out for its own width. Prints "wrong LINE GOT WANT" for what is not as
 * it should be, and "end". Its first argument says what it does:
 *
 *	self	messages to a port of its own
 *	peer	messages to and from whoever receives at the bootstrap port
 */
#include "mach.h"

#define MOVE_RECEIVE		16
#define MOVE_SEND		17

#define TYPE_PORT		0
#define TYPE_OOL		1
#define TYPE_OOL_PORTS		2
#define TYPE_GUARDED		4

#define SEND_TIMEOUT		0x10u
#define RCV_LARGE		0x4u
#define RCV_GUARDED_DESC	0x1000u

#define SEND_TIMED_OUT		0x10000004
#define SEND_TOO_SMALL		0x10000008
#define SEND_INVALID_TYPE	0x1000000f
#define RCV_TOO_LARGE		0x10004004
#define RCV_INVALID_DATA	0x10004008

#define GUARD_IMMOVABLE		1
#define GUARD_UNGUARDED		2

#define MEMORY			5000u	/* more than a page */
#define NAMES			3u
#define END			0x5eed5eedu
#define REQUEST_ID		77
#define REPLY_ID		78
#define QUEUE_LIMIT		5

#define EXPECT(got, want)	expect(__LINE__, (unsigned long)(got), (unsigned long)(want))

struct port_item {
	name_t name;
	uint32_t pad;
	uint16_t pad16;
	uint8_t disposition, type;
};

#ifdef __x86_64__
struct ool_item {
	uint64_t address;
	uint8_t deallocate, copy, pad, type;
	uint32_t size;
} __attribute__((packed));

struct ool_ports_item {
	uint64_t address;
	uint8_t deallocate, copy, disposition, type;
	uint32_t count;
} __attribute__((packed));

struct guarded_item {
	uint64_t context;
	uint16_t flags;
	uint8_t disposition, type;
	name_t name;
} __attribute__((packed));
#else
struct ool_item {
	uint32_t address, size;
	uint8_t deallocate, copy, pad, type;
};

struct ool_ports_item {
	uint32_t address, count;
	uint8_t deallocate, copy, disposition, type;
};

struct guarded_item {
	uint32_t context;
	name_t name;
	uint16_t flags;
	uint8_t disposition, type;
};
#endif

/* One of each kind, plain data, and room for a trailer */
struct all {
	struct header header;
	uint32_t count;
	struct port_item port;
	struct ool_item memory;
	struct ool_ports_item ports;
	struct guarded_item guarded;
	uint32_t end;
	uint32_t trailer[17];
} __attribute__((packed));

#define ALL_SIZE	((uint32_t)offsetof(struct all, trailer))

static uint8_t bytes[MEMORY];
static struct all sent, got;

static void expect(int line, unsigned long value, unsigned long want)
{
	if (value != want)
		say("wrong %d %lx %lx\n", line, value, want);
}

static long msg(void *buffer, uint32_t option, uint32_t size, uint32_t room, name_t port,
		uint32_t timeout)
{
	struct mach_msg_overwrite_args arguments = {
		.msg = ADDRESS(buffer),
		.option = option,
		.send_size = size,
		.recv_size = room,
		.rcv_name = port,
		.timeout = timeout,
	};

	return (uint32_t)trap(NR_mach_msg_overwrite_trap, (uintptr_t)&arguments);
}

static long send(void *buffer, uint32_t size)
{
	return msg(buffer, SEND_MSG | SEND_TIMEOUT, size, 0, 0, 0);
}

static long receive(struct all *buffer, uint32_t option, uint32_t room, name_t port)
{
	memset(buffer, 0xcc, sizeof(*buffer));
	return msg(buffer, RCV_MSG | RCV_TIMEOUT | option, 0, room, port, 10000);
}

/* The user references of the send right @name, found by asking for too many to go */
static bool has_send_urefs(name_t name, int urefs)
{
	struct mach_port_mod_refs_args args = {
		.task_right_name = task_self(), .port_right_name = name, .right_type = 0,
	};
	long more, none;

	args.delta = -(urefs + 1);
	more = trap(NR__kernelrpc_mach_port_mod_refs, (uintptr_t)&args);
	args.delta = 0;
	none = trap(NR__kernelrpc_mach_port_mod_refs, (uintptr_t)&args);
	if (more != 18 || none)
		return false;
	if (urefs < 2)
		return true;
	args.delta = 1 - urefs;
	if (trap(NR__kernelrpc_mach_port_mod_refs, (uintptr_t)&args))
		return false;
	args.delta = urefs - 1;
	return !trap(NR__kernelrpc_mach_port_mod_refs, (uintptr_t)&args);
}

/* Is there memory at @address that the kernel can read for us? */
static bool readable(unsigned long address)
{
	return CALL3(open, address, 0, 0) != -14; /* EFAULT */
}

static void fill(struct all *message, name_t to, int32_t id)
{
	static name_t names[NAMES];
	size_t i;

	for (i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 7 + 1);
	for (i = 0; i < NAMES; i++)
		names[i] = new_port();
	*message = (struct all){
		.header = {
			.bits = MSGH_COMPLEX | MSGH_BITS(COPY_SEND, 0),
			.size = 0xdead,
			.remote = to,
			.id = id,
		},
		.count = 4,
		.port = { .name = new_port(), .disposition = MAKE_SEND, .type = TYPE_PORT },
		.memory = { .copy = 1, .type = TYPE_OOL, .size = sizeof(bytes) },
		.ports = { .disposition = COPY_SEND, .type = TYPE_OOL_PORTS, .count = NAMES },
		.guarded = {
			.flags = GUARD_IMMOVABLE | GUARD_UNGUARDED,
			.disposition = MOVE_RECEIVE, .type = TYPE_GUARDED, .name = new_port(),
		},
		.end = END,
	};
	message->memory.address = (uintptr_t)bytes;
	message->ports.address = (uintptr_t)names;
}

static bool is_sent_memory(struct ool_item item)
{
	const uint8_t *memory = (const uint8_t *)(uintptr_t)item.address;
	size_t i;

	if (item.size != MEMORY)
		return false;
	for (i = 0; i < MEMORY; i++)
		if (memory[i] != (uint8_t)(i * 7 + 1))
			return false;
	return true;
}

/* What has arrived of fill(), with the guard's address or without the guarded right */
static void check(const struct all *message, int32_t id, bool with_guarded)
{
	const name_t *names = (const name_t *)(uintptr_t)message->ports.address;
	size_t i;

	EXPECT(message->header.bits, MSGH_COMPLEX | MSGH_BITS(0, MOVE_SEND));
	EXPECT(message->header.id, id);
	EXPECT(message->count, 4);
	EXPECT(message->port.type, TYPE_PORT);
	EXPECT(message->port.disposition, MOVE_SEND);
	EXPECT(message->memory.type, TYPE_OOL);
	EXPECT(message->memory.copy, 1);
	EXPECT(message->memory.deallocate, 1);
	EXPECT(is_sent_memory(message->memory), true);
	EXPECT(message->ports.type, TYPE_OOL_PORTS);
	EXPECT(message->ports.disposition, MOVE_SEND);
	EXPECT(message->ports.count, NAMES);
	for (i = 0; i < NAMES; i++)
		EXPECT(names[i] > 255 && has_send_urefs(names[i], 1), true);
	if (!with_guarded)
		return;
	EXPECT(message->header.size, ALL_SIZE);
	EXPECT(message->guarded.type, TYPE_GUARDED);
	EXPECT(message->guarded.disposition, MOVE_RECEIVE);
	EXPECT(message->guarded.flags, GUARD_IMMOVABLE | GUARD_UNGUARDED);
	EXPECT(message->guarded.context, (uintptr_t)message);
	EXPECT(message->end, END);
	EXPECT(message->trailer[0], 0);
	EXPECT(message->trailer[1], 8);
	EXPECT(message->trailer[2], 0xcccccccc);
}

/* The same where the names were in this task before: those of send rights come back. */
static void check_own(const struct all *message)
{
	const name_t *names = (const name_t *)(uintptr_t)message->ports.address;
	const name_t *old = (const name_t *)(uintptr_t)sent.ports.address;
	size_t i;

	EXPECT(message->port.name, sent.port.name);
	EXPECT(has_send_urefs(message->port.name, 2), true);
	for (i = 0; i < NAMES; i++) {
		EXPECT(names[i], old[i]);
		EXPECT(has_send_urefs(names[i], 2), true);
	}
	EXPECT(is_sent_memory(message->memory), true);
	EXPECT(message->guarded.name, sent.guarded.name);
	EXPECT(message->guarded.context, (uintptr_t)message);
	EXPECT(message->end, END);
	EXPECT(message->header.size, ALL_SIZE);
}

static void try_kinds(name_t port)
{
	fill(&sent, port, REQUEST_ID);
	EXPECT(send(&sent, ALL_SIZE), 0);
	EXPECT(receive(&got, RCV_GUARDED_DESC, sizeof(got), port), 0);
	check_own(&got);

	/* Memory that is given up goes away, and comes back elsewhere. */
	sent = got;
	sent.header = (struct header){
		.bits = MSGH_COMPLEX | MSGH_BITS(COPY_SEND, 0), .remote = port, .id = REQUEST_ID,
	};
	sent.count = 2;
	EXPECT(sent.memory.deallocate, 1);
	EXPECT(send(&sent, ALL_SIZE), 0);
	EXPECT(readable((uintptr_t)sent.memory.address), false);
	EXPECT(readable((uintptr_t)sent.memory.address + 4096), false);
	EXPECT(receive(&got, 0, sizeof(got), port), 0);
	EXPECT(is_sent_memory(got.memory), true);
	EXPECT(got.end, END);
}

static void try_without_guarded(name_t port)
{
	const uint32_t *end;

	fill(&sent, port, REQUEST_ID);
	EXPECT(send(&sent, ALL_SIZE), 0);
	EXPECT(receive(&got, 0, sizeof(got), port), 0);
	EXPECT(got.header.size, ALL_SIZE - sizeof(struct guarded_item) + sizeof(struct port_item));
	EXPECT(((struct port_item *)&got.guarded)->name, 0);
	EXPECT(((struct port_item *)&got.guarded)->type, TYPE_PORT);
	end = (const void *)((const char *)&got.guarded + sizeof(struct port_item));
	EXPECT(*end, END);
}

/* How much room a message needs is said, and decided, in the receiver's layout. */
static void try_sizes(name_t port)
{
	fill(&sent, port, REQUEST_ID);
	EXPECT(send(&sent, ALL_SIZE), 0);
	EXPECT(receive(&got, RCV_LARGE | RCV_GUARDED_DESC, ALL_SIZE + 8 - 4, port), RCV_TOO_LARGE);
	EXPECT(got.header.size, ALL_SIZE);
	EXPECT(receive(&got, RCV_LARGE | RCV_GUARDED_DESC, ALL_SIZE + 8, port), 0);
	check_own(&got);

	fill(&sent, port, REQUEST_ID);
	EXPECT(send(&sent, ALL_SIZE), 0);
	EXPECT(receive(&got, RCV_GUARDED_DESC, ALL_SIZE + 8 - 4, port), RCV_TOO_LARGE);
	EXPECT(got.header.size, ALL_SIZE);
	EXPECT(got.header.bits, 0);
}

/* Bodies that end where a descriptor of this width ends, and before */
static void try_bounds(name_t port)
{
	struct {
		uint8_t type;
		uint32_t size;
	} kinds[] = {
		{ TYPE_PORT, sizeof(struct port_item) },
		{ TYPE_OOL, sizeof(struct ool_item) },
		{ TYPE_OOL_PORTS, sizeof(struct ool_ports_item) },
		{ 3, sizeof(struct ool_item) },
		{ 5, 12 },
	};
	size_t i;

	for (i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		fill(&sent, port, REQUEST_ID);
		memset(&sent.port, 0, sizeof(sent.port) + sizeof(sent.memory));
		sent.count = 1;
		sent.port.type = kinds[i].type;
		sent.port.disposition = kinds[i].type == TYPE_PORT ? COPY_SEND : 0;
		EXPECT(send(&sent, 28 + kinds[i].size),
		       kinds[i].type == 5 ? SEND_INVALID_TYPE : 0);
		if (kinds[i].type == 5)
			continue;
		EXPECT(receive(&got, 0, sizeof(got), port), 0);
		EXPECT(got.header.size, 28 + kinds[i].size);
		fill(&sent, port, REQUEST_ID);
		memset(&sent.port, 0, sizeof(sent.port));
		sent.count = 1;
		sent.port.type = kinds[i].type;
		EXPECT(send(&sent, 28 + kinds[i].size - 4), SEND_TOO_SMALL);
	}
}

/* A message that finds no room comes back as this width lays it out. */
static void try_give_back(void)
{
	struct header header = { .bits = MSGH_BITS(COPY_SEND, 0), .remote = new_port() };
	const name_t *names;
	size_t i;

	for (i = 0; i < QUEUE_LIMIT; i++)
		EXPECT(send(&header, sizeof(header)), 0);
	fill(&sent, header.remote, REQUEST_ID);
	got = sent;
	EXPECT(send(&got, ALL_SIZE), SEND_TIMED_OUT);
	EXPECT(got.header.bits, MSGH_COMPLEX | MSGH_BITS(MOVE_SEND, 0));
	EXPECT(got.header.size, ALL_SIZE);
	EXPECT(got.header.remote, header.remote);
	EXPECT(got.port.name, sent.port.name);
	EXPECT(got.port.disposition, MOVE_SEND);
	EXPECT(is_sent_memory(got.memory), true);
	EXPECT(got.memory.address != sent.memory.address, true);
	EXPECT(got.ports.disposition, MOVE_SEND);
	EXPECT(got.ports.count, NAMES);
	names = (const name_t *)(uintptr_t)got.ports.address;
	for (i = 0; i < NAMES; i++)
		EXPECT(has_send_urefs(names[i], 2), true);
	EXPECT(got.guarded.name, sent.guarded.name);
	EXPECT(got.guarded.flags, GUARD_IMMOVABLE | GUARD_UNGUARDED);
	EXPECT(got.end, END);
	/* As it is it can be sent again, now that there is room. */
	EXPECT(receive((struct all *)&sent, 0, sizeof(sent), header.remote), 0);
	EXPECT(send(&got, ALL_SIZE), 0);
}

#define MANY	300u

/* Around the size from which a message needs more memory than most */
static void try_many(name_t port)
{
	static struct {
		struct header header;
		uint32_t count;
		struct ool_item items[MANY];
		uint32_t room[18];
	} many;
	static const uint32_t counts[] = { 1, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, MANY };
	uint32_t i, j, size, *end;

	for (i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
		many.header = (struct header){
			.bits = MSGH_COMPLEX | MSGH_BITS(COPY_SEND, 0), .remote = port,
		};
		many.count = counts[i];
		for (j = 0; j < counts[i]; j++) {
			many.items[j] = (struct ool_item){ .type = TYPE_OOL, .size = j % 3 };
			many.items[j].address = (uintptr_t)bytes + j;
		}
		end = (uint32_t *)&many.items[counts[i]];
		*end = END;
		size = (uint32_t)((char *)(end + 1) - (char *)&many);
		EXPECT(send(&many, size), 0);
		memset(&many, 0xcc, sizeof(many));
		EXPECT(msg(&many, RCV_MSG | RCV_TIMEOUT, 0, sizeof(many), port, 0), 0);
		EXPECT(many.header.size, size);
		EXPECT(many.count, counts[i]);
		EXPECT(*end, END);
		for (j = 0; j < counts[i]; j++) {
			EXPECT(many.items[j].size, j % 3);
			EXPECT(!many.items[j].address, !(j % 3));
			if (j % 3)
				EXPECT(*(uint8_t *)(uintptr_t)many.items[j].address, bytes[j]);
		}
	}
}

/* A buffer that ends too early: nothing stays of what was given out. */
static void try_unwritable(name_t port)
{
	static uint8_t pages[3 * 4096];
	uint8_t *hole = (uint8_t *)(((uintptr_t)pages + 8191) & ~4095ul);
	struct all *edge = (struct all *)(hole - offsetof(struct all, end));

	fill(&sent, port, REQUEST_ID);
	EXPECT(send(&sent, ALL_SIZE), 0);
	EXPECT(CALL3(mprotect, hole, 4096, 0), 0);
	EXPECT(msg(edge, RCV_MSG | RCV_TIMEOUT | RCV_GUARDED_DESC, 0, sizeof(got), port, 0),
	       RCV_INVALID_DATA);
	EXPECT(CALL3(mprotect, hole, 4096, 3), 0);
	EXPECT(has_send_urefs(sent.port.name, 1), true);
	EXPECT(has_send_urefs(*(name_t *)(uintptr_t)sent.ports.address, 1), true);
}

static void try_self(void)
{
	name_t port = new_port();

	try_kinds(port);
	try_without_guarded(port);
	try_sizes(port);
	try_bounds(port);
	try_give_back();
	try_many(port);
	try_unwritable(port);
}

static void try_peer(void)
{
	name_t bootstrap = bootstrap_port(), port = new_port();

	fill(&sent, bootstrap, REQUEST_ID);
	sent.port.name = port;
	EXPECT(send(&sent, ALL_SIZE), 0);
	/* The reply is sent when this waits for it, and does not fit. */
	EXPECT(receive(&got, RCV_LARGE | RCV_GUARDED_DESC, ALL_SIZE + 8 - 4, port), RCV_TOO_LARGE);
	EXPECT(got.header.size, ALL_SIZE);
	EXPECT(receive(&got, RCV_LARGE | RCV_GUARDED_DESC, ALL_SIZE + 8, port), 0);
	check(&got, REPLY_ID, true);
	/* The next one comes to a receiver that waits and has room. */
	EXPECT(receive(&got, RCV_LARGE, sizeof(got), port), 0);
	check(&got, REPLY_ID, false);
}

int run(const struct startup *startup)
{
	if (!mach_start(startup))
		return 1;
	if (startup->argc > 1 && equal(startup->argv[1], "peer"))
		try_peer();
	else
		try_self();
	say("end\n");
	return 0;
}
