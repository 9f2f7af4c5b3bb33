// SPDX-License-Identifier: GPL-2.0
/*
 * The table of traps in the README says what the loaded module says.
 *
 * When it does not, make test TESTS=status | scripts/status-table --write README.md
 * makes it do so, from the lines that this program prints.
 */
#include <stdio.h>
#include <string.h>

#include "debugfs.h"
#include "harness.h"
#include "status.h"

#define STATUS_ROWS (sizeof(status) / sizeof(status[0]))

TEST(readme_says_what_the_module_says)
{
	char name[64], subsystem[32];
	unsigned int nr, rows = 0;
	FILE *file;

	debugfs_mount();
	file = fopen("/sys/kernel/debug/mach/traps", "re");
	REQUIRE(file);
	while (fscanf(file, "%x %63s %31s %*u %*u", &nr, name, subsystem) == 3) {
		const char *readme = "nothing";

		if (!strcmp(subsystem, "-"))
			strcpy(subsystem, "not-built");
		printf("# trap %#x %s %s\n", nr, name, subsystem);
		for (size_t i = 0; i < STATUS_ROWS; i++)
			if (status[i].nr == nr && !strcmp(status[i].name, name))
				readme = status[i].subsystem;
		if (strcmp(readme, subsystem))
			FAIL("%#x %s: the README says %s, the module %s", nr, name, readme,
			     subsystem);
		rows++;
	}
	fclose(file);
	fflush(stdout);
	CHECK_EQ(rows, 82);
	CHECK_EQ(STATUS_ROWS, 82);
}
