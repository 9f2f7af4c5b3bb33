// SPDX-License-Identifier: GPL-2.0
/*
 * Bodies of the functions declared in shim.h.
 */
#include <linux/tracepoint.h>

#include "shim.h"

void mach_shim_tracepoint_synchronize_unregister(void)
{
	tracepoint_synchronize_unregister();
}
