/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The traps as C functions. Each makes one ioctl on mach_fd and returns the
 * result register as it is: no errno, no truncation, so that a test sees what
 * the kernel answered.
 */
#ifndef TESTS_MACH_H
#define TESTS_MACH_H

#include <stdbool.h>
#include <stdint.h>

#include "mach_abi.h"
#include "mach_const.h"

typedef uint32_t name_t;

/* The descriptor that the wrappers use; one per process. */
extern int mach_fd;

/* Opens /dev/mach close-on-exec; mach_open() keeps it in mach_fd. */
int mach_open_new(void);
int mach_open(void);

long trap_on(int fd, unsigned int number, unsigned long argument);
long trap(unsigned int number, unsigned long argument);

static inline long trap_struct(unsigned int number, const void *arguments)
{
	return trap(number, (unsigned long)arguments);
}

/* Is trap @number there at all? Made with a pointer that no trap can read. */
bool trap_is_built(unsigned int number);

long get_api_version(void);
name_t task_self(void);
name_t thread_self(void);
name_t host_self(void);
name_t reply_port(void);
long fork_wait(void);

/* Traps on rights, first with any target name, then on the caller's own task. */
long port_allocate_in(name_t target, int right, void *name);
long mod_refs_in(name_t target, name_t name, int right, int delta);
long deallocate_in(name_t target, name_t name);
long insert_right_in(name_t target, name_t name, name_t poly, int disposition);

long port_allocate(int right, name_t *name);
long mod_refs(name_t name, int right, int delta);
long deallocate(name_t name);
long insert_right(name_t name, name_t poly, int disposition);
long port_destroy(name_t name);
long port_type(name_t name, uint32_t *type);
long insert_member(name_t port, name_t set);
long extract_member(name_t port, name_t set);
long move_member(name_t port, name_t after);
long request_notification(name_t name, int id, uint32_t sync, name_t notify,
			  int disposition, name_t *previous);

/* The cached self port of this process. */
name_t self(void);
/* After fork: forget what mach.c caches of the parent. */
void mach_forget(void);

long mach_msg_args(const struct mach_msg_overwrite_args *arguments);
long mach_msg(void *message, uint32_t option, uint32_t send_size, uint32_t receive_size,
	      name_t receive_name, uint32_t timeout_ms);
long mach_msg_overwrite(const void *message, uint32_t option, uint32_t send_size,
			uint32_t receive_size, name_t receive_name, uint32_t timeout_ms,
			void *receive_message);

/* Building blocks of cases; they end the case when they fail. */

/* A new receive right; new_send_right(): with one send right under the name. */
name_t new_port(void);
name_t new_send_right(void);
name_t new_dead_name(void);
name_t new_port_set(void);
/* A name that was free a moment ago. */
name_t unused_name(void);
/* A send-once right, under a name of its own, to the port received at @port. */
name_t new_send_once(name_t port);
void destroy_receive(name_t port);

/* What a name denotes, by asking for no change of its references. */
bool has_right(name_t name, int right);

/* Checks that @name has @urefs send (or dead-name) references; leaves them. */
#define CHECK_UREFS(name, right, urefs) check_urefs(__FILE__, __LINE__, name, right, urefs)
#define CHECK_SEND_UREFS(name, urefs) CHECK_UREFS(name, MACH_PORT_RIGHT_SEND, urefs)
void check_urefs(const char *file, int line, name_t name, int right, int urefs);

/* Checks that @name is not in the space. */
#define CHECK_UNKNOWN(name)						\
	CHECK_RET(mod_refs(name, MACH_PORT_RIGHT_RECEIVE, 0), KERN_INVALID_NAME)

#endif
