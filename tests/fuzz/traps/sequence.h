/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Sequences of calls: what the fuzzer of the traps makes, keeps and runs.
 *
 * A call is made by a thread of one of a few processes. Its arguments are 32-bit
 * values, of which some stand for what is known only when it runs: a name that the
 * process has in a slot, an address. As text a sequence is its calls with
 * semicolons between, so "0.1 semaphore_wait s2" is thread 1 of process 0.
 */
#ifndef FUZZ_SEQUENCE_H
#define FUZZ_SEQUENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CALLS_MAX	80u
#define ARGS_MAX	9u
#define PROCESSES	4u
#define THREADS		4u
#define SLOTS		16u
/* The longest text of a sequence, with its 0 */
#define TEXT_MAX	12000u

struct call {
	uint8_t op;
	uint8_t process;
	uint8_t thread;
	/* The next call does not wait for this one. */
	uint8_t hasty;
	uint8_t count;
	uint32_t args[ARGS_MAX];
};

struct sequence {
	uint32_t count;
	struct call calls[CALLS_MAX];
};

/* Values whose top byte is a tag. */
#define TAG(value)		((value) >> 24)
#define TAG_WIDE		0xa5u	/* one of wide_values[] */
#define TAG_NAME		0xeeu
#define TAG_POINTER		0xefu

#define NAME(which)		(TAG_NAME << 24 | (which))
#define POINTER(which)		(TAG_POINTER << 24 | (which))
#define WIDE(which)		(TAG_WIDE << 24 | (which))

/* Names: slots first. */
enum { NAME_SELF = SLOTS, NAME_THREAD, NAME_HOST, NAME_NULL, NAME_DEAD, NAME_BAD, NAMES };

/* Pointers: to slots, to words of memory to play with, and to worse places. */
#define WORDS			64u
enum {
	POINTER_WORDS = SLOTS,
	POINTER_MESSAGE = POINTER_WORDS + WORDS,
	POINTER_HOLE, POINTER_NOWHERE, POINTER_KERNEL, POINTER_READ_ONLY, POINTER_ODD,
	POINTERS,
};

#define WIDES			8u
extern const uint64_t wide_values[WIDES];

/* Calls that are not just a trap; traps come behind them. */
enum op {
	OP_BEGIN,	/* target, disposition, reply, disposition, id: begins a message */
	OP_PORT,	/* name, disposition: adds a descriptor */
	OP_OOL,		/* address, size, flags */
	OP_OOL_PORTS,	/* count, first slot, disposition, flags */
	OP_GUARDED,	/* name, flags, context */
	OP_NDR,		/* -: adds the record that requests to the kernel have */
	OP_DATA,	/* values…: adds a word for each, two for a pointer */
	OP_SEND,	/* options, time limit, bytes more or less than there are */
	OP_ASK,		/* bytes more or less: sends, and receives the reply */
	OP_RECEIVE,	/* name, options, size, time limit, first slot */
	OP_FORK,	/* process: becomes that one, if there is none */
	OP_CHILD,	/* -: a child that makes a trap and ends */
	OP_EXEC,	/* which */
	OP_KILL,	/* process, signal */
	OP_EXIT,	/* - */
	OP_OPEN,	/* -: the device once more, used from now on */
	OP_CLOSE,	/* which descriptor */
	OP_POKE,	/* word, values… */
	OP_MEMORY,	/* page, what becomes of it */
	OP_NAP,		/* ms */
	OP_MACHO,	/* program, environment, offset, word there instead… */
	OP_FILE,	/* which: opens it; slot for the descriptor, the next for another one */
	OP_TEXT,	/* word, path: writes it there */
	OP_EVENT,	/* word, layout, ident, filter, flags, fflags, data, udata */
	OP_NARROW,	/* traps are made as 32-bit programs make them, if not 0 */
	OPS_OWN,
};

/* What the members of a trap's argument are. */
enum field_kind { FIELD_NAME, FIELD_NUMBER, FIELD_POINTER, FIELD_BYTES };

struct trap_form {
	const char *name;
	unsigned int number;
	/* Of the structure, also as 32-bit programs have it; 0 for a value or nothing. */
	uint32_t size, narrow_size;
	uint32_t fields;
	/* The result is a name or a descriptor. */
	bool gives_name;
	struct {
		uint32_t offset, size, narrow_offset, narrow_size;
		enum field_kind kind;
	} field[ARGS_MAX];
};

/* How many ops there are, their names, and the trap of one, if it is one. */
unsigned int op_count(void);
const char *op_name(unsigned int op);
const struct trap_form *op_trap(unsigned int op);

/* Text and back. The text has no line breaks; parsing takes some in. */
void sequence_print(const struct sequence *sequence, char text[TEXT_MAX]);
bool sequence_parse(struct sequence *sequence, const char *text);

#endif
