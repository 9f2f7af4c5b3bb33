// SPDX-License-Identifier: GPL-2.0
/*
 * Another task, see other.h.
 */
#define _GNU_SOURCE
#include <grp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"
#include "message.h"
#include "other.h"
#include "process.h"

#define ID_PORTS	4242
#define NOBODY		65534

struct ports_message {
	struct header header;
	uint32_t descriptors;
	struct port_descriptor ports[2];
};

static void be_other(void (*prepare)(void *), void *argument)
{
	struct ports_message message = { .descriptors = 2 };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	mach_forget();
	REQUIRE_EQ(get_api_version(), 19);
	if (prepare)
		prepare(argument);
	message.header = (struct header){
		.bits = MSGH_COMPLEX | MSGH_BITS(COPY_SEND, 0),
		.size = sizeof(message),
		.remote = bootstrap_get(),
		.id = ID_PORTS,
	};
	message.ports[0] = (struct port_descriptor)PORT_DESCRIPTOR(self(), COPY_SEND);
	message.ports[1] = (struct port_descriptor)PORT_DESCRIPTOR(thread_self(), MOVE_SEND);
	REQUIRE_RET(mach_msg(&message, MACH_SEND_MSG, sizeof(message), 0, 0, 0), 0);
	for (;;)
		pause();
}

void other_start(struct other *other, void (*prepare)(void *), void *argument)
{
	struct message message;
	const struct ports_message *ports = (const struct ports_message *)&message;
	name_t port = new_port();

	bootstrap_set(port, MAKE_SEND);
	other->pid = fork();
	REQUIRE(other->pid >= 0);
	if (other->pid == 0) {
		be_other(prepare, argument);
		_exit(1);
	}
	REQUIRE_RET(msg_receive_within(&message, port, 20000), 0);
	REQUIRE_EQ(message.header.id, ID_PORTS);
	other->task = ports->ports[0].name;
	other->thread = ports->ports[1].name;
	REQUIRE(has_right(other->task, MACH_PORT_RIGHT_SEND));
	REQUIRE(has_right(other->thread, MACH_PORT_RIGHT_SEND));
	destroy_receive(port);
}

void other_end(struct other *other)
{
	kill_child(other->pid);
	while (has_right(other->task, MACH_PORT_RIGHT_SEND))
		sleep_ms(1);
}

void become_nobody(void *unused)
{
	(void)unused;
	REQUIRE_EQ(setgroups(0, NULL), 0);
	REQUIRE_EQ(setresgid(NOBODY, NOBODY, NOBODY), 0);
	REQUIRE_EQ(setresuid(NOBODY, NOBODY, NOBODY), 0);
	/* As if it had been so from the start */
	REQUIRE_EQ(prctl(PR_SET_DUMPABLE, 1), 0);
}

void become_undumpable(void *unused)
{
	(void)unused;
	REQUIRE_EQ(prctl(PR_SET_DUMPABLE, 0), 0);
}
