// SPDX-License-Identifier: GPL-2.0

//! Return codes have the values that clients were built with.

use crate::abi::{
    kern,
    msg, //
};

#[test]
fn kernel_codes_have_their_numbers() {
    // ABI traps §1.4.
    let codes = [
        (kern::KERN_SUCCESS, 0),
        (kern::KERN_INVALID_ADDRESS, 1),
        (kern::KERN_NO_SPACE, 3),
        (kern::KERN_INVALID_ARGUMENT, 4),
        (kern::KERN_FAILURE, 5),
        (kern::KERN_RESOURCE_SHORTAGE, 6),
        (kern::KERN_NO_ACCESS, 8),
        (kern::KERN_ALREADY_IN_SET, 11),
        (kern::KERN_NOT_IN_SET, 12),
        (kern::KERN_NAME_EXISTS, 13),
        (kern::KERN_ABORTED, 14),
        (kern::KERN_INVALID_NAME, 15),
        (kern::KERN_INVALID_TASK, 16),
        (kern::KERN_INVALID_RIGHT, 17),
        (kern::KERN_INVALID_VALUE, 18),
        (kern::KERN_UREFS_OVERFLOW, 19),
        (kern::KERN_INVALID_CAPABILITY, 20),
        (kern::KERN_RIGHT_EXISTS, 21),
        (kern::KERN_INVALID_HOST, 22),
        (kern::KERN_TERMINATED, 37),
        (kern::KERN_NOT_SUPPORTED, 46),
        (kern::KERN_OPERATION_TIMED_OUT, 49),
        (kern::MIG_BAD_ID, -303),
        (kern::MIG_BAD_ARGUMENTS, -304),
        (kern::MIG_NO_REPLY, -305),
    ];
    for (code, number) in codes {
        assert_eq!(code, number, "{:?}", kern::name(number));
    }
}

#[test]
fn kernel_codes_are_named_without_a_gap() {
    for code in 0..=52 {
        assert!(kern::name(code).is_some(), "{code}");
    }
    assert_eq!(kern::name(14), Some("KERN_ABORTED"));
    assert_eq!(kern::name(-303), Some("MIG_BAD_ID"));
    assert_eq!(kern::name(53), None);
    assert_eq!(kern::name(-1), None);
}

#[test]
fn message_codes_are_named_by_number() {
    let codes = [
        (0x1000_0003, "MACH_SEND_INVALID_DEST"),
        (0x1000_0004, "MACH_SEND_TIMED_OUT"),
        (0x1000_0007, "MACH_SEND_INTERRUPTED"),
        (0x1000_0008, "MACH_SEND_MSG_TOO_SMALL"),
        (0x1000_000a, "MACH_SEND_INVALID_RIGHT"),
        (0x1000_0010, "MACH_SEND_INVALID_HEADER"),
        (0x1000_0016, "MACH_SEND_NO_GRANT_DEST"),
        (0x1000_4002, "MACH_RCV_INVALID_NAME"),
        (0x1000_4003, "MACH_RCV_TIMED_OUT"),
        (0x1000_4005, "MACH_RCV_INTERRUPTED"),
        (0x1000_4006, "MACH_RCV_PORT_CHANGED"),
        (0x1000_400b, "MACH_RCV_HEADER_ERROR"),
        (0x1000_400c, "MACH_RCV_BODY_ERROR"),
    ];
    for (code, name) in codes {
        assert_eq!(msg::msg_code_name(code), Some(name));
    }
    assert_eq!(msg::msg_code_name(0x1000_0006), None);
}

#[test]
fn message_codes_and_their_additional_bits_do_not_meet() {
    let bits = msg::MACH_MSG_IPC_SPACE
        | msg::MACH_MSG_VM_SPACE
        | msg::MACH_MSG_IPC_KERNEL
        | msg::MACH_MSG_VM_KERNEL;
    assert_eq!(bits & !msg::MACH_MSG_MASK, 0);
    assert_eq!(msg::MACH_RCV_BODY_ERROR & msg::MACH_MSG_MASK, 0);
    assert_eq!(msg::MACH_RCV_HEADER_ERROR & msg::MACH_MSG_MASK, 0);
}
