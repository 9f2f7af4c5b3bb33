// SPDX-License-Identifier: GPL-2.0

//! Messages, rights and names: bytes and numbers mean what clients mean by them.

use crate::abi::{
    args::{
        MachMsgOverwriteArgs,
        MachPortGuardArgs, //
    },
    msg::{
        self,
        option,
        Disposition,
        MsgBits, //
    },
    notify::{
        NdrRecord,
        Notification, //
    },
    port::{
        self,
        PortName,
        Right, //
    },
    UnknownValue,
    UserAddr, //
};
use zerocopy::{
    FromBytes,
    IntoBytes, //
};

#[test]
fn names_null_and_dead_are_not_valid() {
    assert!(!PortName::NULL.is_valid());
    assert!(!PortName::DEAD.is_valid());
    assert!(!PortName(0xffff_ffff).is_valid());
    assert!(PortName(0x103).is_valid());
    assert!(PortName(0xffff_fffe).is_valid());
}

#[test]
fn rights_are_decoded_from_their_numbers_only() {
    for number in 0..=5u32 {
        assert_eq!(Right::try_from(number).map(Right::raw), Ok(number));
    }
    for number in [-1, 6, 16, i32::MIN, i32::MAX] {
        assert_eq!(Right::try_from(number), Err(UnknownValue), "{number}");
    }
    assert_eq!(Right::try_from(3), Ok(Right::PortSet));
    assert_eq!(Right::SendOnce.type_bit(), 0x0004_0000);
    assert_eq!(port::MACH_PORT_TYPE_RECEIVE, 0x0002_0000);
    assert_eq!(port::MACH_PORT_TYPE_PORT_SET, 0x0008_0000);
}

#[test]
fn dispositions_are_decoded_from_their_numbers_only() {
    for number in 0..=u8::MAX {
        let decoded = Disposition::try_from(number);
        assert_eq!(decoded.is_ok(), (16..=21).contains(&number), "{number}");
    }
    let carried: Vec<Right> = Disposition::ALL.iter().map(|d| d.carries()).collect();
    use Right::{Receive, Send, SendOnce};
    assert_eq!(carried, [Receive, Send, SendOnce, Send, Send, SendOnce]);
}

#[test]
fn header_bits_hold_three_dispositions_and_complex() {
    let bits = MsgBits::new(
        Some(Disposition::CopySend),
        Some(Disposition::MakeSendOnce),
        Some(Disposition::MoveSend),
    );
    assert_eq!(bits.0, 0x0011_1513);
    assert!(!bits.is_complex());
    assert_eq!(bits.complex().0, 0x8011_1513);
    assert_eq!((bits.remote(), bits.local(), bits.voucher()), (19, 21, 17));
    assert_eq!(MsgBits(0xffff_ffff).masked().0, 0x801f_1f1f);
    assert_eq!(MsgBits::new(None, None, None).0, 0);
}

#[test]
fn header_is_read_field_by_field_from_a_clients_bytes() {
    let bytes: Vec<u8> = [0x8000_1513u32, 40, 0x103, 0x207, 0x30b, 0xffff_ffff]
        .iter()
        .flat_map(|word| word.to_le_bytes())
        .collect();
    let header = msg::MachMsgHeader::read_from_bytes(&bytes).unwrap();
    assert!(header.bits.is_complex());
    assert_eq!(header.size, 40);
    assert_eq!(header.remote_port, PortName(0x103));
    assert_eq!(header.local_port, PortName(0x207));
    assert_eq!(header.voucher_port, PortName(0x30b));
    assert_eq!(header.id, -1);
    assert_eq!(header.as_bytes(), bytes);
}

#[test]
fn descriptors_are_read_from_a_clients_bytes() {
    let bytes: Vec<u8> = (1..=16).collect();
    assert_eq!(
        msg::DescriptorHead::read_from_bytes(&bytes[..12])
            .unwrap()
            .kind,
        12
    );

    let port = msg::PortDescriptor::read_from_bytes(&bytes[..12]).unwrap();
    assert_eq!({ port.name }, PortName(0x0403_0201));
    assert_eq!((port.disposition, port.kind), (11, 12));

    let ool = msg::OolDescriptor64::read_from_bytes(&bytes).unwrap();
    assert_eq!({ ool.address }, UserAddr(0x0807_0605_0403_0201));
    assert_eq!((ool.deallocate, ool.copy, ool.kind), (9, 10, 12));
    assert_eq!({ ool.size }, 0x100f_0e0d);

    let ports = msg::OolPortsDescriptor32::read_from_bytes(&bytes[..12]).unwrap();
    assert_eq!({ ports.address }, 0x0403_0201);
    assert_eq!({ ports.count }, 0x0807_0605);
    assert_eq!(
        (ports.deallocate, ports.copy, ports.disposition),
        (9, 10, 11)
    );

    let guarded = msg::GuardedPortDescriptor64::read_from_bytes(&bytes).unwrap();
    assert_eq!({ guarded.context }, 0x0807_0605_0403_0201);
    assert_eq!({ guarded.flags }, 0x0a09);
    assert_eq!({ guarded.name }, PortName(0x100f_0e0d));
}

#[test]
fn trailer_size_follows_the_elements_asked_for() {
    let sizes: Vec<usize> = (0..=8)
        .map(|elements| msg::requested_trailer_size(elements << 24 | option::MACH_RCV_MSG))
        .collect();
    assert_eq!(sizes, [8, 12, 20, 52, 60, 68, 68, 68, 68]);
    assert_eq!(option::trailer_type(0x3200_0002), 3);
    assert_eq!(option::trailer_elements(0x3200_0002), 2);
    assert_eq!(msg::SEND_SIZE_MAX, 50_331_648 - 68);
}

#[test]
fn option_bits_are_all_different_and_below_the_trailer() {
    let bits = [
        option::MACH_SEND_MSG,
        option::MACH_RCV_MSG,
        option::MACH_RCV_LARGE,
        option::MACH_RCV_LARGE_IDENTITY,
        option::MACH_SEND_TIMEOUT,
        option::MACH_SEND_OVERRIDE,
        option::MACH_SEND_INTERRUPT,
        option::MACH_SEND_NOTIFY,
        option::MACH_RCV_TIMEOUT,
        option::MACH_MSG_STRICT_REPLY,
        option::MACH_RCV_INTERRUPT,
        option::MACH_RCV_VOUCHER,
        option::MACH_RCV_GUARDED_DESC,
        option::MACH_RCV_STACK,
        option::MACH_RCV_SYNC_WAIT,
        option::MACH_RCV_SYNC_PEEK,
        option::MACH_SEND_ALWAYS,
        option::MACH_SEND_TRAILER,
        option::MACH_SEND_NOIMPORTANCE,
        option::MACH_SEND_IMPORTANCE,
        option::MACH_SEND_SYNC_OVERRIDE,
        option::MACH_SEND_PROPAGATE_QOS,
        option::MACH_SEND_KERNEL,
        option::MACH_SEND_SYNC_BOOTSTRAP_CHECKIN,
    ];
    for (position, bit) in bits.into_iter().enumerate() {
        assert_eq!(bit, 1 << position);
    }
    assert_eq!(bits.len(), 24);
    assert_eq!(option::KERNEL_ONLY, 0x0049_0000);
}

#[test]
fn notifications_have_their_ids() {
    let ids: Vec<i32> = Notification::ALL.iter().map(|n| n.id()).collect();
    assert_eq!(ids, [0x41, 0x42, 0x45, 0x46, 0x47, 0x48]);
    assert_eq!(Notification::try_from(0x43), Err(UnknownValue));
    assert_eq!(NdrRecord::NATIVE.0, [0, 0, 0, 0, 1, 0, 0, 0]);
}

#[test]
fn packed_arguments_are_read_whole() {
    let bytes: Vec<u8> = (1..=44).collect();
    let args = MachMsgOverwriteArgs::read_from_bytes(&bytes).unwrap();
    assert_eq!({ args.rcv_msg }, UserAddr(0x2827_2625_2423_2221));
    assert_eq!({ args.rcv_name }, PortName(0x1817_1615));
    let guard = MachPortGuardArgs::read_from_bytes(&bytes[..17]).unwrap();
    assert_eq!(guard.strict, 17);
    assert!(MachPortGuardArgs::read_from_bytes(&bytes[..16]).is_err());
}

#[test]
fn user_addresses_do_not_wrap() {
    assert_eq!(UserAddr(u64::MAX).checked_add(1), None);
    assert_eq!(UserAddr(16).checked_add(8), Some(UserAddr(24)));
    assert!(UserAddr::NULL.is_null());
}
