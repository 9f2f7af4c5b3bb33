// SPDX-License-Identifier: GPL-2.0
/*
 * Events of kqueues in the layouts of tasks of 64 and 32 bits. The programs check
 * what they see of it themselves (tests/macho/kevents.c).
 */
#include <string.h>

#include "harness.h"
#include "program.h"

static struct program program;

static void run(const char *path)
{
	char *argv[] = { (char *)"kevents", NULL };
	char line[128];

	program_run(&program, path, argv, (char *[]){ NULL }, NULL);
	for (int i = 0; report_line(&program, "wrong", i, line, sizeof(line)); i++) {
		note("tests/macho/kevents.c: line, got, want: %s", line);
		CHECK(!"as the program wants it");
	}
	CHECK_HEX(program.status, 0);
	CHECK(strstr(program.text, "end\n") != NULL);
}

TEST(events_in_the_wide_layout)
{
	run("/macho/kevents");
}

TEST(events_in_the_narrow_layout)
{
	run("/macho/kevents32");
}
