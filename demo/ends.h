/* SPDX-License-Identifier: GPL-2.0 */
#ifndef DEMO_ENDS_H
#define DEMO_ENDS_H

#include "mach.h"

/*
 * Has children that end in several ways, and tells how it learns of each. They
 * greet at @port. Returns the demo's exit status.
 */
int show_ends(name_t port);

#endif
