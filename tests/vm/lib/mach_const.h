/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The Mach constants that client programs use: return codes, rights,
 * dispositions, options, message ids. The trap numbers and argument structures
 * come from the generated mach_abi.h instead.
 */
#ifndef TESTS_MACH_CONST_H
#define TESTS_MACH_CONST_H

#include <stdint.h>

/* kern_return_t */
#define KERN_SUCCESS			0
#define KERN_INVALID_ADDRESS		1
#define KERN_PROTECTION_FAILURE		2
#define KERN_NO_SPACE			3
#define KERN_INVALID_ARGUMENT		4
#define KERN_FAILURE			5
#define KERN_RESOURCE_SHORTAGE		6
#define KERN_NO_ACCESS			8
#define KERN_MEMORY_ERROR		10
#define KERN_ALREADY_IN_SET		11
#define KERN_NOT_IN_SET			12
#define KERN_NAME_EXISTS		13
#define KERN_ABORTED			14
#define KERN_INVALID_NAME		15
#define KERN_INVALID_TASK		16
#define KERN_INVALID_RIGHT		17
#define KERN_INVALID_VALUE		18
#define KERN_UREFS_OVERFLOW		19
#define KERN_INVALID_CAPABILITY		20
#define KERN_RIGHT_EXISTS		21
#define KERN_INVALID_HOST		22
#define KERN_INVALID_OBJECT		29
#define KERN_TERMINATED			37
#define KERN_NOT_SUPPORTED		46
#define KERN_OPERATION_TIMED_OUT	49

#define MIG_TYPE_ERROR			(-300)
#define MIG_BAD_ID			(-303)
#define MIG_BAD_ARGUMENTS		(-304)

/* mach_msg_return_t, sending */
#define MACH_SEND_INVALID_DATA		0x10000002
#define MACH_SEND_INVALID_DEST		0x10000003
#define MACH_SEND_TIMED_OUT		0x10000004
#define MACH_SEND_INVALID_VOUCHER	0x10000005
#define MACH_SEND_INTERRUPTED		0x10000007
#define MACH_SEND_MSG_TOO_SMALL		0x10000008
#define MACH_SEND_INVALID_REPLY		0x10000009
#define MACH_SEND_INVALID_RIGHT		0x1000000a
#define MACH_SEND_INVALID_MEMORY	0x1000000c
#define MACH_SEND_NO_BUFFER		0x1000000d
#define MACH_SEND_TOO_LARGE		0x1000000e
#define MACH_SEND_INVALID_TYPE		0x1000000f
#define MACH_SEND_INVALID_HEADER	0x10000010

/* mach_msg_return_t, receiving */
#define MACH_RCV_INVALID_NAME		0x10004002
#define MACH_RCV_TIMED_OUT		0x10004003
#define MACH_RCV_TOO_LARGE		0x10004004
#define MACH_RCV_INTERRUPTED		0x10004005
#define MACH_RCV_PORT_CHANGED		0x10004006
#define MACH_RCV_INVALID_NOTIFY		0x10004007
#define MACH_RCV_INVALID_DATA		0x10004008
#define MACH_RCV_HEADER_ERROR		0x1000400b
#define MACH_RCV_BODY_ERROR		0x1000400c

/* Extra bits of a mach_msg_return_t: what ran out. */
#define MACH_MSG_ERROR_BITS		0x3e00
#define MACH_MSG_IPC_SPACE		0x2000
#define MACH_MSG_VM_SPACE		0x1000
#define MACH_MSG_VM_KERNEL		0x0400

#define MACH_PORT_NULL			0u
#define MACH_PORT_DEAD			0xffffffffu

/* mach_port_right_t */
#define MACH_PORT_RIGHT_SEND		0
#define MACH_PORT_RIGHT_RECEIVE		1
#define MACH_PORT_RIGHT_SEND_ONCE	2
#define MACH_PORT_RIGHT_PORT_SET	3
#define MACH_PORT_RIGHT_DEAD_NAME	4
#define MACH_PORT_RIGHT_LABELH		5

/* mach_port_type_t */
#define MACH_PORT_TYPE_SEND		0x00010000u
#define MACH_PORT_TYPE_RECEIVE		0x00020000u
#define MACH_PORT_TYPE_SEND_ONCE	0x00040000u
#define MACH_PORT_TYPE_PORT_SET		0x00080000u
#define MACH_PORT_TYPE_DEAD_NAME	0x00100000u
#define MACH_PORT_TYPE_DNREQUEST	0x80000000u

#define MACH_PORT_UREFS_MAX		65535
#define MACH_PORT_QLIMIT_BASIC		5

/* mach_msg_type_name_t: how a right is taken out of a space */
#define MOVE_RECEIVE			16
#define MOVE_SEND			17
#define MOVE_SEND_ONCE			18
#define COPY_SEND			19
#define MAKE_SEND			20
#define MAKE_SEND_ONCE			21

/* The bits word of a message header */
#define MSGH_BITS(remote, local)	((uint32_t)(remote) | (uint32_t)(local) << 8)
#define MSGH_BITS_VOUCHER(disposition)	((uint32_t)(disposition) << 16)
#define MSGH_REMOTE(bits)		((bits) & 0x1fu)
#define MSGH_LOCAL(bits)		((bits) >> 8 & 0x1fu)
#define MSGH_VOUCHER(bits)		((bits) >> 16 & 0x1fu)
#define MSGH_COMPLEX			0x80000000u

/* mach_msg_option_t */
#define MACH_SEND_MSG			0x00000001u
#define MACH_RCV_MSG			0x00000002u
#define MACH_RCV_LARGE			0x00000004u
#define MACH_RCV_LARGE_IDENTITY		0x00000008u
#define MACH_SEND_TIMEOUT		0x00000010u
#define MACH_SEND_INTERRUPT		0x00000040u
#define MACH_SEND_NOTIFY		0x00000080u
#define MACH_RCV_TIMEOUT		0x00000100u
#define MACH_RCV_INTERRUPT		0x00000400u
#define MACH_RCV_VOUCHER		0x00000800u
#define MACH_RCV_GUARDED_DESC		0x00001000u
#define MACH_RCV_SYNC_WAIT		0x00004000u
#define MACH_RCV_TRAILER(elements)	((uint32_t)(elements) << 24)

/* Trailer elements; each includes the ones before it. */
#define TRAILER_NONE			0
#define TRAILER_SEQNO			1
#define TRAILER_SENDER			2
#define TRAILER_AUDIT			3
#define TRAILER_CTX			4
#define TRAILER_AV			7
#define TRAILER_LABELS			8

/* Bytes: the largest message mach_msg accepts, and the largest trailer */
#define MACH_TRAILER_MAX		68u
#define MACH_MSG_SIZE_MAX		(48u * 1024 * 1024 - MACH_TRAILER_MAX)

/* Message descriptors */
#define MSG_PORT_DESCRIPTOR		0
#define MSG_OOL_DESCRIPTOR		1
#define MSG_OOL_PORTS_DESCRIPTOR	2
#define MSG_OOL_VOLATILE_DESCRIPTOR	3
#define MSG_GUARDED_PORT_DESCRIPTOR	4

/* mach_msg_copy_options_t */
#define MSG_PHYSICAL_COPY		0
#define MSG_VIRTUAL_COPY		1

/* mach_msg_guard_flags_t */
#define GUARD_IMMOVABLE_RECEIVE		1
#define GUARD_UNGUARDED_ON_SEND		2

/* Ids of the notifications that the kernel sends */
#define NOTIFY_PORT_DELETED		0x41
#define NOTIFY_SEND_POSSIBLE		0x42
#define NOTIFY_PORT_DESTROYED		0x45
#define NOTIFY_NO_SENDERS		0x46
#define NOTIFY_SEND_ONCE		0x47
#define NOTIFY_DEAD_NAME		0x48

/* Routines of tasks and threads that stop them and let them go on */
#define TASK_SUSPEND			3407
#define TASK_RESUME			3408
#define THREAD_SUSPEND			3605
#define THREAD_RESUME			3606

/* Messages to the task port, and the special port they are used for here */
#define MSG_TASK_GET_SPECIAL_PORT	3409
#define MSG_TASK_SET_SPECIAL_PORT	3410
#define TASK_BOOTSTRAP_PORT		4

/* A message id that no kernel object serves */
#define MSG_NOBODY_SERVES		123456

#endif
