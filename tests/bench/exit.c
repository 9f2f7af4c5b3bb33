// SPDX-License-Identifier: GPL-2.0
/*
 * A program that touches each of its segments and ends, without any library. Made
 * once as ELF and once as Mach-O.
 */
static const char constant[64] = "constant";
static char data[64] = "data";
static char zeroes[4096];

void entry(void) __asm__("_start");

void entry(void)
{
	long status;

	zeroes[1] = *(const volatile char *)constant;
	*(volatile char *)data = zeroes[1];
	status = *(volatile char *)&zeroes[2];
	__asm__ volatile("syscall" : : "a"(231L), "D"(status) : "rcx", "r11", "memory");
	__builtin_unreachable();
}
