/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a Mach-O program sees of itself, one fact a line on standard output:
 * "key value". Numbers are hexadecimal unless said otherwise; tests/vm/lib/
 * program.c reads them.
 */
#ifndef TESTS_REPORT_H
#define TESTS_REPORT_H

#include "runtime.h"

#ifdef __x86_64__
#define COMMPAGE	0x7fffffe00000ul
#else
#define COMMPAGE	0xffff0000ul
#endif

/* Everything that was handed to the program or lies around it. */
void report(const struct startup *startup);

/*
 * The segments of the image whose header is at @header: each as
 *	segment NAME START SIZE INITPROT
 * and "dirty NAME ADDRESS" for a byte that must be zero and is not.
 */
void report_image(const char *who, uintptr_t header);

#endif
