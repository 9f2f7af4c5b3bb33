// SPDX-License-Identifier: GPL-2.0
/*
 * Vouchers: how they are made, what they tell, and how they go with messages.
 * time limit: 120 s
 */
#define _GNU_SOURCE
#include <string.h>
#include <unistd.h>

#include "debugfs.h"
#include "harness.h"
#include "mach.h"
#include "message.h"
#include "process.h"
#include "rpc.h"

#define ALL		0xffffffffu
#define USER_DATA	7u
#define COPY_FROM	1u
#define REMOVE		2u
#define SET_HANDLE	3u
#define REDEEM		4u
#define STORE		211u

/* A voucher's disposition in a header */
#define VOUCHER_BITS(disposition) ((uint32_t)(disposition) << 16)

struct recipe {
	uint32_t key, command;
	name_t previous;
	uint32_t size;
	uint8_t content[16];
};

static int32_t create(struct rpc *rpc, const void *recipes, uint32_t bytes)
{
	rpc_begin(rpc, host_self(), 222);
	rpc_word(rpc, bytes);
	if (bytes) {
		uint8_t padded[5124] = { 0 };

		REQUIRE(bytes <= sizeof(padded));
		memcpy(padded, recipes, bytes);
		rpc_bytes(rpc, padded, (bytes + 3) / 4 * 4);
	}
	return rpc_call(rpc);
}

/* The voucher that one recipe after the other makes */
static int32_t make(name_t *name, const struct recipe *recipes, unsigned int count)
{
	struct rpc rpc;
	uint8_t bytes[512];
	uint32_t size = 0;
	int32_t result;

	for (unsigned int i = 0; i < count; i++) {
		memcpy(bytes + size, &recipes[i], 16 + recipes[i].size);
		size += 16 + recipes[i].size;
	}
	result = create(&rpc, bytes, size);
	if (result)
		return result;
	CHECK_EQ(rpc.size, 40);
	*name = rpc_right(&rpc, 0, MOVE_SEND);
	return 0;
}

#define MAKE(name, ...)							\
	make(name, (const struct recipe[]){ __VA_ARGS__ },		\
	     sizeof((const struct recipe[]){ __VA_ARGS__ }) / sizeof(struct recipe))

static name_t with(const char *text)
{
	struct recipe recipe = { USER_DATA, STORE, 0, (uint32_t)strlen(text), "" };
	name_t name = 0;

	memcpy(recipe.content, text, strlen(text));
	REQUIRE_RET(make(&name, &recipe, 1), 0);
	REQUIRE(name != 0);
	return name;
}

static name_t empty(void)
{
	name_t name = 0;

	REQUIRE_RET(MAKE(&name, { ALL, REMOVE, 0, 0, "" }), 0);
	return name;
}

/* What a voucher has of a key, by either routine that tells one attribute */
static void check_holds(name_t voucher, uint32_t key, const char *text)
{
	uint32_t length = text ? (uint32_t)strlen(text) : 0;
	struct rpc rpc;

	CHECK_RET(RPC(&rpc, voucher, 5400, key, 4096), 0);
	CHECK_EQ(rpc.size, 40 + (length + 3) / 4 * 4);
	CHECK_EQ(rpc_words(&rpc)[0], length);
	CHECK(!memcmp(rpc_words(&rpc) + 1, text ? text : "", length));
	CHECK_RET(RPC(&rpc, voucher, 5401, key, 4096), 0);
	if (!text) {
		CHECK_EQ(rpc_words(&rpc)[0], 0);
		CHECK_EQ(rpc.size, 40);
		return;
	}
	CHECK_EQ(rpc_words(&rpc)[0], 16 + length);
	CHECK_EQ(rpc_words(&rpc)[1], key);
	CHECK_EQ(rpc_words(&rpc)[2], STORE);
	CHECK_HEX(rpc_words(&rpc)[3], 0);
	CHECK_EQ(rpc_words(&rpc)[4], length);
	CHECK(!memcmp(rpc_words(&rpc) + 5, text, length));
	for (uint32_t room = 0; room < 16 + length; room++) {
		CHECK_RET(RPC(&rpc, voucher, 5401, key, room), KERN_NO_SPACE);
		if (room < length)
			CHECK_RET(RPC(&rpc, voucher, 5400, key, room), KERN_NO_SPACE);
	}
	CHECK_RET(RPC(&rpc, voucher, 5401, key, 16 + length), 0);
	CHECK_RET(RPC(&rpc, voucher, 5400, key, length), 0);
}

TEST(no_recipe_is_no_voucher)
{
	struct rpc rpc;

	mach_open();
	CHECK_RET(create(&rpc, NULL, 0), 0);
	CHECK_EQ(rpc.size, 40);
	CHECK_HEX(rpc_right(&rpc, 0, MOVE_SEND), 0);
}

TEST(voucher_tells_what_was_put_in)
{
	struct rpc rpc;
	name_t voucher, none;

	mach_open();
	voucher = with("hello");
	CHECK_RET(RPC(&rpc, self(), 3230, voucher), 0);
	CHECK_EQ(rpc_words(&rpc)[0], 37);
	check_holds(voucher, USER_DATA, "hello");
	check_holds(voucher, 3, NULL);
	check_holds(voucher, 0, NULL);
	check_holds(voucher, ALL, NULL);
	/* All at once */
	CHECK_RET(RPC(&rpc, voucher, 5402, 5120), 0);
	CHECK_EQ(rpc.size, 40 + 24);
	CHECK_EQ(rpc_words(&rpc)[0], 21);
	CHECK_EQ(rpc_words(&rpc)[1], USER_DATA);
	CHECK(!memcmp(rpc_words(&rpc) + 5, "hello", 5));
	CHECK_RET(RPC(&rpc, voucher, 5402, 20), KERN_NO_SPACE);
	none = empty();
	CHECK(none != 0 && none != voucher);
	check_holds(none, USER_DATA, NULL);
	CHECK_RET(RPC(&rpc, none, 5402, 0), 0);
	CHECK_EQ(rpc_words(&rpc)[0], 0);
	/* No bytes are not nothing. */
	CHECK_RET(MAKE(&none, { USER_DATA, STORE, 0, 0, "" }), 0);
	CHECK_RET(RPC(&rpc, none, 5402, 16), 0);
	CHECK_EQ(rpc_words(&rpc)[0], 16);
	/* Managers do nothing. */
	CHECK_RET(RPC(&rpc, voucher, 5403, USER_DATA, 1, 0, 100), KERN_FAILURE);
	CHECK_RET(RPC(&rpc, voucher, 5403, 3, 1, 0, 100), KERN_INVALID_ARGUMENT);
	CHECK_RET(RPC(&rpc, voucher, 5403, USER_DATA, 1, 5, 1, 2, 100), KERN_FAILURE);
}

TEST(same_content_is_the_same_voucher)
{
	static uint8_t large[16 + 4000] __attribute__((aligned(4)));
	name_t one, other;
	struct rpc rpc;

	mach_open();
	one = with("same");
	CHECK_SEND_UREFS(one, 1);
	CHECK_HEX(with("same"), one);
	CHECK_SEND_UREFS(one, 2);
	CHECK(with("sama") != one);
	CHECK(with("sam") != one);
	CHECK_HEX(empty(), empty());
	memcpy(large, &(struct recipe){ USER_DATA, STORE, 0, 4000, "" }, 16);
	REQUIRE_RET(create(&rpc, large, sizeof(large)), 0);
	one = rpc_right(&rpc, 0, MOVE_SEND);
	large[sizeof(large) - 1]++;
	REQUIRE_RET(create(&rpc, large, sizeof(large)), 0);
	other = rpc_right(&rpc, 0, MOVE_SEND);
	CHECK(other != one);
	large[sizeof(large) - 1]--;
	REQUIRE_RET(create(&rpc, large, sizeof(large)), 0);
	CHECK_HEX(rpc_right(&rpc, 0, MOVE_SEND), one);
}

TEST(recipes_start_from_others)
{
	name_t hello, none, made = 0;

	mach_open();
	hello = with("hello");
	none = empty();
	CHECK_RET(MAKE(&made, { ALL, COPY_FROM, hello, 0, "" }), 0);
	CHECK_HEX(made, hello);
	CHECK_RET(MAKE(&made, { USER_DATA, COPY_FROM, hello, 0, "" }), 0);
	CHECK_HEX(made, hello);
	CHECK_RET(MAKE(&made, { USER_DATA, REDEEM, hello, 0, "" }), 0);
	CHECK_HEX(made, hello);
	CHECK_RET(MAKE(&made, { ALL, REDEEM, hello, 0, "" }), 0);
	CHECK_HEX(made, hello);
	/* Of another key there is nothing to copy. */
	CHECK_RET(MAKE(&made, { 3, COPY_FROM, hello, 0, "" }), 0);
	CHECK_HEX(made, none);
	CHECK_RET(MAKE(&made, { ALL, COPY_FROM, 0, 0, "" }), 0);
	CHECK_HEX(made, none);
	/* One after the other */
	CHECK_RET(MAKE(&made, { USER_DATA, STORE, 0, 3, "abc" }, { ALL, COPY_FROM, hello, 0, "" }), 0);
	CHECK_HEX(made, hello);
	CHECK_RET(MAKE(&made, { ALL, COPY_FROM, hello, 0, "" }, { USER_DATA, REMOVE, 0, 0, "" }), 0);
	CHECK_HEX(made, none);
	/* What is removed must be what the other one has. */
	CHECK_RET(MAKE(&made, { ALL, COPY_FROM, hello, 0, "" }, { ALL, REMOVE, hello, 0, "" }), 0);
	CHECK_HEX(made, none);
	CHECK_RET(MAKE(&made, { ALL, COPY_FROM, hello, 0, "" },
		       { ALL, REMOVE, with("other"), 0, "" }), 0);
	CHECK_HEX(made, hello);
	/* The others keep their rights. */
	CHECK(has_right(hello, MACH_PORT_RIGHT_SEND));
}

TEST(what_is_no_recipe)
{
	name_t made, port, voucher;
	struct rpc rpc;

	mach_open();
	port = new_send_right();
	voucher = with("hello");
	/* Keys without a manager, commands that there are not */
	for (uint32_t key = 0; key < 10; key++)
		if (key != USER_DATA)
			CHECK_RET(MAKE(&made, { key, 500 + key, 0, 0, "" }), KERN_INVALID_ARGUMENT);
	CHECK_RET(MAKE(&made, { USER_DATA, 0, 0, 0, "" }), KERN_INVALID_ARGUMENT);
	CHECK_RET(MAKE(&made, { USER_DATA, 500, 0, 0, "" }), KERN_INVALID_ARGUMENT);
	CHECK_RET(MAKE(&made, { 3, STORE, 0, 1, "x" }), KERN_INVALID_ARGUMENT);
	CHECK_RET(MAKE(&made, { ALL, STORE, 0, 1, "x" }), KERN_INVALID_ARGUMENT);
	CHECK_RET(MAKE(&made, { 3, REDEEM, voucher, 0, "" }), KERN_INVALID_ARGUMENT);
	CHECK_RET(MAKE(&made, { ALL, COPY_FROM, 0, 1, "x" }), KERN_INVALID_ARGUMENT);
	CHECK_RET(MAKE(&made, { ALL, REMOVE, 0, 1, "x" }), KERN_INVALID_ARGUMENT);
	CHECK_RET(MAKE(&made, { USER_DATA, SET_HANDLE, 0, 8, "" }), KERN_INVALID_CAPABILITY);
	/* Names of other things */
	CHECK_RET(MAKE(&made, { ALL, COPY_FROM, port, 0, "" }), KERN_INVALID_CAPABILITY);
	CHECK_RET(MAKE(&made, { ALL, COPY_FROM, self(), 0, "" }), KERN_INVALID_CAPABILITY);
	CHECK_RET(MAKE(&made, { ALL, COPY_FROM, 0x12345, 0, "" }), KERN_INVALID_CAPABILITY);
	CHECK_RET(MAKE(&made, { ALL, COPY_FROM, MACH_PORT_DEAD, 0, "" }), KERN_INVALID_CAPABILITY);
	/* Cut off */
	for (uint32_t bytes = 1; bytes < 16 + 5; bytes++)
		CHECK_RET(create(&rpc, &(struct recipe){ USER_DATA, STORE, 0, 5, "hello" }, bytes),
			  KERN_INVALID_ARGUMENT);
	CHECK_RET(create(&rpc, &(struct recipe){ USER_DATA, STORE, 0, 0xffffffff, "" }, 32),
		  KERN_INVALID_ARGUMENT);
	/* More bytes than there are, and than there may be */
	rpc_begin(&rpc, host_self(), 222);
	rpc_word(&rpc, 4);
	CHECK_REFUSED(&rpc, MIG_BAD_ARGUMENTS);
	rpc_begin(&rpc, host_self(), 222);
	rpc_word(&rpc, 5121);
	CHECK_REFUSED(&rpc, MIG_BAD_ARGUMENTS);
}

static long send_with(name_t port, name_t voucher, int disposition)
{
	struct message message;

	message_init(&message, MSGH_BITS(COPY_SEND, 0) | VOUCHER_BITS(disposition), port, 0, 7);
	message.header.voucher = voucher;
	return mach_msg(&message, MACH_SEND_MSG | MACH_SEND_TIMEOUT, HEADER_SIZE, 0, 0, 0);
}

static long receive_with(struct message *message, name_t port, uint32_t options)
{
	memset(message, POISON, sizeof(*message));
	return mach_msg(message, MACH_RCV_MSG | MACH_RCV_TIMEOUT | options, 0, sizeof(*message),
			port, 10000);
}

TEST(voucher_goes_with_a_message)
{
	struct message message;
	name_t port, voucher;

	mach_open();
	port = new_send_right();
	voucher = with("cargo");
	/* Who does not want it does not get it. */
	CHECK_RET(send_with(port, voucher, COPY_SEND), 0);
	CHECK_SEND_UREFS(voucher, 1);
	CHECK_RET(receive_with(&message, port, 0), 0);
	CHECK_HEX(message.header.voucher, 0);
	CHECK_HEX(message.header.bits, MSGH_BITS(0, MOVE_SEND));
	CHECK_SEND_UREFS(voucher, 1);
	CHECK_RET(send_with(port, voucher, COPY_SEND), 0);
	CHECK_RET(receive_with(&message, port, MACH_RCV_VOUCHER), 0);
	CHECK_HEX(message.header.voucher, voucher);
	CHECK_HEX(message.header.bits, MSGH_BITS(0, MOVE_SEND) | VOUCHER_BITS(MOVE_SEND));
	CHECK_SEND_UREFS(voucher, 2);
	CHECK_RET(deallocate(voucher), 0);
	/* The last right moves, and keeps the voucher on its way. */
	CHECK_RET(send_with(port, voucher, MOVE_SEND), 0);
	CHECK(!has_right(voucher, MACH_PORT_RIGHT_SEND));
	CHECK_RET(receive_with(&message, port, MACH_RCV_VOUCHER), 0);
	REQUIRE(message.header.voucher != 0);
	check_holds(message.header.voucher, USER_DATA, "cargo");
	CHECK_SEND_UREFS(message.header.voucher, 1);
	/* None */
	CHECK_RET(send_with(port, 0, MOVE_SEND), 0);
	CHECK_RET(receive_with(&message, port, MACH_RCV_VOUCHER), 0);
	CHECK_HEX(message.header.voucher, 0);
	CHECK_HEX(message.header.bits, MSGH_BITS(0, MOVE_SEND));
}

TEST(what_is_no_voucher_is_not_sent)
{
	static const int dispositions[] = { 16, 18, 20, 21, 31 };
	struct message message;
	name_t port, voucher, right;

	mach_open();
	port = new_send_right();
	right = new_send_right();
	voucher = with("cargo");
	for (size_t i = 0; i < ARRAY_SIZE(dispositions); i++)
		CHECK_RET(send_with(port, voucher, dispositions[i]), MACH_SEND_INVALID_VOUCHER);
	CHECK_RET(send_with(port, right, COPY_SEND), MACH_SEND_INVALID_VOUCHER);
	CHECK_RET(send_with(port, self(), COPY_SEND), MACH_SEND_INVALID_VOUCHER);
	CHECK_RET(send_with(port, 0x12345, COPY_SEND), MACH_SEND_INVALID_VOUCHER);
	CHECK_RET(send_with(port, MACH_PORT_DEAD, COPY_SEND), MACH_SEND_INVALID_VOUCHER);
	/* Another thing that is wrong comes later. */
	CHECK_RET(send_with(0x54321, right, MOVE_SEND), MACH_SEND_INVALID_VOUCHER);
	CHECK_RET(send_with(0x54321, voucher, MOVE_SEND), MACH_SEND_INVALID_DEST);
	CHECK_SEND_UREFS(voucher, 1);
	CHECK_SEND_UREFS(right, 1);
	CHECK_RET(msg_receive(&message, port), MACH_RCV_TIMED_OUT);
}

TEST(voucher_is_not_the_reply_port_as_well)
{
	struct message message;
	name_t port, voucher;

	mach_open();
	port = new_send_right();
	voucher = with("cargo");
	CHECK_RET(mod_refs(voucher, MACH_PORT_RIGHT_SEND, 1), KERN_SUCCESS);
	message_init(&message, MSGH_BITS(COPY_SEND, COPY_SEND) | VOUCHER_BITS(COPY_SEND), port,
		     voucher, 1);
	message.header.voucher = voucher;
	CHECK_RET(msg_send(&message, HEADER_SIZE), MACH_SEND_INVALID_REPLY);
	/* The destination is looked at before. */
	message.header.remote = unused_name();
	CHECK_RET(msg_send(&message, HEADER_SIZE), MACH_SEND_INVALID_DEST);
	CHECK_SEND_UREFS(voucher, 2);
	CHECK_NO_MESSAGE(port);
}

TEST(voucher_of_a_message_that_is_not_sent_comes_back)
{
	struct message message;
	name_t port, voucher;

	mach_open();
	port = new_send_right();
	voucher = with("cargo");
	do
		message_init(&message, MSGH_BITS(COPY_SEND, 0), port, 0, 1);
	while (!msg_send_within(&message, HEADER_SIZE, 0));
	message_init(&message, MSGH_BITS(COPY_SEND, 0) | VOUCHER_BITS(MOVE_SEND), port, 0, 7);
	message.header.voucher = voucher;
	CHECK_RET(mach_msg(&message, MACH_SEND_MSG | MACH_SEND_TIMEOUT, HEADER_SIZE, 0, 0, 0),
		  MACH_SEND_TIMED_OUT);
	REQUIRE(message.header.voucher != 0);
	CHECK_HEX(message.header.bits & 0x1f0000, VOUCHER_BITS(MOVE_SEND));
	check_holds(message.header.voucher, USER_DATA, "cargo");
	CHECK_SEND_UREFS(message.header.voucher, 1);
}

TEST(voucher_goes_to_another_task_and_back)
{
	struct message message;
	name_t port, voucher, mine;
	pid_t pid;

	mach_open();
	port = new_port();
	bootstrap_set(port, MAKE_SEND);
	mine = with("common");
	pid = fork();
	if (pid == 0) {
		mach_forget();
		REQUIRE_EQ(get_api_version(), 19);
		CHECK_RET(send_with(bootstrap_get(), with("theirs"), MOVE_SEND), 0);
		CHECK_RET(send_with(bootstrap_get(), with("common"), MOVE_SEND), 0);
		_exit(0);
	}
	WAIT_CHILD_OK(pid);
	CHECK_RET(receive_with(&message, port, MACH_RCV_VOUCHER), 0);
	voucher = message.header.voucher;
	check_holds(voucher, USER_DATA, "theirs");
	CHECK_HEX(with("theirs"), voucher);
	/* Wherever it was made, it is the same. */
	CHECK_RET(receive_with(&message, port, MACH_RCV_VOUCHER), 0);
	CHECK_HEX(message.header.voucher, mine);
	CHECK_SEND_UREFS(mine, 2);
}

TEST(vouchers_go_with_their_rights)
{
	struct message message;
	name_t port = 0, voucher;
	struct rpc rpc;

	mach_open();
	port = new_send_right();
	/* With the last right, with a message nobody gets, and with a request to the kernel */
	voucher = with("gone");
	CHECK_RET(deallocate(voucher), 0);
	CHECK_RET(send_with(port, with("on its way"), MOVE_SEND), 0);
	destroy_receive(port);
	voucher = with("asked");
	message_init(&message, MSGH_BITS(COPY_SEND, MAKE_SEND_ONCE) | VOUCHER_BITS(MOVE_SEND),
		     host_self(), new_port(), 202);
	message.header.voucher = voucher;
	CHECK_RET(msg_send(&message, HEADER_SIZE), 0);
	CHECK(!has_right(voucher, MACH_PORT_RIGHT_SEND));
	/* Itself being asked */
	voucher = with("itself");
	message_init(&message, MSGH_BITS(COPY_SEND, MAKE_SEND_ONCE) | VOUCHER_BITS(MOVE_SEND),
		     voucher, new_port(), 9999);
	message.header.voucher = voucher;
	CHECK_RET(msg_send(&message, HEADER_SIZE), 0);
	CHECK(!has_right(voucher, MACH_PORT_RIGHT_SEND));
	{
		struct object_counts counts;

		REQUIRE(read_object_counts(&counts));
		for (size_t i = 0; i < counts.kinds; i++)
			if (!strcmp(counts.kind[i].name, "vouchers"))
				CHECK_EQ(counts.kind[i].live, 0);
	}
	/* Another request of the kind finds none that is dying. */
	CHECK_RET(RPC(&rpc, with("itself"), 5402, 100), 0);
}

static void make_and_drop(void)
{
	uint64_t end = now_ns() + 1000000000;

	while (now_ns() < end) {
		name_t name = with("contended");
		struct rpc rpc;

		CHECK_RET(RPC(&rpc, name, 5400, USER_DATA, 9), 0);
		CHECK_RET(deallocate(name), 0);
	}
}

TEST(same_voucher_made_and_dropped_by_many)
{
	pid_t pids[3];

	mach_open();
	for (size_t i = 0; i < ARRAY_SIZE(pids); i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			mach_forget();
			REQUIRE_EQ(get_api_version(), 19);
			make_and_drop();
			_exit(0);
		}
	}
	for (size_t i = 0; i < ARRAY_SIZE(pids); i++)
		WAIT_CHILD_OK(pids[i]);
}
