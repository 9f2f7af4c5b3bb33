// SPDX-License-Identifier: GPL-2.0
/*
 * Another task, see other.h.
 */
#define _GNU_SOURCE
#include <grp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
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

static void tell_ports_and_wait(void)
{
	struct ports_message message = { .descriptors = 2 };

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

static void be_other(void (*prepare)(void *), void *argument)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	mach_forget();
	REQUIRE_EQ(get_api_version(), 19);
	if (prepare)
		prepare(argument);
	tell_ports_and_wait();
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

static char state_of_first_thread(void)
{
	FILE *file = fopen("/proc/self/stat", "re");
	char state = '?';

	REQUIRE(file && fscanf(file, "%*d (%*[^)]) %c", &state) == 1);
	fclose(file);
	return state;
}

static void *go_on_alone(void *unused)
{
	(void)unused;
	while (state_of_first_thread() != 'Z')
		sleep_ms(1);
	tell_ports_and_wait();
	return NULL;
}

void lose_first_thread(void *unused)
{
	pthread_t thread;

	(void)unused;
	REQUIRE_EQ(pthread_create(&thread, NULL, go_on_alone, NULL), 0);
	syscall(SYS_exit, 0);
}
