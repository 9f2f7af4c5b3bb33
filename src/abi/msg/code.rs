// SPDX-License-Identifier: GPL-2.0

//! Return codes of sending and receiving (`mach_msg_return_t`).
//!
//! Success is 0, as in [`kern`](super::super::kern). Values: XNU osfmk/mach/message.h; which are
//! used when: ABI traps §6.3 to §6.5. No locks.

macro_rules! codes {
    ($($name:ident = $value:literal, $doc:literal;)*) => {
        $(
            #[doc = $doc]
            pub const $name: i32 = $value;
        )*

        /// The name of a code of this file, for logs; additional bits must be masked off before.
        pub const fn msg_code_name(code: i32) -> Option<&'static str> {
            match code {
                $($value => Some(stringify!($name)),)*
                _ => None,
            }
        }
    };
}

codes! {
    MACH_MSG_SUCCESS = 0, "Done.";

    MACH_SEND_IN_PROGRESS = 0x1000_0001, "The thread is about to send; inside the kernel only.";
    MACH_SEND_INVALID_DATA = 0x1000_0002, "The message cannot be read.";
    MACH_SEND_INVALID_DEST = 0x1000_0003, "The destination is not a right to send to.";
    MACH_SEND_TIMED_OUT = 0x1000_0004, "No room in the queue within the time.";
    MACH_SEND_INVALID_VOUCHER = 0x1000_0005, "The voucher is none.";
    MACH_SEND_INTERRUPTED = 0x1000_0007, "A signal came while waiting for room.";
    MACH_SEND_MSG_TOO_SMALL = 0x1000_0008, "Shorter than its header or descriptors say.";
    MACH_SEND_INVALID_REPLY = 0x1000_0009, "The reply port is not such a right.";
    MACH_SEND_INVALID_RIGHT = 0x1000_000a, "A right in the body is not held or cannot be sent.";
    MACH_SEND_INVALID_NOTIFY = 0x1000_000b, "The notify port is not valid.";
    MACH_SEND_INVALID_MEMORY = 0x1000_000c, "Out-of-line memory cannot be read.";
    MACH_SEND_NO_BUFFER = 0x1000_000d, "No memory for the message.";
    MACH_SEND_TOO_LARGE = 0x1000_000e, "Too large, or too many rights.";
    MACH_SEND_INVALID_TYPE = 0x1000_000f, "A descriptor has no meaning.";
    MACH_SEND_INVALID_HEADER = 0x1000_0010, "The header's dispositions have no meaning.";
    MACH_SEND_INVALID_TRAILER = 0x1000_0011, "The trailer sent along is not of the kernel's form.";
    MACH_SEND_INVALID_CONTEXT = 0x1000_0012, "The port's context is not the sender's.";
    MACH_SEND_INVALID_RT_OOL_SIZE = 0x1000_0015, "No longer returned.";
    MACH_SEND_NO_GRANT_DEST = 0x1000_0016, "The destination takes no rights in the body.";

    MACH_RCV_IN_PROGRESS = 0x1000_4001, "The thread is about to receive; inside the kernel only.";
    MACH_RCV_INVALID_NAME = 0x1000_4002, "The name is no receive right or port set.";
    MACH_RCV_TIMED_OUT = 0x1000_4003, "No message within the time.";
    MACH_RCV_TOO_LARGE = 0x1000_4004, "The message does not fit the buffer.";
    MACH_RCV_INTERRUPTED = 0x1000_4005, "A signal came while waiting.";
    MACH_RCV_PORT_CHANGED = 0x1000_4006, "The right died or moved while waiting.";
    MACH_RCV_INVALID_NOTIFY = 0x1000_4007, "The notify port is not valid.";
    MACH_RCV_INVALID_DATA = 0x1000_4008, "The buffer cannot be written; the message is lost.";
    MACH_RCV_PORT_DIED = 0x1000_4009, "The right died; not returned by this version.";
    MACH_RCV_IN_SET = 0x1000_400a, "The port is in a set; not returned by this version.";
    MACH_RCV_HEADER_ERROR = 0x1000_400b, "A right of the header could not be entered.";
    MACH_RCV_BODY_ERROR = 0x1000_400c, "Something of the body could not be entered.";
    MACH_RCV_INVALID_TYPE = 0x1000_400d, "The scatter list has no meaning.";
    MACH_RCV_SCATTER_SMALL = 0x1000_400e, "The scatter list is too small.";
    MACH_RCV_INVALID_TRAILER = 0x1000_400f, "The trailer asked for is unknown.";
    MACH_RCV_IN_PROGRESS_TIMED = 0x1000_4011, "The same as in progress, with a time.";
    MACH_RCV_INVALID_REPLY = 0x1000_4012, "The reply port is not such a right.";
}

/// Additional bit: no room in the name space.
pub const MACH_MSG_IPC_SPACE: i32 = 0x2000;
/// Additional bit: no room in the address space.
pub const MACH_MSG_VM_SPACE: i32 = 0x1000;
/// Additional bit: the kernel lacks memory for rights.
pub const MACH_MSG_IPC_KERNEL: i32 = 0x0800;
/// Additional bit: the kernel lacks memory for out-of-line data.
pub const MACH_MSG_VM_KERNEL: i32 = 0x0400;
/// All bits that may be added to a code.
pub const MACH_MSG_MASK: i32 = 0x3e00;
