// SPDX-License-Identifier: GPL-2.0

//! Option bits of `mach_msg` (`mach_msg_option_t`).
//!
//! Which have an effect: ABI traps §6.1. Values: XNU osfmk/mach/message.h. No locks.

/// Send a message.
pub const MACH_SEND_MSG: u32 = 0x0000_0001;
/// Receive a message.
pub const MACH_RCV_MSG: u32 = 0x0000_0002;
/// A message that is too large stays in the queue and its size is told.
pub const MACH_RCV_LARGE: u32 = 0x0000_0004;
/// Also tell which member of a set it waits at.
pub const MACH_RCV_LARGE_IDENTITY: u32 = 0x0000_0008;
/// The timeout counts for sending.
pub const MACH_SEND_TIMEOUT: u32 = 0x0000_0010;
/// The priority word counts; without effect.
pub const MACH_SEND_OVERRIDE: u32 = 0x0000_0020;
/// For the library: do not send again after a signal.
pub const MACH_SEND_INTERRUPT: u32 = 0x0000_0040;
/// Arm the send-possible request when the queue is full.
pub const MACH_SEND_NOTIFY: u32 = 0x0000_0080;
/// The timeout counts for receiving.
pub const MACH_RCV_TIMEOUT: u32 = 0x0000_0100;
/// The reply port must be of a strict kind; not enforced.
pub const MACH_MSG_STRICT_REPLY: u32 = 0x0000_0200;
/// For the library: do not receive again after a signal.
pub const MACH_RCV_INTERRUPT: u32 = 0x0000_0400;
/// Receive the voucher, else it is dropped.
pub const MACH_RCV_VOUCHER: u32 = 0x0000_0800;
/// Receive guarded descriptors, else their rights are dropped.
pub const MACH_RCV_GUARDED_DESC: u32 = 0x0000_1000;
/// Inside kqueues only.
pub const MACH_RCV_STACK: u32 = 0x0000_2000;
/// Receive on the special reply port of the thread.
pub const MACH_RCV_SYNC_WAIT: u32 = 0x0000_4000;
/// As before, from a kqueue.
pub const MACH_RCV_SYNC_PEEK: u32 = 0x0000_8000;
/// Ignore the queue limit; for the kernel.
pub const MACH_SEND_ALWAYS: u32 = 0x0001_0000;
/// A trailer is sent along; for the kernel.
pub const MACH_SEND_TRAILER: u32 = 0x0002_0000;
/// Carry no importance; without effect.
pub const MACH_SEND_NOIMPORTANCE: u32 = 0x0004_0000;
/// Carry importance; for the kernel.
pub const MACH_SEND_IMPORTANCE: u32 = 0x0008_0000;
/// Override the priority of synchronous calls; without effect.
pub const MACH_SEND_SYNC_OVERRIDE: u32 = 0x0010_0000;
/// Carry the sender's quality of service; without effect.
pub const MACH_SEND_PROPAGATE_QOS: u32 = 0x0020_0000;
/// Sent by the kernel; for the kernel.
pub const MACH_SEND_KERNEL: u32 = 0x0040_0000;
/// Marks a service check-in; without effect.
pub const MACH_SEND_SYNC_BOOTSTRAP_CHECKIN: u32 = 0x0080_0000;

/// Bits that a task cannot set: they are dropped on entry.
pub const KERNEL_ONLY: u32 = MACH_SEND_ALWAYS | MACH_SEND_IMPORTANCE | MACH_SEND_KERNEL;

/// Position of the trailer elements, four bits.
pub const TRAILER_ELEMENTS_SHIFT: u32 = 24;
/// Position of the trailer type, four bits; only type 0 exists.
pub const TRAILER_TYPE_SHIFT: u32 = 28;

/// Which trailer elements an option word asks for, 0 to 15.
pub const fn trailer_elements(option: u32) -> u32 {
    (option >> TRAILER_ELEMENTS_SHIFT) & 0xf
}

/// Which trailer type an option word asks for, 0 to 15.
pub const fn trailer_type(option: u32) -> u32 {
    (option >> TRAILER_TYPE_SHIFT) & 0xf
}
