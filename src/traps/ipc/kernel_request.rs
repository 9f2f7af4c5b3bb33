// SPDX-License-Identifier: GPL-2.0

//! Requests that the kernel makes of ports in user space, laid out as MIG does: header; if there are
//! rights a body with their descriptors; the NDR record and the other values.
//!
//! The reply comes to an object of the kernel: see [`offer_once`](super::offer_once). Its routine is
//! called with the reply as its request, and when the right for the reply is gone unused so is the
//! object.
//!
//! Locks: none.

use super::{
    carried::Item,
    message::HeaderRight,
    notify,
    reply_message::{
        descriptor_size,
        Writer, //
    },
    right::{
        Right,
        SendOnceRight,
        SendRight, //
    },
};
use crate::{
    abi::{
        msg::{
            Disposition,
            MachMsgHeader,
            MsgBits,
            COMPLEX_MIN_SIZE,
            HEADER_SIZE, //
        },
        notify::NdrRecord,
        PortName, //
    },
    core::KernResult,
};
use core::mem::size_of;
use kernel::prelude::*;

/// Asks `to` for what `id` means, whatever the limit of its queue, with `rights` and the bytes of
/// the other values. `KERN_RESOURCE_SHORTAGE` without memory; to a dead port it is dropped.
pub(crate) fn request(
    to: &SendRight,
    reply: SendOnceRight,
    id: i32,
    rights: KVec<SendRight>,
    values: &[u8],
) -> KernResult {
    let mut items = KVec::with_capacity(rights.len(), GFP_KERNEL_ACCOUNT)?;
    for right in rights {
        items.push(
            Item::Port(Right::Send(right), Some(Disposition::MoveSend)),
            GFP_KERNEL_ACCOUNT,
        )?;
    }
    let complex = !items.is_empty();
    let start = if complex {
        COMPLEX_MIN_SIZE
    } else {
        HEADER_SIZE
    };
    let descriptors = items.iter().fold(0usize, |sum, item| {
        sum.saturating_add(descriptor_size(item))
    });
    let size = start
        .saturating_add(descriptors)
        .saturating_add(size_of::<NdrRecord>())
        .saturating_add(values.len());

    let mut writer = Writer::new(size)?;
    // The rest is written when the message has a receiver.
    writer.put(&MachMsgHeader {
        bits: MsgBits::new(None, None, None),
        size: writer.message.size(),
        remote_port: PortName::NULL,
        local_port: PortName::NULL,
        voucher_port: PortName::NULL,
        id,
    });
    if complex {
        writer.put_items(items)?;
    }
    writer.put(&NdrRecord::NATIVE);
    writer.put(values);
    let mut message = writer.message;
    message.id = id;
    message.complex = complex;
    message.reply = HeaderRight::send_once(reply);
    notify::send_message(HeaderRight::send(to.copy()), message);
    Ok(())
}
