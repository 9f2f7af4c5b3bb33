// SPDX-License-Identifier: GPL-2.0
#include "ipc_model.h"

#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "mach_const.h"

struct model model;

void model_reset(void)
{
	memset(&model, 0, sizeof(model));
	model.batch = 1;
}

/* Names */

struct model_entry *model_find(int task, uint32_t name)
{
	for (int i = 0; i < MODEL_NAMES; i++) {
		struct model_entry *entry = &model.entry[task][i];

		if (entry->kind != NONE && entry->name == name)
			return entry;
	}
	return NULL;
}

struct model_entry *model_find_port(int task, int port)
{
	for (int i = 0; i < MODEL_NAMES; i++) {
		struct model_entry *entry = &model.entry[task][i];

		if (entry->kind == PORT_RIGHTS && entry->port == port)
			return entry;
	}
	return NULL;
}

int model_entry_index(int task, const struct model_entry *entry)
{
	return (int)(entry - model.entry[task]);
}

int model_count(int task)
{
	int count = 0;

	for (int i = 0; i < MODEL_NAMES; i++)
		count += model.entry[task][i].kind != NONE;
	return count;
}

struct model_entry *model_add(int task, uint32_t name)
{
	for (int i = 0; i < MODEL_NAMES; i++) {
		struct model_entry *entry = &model.entry[task][i];

		if (entry->kind != NONE)
			continue;
		memset(entry, 0, sizeof(*entry));
		entry->name = name;
		entry->port = NO_PORT;
		entry->request.port = NO_PORT;
		return entry;
	}
	FATAL("the model has no room for another name");
	abort();
}

uint32_t model_type(const struct model_entry *entry)
{
	uint32_t type = 0;

	switch (entry->kind) {
	case PORT_RIGHTS:
		if (entry->send)
			type |= MACH_PORT_TYPE_SEND;
		if (entry->receive)
			type |= MACH_PORT_TYPE_RECEIVE;
		break;
	case ONCE:
		type = MACH_PORT_TYPE_SEND_ONCE;
		break;
	case SET:
		type = MACH_PORT_TYPE_PORT_SET;
		break;
	default:
		type = MACH_PORT_TYPE_DEAD_NAME;
	}
	if (entry->request.port != NO_PORT && !entry->request.send_possible)
		type |= MACH_PORT_TYPE_DNREQUEST;
	return type;
}

/* Ports */

static bool right_is_of(struct model_right right, int port)
{
	return right.port == port && right.kind != C_NONE && right.kind != C_DEAD;
}

static bool is_referenced(int port)
{
	for (int task = 0; task < MODEL_TASKS; task++)
		for (int i = 0; i < MODEL_NAMES; i++) {
			struct model_entry *entry = &model.entry[task][i];

			if (entry->kind != NONE &&
			    (entry->port == port || entry->request.port == port))
				return true;
		}
	for (int i = 0; i < MODEL_MESSAGES; i++) {
		struct model_message *message = &model.message[i];

		if (!message->used)
			continue;
		if (right_is_of(message->dest, port) || right_is_of(message->reply, port))
			return true;
		for (int j = 0; j < message->rights; j++)
			if (right_is_of(message->right[j], port))
				return true;
	}
	for (int i = 0; i < MODEL_PORTS; i++)
		if (model.port[i].alive && (model.port[i].no_senders == port ||
					    model.port[i].destroyed == port))
			return true;
	return false;
}

int model_new_port(int task)
{
	static int start;

	for (int i = 0; i < MODEL_PORTS; i++) {
		int number = (start + i) % MODEL_PORTS;
		struct model_port *port = &model.port[number];

		if (port->alive || is_referenced(number))
			continue;
		start = number + 1;
		memset(port, 0, sizeof(*port));
		port->alive = true;
		port->receiver = task;
		port->carrier = NO_PORT;
		port->limit = MACH_PORT_QLIMIT_BASIC;
		port->seqno_known = true;
		port->no_senders = NO_PORT;
		port->destroyed = NO_PORT;
		port->first = port->last = -1;
		return number;
	}
	FATAL("the model has no room for another port");
	abort();
}

bool model_in_set(int port, int set_index)
{
	return model.port[port].sets[set_index / 32] >> set_index % 32 & 1;
}

bool model_in_any_set(int port)
{
	for (size_t i = 0; i < ARRAY_SIZE(model.port[port].sets); i++)
		if (model.port[port].sets[i])
			return true;
	return false;
}

void model_set_membership(int port, int set_index, bool member)
{
	uint32_t bit = 1u << set_index % 32;

	if (member)
		model.port[port].sets[set_index / 32] |= bit;
	else
		model.port[port].sets[set_index / 32] &= ~bit;
}

void model_leave_sets(int port)
{
	memset(model.port[port].sets, 0, sizeof(model.port[port].sets));
}

bool model_is_full(int port)
{
	return model.port[port].queued >= model.port[port].limit;
}

/* Messages */

struct model_message *model_new_message(int sender)
{
	for (int i = 0; i < MODEL_MESSAGES; i++) {
		struct model_message *message = &model.message[i];

		if (message->used)
			continue;
		memset(message, 0, sizeof(*message));
		message->used = true;
		message->sender = sender;
		message->next = -1;
		return message;
	}
	FATAL("the model has no room for another message");
	abort();
}

void model_enqueue(struct model_message *message)
{
	int number = (int)(message - model.message);
	struct model_port *port = &model.port[message->dest.port];

	message->step = model.step;
	message->batch = model.batch;
	if (message->sender >= 0)
		model.batch++;
	message->next = -1;
	if (port->last >= 0)
		model.message[port->last].next = number;
	else
		port->first = number;
	port->last = number;
	port->queued++;
	for (int i = 0; i < message->rights; i++)
		if (message->right[i].kind == C_RECEIVE)
			model.port[message->right[i].port].carrier = message->dest.port;
}

static void unlink_message(struct model_message *message)
{
	int number = (int)(message - model.message), before = -1;
	struct model_port *port = &model.port[message->dest.port];

	for (int i = port->first; i != number; i = model.message[i].next)
		before = i;
	if (before >= 0)
		model.message[before].next = message->next;
	else
		port->first = message->next;
	if (port->last == number)
		port->last = before;
	message->next = -1;
	port->queued--;
}

struct model_message *model_first(int port)
{
	int number = model.port[port].first;

	return number < 0 ? NULL : &model.message[number];
}

struct model_message *model_next(struct model_message *message)
{
	struct model_message *next;

	if (message->next < 0)
		return NULL;
	next = &model.message[message->next];
	return next->batch == message->batch ? next : NULL;
}

/* A notification that the send-once right to @port is used for. */
static void notify(int port, int32_t id, uint32_t word, struct model_right right)
{
	struct model_message *message;

	if (!model.port[port].alive) {
		model_release(right);
		return;
	}
	message = model_new_message(-1);
	message->dest = (struct model_right){ C_ONCE, port };
	message->id = id;
	message->word = word;
	message->size = id == NOTIFY_SEND_ONCE ? 24 : 36;
	if (right.kind != C_NONE) {
		message->complex = true;
		message->rights = 1;
		message->right[0] = right;
		message->size = 40;
	}
	model_enqueue(message);
}

static void notify_plain(int port, int32_t id, uint32_t word)
{
	notify(port, id, word, (struct model_right){ C_NONE, NO_PORT });
}

/* Sends what armed requests of a port with room again ask for. */
static void tell_of_room(int port)
{
	if (!model.port[port].alive || model_is_full(port))
		return;
	for (int task = 0; task < MODEL_TASKS; task++)
		for (int i = 0; i < MODEL_NAMES; i++) {
			struct model_entry *entry = &model.entry[task][i];
			int told = entry->request.port;

			if (entry->kind == NONE || entry->port != port || told == NO_PORT ||
			    !entry->request.send_possible || !entry->request.armed)
				continue;
			entry->request.port = NO_PORT;
			notify_plain(told, NOTIFY_SEND_POSSIBLE, entry->name);
		}
}

void model_dequeue(struct model_message *message)
{
	struct model_port *port = &model.port[message->dest.port];

	unlink_message(message);
	port->seqno++;
	tell_of_room(message->dest.port);
}

void model_consume_dest(struct model_message *message)
{
	struct model_right dest = message->dest;

	message->used = false;
	if (dest.kind == C_SEND)
		model_release_send(dest.port);
	else
		model.port[dest.port].sorights--;
}

void model_destroy_message(struct model_message *message, bool with_dest)
{
	struct model_message copy = *message;

	message->used = false;
	if (with_dest)
		model_release(copy.dest);
	model_release(copy.reply);
	for (int i = 0; i < copy.rights; i++)
		model_release(copy.right[i]);
}

bool model_is_circular(int moved, int into)
{
	for (int steps = 0; into != NO_PORT && steps < MODEL_PORTS; steps++) {
		if (into == moved)
			return true;
		if (!model.port[into].alive || model.port[into].receiver >= 0)
			return false;
		into = model.port[into].carrier;
	}
	return false;
}

/* Releasing rights */

void model_release_send(int number)
{
	struct model_port *port = &model.port[number];
	int told = port->no_senders;

	if (!port->alive)
		return;
	if (--port->srights || told == NO_PORT)
		return;
	port->no_senders = NO_PORT;
	notify_plain(told, NOTIFY_NO_SENDERS, port->mscount);
}

void model_release_once(int number)
{
	if (model.port[number].alive)
		notify_plain(number, NOTIFY_SEND_ONCE, 0);
}

void model_release(struct model_right right)
{
	switch (right.kind) {
	case C_SEND:
		model_release_send(right.port);
		break;
	case C_ONCE:
		model_release_once(right.port);
		break;
	case C_RECEIVE:
		model_destroy_receive(right.port);
		break;
	default:
		break;
	}
}

/* The name's right has died: it is a dead name from now on. */
static void name_dies(struct model_entry *entry)
{
	struct model_request request = entry->request;

	entry->stale = entry->kind == ONCE && request.port == NO_PORT;
	if (entry->kind == ONCE)
		entry->urefs = 1;
	entry->kind = DEAD;
	entry->send = entry->receive = false;
	entry->port = NO_PORT;
	entry->request.port = NO_PORT;
	if (request.port == NO_PORT)
		return;
	entry->urefs++;
	notify_plain(request.port, NOTIFY_DEAD_NAME, entry->name);
}

static void port_dies(int number)
{
	struct model_port *port = &model.port[number];
	int no_senders = port->no_senders;

	port->alive = false;
	port->no_senders = NO_PORT;
	model_leave_sets(number);
	while (port->first >= 0) {
		struct model_message *message = &model.message[port->first];

		unlink_message(message);
		model_destroy_message(message, true);
	}
	for (int task = 0; task < MODEL_TASKS; task++)
		for (int i = 0; i < MODEL_NAMES; i++) {
			struct model_entry *entry = &model.entry[task][i];

			if (entry->port == number &&
			    (entry->kind == PORT_RIGHTS || entry->kind == ONCE))
				name_dies(entry);
		}
	if (no_senders != NO_PORT)
		model_release_once(no_senders);
}

/* What a receive right loses when it leaves its space. */
static void leave_space(struct model_port *port)
{
	port->receiver = -1;
	port->carrier = NO_PORT;
	port->mscount = 0;
	port->seqno = 0;
	port->seqno_known = true;
	port->context = 0;
	port->guarded = port->strict = port->immovable = false;
	memset(port->sets, 0, sizeof(port->sets));
}

void model_destroy_receive(int number)
{
	struct model_port *port = &model.port[number];
	int told = port->destroyed;

	leave_space(port);
	port->destroyed = NO_PORT;
	if (told == NO_PORT) {
		port_dies(number);
		return;
	}
	if (model_is_circular(number, told)) {
		port_dies(number);
		model_release_once(told);
		return;
	}
	notify(told, NOTIFY_PORT_DESTROYED, 0, (struct model_right){ C_RECEIVE, number });
}

void model_cancel_request(struct model_entry *entry)
{
	int told = entry->request.port;

	entry->request.port = NO_PORT;
	if (told != NO_PORT)
		notify_plain(told, NOTIFY_PORT_DELETED, entry->name);
}

/* The entry is free again. */
static void delete(struct model_entry *entry)
{
	entry->kind = NONE;
	model_cancel_request(entry);
}

/* Traps on names */

static void delete_set(int task, struct model_entry *entry)
{
	int index = model_entry_index(task, entry);

	for (int i = 0; i < MODEL_PORTS; i++)
		if (model.port[i].alive && model.port[i].receiver == task)
			model_set_membership(i, index, false);
	delete(entry);
}

/* The receive right of an entry goes; what send right there is stays a moment. */
static void drop_receive(struct model_entry *entry)
{
	int port = entry->port;

	entry->receive = false;
	if (!entry->send)
		delete(entry);
	model_destroy_receive(port);
}

static void drop_send(struct model_entry *entry)
{
	int port = entry->port;

	entry->send = false;
	entry->urefs = 0;
	if (!entry->receive)
		delete(entry);
	model_release_send(port);
}

static void drop_once(struct model_entry *entry)
{
	int port = entry->port;

	delete(entry);
	model_release_once(port);
}

static long add_urefs(struct model_entry *entry, int delta, void (*drop)(struct model_entry *))
{
	if (delta < -MACH_PORT_UREFS_MAX || delta > MACH_PORT_UREFS_MAX ||
	    entry->urefs + delta < 0)
		return KERN_INVALID_VALUE;
	if (entry->urefs + delta == 0)
		drop(entry);
	else
		entry->urefs += delta;
	return KERN_SUCCESS;
}

long model_mod_refs(int task, uint32_t name, int right, int delta)
{
	struct model_entry *entry;

	if (right < 0 || right > MACH_PORT_RIGHT_LABELH)
		return KERN_INVALID_VALUE;
	if (name == MACH_PORT_NULL || name == MACH_PORT_DEAD)
		return right == MACH_PORT_RIGHT_SEND || right == MACH_PORT_RIGHT_SEND_ONCE ?
		       KERN_SUCCESS : KERN_INVALID_NAME;
	entry = model_find(task, name);
	if (!entry)
		return KERN_INVALID_NAME;
	entry->stale = false;
	switch (right) {
	case MACH_PORT_RIGHT_SEND:
		if (entry->kind != PORT_RIGHTS || !entry->send)
			return KERN_INVALID_RIGHT;
		return add_urefs(entry, delta, drop_send);
	case MACH_PORT_RIGHT_DEAD_NAME:
		if (entry->kind != DEAD)
			return KERN_INVALID_RIGHT;
		return add_urefs(entry, delta, delete);
	case MACH_PORT_RIGHT_RECEIVE:
		if (entry->kind != PORT_RIGHTS || !entry->receive)
			return KERN_INVALID_RIGHT;
		if (delta == 0)
			return KERN_SUCCESS;
		if (delta != -1)
			return KERN_INVALID_VALUE;
		if (model.port[entry->port].guarded)
			return KERN_INVALID_RIGHT;
		drop_receive(entry);
		return KERN_SUCCESS;
	case MACH_PORT_RIGHT_SEND_ONCE:
	case MACH_PORT_RIGHT_PORT_SET:
		if (entry->kind != (right == MACH_PORT_RIGHT_PORT_SET ? SET : ONCE))
			return KERN_INVALID_RIGHT;
		if (delta == 0)
			return KERN_SUCCESS;
		if (delta != -1)
			return KERN_INVALID_VALUE;
		if (right == MACH_PORT_RIGHT_PORT_SET)
			delete_set(task, entry);
		else
			drop_once(entry);
		return KERN_SUCCESS;
	default:
		return KERN_INVALID_RIGHT;
	}
}

long model_deallocate(int task, uint32_t name)
{
	struct model_entry *entry;

	if (name == MACH_PORT_NULL || name == MACH_PORT_DEAD)
		return KERN_SUCCESS;
	entry = model_find(task, name);
	if (!entry)
		return KERN_INVALID_NAME;
	switch (entry->kind) {
	case PORT_RIGHTS:
		if (!entry->send)
			return KERN_INVALID_RIGHT;
		return add_urefs(entry, -1, drop_send);
	case DEAD:
		return add_urefs(entry, -1, delete);
	case ONCE:
		drop_once(entry);
		return KERN_SUCCESS;
	default:
		return KERN_INVALID_RIGHT;
	}
}

long model_destroy(int task, uint32_t name)
{
	struct model_entry *entry;
	bool send, receive;
	int port;

	if (name == MACH_PORT_NULL || name == MACH_PORT_DEAD)
		return KERN_SUCCESS;
	entry = model_find(task, name);
	if (!entry)
		return KERN_INVALID_NAME;
	switch (entry->kind) {
	case PORT_RIGHTS:
		port = entry->port;
		if (entry->receive && model.port[port].guarded)
			return KERN_INVALID_RIGHT;
		send = entry->send;
		receive = entry->receive;
		delete(entry);
		if (send)
			model_release_send(port);
		if (receive)
			model_destroy_receive(port);
		break;
	case ONCE:
		drop_once(entry);
		break;
	case SET:
		delete_set(task, entry);
		break;
	default:
		delete(entry);
	}
	return KERN_SUCCESS;
}

long model_destruct(int task, uint32_t name, int srdelta, uint64_t guard)
{
	struct model_entry *entry = model_find(task, name);

	if (!entry)
		return KERN_INVALID_NAME;
	entry->stale = false;
	if (entry->kind != PORT_RIGHTS || !entry->receive)
		return KERN_INVALID_RIGHT;
	if (srdelta && !entry->send)
		return KERN_INVALID_RIGHT;
	if (srdelta > 0)
		return KERN_INVALID_VALUE;
	if (model.port[entry->port].guarded && model.port[entry->port].context != guard)
		return KERN_INVALID_ARGUMENT;
	if (entry->urefs + srdelta < 0)
		return KERN_INVALID_VALUE;
	if (srdelta)
		add_urefs(entry, srdelta, drop_send);
	drop_receive(entry);
	return KERN_SUCCESS;
}

/* Rights on their way */

static long take_dead(struct model_entry *entry, int disposition, bool take,
		      struct model_right *right)
{
	*right = (struct model_right){ C_DEAD, NO_PORT };
	if (take && disposition != COPY_SEND)
		add_urefs(entry, -1, delete);
	return KERN_SUCCESS;
}

long model_copyin(int task, uint32_t name, int disposition, bool take,
		  struct model_right *right)
{
	struct model_entry *entry = model_find(task, name);
	struct model_port *port;
	bool send, receive;

	if (!entry)
		return KERN_INVALID_NAME;
	if (entry->kind == DEAD) {
		if (disposition != COPY_SEND && disposition != MOVE_SEND &&
		    disposition != MOVE_SEND_ONCE)
			return KERN_INVALID_RIGHT;
		return take_dead(entry, disposition, take, right);
	}
	send = entry->kind == PORT_RIGHTS && entry->send;
	receive = entry->kind == PORT_RIGHTS && entry->receive;
	if (entry->kind == SET)
		return KERN_INVALID_RIGHT;
	port = &model.port[entry->port];
	*right = (struct model_right){ C_SEND, entry->port };
	switch (disposition) {
	case MAKE_SEND:
		if (!receive)
			return KERN_INVALID_RIGHT;
		if (take) {
			port->srights++;
			port->mscount++;
		}
		return KERN_SUCCESS;
	case MAKE_SEND_ONCE:
		if (!receive)
			return KERN_INVALID_RIGHT;
		right->kind = C_ONCE;
		if (take)
			port->sorights++;
		return KERN_SUCCESS;
	case COPY_SEND:
		if (!send)
			return KERN_INVALID_RIGHT;
		if (take)
			port->srights++;
		return KERN_SUCCESS;
	case MOVE_SEND:
		if (!send)
			return KERN_INVALID_RIGHT;
		if (!take)
			return KERN_SUCCESS;
		if (entry->urefs > 1) {
			entry->urefs--;
			port->srights++;
			return KERN_SUCCESS;
		}
		entry->send = false;
		entry->urefs = 0;
		if (!receive)
			delete(entry);
		return KERN_SUCCESS;
	case MOVE_SEND_ONCE:
		if (entry->kind != ONCE)
			return KERN_INVALID_RIGHT;
		right->kind = C_ONCE;
		if (take)
			delete(entry);
		return KERN_SUCCESS;
	case MOVE_RECEIVE:
		if (!receive)
			return KERN_INVALID_RIGHT;
		if (port->immovable)
			return KERN_INVALID_CAPABILITY;
		right->kind = C_RECEIVE;
		if (take) {
			entry->receive = false;
			if (!send)
				delete(entry);
			leave_space(port);
		}
		return KERN_SUCCESS;
	default:
		return KERN_INVALID_RIGHT;
	}
}

bool model_existing_name(int task, struct model_right right, uint32_t *name)
{
	struct model_entry *entry;

	*name = MACH_PORT_NULL;
	if (right.kind == C_NONE)
		return true;
	*name = MACH_PORT_DEAD;
	if (right.kind == C_DEAD || !model.port[right.port].alive)
		return true;
	if (right.kind == C_ONCE)
		return false;
	entry = model_find_port(task, right.port);
	if (!entry)
		return false;
	*name = entry->name;
	return true;
}

bool model_enter(int task, struct model_right right, uint32_t name)
{
	uint32_t existing;
	struct model_entry *entry;

	if (model_existing_name(task, right, &existing)) {
		if (name != existing)
			return false;
		if (name == MACH_PORT_NULL || name == MACH_PORT_DEAD)
			return true;
		entry = model_find(task, name);
	} else {
		if (name == MACH_PORT_NULL || name == MACH_PORT_DEAD || model_find(task, name))
			return false;
		entry = model_add(task, name);
		entry->port = right.port;
		entry->kind = right.kind == C_ONCE ? ONCE : PORT_RIGHTS;
	}
	if (right.kind == C_SEND) {
		if (entry->send)
			model.port[right.port].srights--;
		entry->send = true;
		entry->urefs++;
	} else if (right.kind == C_RECEIVE) {
		entry->receive = true;
		model.port[right.port].receiver = task;
		model.port[right.port].carrier = NO_PORT;
	}
	return true;
}
