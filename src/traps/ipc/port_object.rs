// SPDX-License-Identifier: GPL-2.0

//! Ports that stand for objects of the kernel.
//!
//! The kernel receives from such a port, and the object handles the messages; or a task receives
//! from it, and the object is attached.
//!
//! Source of the behaviour: XNU osfmk/kern/ipc_kobject.c.
//!
//! Locks: `Port::state`. No object is dropped under it.

use super::{
    kobject::{
        kind,
        KernelObject, //
    },
    port::{
        Port,
        Receiver,
        Upkeep,
        PORTS, //
    },
    right::{
        ReceiveRight,
        SendOnceRight,
        SendRight, //
    },
};
use crate::{
    core::Live,
    linux::held::Held, //
};
use core::any::Any;
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// An object of the kernel that a receive right in user space stands for. It is let go when the
/// port dies.
pub(crate) type Attachment = Arc<dyn Any + Send + Sync>;

/// An attachment and its kind.
pub(super) struct Attached {
    kind: u32,
    object: Attachment,
}

impl Port {
    /// Makes a port whose messages `object` handles. It lives until the receive right is dropped.
    pub(crate) fn for_kernel(object: Arc<dyn KernelObject>) -> Result<ReceiveRight> {
        let live = Some(Live::new(&PORTS));
        Self::new(Receiver::Kernel(object), live, Upkeep::Receiver).map(ReceiveRight::of)
    }

    /// Makes a port whose messages `object` handles and that nobody but its send rights keeps
    /// alive: when the last is gone the port dies and lets go of the object.
    pub(super) fn for_kernel_by_senders(object: Arc<dyn KernelObject>) -> Result<SendRight> {
        let live = Some(Live::new(&PORTS));
        let kept = Held::new(object, KernelObject::as_any);
        let receiver = Receiver::Transit(None);
        let port = Self::with_kept(receiver, live, Upkeep::Senders, Some(kept))?;
        Ok(SendRight::make(&port))
    }

    /// Makes a port whose one message `object` handles: when the right to send it is used or
    /// dropped the port dies and lets go of the object.
    pub(super) fn for_kernel_by_send_once(object: Arc<dyn KernelObject>) -> Result<SendOnceRight> {
        let live = Some(Live::new(&PORTS));
        let port = Self::new(Receiver::Kernel(object), live, Upkeep::SendOnce)?;
        Ok(SendOnceRight::make(&port))
    }

    /// As [`for_kernel`](Self::for_kernel), for a port that is there as long as the module is and
    /// so does not count as a live object.
    pub(super) fn for_kernel_permanent(object: Arc<dyn KernelObject>) -> Result<ReceiveRight> {
        Self::new(Receiver::Kernel(object), None, Upkeep::Receiver).map(ReceiveRight::of)
    }

    /// Whether the kernel receives the port's messages.
    #[inline]
    pub(crate) fn is_kernel(&self) -> bool {
        self.kernel
    }

    /// The object that handles the messages.
    pub(crate) fn kernel_object(&self) -> Option<Arc<dyn KernelObject>> {
        if !self.kernel {
            return None;
        }
        if let Some(kept) = &self.kept {
            return Some(kept.share());
        }
        match &self.state.lock().receiver {
            Receiver::Kernel(object) => Some(object.clone()),
            _ => None,
        }
    }

    /// The object that the port's send rights keep alive, and as a `T`, if it is one.
    #[inline]
    pub(super) fn kept<T: 'static>(&self) -> Option<(&T, &Held<dyn KernelObject>)> {
        let held = self.kept.as_ref()?;
        Some((held.get()?, held))
    }

    /// Attaches an object, of a kind of [`super::kobject::kind`], to a port that has none.
    pub(super) fn attach(&self, kind: u32, object: Attachment) {
        let previous = self
            .state
            .lock()
            .attachment
            .replace(Attached { kind, object });
        drop(previous);
    }

    /// The object attached.
    pub(super) fn attachment(&self) -> Option<Attachment> {
        let state = self.state.lock();
        Some(state.attachment.as_ref()?.object.clone())
    }

    /// The kind of object that the port stands for, whoever receives from it.
    pub(super) fn kind(&self) -> u32 {
        if let Some(object) = self.kernel_object() {
            return object.kind();
        }
        let state = self.state.lock();
        state
            .attachment
            .as_ref()
            .map_or(kind::NONE, |attached| attached.kind)
    }

    /// Whether the port stands for an object of the kernel, whoever receives from it. The receive
    /// right of such a port stays where it is.
    pub(super) fn stands_for_object(&self) -> bool {
        self.kernel || self.state.lock().attachment.is_some()
    }
}
