/* SPDX-License-Identifier: GPL-2.0 */
/* Short names of the kinds of rights, for tests that speak of little else. */
#ifndef TESTS_SHORT_RIGHTS_H
#define TESTS_SHORT_RIGHTS_H

#include "mach_const.h"

#define SEND		MACH_PORT_RIGHT_SEND
#define RECEIVE		MACH_PORT_RIGHT_RECEIVE
#define SEND_ONCE	MACH_PORT_RIGHT_SEND_ONCE
#define PORT_SET	MACH_PORT_RIGHT_PORT_SET
#define DEAD_NAME	MACH_PORT_RIGHT_DEAD_NAME
#define LABELH		MACH_PORT_RIGHT_LABELH

#endif
