// SPDX-License-Identifier: GPL-2.0

//! The ports that a task, a thread and the machine have from the kernel.
//!
//! Of the routines of these objects the special ports of a task are built (ABI mig §3.2, 3409 and
//! 3410); the others answer `MIG_BAD_ID`.
//!
//! Locks: `Host::transit` (mutex) comes before all locks of ports; `TaskPorts::bootstrap` is a leaf.

use super::{
    kobject::{
        Answer,
        KernelObject,
        KernelPort,
        Refusal,
        Request, //
    },
    port::{
        Port,
        Receiver, //
    },
    right::{
        Right,
        SendRight, //
    },
};
use crate::abi::notify::NdrRecord;
use core::any::Any;
use kernel::{
    new_mutex,
    new_spinlock,
    prelude::*,
    sync::{
        Arc,
        Mutex,
        SpinLock, //
    },
};
use zerocopy_derive::{
    FromBytes,
    Immutable,
    KnownLayout, //
};

/// What all tasks share: the host, that is, the machine.
#[pin_data]
pub(super) struct Host {
    pub(super) port: Arc<KernelPort>,
    /// Held while receive rights enter messages, so that they never travel in a circle.
    #[pin]
    transit: Mutex<()>,
}

impl Host {
    pub(super) fn new() -> Result<Arc<Self>> {
        let port = KernelPort::permanent(Arc::new(HostObject, GFP_KERNEL)?)?;
        Arc::pin_init(
            pin_init!(Self {
                port,
                transit <- new_mutex!((), "Host::transit"),
            }),
            GFP_KERNEL,
        )
    }

    /// Notes that the receive right of `port` goes into a message to `destination`. False if that
    /// would close a circle of rights that travel in each other's messages and that nobody could
    /// ever receive (XNU osfmk/ipc/ipc_port.c, `ipc_port_check_circularity`).
    pub(super) fn begin_transit(&self, port: &Arc<Port>, destination: &Arc<Port>) -> bool {
        let _transit = self.transit.lock();
        let mut at = destination.clone();
        loop {
            if Arc::ptr_eq(&at, port) {
                return false;
            }
            let next = at.with(|state| match &state.receiver {
                Receiver::Transit(next) => next.clone(),
                _ => None,
            });
            match next {
                Some(next) => at = next,
                None => break,
            }
        }
        port.with(|state| {
            if let Receiver::Transit(to) = &mut state.receiver {
                *to = Some(destination.clone());
            }
        });
        true
    }
}

struct HostObject;

impl KernelObject for HostObject {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn call(&self, _request: &mut Request<'_>) -> Result<Answer, Refusal> {
        Err(Refusal::BAD_ID)
    }
}

/// The ports that a task can ask for and that its children inherit.
#[pin_data]
struct TaskPorts {
    host: Arc<Host>,
    #[pin]
    bootstrap: SpinLock<Option<SendRight>>,
}

impl TaskPorts {
    fn bootstrap(&self) -> Option<SendRight> {
        self.bootstrap.lock().as_ref().map(SendRight::copy)
    }
}

/// Numbers of special ports (XNU osfmk/mach/task_special_ports.h).
mod which {
    pub(super) const KERNEL: i32 = 1;
    pub(super) const HOST: i32 = 2;
    pub(super) const BOOTSTRAP: i32 = 4;
}

/// The routines of a task that are built.
mod routine {
    pub(super) const GET_SPECIAL_PORT: i32 = 3409;
    pub(super) const SET_SPECIAL_PORT: i32 = 3410;
}

/// What follows the header, or the descriptor, in requests about special ports.
#[derive(FromBytes, KnownLayout, Immutable)]
#[repr(C)]
struct WhichPort {
    _ndr: NdrRecord,
    which: i32,
}

/// What a task port stands for.
struct TaskObject(Arc<TaskPorts>);

impl KernelObject for TaskObject {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn call(&self, request: &mut Request<'_>) -> Result<Answer, Refusal> {
        match request.id() {
            routine::GET_SPECIAL_PORT => self.get_special_port(request),
            routine::SET_SPECIAL_PORT => self.set_special_port(request),
            _ => Err(Refusal::BAD_ID),
        }
    }
}

impl TaskObject {
    fn get_special_port(&self, request: &mut Request<'_>) -> Result<Answer, Refusal> {
        let right = match request.simple::<WhichPort>()?.which {
            which::KERNEL => Some(SendRight::make(request.port())),
            which::HOST => Some(self.0.host.port.send_right()),
            which::BOOTSTRAP => self.0.bootstrap(),
            _ => return Err(Refusal::INVALID_ARGUMENT),
        };
        Ok(Answer::Port(right))
    }

    fn set_special_port(&self, request: &mut Request<'_>) -> Result<Answer, Refusal> {
        let (right, which) = request.port_and::<WhichPort>()?;
        match which.which {
            which::BOOTSTRAP => (),
            which::HOST => return Err(Refusal::NO_ACCESS),
            _ => return Err(Refusal::INVALID_ARGUMENT),
        }
        let right = match right {
            Right::Send(right) => Some(right),
            Right::Null | Right::Dead => None,
            _ => return Err(Refusal::INVALID_ARGUMENT),
        };
        let previous = core::mem::replace(&mut *self.0.bootstrap.lock(), right);
        drop(previous);
        Ok(Answer::Done)
    }
}

/// The special ports of a task.
pub(super) struct SpecialPorts {
    ports: Arc<TaskPorts>,
    pub(super) task_self: Arc<KernelPort>,
}

impl SpecialPorts {
    /// Makes the ports of a task that inherits from `parent`. Fails with `ENOMEM`.
    pub(super) fn new(host: &Arc<Host>, parent: Option<&Self>) -> Result<Self> {
        let bootstrap = parent.and_then(|parent| parent.ports.bootstrap());
        let ports = Arc::pin_init(
            pin_init!(TaskPorts {
                host: host.clone(),
                bootstrap <- new_spinlock!(bootstrap, "TaskPorts::bootstrap"),
            }),
            GFP_KERNEL_ACCOUNT,
        )?;
        let object = Arc::new(TaskObject(ports.clone()), GFP_KERNEL_ACCOUNT)?;
        Ok(Self {
            ports,
            task_self: KernelPort::new(object)?,
        })
    }

    /// The host.
    pub(super) fn host(&self) -> &Host {
        &self.ports.host
    }

    /// The task's own port dies. The others stay, for children that still inherit.
    pub(super) fn task_ended(&self) {
        self.task_self.end();
    }
}

/// A task whose making failed had no end.
impl Drop for SpecialPorts {
    fn drop(&mut self) {
        self.task_ended();
    }
}

/// What a thread port stands for.
pub(super) struct ThreadObject;

impl KernelObject for ThreadObject {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn call(&self, _request: &mut Request<'_>) -> Result<Answer, Refusal> {
        Err(Refusal::BAD_ID)
    }
}
