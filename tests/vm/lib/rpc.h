/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Requests to kernel objects and their replies, laid out as MIG does: header;
 * descriptors, if there are rights; NDR record and the other values, in order.
 */
#ifndef TESTS_RPC_H
#define TESTS_RPC_H

#include <stdint.h>

#include "message.h"

#define RPC_SIMPLE_REPLY	36u	/* header, NDR record, return code */

struct rpc {
	struct message message;
	uint32_t size;		/* of the request so far; of the reply after rpc_call() */
	uint32_t ports;		/* descriptors in the request */
	bool inlined;		/* the NDR record is there */
	name_t reply;		/* where the reply goes; one for each process */
};

/* Begins a request; then come its rights and memory, then its words. */
void rpc_begin(struct rpc *rpc, name_t target, int32_t id);
void rpc_port(struct rpc *rpc, name_t name, int disposition);
void rpc_memory(struct rpc *rpc, const void *bytes, uint32_t size);
void rpc_array(struct rpc *rpc, const name_t *names, uint32_t count, int disposition);
void rpc_word(struct rpc *rpc, uint32_t word);
void rpc_wide(struct rpc *rpc, uint64_t value);
void rpc_bytes(struct rpc *rpc, const void *bytes, uint32_t size);

/*
 * Sends the request and receives the reply in its place. Checks all of the
 * reply that is the same for every routine. Returns the return code, 0 for a
 * reply with rights.
 */
int32_t rpc_call(struct rpc *rpc);
/* The same, failing the case unless the reply is @code and nothing else. */
#define CHECK_REFUSED(rpc, code) check_refused(__FILE__, __LINE__, rpc, code)
void check_refused(const char *file, int line, struct rpc *rpc, int32_t code);

/* What the reply holds after the return code, or after the NDR record. */
const uint32_t *rpc_words(const struct rpc *rpc);
uint64_t rpc_wide_at(const struct rpc *rpc, unsigned int word);
/* A right of the reply; checks that it came as @disposition. */
name_t rpc_right(const struct rpc *rpc, unsigned int index, int disposition);

/*
 * Memory of the reply, or an array of rights, whatever it has besides. Returns
 * its address; @size is in bytes, or in rights.
 */
void *rpc_out_of_line(const struct rpc *rpc, unsigned int index, uint32_t *size);

/* Requests that have no rights and the given words. */
#define RPC(rpc, target, id, ...)					\
	rpc_simple(rpc, target, id, (const uint32_t[]){ __VA_ARGS__ },	\
		   sizeof((const uint32_t[]){ __VA_ARGS__ }) / 4)
int32_t rpc_simple(struct rpc *rpc, name_t target, int32_t id, const uint32_t *words,
		   unsigned int count);

#endif
