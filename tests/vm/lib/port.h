/* SPDX-License-Identifier: GPL-2.0 */
/* The traps that make ports to measure, guard them and tell about them. */
#ifndef TESTS_PORT_H
#define TESTS_PORT_H

#include <stdbool.h>
#include <stdint.h>

#include "mach.h"

struct port_options {
	uint32_t flags;
	uint32_t qlimit;
	uint64_t reserved[2];
};

/* Flags of a new port */
#define MPO_CONTEXT_AS_GUARD		0x01u
#define MPO_QLIMIT			0x02u
#define MPO_TEMPOWNER			0x04u
#define MPO_IMPORTANCE_RECEIVER		0x08u
#define MPO_INSERT_SEND_RIGHT		0x10u
#define MPO_STRICT			0x20u
#define MPO_DENAP_RECEIVER		0x40u
#define MPO_IMMOVABLE_RECEIVE		0x80u

#define MACH_PORT_QLIMIT_LARGE		1024u

struct port_status {
	uint32_t pset;
	uint32_t seqno;
	uint32_t mscount;
	uint32_t qlimit;
	uint32_t msgcount;
	uint32_t sorights;
	uint32_t srights;
	uint32_t pdrequest;
	uint32_t nsrequest;
	uint32_t flags;
};

#define PORT_STATUS_GUARDED		0x04u
#define PORT_STATUS_STRICT		0x08u

/* Flavors of mach_port_get_attributes, and how many words each has */
#define PORT_LIMITS_INFO		1
#define PORT_RECEIVE_STATUS		2
#define PORT_DNREQUESTS_SIZE		3
#define PORT_INFO_EXT			7
#define PORT_LIMITS_WORDS		1u
#define PORT_STATUS_WORDS		10u
#define PORT_DNREQUESTS_WORDS		1u
#define PORT_INFO_EXT_WORDS		17u

_Static_assert(sizeof(struct port_options) == 24, "options");
_Static_assert(sizeof(struct port_status) == 4 * PORT_STATUS_WORDS, "status");

long port_construct_in(name_t target, const void *options, uint64_t context, void *name);
long port_construct(uint32_t flags, uint32_t qlimit, uint64_t context, name_t *name);
/* A new port with these flags; ends the case when it is refused. */
name_t new_port_with(uint32_t flags, uint64_t context);

long port_destruct_in(name_t target, name_t name, int32_t srdelta, uint64_t guard);
long port_destruct(name_t name, int32_t srdelta, uint64_t guard);
long port_guard_in(name_t target, name_t name, uint64_t guard, bool strict);
long port_guard(name_t name, uint64_t guard, bool strict);
long port_unguard_in(name_t target, name_t name, uint64_t guard);
long port_unguard(name_t name, uint64_t guard);

long port_attributes_in(name_t target, name_t name, int flavor, void *words, void *count);
long port_attributes(name_t name, int flavor, uint32_t *words, uint32_t *count);
/* The status of a receive right; ends the case when it is refused. */
struct port_status port_status(name_t name);

name_t special_reply_port(void);

/* request_notification() with any target and any place for the previous right. */
long request_notification_in(name_t target, name_t name, int id, uint32_t sync, name_t notify,
			     int disposition, void *previous);

/*
 * Asks that @port get notification @id about @name; ends the case when that is
 * refused or another request was there.
 */
void notify_on(name_t port, name_t name, int id, uint32_t sync);

#endif
