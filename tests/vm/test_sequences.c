// SPDX-License-Identifier: GPL-2.0
/*
 * The sequences of calls that `make fuzz` has found to reach most of the module, and
 * those that once did harm (tests/corpus/traps). Whether a call succeeds is not
 * asked: nothing is to be left, all processes are to end, and the log is to be clean.
 *
 * time limit: 300 s
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "sequence.h"
#include "world.h"

#define SEQUENCES	"/fuzz/seeds"

TEST_LIMIT(kept_sequences_do_no_harm, 280)
{
	static struct sequence sequence;
	static char line[TEXT_MAX];
	const char *slowness = getenv("MACH_SLOWNESS");
	unsigned int number = 0, count = 0;
	FILE *file = fopen(SEQUENCES, "re");

	REQUIRE(file);
	REQUIRE(world_init(slowness ? atol(slowness) : 1));
	while (fgets(line, sizeof(line), file)) {
		number++;
		if (line[0] == '#')
			continue;
		if (!sequence_parse(&sequence, line))
			FATAL("line %u is no sequence", number);
		if (!world_run(&sequence, NULL))
			FATAL("line %u: a process does not end", number);
		/* Means something where new memory is poisoned: in the debug kernel. */
		if (world_saw_poison())
			FAIL("line %u: memory that was never written leaves the kernel", number);
		count++;
	}
	fclose(file);
	note("%u sequences", count);
}

/* What is kept must mean the same when it is read again. */
TEST(text_is_parsed_as_it_was_printed)
{
	static const char *const lines[] = {
		"0.0 begin self 19 s7 21 0xd51; 0.0 ndr; 0.0 data 4; 0.0 ask 0",
		"1.1! mach_port_allocate self 1 &s9; 3.0 receive s0 6 0x20000 0 8",
		"0.0 psynch_mutexwait &w0 wide3 0xffffffff &hole 0; 2.0 kill 1 0",
	};
	static struct sequence sequence;
	static char text[TEXT_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		REQUIRE(sequence_parse(&sequence, lines[i]));
		sequence_print(&sequence, text);
		CHECK(!strcmp(text, lines[i]));
	}
	CHECK(!sequence_parse(&sequence, "0.0 no_such_call"));
	CHECK(!sequence_parse(&sequence, "9.0 ask 0"));
	CHECK(!sequence_parse(&sequence, "0.0 ask 1 2 3 4 5 6 7 8 9 10"));
}
