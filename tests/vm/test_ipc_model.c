// SPDX-License-Identifier: GPL-2.0
/*
 * Random operations on the rights of three tasks, each compared with what the
 * reference model of lib/ipc_model.h expects: the code, the names, the message,
 * and then what the touched names have become. From time to time all names are
 * compared.
 *
 * The seed is printed; MACH_TEST_SEED repeats a run, which is the same to the
 * last name. MACH_TEST_STEPS sets the number of operations: `make test
 * TESTS=ipc_model APPEND=MACH_TEST_STEPS=1000000` for a long run.
 * time limit: 5000 s
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "harness.h"
#include "ipc_model.h"
#include "mach.h"
#include "message.h"
#include "model_wire.h"
#include "port.h"
#include "process.h"
#include "short_rights.h"

#define STEPS		20000
#define EPISODE		2000	/* steps, after which all tasks are new */
#define CHECK_ALL	100	/* steps between comparisons of everything */
#define STEP_LIMIT_S	30	/* without any step for so long, something hangs */
#define HISTORY		40
#define FREED		8

/* What a task is asked to do */

enum what {
	DO_ALLOCATE, DO_REPLY_PORT, DO_SPECIAL_PORT, DO_CONSTRUCT, DO_DESTRUCT, DO_GUARD, DO_UNGUARD,
	DO_INSERT_RIGHT, DO_MOD_REFS, DO_DEALLOCATE, DO_DESTROY, DO_REQUEST,
	DO_INSERT_MEMBER, DO_EXTRACT_MEMBER, DO_MOVE_MEMBER, DO_MESSAGE, DO_PROBE,
};

struct probe {
	name_t name;
	int right;		/* whose references are counted, or -1 */
	int urefs;
	bool receive;
	/* answers */
	long result;
	uint32_t type;
	long count_result;
	struct port_status status;
};

struct call {
	enum what what;
	uint32_t argument[6];
	uint64_t wide;
	long result;
	uint32_t name;
	struct wire_call wire;
	int probes;
	struct probe probe[MODEL_NAMES];
};

struct worker_task {
	pid_t pid;
	name_t own;
	struct gate go, done;
	struct call call;
};

static struct worker_task *tasks;	/* shared memory */

/* 0 when the count is as expected, else the code that was not */
static long count_urefs(name_t name, int right, int urefs)
{
	long result = mod_refs(name, right, -(urefs + 1));

	if (result != KERN_INVALID_VALUE)
		return result ? result : -1;
	if (urefs < 2)
		return 0;
	result = mod_refs(name, right, -(urefs - 1));
	return result ? result : mod_refs(name, right, urefs - 1);
}

static void answer_probe(struct probe *probe)
{
	uint32_t count = PORT_STATUS_WORDS;

	probe->count_result = 0;
	if (probe->right >= 0)
		probe->count_result = count_urefs(probe->name, probe->right, probe->urefs);
	probe->result = port_type(probe->name, &probe->type);
	if (!probe->result && probe->receive)
		probe->result = port_attributes_in(self(), probe->name, PORT_RECEIVE_STATUS,
						   &probe->status, &count);
}

/* Runs in the task itself. */
static void perform(struct call *call)
{
	const uint32_t *argument = call->argument;

	call->name = POISON32;
	switch (call->what) {
	case DO_ALLOCATE:
		call->result = port_allocate((int)argument[0], &call->name);
		break;
	case DO_REPLY_PORT:
		call->name = reply_port();
		call->result = 0;
		break;
	case DO_SPECIAL_PORT:
		call->name = special_reply_port();
		call->result = 0;
		break;
	case DO_CONSTRUCT:
		call->result = port_construct(argument[0], argument[1], call->wide, &call->name);
		break;
	case DO_DESTRUCT:
		call->result = port_destruct(argument[0], (int32_t)argument[1], call->wide);
		break;
	case DO_GUARD:
		call->result = port_guard(argument[0], call->wide, argument[1]);
		break;
	case DO_UNGUARD:
		call->result = port_unguard(argument[0], call->wide);
		break;
	case DO_INSERT_RIGHT:
		call->result = insert_right(argument[0], argument[1], (int)argument[2]);
		break;
	case DO_MOD_REFS:
		call->result = mod_refs(argument[0], (int)argument[1], (int)argument[2]);
		break;
	case DO_DEALLOCATE:
		call->result = deallocate(argument[0]);
		break;
	case DO_DESTROY:
		call->result = port_destroy(argument[0]);
		break;
	case DO_REQUEST:
		call->result = request_notification(argument[0], (int)argument[1], argument[2],
						    argument[3], (int)argument[4], &call->name);
		break;
	case DO_INSERT_MEMBER:
		call->result = insert_member(argument[0], argument[1]);
		break;
	case DO_EXTRACT_MEMBER:
		call->result = extract_member(argument[0], argument[1]);
		break;
	case DO_MOVE_MEMBER:
		call->result = move_member(argument[0], argument[1]);
		break;
	case DO_MESSAGE:
		call->result = wire_trap(&call->wire, argument[0], argument[1], argument[2]);
		break;
	case DO_PROBE:
		for (int i = 0; i < call->probes; i++)
			answer_probe(&call->probe[i]);
		break;
	}
}

static void serve(struct peer_side *side)
{
	struct worker_task *task = side->argument;

	/* The right to the parent's port has served its purpose. */
	REQUIRE_RET(deallocate(side->parent), KERN_SUCCESS);
	task->own = side->own;
	gate_open(&task->done);
	for (;;) {
		gate_pass(&task->go);
		perform(&task->call);
		gate_open(&task->done);
	}
}

/* Chance */

static uint64_t seed;

static unsigned int chance(unsigned int choices)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned int)((seed * 0x2545f4914f6cdd1dull) >> 33) % choices;
}

static bool percent(unsigned int share)
{
	return chance(100) < share;
}

/* What happened, for the reader of a divergence */

static unsigned long step;
static char history[HISTORY][400];
static char kinds[3000][40];
static unsigned long received[SHAPES];	/* messages of each shape */
static int kind_count;

__attribute__((format(printf, 1, 2)))
static void record_step(const char *format, ...)
{
	char *line = history[step % HISTORY];
	int used = snprintf(line, 20, "%lu: ", step);
	va_list args;

	va_start(args, format);
	vsnprintf(line + used, sizeof(history[0]) - (size_t)used, format, args);
	va_end(args);
}

__attribute__((format(printf, 1, 2)))
static void add_to_step(const char *format, ...)
{
	char *line = history[step % HISTORY];
	size_t used = strlen(line);
	va_list args;

	va_start(args, format);
	vsnprintf(line + used, sizeof(history[0]) - used, format, args);
	va_end(args);
}

__attribute__((format(printf, 1, 2)))
static void count_kind(const char *format, ...)
{
	char kind[sizeof(kinds[0])];
	va_list args;

	va_start(args, format);
	vsnprintf(kind, sizeof(kind), format, args);
	va_end(args);
	for (int i = 0; i < kind_count; i++)
		if (!strcmp(kinds[i], kind))
			return;
	if (kind_count < (int)ARRAY_SIZE(kinds))
		strcpy(kinds[kind_count++], kind);
}

static void print_port(int number)
{
	const struct model_port *port = &model.port[number];

	printf("#  p%d: %s receiver %d%s srights %d sorights %d mscount %u queued %u of %u%s%s%s",
	       number, port->alive ? "alive" : "dead", port->receiver,
	       model_in_any_set(number) ? " in sets" : "", port->srights, port->sorights,
	       port->mscount, port->queued, port->limit, port->guarded ? " guarded" : "",
	       port->strict ? " strict" : "", port->immovable ? " immovable" : "");
	printf(" ns %d pd %d:", port->no_senders, port->destroyed);
	for (int i = port->first; i >= 0; i = model.message[i].next)
		printf(" %#x@%lu", (unsigned int)model.message[i].id, model.message[i].step);
	printf("\n");
}

static void print_state(void)
{
	static const char *const names[] = { "none", "port", "once", "set", "dead" };

	for (unsigned long i = step < HISTORY ? 0 : step - HISTORY + 1; i <= step; i++)
		printf("# %s\n", history[i % HISTORY]);
	for (int task = 0; task < MODEL_TASKS; task++)
		for (int i = 0; i < MODEL_NAMES; i++) {
			const struct model_entry *entry = &model.entry[task][i];

			if (entry->kind == NONE)
				continue;
			printf("#  t%d %#x: %s p%d%s%s urefs %d", task, entry->name,
			       names[entry->kind], entry->port, entry->send ? " send" : "",
			       entry->receive ? " receive" : "", entry->urefs);
			if (entry->request.port != NO_PORT)
				printf(" request p%d%s%s", entry->request.port,
				       entry->request.send_possible ? " sp" : "",
				       entry->request.armed ? " armed" : "");
			printf("%s\n", entry->stale ? " stale" : "");
		}
	for (int i = 0; i < MODEL_PORTS; i++)
		if (model.port[i].alive)
			print_port(i);
	fflush(stdout);
}

/* Module and model differ: tell all there is, and end. */
#define DIVERGE(...)							\
	do {								\
		print_state();						\
		FATAL(__VA_ARGS__);					\
	} while (0)

static void expect(const char *what, long got, long want)
{
	add_to_step(" = %#lx", got);
	if (got != want)
		DIVERGE("step %lu: %s is %#lx (%s), the model says %#lx (%s)", step, what, got,
			code_name(got), want, code_name(want));
}

static struct call *perform_in(int task)
{
	if (task == 0) {
		perform(&tasks[0].call);
	} else {
		gate_open(&tasks[task].go);
		gate_pass(&tasks[task].done);
	}
	return &tasks[task].call;
}

static struct call *call_of(int task, enum what what)
{
	tasks[task].call.what = what;
	return &tasks[task].call;
}

/* Names */

static name_t freed[MODEL_TASKS][FREED];

static void remember_freed(int task, name_t name)
{
	if (!model_find(task, name) && name != MACH_PORT_NULL && name != MACH_PORT_DEAD)
		freed[task][chance(FREED)] = name;
}

/* A name of some kind that @fits likes, or any. */
static struct model_entry *any_entry(int task, bool (*fits)(const struct model_entry *entry))
{
	int count = 0, choice;

	for (int i = 0; i < MODEL_NAMES; i++)
		count += model.entry[task][i].kind != NONE &&
			 (!fits || fits(&model.entry[task][i]));
	if (!count)
		return NULL;
	choice = (int)chance((unsigned int)count);
	for (int i = 0; i < MODEL_NAMES; i++) {
		struct model_entry *entry = &model.entry[task][i];

		if (entry->kind != NONE && (!fits || fits(entry)) && choice-- == 0)
			return entry;
	}
	return NULL;
}

static name_t any_name(int task, bool (*fits)(const struct model_entry *entry))
{
	struct model_entry *entry = any_entry(task, percent(85) ? fits : NULL);
	unsigned int luck = chance(100);

	if (luck < 2)
		return MACH_PORT_NULL;
	if (luck < 4)
		return MACH_PORT_DEAD;
	if (luck < 7)
		return freed[task][chance(FREED)];
	return entry ? entry->name : freed[task][chance(FREED)];
}

static bool is_receive(const struct model_entry *entry)
{
	return entry->kind == PORT_RIGHTS && entry->receive;
}

static bool is_send(const struct model_entry *entry)
{
	return entry->kind == PORT_RIGHTS && entry->send;
}

static bool is_once(const struct model_entry *entry)
{
	return entry->kind == ONCE;
}

static bool is_set(const struct model_entry *entry)
{
	return entry->kind == SET;
}

static bool is_dead(const struct model_entry *entry)
{
	return entry->kind == DEAD;
}

static bool has_messages(const struct model_entry *entry)
{
	if (entry->kind == PORT_RIGHTS && entry->receive)
		return model.port[entry->port].queued;
	return entry->kind == SET;
}

static name_t name_to_take(int task, int disposition)
{
	switch (disposition) {
	case MAKE_SEND:
	case MAKE_SEND_ONCE:
	case MOVE_RECEIVE:
		return any_name(task, is_receive);
	case MOVE_SEND_ONCE:
		return any_name(task, is_once);
	default:
		return any_name(task, is_send);
	}
}

/* Comparing names */

static void ask_about(int task, int *count, name_t name)
{
	struct probe *probe = &tasks[task].call.probe[(*count)++];
	struct model_entry *entry = model_find(task, name);

	memset(probe, 0, sizeof(*probe));
	probe->name = name;
	probe->right = -1;
	if (!entry)
		return;
	entry->stale = false;
	probe->urefs = entry->urefs;
	if (entry->kind == DEAD)
		probe->right = DEAD_NAME;
	else if (is_send(entry))
		probe->right = SEND;
	probe->receive = is_receive(entry);
}

static void compare_status(int task, const struct probe *probe, struct model_port *port,
			   int number)
{
	const struct port_status *status = &probe->status;
	uint32_t flags = (port->guarded ? PORT_STATUS_GUARDED : 0) |
			 (port->strict ? PORT_STATUS_STRICT : 0);

	if (port->seqno_known && status->seqno != port->seqno)
		DIVERGE("step %lu: task %d, name %#x: seqno %u, the model says %u", step, task,
			probe->name, status->seqno, port->seqno);
	if (status->pset == model_in_any_set(number) && status->mscount == port->mscount &&
	    status->qlimit == port->limit && status->msgcount == port->queued &&
	    status->sorights == (uint32_t)port->sorights && status->srights == !!port->srights &&
	    status->pdrequest == (port->destroyed != NO_PORT) &&
	    status->nsrequest == (port->no_senders != NO_PORT) && status->flags == flags)
		return;
	DIVERGE("step %lu: task %d, name %#x, p%d: pset %u mscount %u qlimit %u msgcount %u "
		"so %u sr %u pd %u ns %u flags %#x", step, task, probe->name, number, status->pset, status->mscount, status->qlimit,
		status->msgcount, status->sorights, status->srights, status->pdrequest,
		status->nsrequest, status->flags);
}

static void compare(int task, const struct probe *probe)
{
	struct model_entry *entry = model_find(task, probe->name);
	uint32_t type = probe->type;

	if (probe->name == MACH_PORT_NULL || probe->name == MACH_PORT_DEAD)
		return;
	if (!entry) {
		if (probe->result != KERN_INVALID_NAME)
			DIVERGE("step %lu: task %d has name %#x (%ld, type %#x), the model has not",
				step, task, probe->name, probe->result, type);
		return;
	}
	/* What a send-possible request shows as is not told. */
	if (entry->request.port != NO_PORT && entry->request.send_possible)
		type &= ~MACH_PORT_TYPE_DNREQUEST;
	if (probe->result || type != model_type(entry))
		DIVERGE("step %lu: task %d, name %#x: %ld, type %#x, the model says %#x", step,
			task, probe->name, probe->result, type, model_type(entry));
	if (probe->count_result)
		DIVERGE("step %lu: task %d, name %#x: not %d references: %ld", step, task,
			probe->name, entry->urefs, probe->count_result);
	if (probe->receive)
		compare_status(task, probe, &model.port[entry->port], entry->port);
}

static void check_names(int task, const name_t *names, int count)
{
	struct call *call = call_of(task, DO_PROBE);

	call->probes = 0;
	for (int i = 0; i < count; i++)
		ask_about(task, &call->probes, names[i]);
	perform_in(task);
	for (int i = 0; i < call->probes; i++)
		compare(task, &call->probe[i]);
}

static void check_all(void)
{
	for (int task = 0; task < MODEL_TASKS; task++) {
		name_t names[MODEL_NAMES];
		int count = 0;

		for (int i = 0; i < MODEL_NAMES; i++)
			if (model.entry[task][i].kind != NONE)
				names[count++] = model.entry[task][i].name;
		check_names(task, names, count);
	}
}

/* A name that was free must have come. */
static struct model_entry *add_new(int task, name_t name)
{
	if (name == MACH_PORT_NULL || name == MACH_PORT_DEAD || name == POISON32 ||
	    model_find(task, name))
		DIVERGE("step %lu: task %d got name %#x for something new", step, task, name);
	return model_add(task, name);
}

static void enter(int task, struct model_right right, name_t name)
{
	name_t existing;

	if (model_enter(task, right, name))
		return;
	if (!model_existing_name(task, right, &existing))
		existing = MACH_PORT_NULL;
	DIVERGE("step %lu: task %d got name %#x for p%d, the model has %#x", step, task, name,
		right.port, existing);
}

/* Operations */

/* A thread has one port for replies; an earlier one is an ordinary port now. */
static void make_special(int task, struct model_entry *entry)
{
	struct model_port *port = &model.port[entry->port];

	for (int i = 0; i < MODEL_PORTS; i++)
		if (model.port[i].special_of == task + 1)
			model.port[i].special_of = 0;
	port->special_of = task + 1;
	entry->send = true;
	entry->urefs = 1;
	port->srights = 1;
	port->mscount = 1;
}

static void op_allocate(int task)
{
	static const int rights[] = { RECEIVE, RECEIVE, PORT_SET, DEAD_NAME };
	struct call *call = call_of(task, percent(15) ? DO_REPLY_PORT :
				    percent(12) ? DO_SPECIAL_PORT : DO_ALLOCATE);
	int right = call->what != DO_ALLOCATE ? RECEIVE : rights[chance(4)];
	struct model_entry *entry;

	call->argument[0] = (uint32_t)right;
	record_step("t%d allocate right %d", task, right);
	count_kind("allocate %d %d", call->what, right);
	perform_in(task);
	expect("allocating", call->result, KERN_SUCCESS);
	add_to_step(" %#x", call->name);
	entry = add_new(task, call->name);
	if (right == RECEIVE) {
		entry->kind = PORT_RIGHTS;
		entry->receive = true;
		entry->port = model_new_port(task);
		add_to_step(" p%d", entry->port);
		if (call->what == DO_SPECIAL_PORT)
			make_special(task, entry);
	} else if (right == PORT_SET) {
		entry->kind = SET;
	} else {
		entry->kind = DEAD;
		entry->urefs = 1;
	}
	check_names(task, &call->name, 1);
}

static void op_construct(int task)
{
	struct call *call = call_of(task, DO_CONSTRUCT);
	uint32_t flags = chance(0x100), limit = chance(8) ? chance(12) : 1000 + chance(50);
	struct model_entry *entry;
	struct model_port *port;
	name_t name;

	call->argument[0] = flags;
	call->argument[1] = limit;
	call->wide = chance(3);
	record_step("t%d construct %#x limit %u context %lu", task, flags, limit,
		    (unsigned long)call->wide);
	count_kind("construct %#x", flags & (MPO_CONTEXT_AS_GUARD | MPO_INSERT_SEND_RIGHT |
					     MPO_STRICT | MPO_QLIMIT));
	perform_in(task);
	if (flags & MPO_QLIMIT && limit > MACH_PORT_QLIMIT_LARGE) {
		expect("constructing", call->result, KERN_INVALID_VALUE);
		return;
	}
	expect("constructing", call->result, KERN_SUCCESS);
	name = call->name;
	add_to_step(" %#x", name);
	entry = add_new(task, name);
	entry->kind = PORT_RIGHTS;
	entry->receive = true;
	entry->port = model_new_port(task);
	add_to_step(" p%d", entry->port);
	port = &model.port[entry->port];
	port->context = call->wide;
	if (flags & MPO_QLIMIT)
		port->limit = limit;
	if (flags & MPO_CONTEXT_AS_GUARD) {
		port->guarded = true;
		port->strict = flags & MPO_STRICT;
		port->immovable = flags & MPO_IMMOVABLE_RECEIVE;
	}
	if (flags & MPO_INSERT_SEND_RIGHT) {
		entry->send = true;
		entry->urefs = 1;
		port->srights = 1;
		port->mscount = 1;
	}
	check_names(task, &name, 1);
}

static void op_destruct(int task)
{
	struct call *call = call_of(task, DO_DESTRUCT);
	name_t name = any_name(task, is_receive);
	struct model_entry *entry = model_find(task, name);
	int srdelta = entry && percent(70) ? -entry->urefs : 1 - (int)chance(4);
	long want;

	call->wide = chance(3);
	if (entry && is_receive(entry) && percent(50))
		call->wide = model.port[entry->port].context;
	call->argument[0] = name;
	call->argument[1] = (uint32_t)srdelta;
	record_step("t%d destruct %#x %d guard %lu", task, name, srdelta,
		    (unsigned long)call->wide);
	want = model_destruct(task, name, srdelta, call->wide);
	count_kind("destruct %ld", want);
	perform_in(task);
	expect("destructing", call->result, want);
	remember_freed(task, name);
	check_names(task, &name, 1);
}

static void op_guard(int task)
{
	struct call *call = call_of(task, percent(40) ? DO_GUARD : DO_UNGUARD);
	name_t name = any_name(task, is_receive);
	struct model_entry *entry = model_find(task, name);
	struct model_port *port = NULL;
	long want = KERN_SUCCESS;

	call->wide = chance(3);
	call->argument[0] = name;
	call->argument[1] = chance(2);
	record_step("t%d %s %#x value %lu", task, call->what == DO_GUARD ? "guard" : "unguard",
		    name, (unsigned long)call->wide);
	if (!entry)
		want = KERN_INVALID_NAME;
	else if (!is_receive(entry))
		want = KERN_INVALID_RIGHT;
	else
		port = &model.port[entry->port];
	if (port && call->what == DO_GUARD) {
		if (port->context) {
			want = KERN_INVALID_ARGUMENT;
		} else {
			port->guarded = true;
			port->strict = call->argument[1];
			port->context = call->wide;
		}
	} else if (port) {
		if (!port->guarded || port->context != call->wide) {
			want = KERN_INVALID_ARGUMENT;
		} else {
			port->guarded = port->strict = false;
			port->context = 0;
		}
	}
	count_kind("guard %d %ld", call->what, want);
	perform_in(task);
	expect("guarding", call->result, want);
	check_names(task, &name, 1);
}

static void op_mod_refs(int task)
{
	static bool (*const fits[])(const struct model_entry *) = {
		is_send, is_receive, is_once, is_set, is_dead, NULL, NULL,
	};
	struct call *call = call_of(task, DO_MOD_REFS);
	int right = (int)chance(7), delta = (int)chance(5) - 2;
	name_t name = any_name(task, fits[right]);
	long want;

	if (percent(3))
		delta = percent(50) ? 65536 : -65536;
	call->argument[0] = name;
	call->argument[1] = (uint32_t)right;
	call->argument[2] = (uint32_t)delta;
	record_step("t%d mod_refs %#x right %d by %d", task, name, right, delta);
	want = model_mod_refs(task, name, right, delta);
	count_kind("mod_refs %d %ld", right, want);
	perform_in(task);
	expect("changing references", call->result, want);
	remember_freed(task, name);
	check_names(task, &name, 1);
}

static void op_drop(int task)
{
	struct call *call = call_of(task, percent(60) ? DO_DEALLOCATE : DO_DESTROY);
	name_t name = any_name(task, percent(30) ? is_dead : NULL);
	struct model_entry *entry = model_find(task, name);
	enum model_kind kind = entry ? entry->kind : NONE;
	long want;

	call->argument[0] = name;
	record_step("t%d %s %#x", task, call->what == DO_DESTROY ? "destroy" : "deallocate", name);
	want = call->what == DO_DESTROY ? model_destroy(task, name) : model_deallocate(task, name);
	count_kind("drop %d %d %ld", call->what, kind, want);
	perform_in(task);
	expect("dropping", call->result, want);
	remember_freed(task, name);
	check_names(task, &name, 1);
}

/* Of names in the same place of the table only one can be there. */
static bool is_close_to_another(int task, name_t name)
{
	for (int i = 0; i < MODEL_NAMES; i++)
		if (model.entry[task][i].kind != NONE &&
		    model.entry[task][i].name >> 8 == name >> 8)
			return true;
	return false;
}

static void op_insert_right(int task)
{
	struct call *call = call_of(task, DO_INSERT_RIGHT);
	int disposition = MOVE_RECEIVE + (int)chance(6);
	name_t poly = name_to_take(task, disposition), name = poly, names[2];
	bool in_place = percent(60);
	struct model_right right = { C_NONE, NO_PORT };
	struct model_entry *entry;
	bool fixed = false;
	long want;

	if (!in_place)
		name = disposition == MAKE_SEND_ONCE || disposition == MOVE_SEND_ONCE ||
		       percent(20) ? freed[task][chance(FREED)] : any_name(task, NULL);
	if (name == MACH_PORT_NULL || name == MACH_PORT_DEAD ||
	    (!model_find(task, name) && is_close_to_another(task, name)))
		return;
	call->argument[0] = name;
	call->argument[1] = poly;
	call->argument[2] = (uint32_t)disposition;
	record_step("t%d insert_right %#x from %#x by %d", task, name, poly, disposition);
	if (poly == MACH_PORT_NULL || poly == MACH_PORT_DEAD) {
		want = KERN_INVALID_CAPABILITY;
	} else {
		want = model_copyin(task, poly, disposition, true, &right);
		if (!want && right.kind == C_DEAD)
			want = KERN_INVALID_CAPABILITY;
	}
	if (!want) {
		entry = right.kind == C_ONCE ? NULL : model_find_port(task, right.port);
		if (entry && entry->name != name) {
			want = KERN_RIGHT_EXISTS;
		} else if (!entry && model_find(task, name)) {
			want = KERN_NAME_EXISTS;
		} else if (!entry) {
			fixed = true;
			entry = model_add(task, name);
			entry->port = right.port;
			entry->kind = right.kind == C_ONCE ? ONCE : PORT_RIGHTS;
		}
		if (!want && right.kind == C_SEND) {
			if (entry->send)
				model.port[right.port].srights--;
			entry->send = true;
			entry->urefs++;
		} else if (!want && right.kind == C_RECEIVE) {
			entry->receive = true;
			model.port[right.port].receiver = task;
		}
		if (want)
			model_release(right);
	}
	count_kind("insert_right %d %ld", disposition, want);
	perform_in(task);
	if (fixed && call->result == KERN_NO_SPACE)
		DIVERGE("step %lu: no space for name %#x", step, name);
	expect("inserting", call->result, want);
	names[0] = name;
	names[1] = poly;
	remember_freed(task, poly);
	check_names(task, names, 2);
}

static void op_member(int task)
{
	static const enum what whats[] = { DO_INSERT_MEMBER, DO_INSERT_MEMBER, DO_EXTRACT_MEMBER,
					   DO_MOVE_MEMBER };
	struct call *call = call_of(task, whats[chance(4)]);
	name_t port = any_name(task, is_receive), set = any_name(task, is_set);
	struct model_entry *member, *into;
	long want = KERN_SUCCESS;

	/* Two bad names: which is told first is not our matter. */
	member = model_find(task, port);
	if (!member || !is_receive(member)) {
		struct model_entry *good = any_entry(task, is_set);

		if (!good)
			return;
		set = good->name;
	}
	into = model_find(task, set);
	call->argument[0] = port;
	call->argument[1] = set;
	record_step("t%d member op %d port %#x set %#x", task, call->what, port, set);
	if (port == MACH_PORT_NULL || port == MACH_PORT_DEAD)
		want = KERN_INVALID_RIGHT;
	else if (!member)
		want = KERN_INVALID_NAME;
	else if (!is_receive(member))
		want = KERN_INVALID_RIGHT;
	else if (set == MACH_PORT_DEAD ||
		 (set == MACH_PORT_NULL && call->what != DO_MOVE_MEMBER))
		want = KERN_INVALID_RIGHT;
	else if (set != MACH_PORT_NULL && !into)
		want = KERN_INVALID_NAME;
	else if (into && into->kind != SET)
		want = KERN_INVALID_RIGHT;
	if (!want) {
		int index = into ? model_entry_index(task, into) : -1;
		bool inside = into && model_in_set(member->port, index);

		/* Whether the sequence number starts anew is not told of all of these. */
		model.port[member->port].seqno_known = false;
		if (call->what == DO_INSERT_MEMBER && inside) {
			want = KERN_ALREADY_IN_SET;
		} else if (call->what == DO_EXTRACT_MEMBER && !inside) {
			want = KERN_NOT_IN_SET;
		} else {
			if (call->what == DO_MOVE_MEMBER)
				model_leave_sets(member->port);
			if (into)
				model_set_membership(member->port, index,
						     call->what != DO_EXTRACT_MEMBER);
		}
	}
	count_kind("member %d %ld", call->what, want);
	perform_in(task);
	expect("changing members", call->result, want);
	check_names(task, &port, 1);
}

/* A request that is refused destroys its right; one that replaces gives one back. */
static void op_request(int task)
{
	static const int ids[] = { NOTIFY_PORT_DESTROYED, NOTIFY_NO_SENDERS, NOTIFY_DEAD_NAME,
				   NOTIFY_SEND_POSSIBLE, 0x43 };
	struct call *call = call_of(task, DO_REQUEST);
	int id = ids[chance(percent(95) ? 4 : 5)], previous = NO_PORT, told;
	int disposition = percent(85) ? MAKE_SEND_ONCE : MOVE_SEND_ONCE;
	bool about_port = id == NOTIFY_PORT_DESTROYED || id == NOTIFY_NO_SENDERS;
	name_t name = any_name(task, about_port ? is_receive : percent(70) ? is_send : NULL);
	name_t notify = name_to_take(task, disposition), names[3];
	uint32_t sync = chance(id == NOTIFY_NO_SENDERS ? 4 : 2);
	struct model_entry *entry;
	struct model_right right = { C_NONE, NO_PORT };
	struct model_port *port;
	long want = KERN_SUCCESS;
	int now = 0;

	if (name == notify && disposition == MOVE_SEND_ONCE)
		return;
	/* What becomes of a previous right whose port has died is not told. */
	entry = model_find(task, name);
	if (entry && entry->request.port != NO_PORT && !model.port[entry->request.port].alive)
		return;
	if (entry && is_receive(entry) && model.port[entry->port].no_senders != NO_PORT &&
	    !model.port[model.port[entry->port].no_senders].alive)
		return;
	call->argument[0] = name;
	call->argument[1] = (uint32_t)id;
	call->argument[2] = sync;
	call->argument[3] = notify;
	call->argument[4] = (uint32_t)disposition;
	record_step("t%d request %#x about %#x sync %u tell %#x by %d", task, id, name, sync,
		    notify, disposition);
	if (notify == MACH_PORT_NULL || notify == MACH_PORT_DEAD) {
		perform_in(task);
		expect("requesting", call->result, MACH_SEND_INVALID_DEST);
		return;
	}
	want = model_copyin(task, notify, disposition, true, &right);
	if (!want && right.kind == C_DEAD)
		want = KERN_INVALID_CAPABILITY;
	if (want)
		goto call;
	told = right.port;
	entry = model_find(task, name);
	if (id == 0x43 || (id == NOTIFY_PORT_DESTROYED && sync))
		want = KERN_INVALID_VALUE;
	else if (name == MACH_PORT_NULL || name == MACH_PORT_DEAD)
		want = about_port ? KERN_INVALID_RIGHT : KERN_INVALID_ARGUMENT;
	else if (!entry)
		want = KERN_INVALID_NAME;
	else if (about_port && !is_receive(entry))
		want = KERN_INVALID_RIGHT;
	else if (entry->kind == SET)
		want = KERN_INVALID_RIGHT;
	if (want)
		goto refused;
	port = entry->port == NO_PORT ? NULL : &model.port[entry->port];
	switch (id) {
	case NOTIFY_PORT_DESTROYED:
		if (port->special_of)
			want = KERN_INVALID_RIGHT;
		else if (port->destroyed != NO_PORT)
			want = KERN_FAILURE;
		else
			port->destroyed = told;
		break;
	case NOTIFY_NO_SENDERS:
		previous = port->no_senders;
		port->no_senders = NO_PORT;
		if (port->srights == 0 && sync <= port->mscount)
			now = id;
		else
			port->no_senders = told;
		break;
	default:
		entry->stale = false;
		if (entry->kind == DEAD) {
			if (id == NOTIFY_DEAD_NAME && !sync) {
				want = KERN_INVALID_ARGUMENT;
			} else {
				entry->urefs++;
				now = NOTIFY_DEAD_NAME;
			}
			break;
		}
		previous = entry->request.port;
		entry->request.port = NO_PORT;
		if (id == NOTIFY_SEND_POSSIBLE && sync &&
		    (entry->kind == ONCE || !model_is_full(entry->port))) {
			now = id;
			break;
		}
		entry->request = (struct model_request){
			.port = told,
			.send_possible = id == NOTIFY_SEND_POSSIBLE,
			.armed = id == NOTIFY_SEND_POSSIBLE && sync,
		};
	}
	if (now) {
		struct model_message *message = model_new_message(-1);

		message->dest = right;
		message->id = now;
		message->word = now == NOTIFY_NO_SENDERS ? port->mscount : name;
		message->size = 36;
		model_enqueue(message);
	}
refused:
	if (want)
		model_release(right);
call:
	count_kind("request %#x %u %ld", id, sync, want);
	perform_in(task);
	expect("requesting", call->result, want);
	names[0] = name;
	names[1] = notify;
	names[2] = MACH_PORT_NULL;
	if (!want) {
		if (previous != NO_PORT) {
			names[2] = call->name;
			enter(task, (struct model_right){ C_ONCE, previous }, call->name);
		} else if (call->name != MACH_PORT_NULL) {
			DIVERGE("step %lu: previous right %#x", step, call->name);
		}
	}
	remember_freed(task, notify);
	check_names(task, names, 3);
}

/* Messages */

struct sending {
	int task;
	int remote_disposition, local_disposition;
	name_t remote, local;
	int rights;
	bool complex;
	enum shape shape;
	uint32_t flags;
	uint64_t context;
	int disposition[MODEL_RIGHTS];
	name_t name[MODEL_RIGHTS];
	uint32_t size, plain_size;
	int32_t id;
	bool notify;
	struct model_message *message;
};

static bool is_send_disposition(int disposition)
{
	return disposition >= MOVE_SEND && disposition <= MAKE_SEND_ONCE;
}

/* What the header's rights are, without taking them. */
static long look_at_header(struct sending *sending, bool *stale)
{
	struct model_entry *entry;
	struct model_right right;

	*stale = false;
	if (!is_send_disposition(sending->remote_disposition))
		return MACH_SEND_INVALID_HEADER;
	if (sending->local_disposition ? !is_send_disposition(sending->local_disposition) :
	    sending->local != MACH_PORT_NULL)
		return MACH_SEND_INVALID_HEADER;
	if (sending->remote == MACH_PORT_NULL || sending->remote == MACH_PORT_DEAD)
		return MACH_SEND_INVALID_DEST;
	entry = model_find(sending->task, sending->remote);
	if (entry && entry->stale && sending->remote_disposition == MOVE_SEND_ONCE)
		*stale = true;
	else if (model_copyin(sending->task, sending->remote, sending->remote_disposition, false,
			      &right) || right.kind == C_DEAD)
		return MACH_SEND_INVALID_DEST;
	if (sending->local == MACH_PORT_NULL || sending->local == MACH_PORT_DEAD)
		return 0;
	if (model_copyin(sending->task, sending->local, sending->local_disposition, false, &right))
		return MACH_SEND_INVALID_REPLY;
	if (sending->local != sending->remote)
		return 0;
	if (sending->remote_disposition == MOVE_SEND_ONCE)
		return MACH_SEND_INVALID_REPLY;
	if (sending->remote_disposition == MOVE_SEND && sending->local_disposition == MOVE_SEND &&
	    entry->urefs < 2)
		return MACH_SEND_INVALID_DEST;
	return 0;
}

static void take_reply(struct sending *sending, struct model_right *reply)
{
	if (sending->local == MACH_PORT_NULL)
		*reply = (struct model_right){ C_NONE, NO_PORT };
	else if (sending->local == MACH_PORT_DEAD)
		*reply = (struct model_right){ C_DEAD, NO_PORT };
	else
		model_copyin(sending->task, sending->local, sending->local_disposition, true, reply);
}

/* Does a guarded descriptor say what is so of the receive right, if it is one? */
static bool guard_is_right(const struct sending *sending, int number)
{
	const struct model_entry *entry = model_find(sending->task, sending->name[number]);
	const struct model_port *port;

	if (!entry || !is_receive(entry))
		return false;
	port = &model.port[entry->port];
	return port->guarded ? port->context == sending->context :
	       sending->flags & 2 && !sending->context;
}

/* Sends in the model; the message stays in sending->message when it is given back. */
static long send_in_model(struct sending *sending)
{
	struct model_message *message;
	struct model_entry *entry;
	bool stale, circular = false, reply_first;
	long result = look_at_header(sending, &stale);

	sending->message = NULL;
	if (result)
		return result;
	message = model_new_message(sending->task);
	/* Of two rights from one name, the one that is copied comes first. */
	reply_first = sending->local == sending->remote && sending->remote_disposition == MOVE_SEND;
	if (reply_first)
		take_reply(sending, &message->reply);
	model_copyin(sending->task, sending->remote, sending->remote_disposition, true,
		     &message->dest);
	if (!reply_first)
		take_reply(sending, &message->reply);
	/* If the name is still there, its request is armed by a send that finds no room. */
	entry = model_find(sending->task, sending->remote);
	if (sending->notify && entry && message->dest.kind == C_SEND &&
	    entry->request.port != NO_PORT && entry->request.send_possible &&
	    model_is_full(entry->port))
		entry->request.armed = true;
	message->reply_type = carried_right(sending->local_disposition);
	message->id = sending->id;
	message->size = sending->size;
	message->complex = sending->complex;
	message->shape = (int)sending->shape;
	message->flags = sending->flags;
	if (sending->shape == SHAPE_GUARDED && sending->rights && sending->flags > 3) {
		model_destroy_message(message, !stale);
		return MACH_SEND_INVALID_TYPE;
	}
	for (int i = 0; i < sending->rights; i++) {
		struct model_right *right = &message->right[i];

		message->rights = i;
		if (sending->name[i] == MACH_PORT_NULL)
			right->kind = C_NONE;
		else if (sending->name[i] == MACH_PORT_DEAD)
			right->kind = C_DEAD;
		else if (sending->shape == SHAPE_GUARDED && !guard_is_right(sending, i))
			result = MACH_SEND_INVALID_RIGHT;
		else if (model_copyin(sending->task, sending->name[i], sending->disposition[i],
				      true, right))
			result = MACH_SEND_INVALID_RIGHT;
		if (result) {
			/* What was taken for an array goes first, in XNU as well. */
			if (sending->shape == SHAPE_ARRAY) {
				for (int j = 0; j < i; j++)
					model_release(message->right[j]);
				message->rights = 0;
			}
			model_destroy_message(message, !stale);
			return result;
		}
		message->rights = i + 1;
		if (right->kind == C_RECEIVE && !stale &&
		    model_is_circular(right->port, message->dest.port))
			circular = true;
	}
	if (stale || circular) {
		model_destroy_message(message, !stale);
	} else if (message->dest.kind == C_SEND && model_is_full(message->dest.port)) {
		sending->message = message;
		return MACH_SEND_TIMED_OUT;
	} else {
		model_enqueue(message);
	}
	return 0;
}

static void choose_message(struct sending *sending, int task)
{
	static int32_t serial = 1000;

	memset(sending, 0, sizeof(*sending));
	sending->task = task;
	sending->remote_disposition = percent(97) ? MOVE_SEND + (int)chance(5) : (int)chance(32);
	sending->remote = name_to_take(task, sending->remote_disposition);
	if (percent(50)) {
		sending->local_disposition = percent(97) ? MOVE_SEND + (int)chance(5) :
					     (int)chance(32);
		sending->local = percent(8) ? sending->remote :
				 name_to_take(task, sending->local_disposition);
	}
	if (percent(45)) {
		sending->complex = true;
		sending->rights = (int)chance(MODEL_RIGHTS + 1);
		sending->shape = percent(30) ? SHAPE_PORTS : chance(SHAPES);
	}
	for (int i = 0; i < sending->rights; i++) {
		sending->disposition[i] = MOVE_RECEIVE + (int)chance(6);
		if (sending->shape == SHAPE_ARRAY && i)
			sending->disposition[i] = sending->disposition[0];
		if (sending->shape == SHAPE_GUARDED)
			sending->disposition[i] = MOVE_RECEIVE;
		sending->name[i] = name_to_take(task, sending->disposition[i]);
	}
	if (sending->shape == SHAPE_GUARDED) {
		/* The first right's own guard, most of the time */
		const struct model_entry *entry = model_find(task, sending->name[0]);
		bool guarded = entry && is_receive(entry) && model.port[entry->port].guarded;

		sending->flags = percent(95) ? chance(4) : 4;
		sending->context = percent(15) ? chance(3) :
				   guarded ? model.port[entry->port].context : 0;
	}
	sending->plain_size = HEADER_SIZE + 4 * chance(percent(90) ? 10 : 60);
	if (sending->complex)
		sending->plain_size += 4 + 12 * (uint32_t)sending->rights;
	sending->size = sending->plain_size +
			(uint32_t)shape_growth(sending->shape, sending->rights);
	sending->id = serial++;
	sending->notify = percent(30);
}

static void lay_out(const struct sending *sending, struct wire_call *call)
{
	struct wire *wire = &call->message;

	call->complex = sending->complex;
	call->shape = sending->shape;
	call->flags = sending->flags;
	call->context = sending->context;
	call->plain_size = sending->plain_size;
	poison(wire, sizeof(*wire));
	body_fill(&wire->count, sending->plain_size - HEADER_SIZE, (uint32_t)sending->id);
	wire->header = (struct header){
		.bits = MSGH_BITS(sending->remote_disposition, sending->local_disposition) |
			(sending->complex ? MSGH_COMPLEX : 0),
		.size = 0xabcdef,
		.remote = sending->remote,
		.local = sending->local,
		.id = sending->id,
	};
	if (!sending->complex)
		return;
	wire->count = (uint32_t)sending->rights;
	for (int i = 0; i < sending->rights; i++)
		wire->right[i] = (struct port_descriptor)PORT_DESCRIPTOR(sending->name[i],
									sending->disposition[i]);
}

/* The bytes after header and descriptors are the sender's, and what descriptors point to. */
static bool rest_matches(const struct wire_call *call, const struct model_message *message)
{
	const struct wire *wire = &call->message;
	uint8_t body[sizeof(*wire)];
	size_t skip = message->complex ? 4 + 12 * (size_t)message->rights : 0;
	size_t size = message->size - HEADER_SIZE -
		      (size_t)shape_growth((enum shape)message->shape, message->rights);

	if (!call->sound || call->plain_size != size + HEADER_SIZE)
		return false;

	body_fill(body, size, (uint32_t)message->id);
	return !memcmp((const uint8_t *)&wire->count + skip, body + skip, size - skip);
}

static int descriptor_disposition(const struct port_descriptor *descriptor)
{
	return descriptor->pad16_disposition_type >> 16 & 0xff;
}

static int moved_as(enum model_carried kind)
{
	return kind == C_RECEIVE ? MOVE_RECEIVE : kind == C_ONCE ? MOVE_SEND_ONCE : MOVE_SEND;
}

/* A message that could not be queued comes back with all its rights. */
static void take_back(struct sending *sending, const struct wire_call *call)
{
	const struct wire *wire = &call->message;
	struct model_message *message = sending->message;
	uint32_t bits = MSGH_BITS(MOVE_SEND, message->reply_type) |
			(message->complex ? MSGH_COMPLEX : 0);

	if (wire->header.bits != bits || wire->header.id != message->id)
		DIVERGE("step %lu: given back with bits %#x, the model says %#x", step,
			wire->header.bits, bits);
	enter(sending->task, message->dest, wire->header.remote);
	enter(sending->task, message->reply, wire->header.local);
	for (int i = 0; i < message->rights; i++) {
		enter(sending->task, message->right[i], wire->right[i].name);
		if (message->right[i].kind > C_DEAD &&
		    descriptor_disposition(&wire->right[i]) != moved_as(message->right[i].kind))
			DIVERGE("step %lu: descriptor %d given back as %d", step, i,
				descriptor_disposition(&wire->right[i]));
	}
	if (!rest_matches(call, message))
		DIVERGE("step %lu: given back with other bytes", step);
	if (message->shape == SHAPE_GUARDED && message->rights &&
	    (call->flags != (message->flags | 2) || call->context))
		DIVERGE("step %lu: given back with guard %#lx, flags %#x", step,
			(unsigned long)call->context, call->flags);
	message->used = false;
}

/* Bytes that a receiver gets who does, or does not, know guarded descriptors */
static uint32_t size_received(const struct model_message *message, bool guarded)
{
	uint32_t more = message->shape == SHAPE_GUARDED && !guarded ? 4 * (uint32_t)message->rights : 0;

	return message->size - more;
}

/* A right comes out of a guarded descriptor, and may get a guard. */
static void enter_guarded(int task, const struct model_message *message, struct model_right right,
			  const struct port_descriptor *descriptor)
{
	const struct wire_call *call = &tasks[task].call.wire;
	bool guards = message->flags & 1 && right.kind == C_RECEIVE;

	enter(task, right, descriptor->name);
	if (call->flags != message->flags)
		DIVERGE("step %lu: guard flags %#x, sent %#x", step, call->flags, message->flags);
	if (!guards)
		return;
	model.port[right.port].context = call->buffer;
	model.port[right.port].guarded = true;
	model.port[right.port].immovable = true;
}

static bool is_message(const struct model_message *message, const struct wire *wire, int task,
		       bool guarded)
{
	name_t existing;

	if (wire->header.id != message->id ||
	    wire->header.size != size_received(message, guarded))
		return false;
	if (message->sender >= 0)
		return true;
	if (message->id == NOTIFY_SEND_ONCE)
		return true;
	if (message->id == NOTIFY_PORT_DESTROYED)
		return !model_existing_name(task, message->right[0], &existing) ||
		       existing == wire->right[0].name;
	return wire->word[1] == message->word;
}

static void receive_in_model(int task, struct model_entry *from)
{
	struct wire_call *call = &tasks[task].call.wire;
	bool guarded = tasks[task].call.argument[0] & MACH_RCV_GUARDED_DESC;
	const struct wire *wire = &call->message;
	struct model_entry *entry = model_find(task, wire->header.local);
	const struct trailer *trailer = (const void *)((const char *)wire + call->plain_size);
	struct model_message *message;
	struct model_port *port;
	uint32_t bits, seqno;
	pid_t pid;

	add_to_step(" id %#x local %#x remote %#x", (unsigned int)wire->header.id,
		    wire->header.local, wire->header.remote);
	if (!entry || !is_receive(entry) || (from->kind != SET && entry != from) ||
	    (from->kind == SET && !model_in_set(entry->port, model_entry_index(task, from))))
		DIVERGE("step %lu: message for %#x", step, wire->header.local);
	port = &model.port[entry->port];
	for (message = model_first(entry->port); message; message = model_next(message))
		if (is_message(message, wire, task, guarded))
			break;
	if (!message)
		DIVERGE("step %lu: message with id %#x, size %u, word %#x is not the next of p%d",
			step, (unsigned int)wire->header.id, wire->header.size, wire->word[1],
			entry->port);
	seqno = port->seqno_known ? port->seqno : trailer->seqno;
	port->seqno = seqno;
	port->seqno_known = true;
	model_dequeue(message);
	bits = MSGH_BITS(message->reply_type, moved_as(message->dest.kind)) |
	       (message->complex ? MSGH_COMPLEX : 0);
	if (wire->header.bits != bits)
		DIVERGE("step %lu: bits %#x, the model says %#x", step, wire->header.bits, bits);
	pid = message->sender < 0 ? 0 : tasks[message->sender].pid;
	if (trailer->size != 60 || trailer->seqno != seqno || trailer->context != port->context ||
	    trailer->audit[5] != (uint32_t)pid)
		DIVERGE("step %lu: trailer size %u, seqno %u not %u, context %lu not %lu, pid %u not %d",
			step, trailer->size, trailer->seqno, seqno, (unsigned long)trailer->context,
			(unsigned long)port->context, trailer->audit[5], pid);
	if (message->sender >= 0 && !rest_matches(call, message))
		DIVERGE("step %lu: the message's bytes have changed", step);
	if (message->complex && wire->count != (uint32_t)message->rights)
		DIVERGE("step %lu: %u descriptors", step, wire->count);
	enter(task, message->reply, wire->header.remote);
	received[message->shape]++;
	for (int i = 0; i < message->rights; i++) {
		struct model_right right = message->right[i];

		if (message->shape != SHAPE_GUARDED) {
			enter(task, right, wire->right[i].name);
		} else if (guarded) {
			enter_guarded(task, message, right, &wire->right[i]);
		} else {
			if (wire->right[i].name != MACH_PORT_NULL)
				DIVERGE("step %lu: a guarded right has come plainly", step);
			model_release(right);
		}
		if (right.kind > C_DEAD &&
		    descriptor_disposition(&wire->right[i]) != moved_as(right.kind))
			DIVERGE("step %lu: descriptor %d came as %d", step, i,
				descriptor_disposition(&wire->right[i]));
	}
	model_consume_dest(message);
}

static bool any_message(int task, const struct model_entry *from)
{
	if (from->kind != SET)
		return model.port[from->port].queued;
	for (int i = 0; i < MODEL_PORTS; i++)
		if (model.port[i].alive && model.port[i].receiver == task && model.port[i].queued &&
		    model_in_set(i, model_entry_index(task, from)))
			return true;
	return false;
}

static void finish_receive(int task, name_t name, long result)
{
	struct model_entry *from = model_find(task, name);
	long want = 0;

	if (!from || !(is_receive(from) || from->kind == SET))
		want = MACH_RCV_INVALID_NAME;
	else if (!any_message(task, from))
		want = MACH_RCV_TIMED_OUT;
	count_kind("receive %d %#lx", from ? (int)from->kind : 0, want);
	expect("receiving", result, want);
	if (!want)
		receive_in_model(task, from);
}

static void op_message(int task, bool send, bool receive)
{
	struct call *call = call_of(task, DO_MESSAGE);
	name_t from = receive ? any_name(task, has_messages) : MACH_PORT_NULL;
	uint32_t option = MACH_RCV_TRAILER(TRAILER_CTX);
	struct sending sending = { .message = NULL };
	name_t names[12];
	long want = 0;
	int count = 0;

	record_step("t%d", task);
	if (send) {
		choose_message(&sending, task);
		lay_out(&sending, &call->wire);
		option |= MACH_SEND_MSG | MACH_SEND_TIMEOUT;
		if (sending.notify)
			option |= MACH_SEND_NOTIFY;
		add_to_step(" send id %#x size %u to %#x by %d, reply %#x by %d",
			    (unsigned int)sending.id, sending.size, sending.remote,
			    sending.remote_disposition, sending.local, sending.local_disposition);
		for (int i = 0; i < sending.rights; i++) {
			add_to_step(", with %#x by %d", sending.name[i], sending.disposition[i]);
			names[count++] = sending.name[i];
		}
		names[count++] = sending.remote;
		names[count++] = sending.local;
		want = send_in_model(&sending);
		count_kind("send %d/%d %#lx", sending.remote_disposition,
			   sending.local_disposition, want);
		for (int i = 0; i < sending.rights; i++)
			count_kind("send right %d in %d %#lx", sending.disposition[i],
				   (int)sending.shape, want);
	}
	if (receive) {
		option |= MACH_RCV_MSG | MACH_RCV_TIMEOUT;
		if (percent(70))
			option |= MACH_RCV_GUARDED_DESC;
		add_to_step(" receive from %#x", from);
		names[count++] = from;
	}
	call->argument[0] = option;
	call->argument[1] = receive ? sizeof(call->wire.message) : 0;
	call->argument[2] = from;
	perform_in(task);
	if (want || !receive)
		expect("sending", call->result, want);
	if (want == MACH_SEND_TIMED_OUT)
		take_back(&sending, &call->wire);
	if (receive && !want)
		finish_receive(task, from, call->result);
	for (int i = 0; i < count; i++)
		remember_freed(task, names[i]);
	check_names(task, names, count);
}

/* A receive with a buffer that is too small, on a port whose next message is known. */
static void op_receive_short(int task)
{
	struct call *call = call_of(task, DO_MESSAGE);
	bool large = percent(50);
	struct model_entry *from = any_entry(task, has_messages);
	struct model_message *message;
	uint32_t room, trailer = large ? 8 : 60;

	if (!from || from->kind == SET || !model.port[from->port].queued)
		return;
	message = model_first(from->port);
	if (model_next(message))
		return;
	room = large ? 4 * chance((message->size + trailer) / 4) :
	       HEADER_SIZE + trailer + 4 * chance((message->size - HEADER_SIZE) / 4 + 1);
	if (room >= message->size + trailer)
		return;
	record_step("t%d receive from %#x with room %u%s", task, from->name, room,
		    large ? " large" : "");
	count_kind("receive short %d", large);
	call->argument[0] = MACH_RCV_MSG | MACH_RCV_TIMEOUT |
			    (large ? MACH_RCV_LARGE : MACH_RCV_TRAILER(TRAILER_CTX));
	call->argument[1] = room;
	call->argument[2] = from->name;
	perform_in(task);
	expect("receiving", call->result, MACH_RCV_TOO_LARGE);
	if (large) {
		if (room >= 16 && call->wire.message.header.size != message->size)
			DIVERGE("step %lu: told size %u, the model says %u", step,
				call->wire.message.header.size, message->size);
	} else {
		struct model_message copy = *message;

		if (call->wire.message.header.id != message->id)
			DIVERGE("step %lu: the header left has id %#x", step,
				(unsigned int)call->wire.message.header.id);
		model_dequeue(message);
		copy.used = true;
		model_consume_dest(message);
		model_destroy_message(&copy, false);
	}
	check_names(task, &from->name, 1);
}

/* The whole */

static void one_step(void)
{
	int task = (int)chance(MODEL_TASKS);
	unsigned int luck = chance(100);

	if (model_count(task) > MODEL_NAMES / 3)
		luck = luck < 60 ? 55 : luck;
	if (luck < 7)
		op_allocate(task);
	else if (luck < 10)
		op_construct(task);
	else if (luck < 13)
		op_destruct(task);
	else if (luck < 15)
		op_guard(task);
	else if (luck < 21)
		op_insert_right(task);
	else if (luck < 29)
		op_mod_refs(task);
	else if (luck < 36)
		op_request(task);
	else if (luck < 41)
		op_member(task);
	else if (luck < 60)
		op_drop(task);
	else if (luck < 78)
		op_message(task, true, false);
	else if (luck < 94)
		op_message(task, false, true);
	else if (luck < 97)
		op_message(task, true, true);
	else
		op_receive_short(task);
	model.batch++;
}

static void watch_for_hangs(int signal_number)
{
	(void)signal_number;
	print_state();
	FATAL("step %lu hangs", step);
}

static void start_tasks(struct peer *peers)
{
	model_reset();
	memset(freed, 0, sizeof(freed));
	for (int i = 0; i < MODEL_TASKS; i++)
		for (int j = 0; j < FREED; j++)
			freed[i][j] = MACH_PORT_NULL;
	tasks[0].pid = getpid();
	for (int i = 1; i < MODEL_TASKS; i++) {
		struct model_entry *entry;
		int port = model_new_port(i);

		gate_init(&tasks[i].go);
		gate_init(&tasks[i].done);
		peer_start(&peers[i], serve, &tasks[i]);
		gate_pass(&tasks[i].done);
		destroy_receive(peers[i].service);
		tasks[i].pid = peers[i].pid;
		entry = model_add(i, tasks[i].own);
		entry->kind = PORT_RIGHTS;
		entry->receive = true;
		entry->port = port;
		model.port[port].srights = 1;
		model.port[port].mscount = 1;
		entry = model_add(0, peers[i].port);
		entry->kind = PORT_RIGHTS;
		entry->send = true;
		entry->urefs = 1;
		entry->port = port;
	}
}

/* The others die; what the first task held of their ports is dead. */
static void end_tasks(struct peer *peers)
{
	bool survives[MODEL_PORTS];

	/* A right that is given to someone else, now or later, may live on. */
	for (int i = 0; i < MODEL_PORTS; i++)
		survives[i] = !model.port[i].alive || model.port[i].receiver <= 0 ||
			      model.port[i].destroyed != NO_PORT;
	for (int i = 1; i < MODEL_TASKS; i++) {
		kill_child(peers[i].pid);
		for (int j = 0; j < 2; j++) {
			close(tasks[i].go.fds[j]);
			close(tasks[i].done.fds[j]);
		}
	}
	for (int i = 0; i < MODEL_NAMES; i++) {
		struct model_entry *entry = &model.entry[0][i];

		if ((entry->kind == PORT_RIGHTS && entry->send && !survives[entry->port]) ||
		    (entry->kind == ONCE && !survives[entry->port]))
			if (!has_right(entry->name, DEAD_NAME))
				DIVERGE("name %#x of a dead task's port is not dead", entry->name);
		if (entry->kind == PORT_RIGHTS && entry->receive &&
		    !has_right(entry->name, RECEIVE))
			DIVERGE("name %#x has lost its receive right", entry->name);
		if (entry->kind != NONE)
			port_destruct(entry->name, -entry->urefs, entry->port < 0 ? 0 :
				      model.port[entry->port].context);
		if (entry->kind != NONE)
			port_destroy(entry->name);
	}
}

static unsigned long setting(const char *name, unsigned long otherwise)
{
	const char *text = getenv(name);

	return text ? strtoul(text, NULL, 0) : otherwise;
}

TEST_LIMIT(as_the_model_says, 4800)
{
	unsigned long steps = setting("MACH_TEST_STEPS", STEPS);
	struct peer peers[MODEL_TASKS];

	/* The ordinary run is always the same; more steps are worth a seed of their own. */
	seed = setting("MACH_TEST_SEED", steps > STEPS ? now_ns() & 0xffffffff : 822485995) | 1;
	note("MACH_TEST_SEED=%lu MACH_TEST_STEPS=%lu", (unsigned long)seed, steps);
	tasks = mmap(NULL, MODEL_TASKS * sizeof(*tasks), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	REQUIRE(tasks != MAP_FAILED);
	stay_on_one_cpu();
	signal(SIGALRM, watch_for_hangs);
	mach_open();
	for (step = 0; step < steps; step++) {
		if (step % EPISODE == 0) {
			if (step)
				end_tasks(peers);
			alarm(STEP_LIMIT_S);
			start_tasks(peers);
		}
		model.step = step;
		one_step();
		if (step % CHECK_ALL == 0) {
			alarm(STEP_LIMIT_S);
			check_all();
		}
	}
	step--;
	check_all();
	end_tasks(peers);
	note("%d kinds of operation and outcome", kind_count);
	note("received: %lu plain, %lu with arrays, %lu with guarded rights, %lu with memory",
	     received[SHAPE_PORTS], received[SHAPE_ARRAY], received[SHAPE_GUARDED],
	     received[SHAPE_MEMORY]);
	CHECK(steps < STEPS || kind_count >= 50);
}
