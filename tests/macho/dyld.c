// SPDX-License-Identifier: GPL-2.0
/* A dynamic linker that reports what it and its program got. */
#include "report.h"

/* Any address inside: the header is at the start of the pages before it. */
static uintptr_t own_header(void)
{
	uintptr_t page = (uintptr_t)own_header & ~(uintptr_t)4095;

	while ((*(const uint32_t *)page | 1) != 0xfeedfacf)
		page -= 4096;
	return page;
}

int run(const struct startup *startup)
{
	report(startup);
	report_image("header", startup->header);
	report_image("dyld", own_header());
	say("end\n");
	return 0;
}
