// SPDX-License-Identifier: GPL-2.0
/*
 * Binder: one transaction and its reply between two processes. The server is the
 * context manager, which any process finds under handle 0.
 */
#define _GNU_SOURCE
#include "bench.h"

#include <fcntl.h>
#include <linux/android/binder.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define BYTES	64

struct client {
	int fd;
	uint8_t in[512];
	uint8_t out[256];
	size_t length;
};

static void client_open(struct client *client)
{
	client->fd = open("/dev/binder", O_RDWR | O_CLOEXEC);
	client->length = 0;
	MUST(client->fd >= 0);
	MUST(mmap(NULL, 1 << 16, PROT_READ, MAP_PRIVATE, client->fd, 0) != MAP_FAILED);
}

static void put(struct client *client, uint32_t command, const void *data, size_t size)
{
	memcpy(client->out + client->length, &command, sizeof(command));
	memcpy(client->out + client->length + sizeof(command), data, size);
	client->length += sizeof(command) + size;
}

static void put_transaction(struct client *client, uint32_t command, const void *data)
{
	struct binder_transaction_data transaction = {
		.code = 1,
		.data_size = BYTES,
		.data.ptr.buffer = (binder_uintptr_t)(uintptr_t)data,
	};

	put(client, command, &transaction, sizeof(transaction));
}

/* Writes what was put, and reads until there is a transaction or a reply. */
static void exchange(struct client *client, struct binder_transaction_data *got, uint32_t want)
{
	for (;;) {
		struct binder_write_read io = {
			.write_size = client->length,
			.write_buffer = (binder_uintptr_t)(uintptr_t)client->out,
			.read_size = sizeof(client->in),
			.read_buffer = (binder_uintptr_t)(uintptr_t)client->in,
		};
		uint8_t *at = client->in;

		MUST(ioctl(client->fd, BINDER_WRITE_READ, &io) == 0);
		client->length = 0;
		while (at < client->in + io.read_consumed) {
			uint32_t code;

			memcpy(&code, at, sizeof(code));
			at += sizeof(code);
			if (code == want) {
				memcpy(got, at, sizeof(*got));
				return;
			}
			MUST(code != BR_DEAD_REPLY && code != BR_FAILED_REPLY && code != BR_ERROR);
			at += _IOC_SIZE(code);
		}
	}
}

static void put_free(struct client *client, const struct binder_transaction_data *got)
{
	binder_uintptr_t buffer = got->data.ptr.buffer;

	put(client, BC_FREE_BUFFER, &buffer, sizeof(buffer));
}

static void serve(void *ready)
{
	static char reply[BYTES];
	struct binder_transaction_data got;
	struct client server;
	int zero = 0;

	client_open(&server);
	MUST(ioctl(server.fd, BINDER_SET_CONTEXT_MGR, &zero) == 0);
	put(&server, BC_ENTER_LOOPER, NULL, 0);
	MUST(write(((int *)ready)[1], "", 1) == 1);
	for (;;) {
		exchange(&server, &got, BR_TRANSACTION);
		put_free(&server, &got);
		put_transaction(&server, BC_REPLY, reply);
	}
}

BENCH(binder_round_trip, 2000, PAIR)
{
	static char request[BYTES];
	struct binder_transaction_data got;
	struct client client;
	int ready[2];
	char byte;

	MUST(pipe(ready) == 0);
	bench_peer(run, serve, ready);
	MUST(read(ready[0], &byte, 1) == 1);
	client_open(&client);
	while (bench_more(run)) {
		put_transaction(&client, BC_TRANSACTION, request);
		exchange(&client, &got, BR_REPLY);
		put_free(&client, &got);
	}
}
