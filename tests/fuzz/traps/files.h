/* SPDX-License-Identifier: GPL-2.0 */
/* Files that the processes of a sequence open, name and execute. */
#ifndef FUZZ_FILES_H
#define FUZZ_FILES_H

#include <stddef.h>
#include <stdint.h>

/* Makes the directory that sequences take for their root. Once, before all else. */
void files_init(void);

/* Opens file number @which. -1 if there is none; pipes and sockets have an @other end. */
int file_open(uint32_t which, int *other);

/* Path number @which, cut off, or filled with something, to @size bytes. */
void file_name(char *bytes, size_t size, uint32_t which);

/* The kernel's handle of what path number @which leads to, in @size bytes. */
void file_handle(void *bytes, size_t size, uint32_t which);

/* Executes program number @which as it is. Returns if that fails. */
void file_execute(uint32_t which);

/*
 * Executes Mach-O program number @which with changes: @words holds pairs of an offset
 * and what stands there instead. @how says what is in the environment, and whether the
 * changes are made to the dynamic linker. Returns if that fails.
 */
void file_execute_changed(uint32_t which, uint32_t how, const uint32_t *words, uint32_t count);

#endif
