// SPDX-License-Identifier: GPL-2.0

//! Vouchers, and the table of them by what they hold.
//!
//! A voucher has a port, and is there as long as there are send rights to that. The table keeps no
//! right: the last one takes the voucher out. Whoever finds a voucher there whose last right has just
//! gone makes another one in its place.
//!
//! Locks: `Vouchers::known` (spinlock). Nothing is allocated, freed or dropped under it.

use crate::{
    core::{
        KernError,
        KernResult,
        Live,
        ObjectCounter, //
    },
    traps::ipc::{
        kind,
        offer_by_right,
        KernelObject,
        Port,
        SendRight, //
    },
};
use core::{
    any::Any,
    cmp::Ordering,
    ptr, //
};
use kernel::{
    new_spinlock,
    prelude::*,
    rbtree::{
        RBTree,
        RBTreeNode, //
    },
    sync::{
        Arc,
        SpinLock, //
    },
};

pub(super) static VOUCHERS: ObjectCounter = ObjectCounter::new("vouchers");

/// User data, with a number that differs for most of them.
struct Data {
    hash: u64,
    bytes: KVec<u8>,
}

/// What a voucher holds: user data, or nothing.
#[derive(Clone)]
pub(super) struct Content(Option<Arc<Data>>);

impl Content {
    /// Nothing.
    pub(super) const NONE: Self = Self(None);

    /// A copy of `bytes`. Fails without memory.
    pub(super) fn of(bytes: &[u8]) -> KernResult<Self> {
        let mut copy = KVec::with_capacity(bytes.len(), GFP_KERNEL_ACCOUNT)?;
        copy.extend_from_slice(bytes, GFP_KERNEL_ACCOUNT)?;
        let data = Data {
            hash: hash(bytes),
            bytes: copy,
        };
        Ok(Self(Some(Arc::new(data, GFP_KERNEL_ACCOUNT)?)))
    }

    /// The user data.
    pub(super) fn bytes(&self) -> Option<&[u8]> {
        self.0.as_ref().map(|data| data.bytes.as_slice())
    }

    fn key(&self) -> Option<(u64, &[u8])> {
        self.0
            .as_ref()
            .map(|data| (data.hash, data.bytes.as_slice()))
    }
}

impl PartialEq for Content {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Content {}

impl PartialOrd for Content {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Content {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

/// The function of Fowler, Noll and Vo.
fn hash(bytes: &[u8]) -> u64 {
    const START: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x100_0000_01b3;

    bytes.iter().fold(START, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(PRIME)
    })
}

/// A voucher.
pub(super) struct Voucher {
    content: Content,
    vouchers: Arc<Vouchers>,
    _live: Live,
}

impl KernelObject for Voucher {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn kind(&self) -> u32 {
        kind::VOUCHER
    }

    fn no_senders(&self) {
        self.vouchers.forget(self);
    }
}

impl Voucher {
    /// What it holds.
    pub(super) fn content(&self) -> &Content {
        &self.content
    }
}

/// All vouchers.
#[pin_data]
pub(super) struct Vouchers {
    /// Their ports, by what they hold.
    #[pin]
    known: SpinLock<RBTree<Content, Arc<Port>>>,
}

impl Vouchers {
    /// None.
    pub(super) fn new() -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                known <- new_spinlock!(RBTree::new(), "Vouchers::known"),
            }),
            GFP_KERNEL,
        )
    }

    /// A right to the voucher that holds `content`, which is made if there is none.
    /// `KERN_RESOURCE_SHORTAGE`.
    pub(super) fn get(self: &Arc<Self>, content: Content) -> KernResult<SendRight> {
        let found = self.known.lock().get(&content).and_then(SendRight::revive);
        if let Some(right) = found {
            return Ok(right);
        }
        let voucher = Voucher {
            content: content.clone(),
            vouchers: self.clone(),
            _live: Live::new(&VOUCHERS),
        };
        let voucher = Arc::new(voucher, GFP_KERNEL_ACCOUNT)?;
        let right = offer_by_right(voucher).map_err(|_| KernError::RESOURCE_SHORTAGE)?;
        let node = RBTreeNode::new(content.clone(), right.port().clone(), GFP_KERNEL_ACCOUNT)
            .map_err(|_| KernError::RESOURCE_SHORTAGE)?;
        let (right, _unused, _replaced) = {
            let mut known = self.known.lock();
            match known.get(&content).and_then(SendRight::revive) {
                Some(other) => (other, Some((right, node)), None),
                None => (right, None, known.insert(node)),
            }
        };
        Ok(right)
    }

    /// The last right to `voucher` is gone.
    fn forget(&self, voucher: &Voucher) {
        let is_its = |port: &Arc<Port>| {
            let object = port.kernel_object();
            object.is_some_and(|object| ptr::addr_eq(Arc::as_ptr(&object), voucher))
        };
        let gone = {
            let mut known = self.known.lock();
            match known.get(&voucher.content) {
                Some(port) if is_its(port) => known.remove_node(&voucher.content),
                // Another one is there by now.
                _ => None,
            }
        };
        drop(gone);
    }
}
