// SPDX-License-Identifier: GPL-2.0

//! Telling of exceptions: the message to who listens, the answer, and whom to tell next (ABI traps
//! §11.2; XNU osfmk/kern/exception.c).
//!
//! Locks: none. The thread sleeps until it is answered or killed.

use super::{
    actions::{
        Actions,
        Listener,
        Manner, //
    },
    answer::{
        Answer,
        Question,
        ReplyPort, //
    },
    TASK,
    THREAD, //
};
use crate::{
    core::{
        Context,
        KernError,
        KernResult, //
    },
    traps::{
        ipc,
        task::state, //
    },
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// Numbers of exceptions (XNU osfmk/mach/exception_types.h).
pub(super) mod kind {
    pub(in super::super) const BAD_ACCESS: u32 = 1;
    pub(in super::super) const BAD_INSTRUCTION: u32 = 2;
    pub(in super::super) const ARITHMETIC: u32 = 3;
    pub(in super::super) const SOFTWARE: u32 = 5;
    pub(in super::super) const BREAKPOINT: u32 = 6;
}

/// An exception of the current thread.
#[derive(Clone, Copy)]
pub(super) struct Exception {
    /// One of [`kind`].
    pub(super) kind: u32,
    pub(super) codes: [i64; 2],
}

/// What became of an exception.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Somebody has dealt with it.
    Handled,
    /// Nobody wanted it.
    Unhandled,
    /// The thread has been killed while it waited.
    Killed,
}

impl Exception {
    /// Tells the thread's listener, then the task's and that of the machine, until one deals with
    /// it.
    pub(super) fn raise(self, context: &Context<'_>) -> Outcome {
        let thread = THREAD.of_thread(context.thread());
        let thread = thread.map(|own| &own.actions);
        let task = TASK.of_task_or_default(context.task());
        let host = task.map(|state| &*state.host.actions);
        let task = task.map(|state| &state.actions);
        for level in [thread, task, host].into_iter().flatten() {
            match self.tell(context, level) {
                Outcome::Unhandled => (),
                outcome => return outcome,
            }
        }
        Outcome::Unhandled
    }

    /// Tells the task's listener only.
    pub(super) fn raise_to_task(self, context: &Context<'_>) -> Outcome {
        TASK.of_task(context.task())
            .map_or(Outcome::Unhandled, |own| self.tell(context, &own.actions))
    }

    /// Tells who listens among `actions`. Without memory nobody hears of it.
    fn tell(self, context: &Context<'_>, actions: &Actions) -> Outcome {
        // CAST: kinds are small numbers.
        let Some(listener) = actions.listener(self.kind as usize) else {
            return Outcome::Unhandled;
        };
        let Ok(question) = self.ask(context, &listener) else {
            return Outcome::Unhandled;
        };
        let new_state = match question.wait(context.thread()) {
            None => return Outcome::Killed,
            Some(Answer::Refused) => return Outcome::Unhandled,
            Some(Answer::Handled(state)) => state,
        };
        let set = new_state.map_or(Ok(()), |(flavor, words)| {
            state::set(context.task(), context.thread(), flavor, &words)
        });
        match set {
            Ok(()) => Outcome::Handled,
            Err(_) => Outcome::Unhandled,
        }
    }

    /// Sends the message.
    fn ask(self, context: &Context<'_>, listener: &Listener) -> KernResult<Arc<Question>> {
        const REPLY: i32 = 100;

        let id = match (listener.wide_codes, listener.manner) {
            (false, Manner::Identity) => 2401,
            (false, Manner::State) => 2402,
            (false, Manner::StateIdentity) => 2403,
            (true, Manner::Identity) => 2405,
            (true, Manner::State) => 2406,
            (true, Manner::StateIdentity) => 2407,
        };
        let mut rights = KVec::with_capacity(2, GFP_KERNEL_ACCOUNT)?;
        if listener.manner != Manner::State {
            let thread = ipc::thread_right(context.thread());
            let task = ipc::control_right(context.task());
            for right in [thread, task] {
                rights.push(right.ok_or(KernError::FAILURE)?, GFP_KERNEL_ACCOUNT)?;
            }
        }
        let values = self.values(context, listener)?;

        let asked = listener.port.port().clone();
        let no_memory = |_| KernError::RESOURCE_SHORTAGE;
        let question = Question::new().map_err(no_memory)?;
        let reply = ReplyPort::new(question.clone(), id + REPLY, asked);
        let reply = Arc::new(reply, GFP_KERNEL_ACCOUNT)?;
        let reply = ipc::offer_once(reply).map_err(no_memory)?;
        ipc::request_of_user(&listener.port, reply, id, rights, &values)?;
        Ok(question)
    }

    /// What the message says after the NDR record: exception, codes, and a state if that is wanted.
    fn values(self, context: &Context<'_>, listener: &Listener) -> KernResult<KVec<u8>> {
        let mut values = KVec::new();
        let mut put = |bytes: &[u8]| values.extend_from_slice(bytes, GFP_KERNEL_ACCOUNT);
        put(&self.kind.to_ne_bytes())?;
        // CAST: there are two.
        put(&(self.codes.len() as u32).to_ne_bytes())?;
        for code in self.codes {
            if listener.wide_codes {
                put(&code.to_ne_bytes())?;
            } else {
                // CAST: The upper half is not told.
                put(&(code as u32).to_ne_bytes())?;
            }
        }
        if listener.manner != Manner::Identity {
            let words = state::get(context.task(), context.thread(), listener.flavor)?;
            put(&listener.flavor.to_ne_bytes())?;
            // CAST: a state has a few hundred words.
            put(&(words.len() as u32).to_ne_bytes())?;
            for word in &words {
                put(&word.to_ne_bytes())?;
            }
        }
        Ok(values)
    }
}
