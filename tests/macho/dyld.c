// SPDX-License-Identifier: GPL-2.0
/*
 * A dynamic linker that reports what it and its program got; with "wait" as first
 * argument it then waits for the end of standard input.
 */
#include "report.h"

#ifdef __x86_64__
/* Where a real one keeps its list of images; the kernel finds it by the section. */
static volatile unsigned char images[0x170]
	__attribute__((used, section("__DATA,__all_image_info"))) = { 1 };
#endif

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
	char byte;

	report(startup);
	report_image("header", startup->header);
	report_image("dyld", own_header());
#ifdef __x86_64__
	say("images %lx\nimages_size %lx\n", (unsigned long)images, (unsigned long)sizeof(images));
#endif
	say("end\n");
	if (startup->argc > 1 && equal(startup->argv[1], "wait"))
		while (CALL3(read, 0, &byte, 1) > 0)
			;
	return 0;
}
