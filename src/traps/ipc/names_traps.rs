// SPDX-License-Identifier: GPL-2.0

//! Traps on the names of one's own space (ABI traps §5.3 to §5.5).
//!
//! All want the caller's own task as the first argument; with another one, or none, the result is
//! `MACH_SEND_INVALID_DEST` and nothing else is looked at.
//!
//! Locks: `Space::table`, with `Port::state` inside. Sets are changed, and what a name gave up is
//! dropped, with neither held.

use super::{
    entry::Object,
    error::SEND_INVALID_DEST,
    port::Port,
    right::{
        ReceiveRight,
        Right, //
    },
    set::PortSet,
    space::Space,
    SPACE, //
};
use crate::{
    abi::{
        args::{
            MachPortAllocateArgs,
            MachPortDeallocateArgs,
            MachPortDestroyArgs,
            MachPortExtractMemberArgs,
            MachPortInsertMemberArgs,
            MachPortInsertRightArgs,
            MachPortModRefsArgs,
            MachPortMoveMemberArgs,
            MachPortTypeArgs, //
        },
        msg::Disposition,
        nr,
        port::{
            Right as RightKind,
            MACH_PORT_TYPE_DEAD_NAME,
            MACH_PORT_TYPE_DNREQUEST,
            MACH_PORT_TYPE_PORT_SET,
            MACH_PORT_TYPE_RECEIVE,
            MACH_PORT_TYPE_SEND,
            MACH_PORT_TYPE_SEND_ONCE, //
        },
        PortName, //
    },
    core::{
        user,
        Context,
        KernError,
        KernResult,
        TrapDescriptor, //
    },
};
use kernel::sync::Arc;
use mach_macros::{
    trap,
    traps, //
};

/// The traps of this file.
pub(super) const TRAPS: &[TrapDescriptor] = traps![
    mach_reply_port,
    mach_port_allocate,
    mach_port_deallocate,
    mach_port_destroy,
    mach_port_mod_refs,
    mach_port_insert_right,
    mach_port_type,
    mach_port_insert_member,
    mach_port_extract_member,
    mach_port_move_member,
];

/// The caller's space.
pub(super) fn own_space<'a>(context: &Context<'a>) -> KernResult<&'a Space> {
    SPACE.of_task(context.task()).ok_or(KernError::FAILURE)
}

/// The space of `task`, which must be the caller itself.
pub(super) fn target_space<'a>(context: &Context<'a>, task: PortName) -> KernResult<&'a Space> {
    let space = own_space(context)?;
    if space.is_self(task) {
        Ok(space)
    } else {
        Err(SEND_INVALID_DEST)
    }
}

/// Makes a port and gives its receive right to the caller.
#[trap(nr::MACH_REPLY_PORT)]
fn mach_reply_port(context: &Context<'_>) -> PortName {
    own_space(context)
        .and_then(new_port)
        .unwrap_or(PortName::NULL)
}

fn new_port(space: &Space) -> KernResult<PortName> {
    space.insert_receive(new_receive_right()?)
}

/// Makes a port.
pub(super) fn new_receive_right() -> KernResult<ReceiveRight> {
    Port::with_receive_right().map_err(|_| KernError::RESOURCE_SHORTAGE)
}

/// Makes a port, a port set or a dead name. If the name cannot be written to the caller's memory
/// it is taken back.
#[trap(nr::MACH_PORT_ALLOCATE)]
fn mach_port_allocate(context: &Context<'_>, args: MachPortAllocateArgs) -> KernResult {
    let space = target_space(context, args.task_right_name)?;
    let name = allocate(space, args.right_type)?;
    user::write(args.out_right_name, &name).map_err(|fault| {
        // Another thread may have dropped it already.
        let _ = space.with(|table| table.destroy(name));
        fault.into()
    })
}

/// Makes a port, a port set or a dead name, as `right` says.
pub(super) fn allocate<R>(space: &Space, right: R) -> KernResult<PortName>
where
    RightKind: TryFrom<R>,
{
    match RightKind::try_from(right) {
        Ok(RightKind::Receive) => new_port(space),
        Ok(RightKind::PortSet) => {
            let set = PortSet::with_right().map_err(|_| KernError::RESOURCE_SHORTAGE)?;
            insert(space, Object::Set(set))
        }
        Ok(RightKind::DeadName) => insert(space, Object::Dead),
        _ => Err(KernError::INVALID_VALUE),
    }
}

/// Enters `object` under a new name, with one user reference.
fn insert(space: &Space, object: Object) -> KernResult<PortName> {
    let mut object = Some(object);
    space.with_room(1, |table| {
        let taken = object.take().ok_or(KernError::FAILURE)?;
        table.insert(taken, 1).map_err(|back| {
            object = Some(back);
            KernError::NO_SPACE
        })
    })
}

/// Drops one user reference.
#[trap(nr::MACH_PORT_DEALLOCATE)]
fn mach_port_deallocate(context: &Context<'_>, args: MachPortDeallocateArgs) -> KernResult {
    let name = args.port_right_name;
    let gone = own_space(context)?.with_own(args.task_right_name, |table| {
        match table.deallocate_usual(name) {
            Some(gone) => Ok(gone),
            None => table.deallocate(name).map(|()| None),
        }
    })?;
    // The table is not locked any more.
    drop(gone);
    Ok(())
}

/// Drops all rights under a name.
#[trap(nr::MACH_PORT_DESTROY)]
fn mach_port_destroy(context: &Context<'_>, args: MachPortDestroyArgs) -> KernResult {
    let space = target_space(context, args.task_right_name)?;
    space.with(|table| table.destroy(args.port_right_name))
}

/// Changes the number of user references of a right.
#[trap(nr::MACH_PORT_MOD_REFS)]
fn mach_port_mod_refs(context: &Context<'_>, args: MachPortModRefsArgs) -> KernResult {
    let space = target_space(context, args.task_right_name)?;
    let kind = RightKind::try_from(args.right_type).map_err(|_| KernError::INVALID_VALUE)?;
    space.with(|table| table.mod_refs(args.port_right_name, kind, args.delta))
}

/// Enters a right that the caller has, or makes from one that it has, under a name of its choice.
#[trap(nr::MACH_PORT_INSERT_RIGHT)]
fn mach_port_insert_right(context: &Context<'_>, args: MachPortInsertRightArgs) -> KernResult {
    let space = target_space(context, args.task_right_name)?;
    if !{ args.right_name }.is_valid() {
        return Err(KernError::INVALID_CAPABILITY);
    }
    let disposition =
        Disposition::try_from(args.right_type).map_err(|_| KernError::INVALID_RIGHT)?;
    let in_place = { args.right_name } == { args.port_name };
    if in_place && matches!(disposition, Disposition::MakeSend | Disposition::CopySend) {
        return space.add_send_in_place(args.port_name, disposition);
    }
    let right = space.copyin(args.right_name, disposition)?;
    // From here on the right is dropped on failure.
    if !{ args.port_name }.is_valid() {
        return Err(KernError::INVALID_VALUE);
    }
    space.insert_right_as(args.port_name, right)
}

impl Space {
    /// Gives `name` one more send right, made or copied from what it has, in one step: so the name
    /// cannot come to denote something else in between. Errors as [`copyin`](Self::copyin), and
    /// `KERN_INVALID_CAPABILITY` for a dead right.
    fn add_send_in_place(&self, name: PortName, disposition: Disposition) -> KernResult {
        // What is left of the right is dropped with this variable, after the unlock.
        let mut right = None;
        self.with(|table| {
            let taken = right.insert(table.copyin(name, disposition)?);
            let port = taken.port().cloned();
            let port = port.ok_or(KernError::INVALID_CAPABILITY)?;
            self.enter_as(table, name, &port, &mut right)
        })
    }

    /// Enters `right` under `name`. `KERN_INVALID_CAPABILITY` for a dead right,
    /// `KERN_RIGHT_EXISTS` if the port has another name, `KERN_NAME_EXISTS` if the name denotes
    /// something else, and the errors of [`reach`](Self::reach). On failure the right is dropped.
    pub(super) fn insert_right_as(&self, name: PortName, right: Right) -> KernResult {
        let Some(port) = right.port().cloned() else {
            return Err(KernError::INVALID_CAPABILITY);
        };
        if !port.is_alive() {
            return Err(KernError::INVALID_CAPABILITY);
        }
        self.reach(name)?;
        let mut right = Some(right);
        // What is left of the right is dropped with this variable, after the unlock.
        self.with(|table| self.enter_as(table, name, &port, &mut right))
    }
}

/// Traps whose subject is a port set want names that can denote something.
fn check_set_names(names: [PortName; 2]) -> KernResult {
    names
        .iter()
        .all(|name| name.is_valid())
        .then_some(())
        .ok_or(KernError::INVALID_RIGHT)
}

/// The port whose receive right `member` is.
fn member_port(space: &Space, member: PortName) -> KernResult<Arc<Port>> {
    space.with(|table| table.receive_port(member))
}

/// The set that `set` denotes.
pub(super) fn set_of(space: &Space, set: PortName) -> KernResult<Arc<PortSet>> {
    space.with(
        |table| match &table.lookup(set).ok_or(KernError::INVALID_NAME)?.object {
            Object::Set(right) => Ok(right.set().clone()),
            _ => Err(KernError::INVALID_RIGHT),
        },
    )
}

/// The set and the port that `set` and `member` denote.
pub(super) fn set_and_member(
    space: &Space,
    set: PortName,
    member: PortName,
) -> KernResult<(Arc<PortSet>, Arc<Port>)> {
    check_set_names([member, set])?;
    let port = member_port(space, member)?;
    Ok((set_of(space, set)?, port))
}

/// Adds a port to a set.
#[trap(nr::MACH_PORT_INSERT_MEMBER)]
fn mach_port_insert_member(context: &Context<'_>, args: MachPortInsertMemberArgs) -> KernResult {
    let space = target_space(context, args.task_right_name)?;
    let (set, port) = set_and_member(space, args.pset_right_name, args.port_right_name)?;
    PortSet::insert(&set, &port)
}

/// Takes a port out of a set.
#[trap(nr::MACH_PORT_EXTRACT_MEMBER)]
fn mach_port_extract_member(context: &Context<'_>, args: MachPortExtractMemberArgs) -> KernResult {
    let space = target_space(context, args.task_right_name)?;
    let (set, port) = set_and_member(space, args.pset_right_name, args.port_right_name)?;
    PortSet::remove(&set, &port)
}

/// Takes a port out of all sets and adds it to one, if that is not null.
#[trap(nr::MACH_PORT_MOVE_MEMBER)]
fn mach_port_move_member(context: &Context<'_>, args: MachPortMoveMemberArgs) -> KernResult {
    let space = target_space(context, args.task_right_name)?;
    move_member(space, args.port_right_name, args.pset_right_name)
}

/// Takes `member` out of all sets and adds it to `after`, if that is not null.
pub(super) fn move_member(space: &Space, member: PortName, after: PortName) -> KernResult {
    if !member.is_valid() || after == PortName::DEAD {
        return Err(KernError::INVALID_RIGHT);
    }
    let port = member_port(space, member)?;
    if after == PortName::NULL {
        PortSet::remove_from_all(&port);
        return Ok(());
    }
    let set = set_of(space, after)?;
    // Joining can fail, so it comes first: then the port stays where it is.
    match PortSet::insert(&set, &port) {
        Ok(()) | Err(KernError::ALREADY_IN_SET) => PortSet::remove_from_others(&set, &port),
        Err(error) => return Err(error),
    }
    Ok(())
}

/// Tells which rights a name denotes.
#[trap(nr::MACH_PORT_TYPE)]
fn mach_port_type(context: &Context<'_>, args: MachPortTypeArgs) -> KernResult {
    let space = target_space(context, args.task_right_name)?;
    let bits = type_of(space, args.port_right_name)?;
    Ok(user::write(args.port_type_out, &bits)?)
}

/// Which rights `name` denotes, as bits.
pub(super) fn type_of(space: &Space, name: PortName) -> KernResult<u32> {
    match name {
        PortName::NULL => Err(KernError::INVALID_NAME),
        PortName::DEAD => Ok(MACH_PORT_TYPE_DEAD_NAME),
        name => space.with(|table| {
            table.refresh(name);
            let request = if table.has_open_request(name) {
                MACH_PORT_TYPE_DNREQUEST
            } else {
                0
            };
            let entry = table.lookup(name).ok_or(KernError::INVALID_NAME)?;
            Ok(type_bits(&entry.object) | request)
        }),
    }
}

/// Which rights an entry has, as bits.
pub(super) fn type_bits(object: &Object) -> u32 {
    match object {
        Object::Free { .. } => 0,
        Object::Send(_) => MACH_PORT_TYPE_SEND,
        Object::Receive(rights) if rights.has_send() => {
            MACH_PORT_TYPE_RECEIVE | MACH_PORT_TYPE_SEND
        }
        Object::Receive(_) => MACH_PORT_TYPE_RECEIVE,
        Object::SendOnce(_) => MACH_PORT_TYPE_SEND_ONCE,
        Object::Set(_) => MACH_PORT_TYPE_PORT_SET,
        Object::Dead => MACH_PORT_TYPE_DEAD_NAME,
    }
}
