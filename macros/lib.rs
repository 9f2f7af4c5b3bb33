// SPDX-License-Identifier: GPL-2.0

//! Procedural macros of the mach module: how a trap or routine gets its number and a subsystem its
//! list.
//!
//! [`macro@trap`] stands on the function that does a trap's work and puts a descriptor beside it;
//! [`traps!`] makes a subsystem's list of such descriptors. Together they make one line the whole
//! of what it takes to add a trap, without link-time tricks: the descriptors are plain constants,
//! and the registry rejects a number that is given twice while the module is being built.
//!
//! [`macro@routine`] and [`routines!`] do the same for what is asked of kernel objects by message.
//!
//! The macros refer to `crate::core` and `crate::traps::ipc` of the crate that uses them. Whatever is written wrongly is
//! reported at the token concerned.

mod handler;
mod list;
mod routine;
mod trap;

use proc_macro::TokenStream;

/// Declares a function to be the handler of a trap.
///
/// The argument is the trap's number, an expression of type `u32` that is constant.
///
/// The function takes the context by reference and, if the trap has an argument, that argument by
/// value; its type says how it is fetched (`crate::core::TrapArg`). It returns a type that says
/// what the caller gets (`crate::core::TrapReturn`). It is a free function without `const`,
/// `async`, `unsafe`, `extern`, generic parameters and `where`.
///
/// # Examples
///
/// ```ignore
/// /// Drops one user reference of a right.
/// #[trap(nr::MACH_PORT_DEALLOCATE)]
/// fn mach_port_deallocate(ctx: &Context<'_>, args: MachPortDeallocateArgs) -> KernResult {
///     ctx.own_space(args.task_right_name)?.deallocate(args.port_right_name)
/// }
///
/// /// A trap without an argument.
/// #[trap(nr::TASK_SELF)]
/// fn task_self(ctx: &Context<'_>) -> PortName {
///     ctx.task().self_port()
/// }
/// ```
///
/// The function stays as it is and can be called. Beside it appears a hidden constant
/// `__trap_<name>` of type `crate::core::TrapDescriptor`, which [`traps!`] finds by the name of the
/// function. It is as visible as the function, and at least `pub(super)`, so that the list can
/// stand in the parent module.
///
/// When the argument cannot be fetched the function is not called, and the caller gets
/// `crate::core::Outcome::fault()`.
#[proc_macro_attribute]
pub fn trap(number: TokenStream, item: TokenStream) -> TokenStream {
    trap::expand(number.into(), item.into()).into()
}

/// Lists handlers by name: makes `&[TrapDescriptor; N]` of them.
///
/// # Examples
///
/// ```ignore
/// mod names;
/// mod rights;
///
/// /// The traps of this subsystem.
/// pub(crate) const TRAPS: &[TrapDescriptor] = traps![
///     names::mach_port_allocate,
///     rights::mach_port_deallocate,
///     rights::mach_port_mod_refs,
/// ];
/// ```
///
/// Each name must be that of a function with [`#[trap]`](macro@trap). Naming one twice is an error.
#[proc_macro]
pub fn traps(paths: TokenStream) -> TokenStream {
    list::expand(&handler::TRAP, paths.into()).into()
}

/// Declares a function to be a routine: what a message to a kernel object asks for.
///
/// The argument is the id of the request, an expression of type `i32` that is constant.
///
/// The function takes the call by reference, then the object that the message was sent to, also by
/// reference, then what the message holds, in order and by value; the types say how each is
/// decoded (`crate::traps::ipc::Param`). It returns a type that says what the reply holds
/// (`crate::traps::ipc::RoutineReturn`). It is a free function without `const`, `async`, `unsafe`,
/// `extern`, generic parameters and `where`.
///
/// # Examples
///
/// ```ignore
/// /// Gives out one of the special ports of a task.
/// #[routine(3409)]
/// fn task_get_special_port(
///     call: &Call<'_>,
///     task: &TaskPort,
///     which: i32,
/// ) -> RoutineResult<Option<SendRight>> {
///     ..
/// }
/// ```
///
/// The function stays as it is. Beside it appears a hidden constant `__routine_<name>` of type
/// `crate::traps::ipc::RoutineDescriptor`, which [`routines!`] finds by the name of the function.
/// It is as visible as the function, and at least `pub(super)`.
///
/// A message of the wrong size or with the wrong descriptors, or to another kind of object, is
/// refused and the function not called.
#[proc_macro_attribute]
pub fn routine(id: TokenStream, item: TokenStream) -> TokenStream {
    routine::expand(id.into(), item.into()).into()
}

/// Lists routines by name: makes `&[RoutineDescriptor; N]` of them, as [`traps!`] does of traps.
#[proc_macro]
pub fn routines(paths: TokenStream) -> TokenStream {
    list::expand(&handler::ROUTINE, paths.into()).into()
}
