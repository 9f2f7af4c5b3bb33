/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What memory is used for: live objects by slab cache, and pages by what they are.
 * Two such pictures tell what has grown between them.
 */
#ifndef TESTS_KERNEL_MEMORY_H
#define TESTS_KERNEL_MEMORY_H

#include <stddef.h>

#define KERNEL_USES_MAX	600

/* One use of memory: a cache, a caller of vmalloc, or a kind of pages. */
struct kernel_use {
	char name[48];
	long bytes;
	long unit;		/* bytes of one object; 0 for pages */
};

struct kernel_memory {
	size_t count;
	long bytes;		/* of all uses */
	struct kernel_use use[KERNEL_USES_MAX];
};

/*
 * Has the kernel take back what it can (caches, empty slabs), and looks at what is
 * left. Nothing else should run meanwhile. Takes a second or two.
 */
void kernel_memory_read(struct kernel_memory *memory);

/* Make @bound the larger, or the smaller, of itself and @memory, use by use. */
void kernel_memory_raise(struct kernel_memory *bound, const struct kernel_memory *memory);
void kernel_memory_lower(struct kernel_memory *bound, const struct kernel_memory *memory);

/*
 * Tells the @lines uses that grew most from @before to @after on standard output, behind
 * "# ", largest first; returns by how many bytes the first one grew. Of caches that grew
 * by more than @much it tells who allocated what lives, if the kernel was started with
 * slab_debug=U.
 */
long kernel_memory_tell_growth(const struct kernel_memory *before,
			       const struct kernel_memory *after, int lines, long much);

#endif
