// SPDX-License-Identifier: GPL-2.0

//! Answers of those who are told of exceptions.
//!
//! A thread that tells of one waits for the answer, which comes as a message to the send-once right
//! that went with it. Behind that right is a [`ReplyPort`]; the message is a request to it, so that
//! what is forged or too short is refused like any other. When the right is gone the object is, and
//! the thread learns that there is no answer.
//!
//! Locks: `Question::answer` (spinlock), a leaf. Waking takes those of the scheduler.

use crate::{
    core::{
        mach,
        Live,
        ObjectCounter,
        Thread, //
    },
    linux::{
        process::ProcessId,
        wait::{
            new_wait_queue,
            WaitQueue, //
        },
    },
    traps::{
        ipc::{
            Call,
            KernelObject,
            Param,
            Port,
            Refusal,
            Request,
            RoutineDescriptor,
            RoutineResult,
            Shape,
            Words, //
        },
        task::state,
    },
};
use core::any::Any;
use kernel::{
    new_spinlock,
    prelude::*,
    sync::{
        Arc,
        SpinLock, //
    },
};
use mach_macros::{
    routine,
    routines, //
};

pub(super) static QUESTIONS: ObjectCounter = ObjectCounter::new("exceptions");

/// The routines of this file.
pub(super) const ROUTINES: &[RoutineDescriptor] = routines![
    exception_raise_reply,
    exception_raise_state_reply,
    exception_raise_state_identity_reply,
    mach_exception_raise_reply,
    mach_exception_raise_state_reply,
    mach_exception_raise_state_identity_reply,
];

/// What became of a question.
pub(super) enum Answer {
    /// The exception has been dealt with; with a state of the thread, and its kind, if those were
    /// asked for.
    Handled(Option<(i32, KVec<u32>)>),
    /// Somebody else is to be told.
    Refused,
}

/// A thread that has told of an exception, and waits.
#[pin_data]
pub(super) struct Question {
    #[pin]
    answer: SpinLock<Option<Answer>>,
    #[pin]
    asker: WaitQueue,
    _live: Live,
}

impl Question {
    /// Makes one without an answer. Fails with `ENOMEM`.
    pub(super) fn new() -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                answer <- new_spinlock!(None, "Question::answer"),
                asker <- new_wait_queue!("Question::asker"),
                _live: Live::new(&QUESTIONS),
            }),
            GFP_KERNEL_ACCOUNT,
        )
    }

    /// Waits for the answer. `None` when `thread`, the asker, has been killed; other signals wait as
    /// well.
    pub(super) fn wait(&self, thread: &Thread) -> Option<Answer> {
        // Whatever the outcome, an answer that is there counts.
        let _ = self
            .asker
            .wait_killable(|| thread.is_terminating() || self.answer.lock().is_some());
        self.answer.lock().take()
    }

    /// Gives the answer, unless there is one.
    fn give(&self, answer: Answer) {
        let mut place = self.answer.lock();
        if place.is_none() {
            *place = Some(answer);
            drop(place);
            self.asker.wake_all();
        }
    }
}

/// Where the answer to a question comes to.
pub(super) struct ReplyPort {
    question: Arc<Question>,
    /// The message id that the answer must have.
    id: i32,
    /// The port that was told.
    asked: Arc<Port>,
}

impl ReplyPort {
    /// Makes the object for `question`, which `asked` is to answer with a message `id`.
    pub(super) fn new(question: Arc<Question>, id: i32, asked: Arc<Port>) -> Self {
        Self {
            question,
            id,
            asked,
        }
    }

    /// Takes what a message `id` says for the answer. There is none to that.
    fn take(&self, id: i32, answer: Answer) -> RoutineResult {
        if id == self.id {
            self.question.give(answer);
        }
        Err(Refusal::NO_REPLY)
    }
}

impl KernelObject for ReplyPort {
    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// The right is gone. If it went with who was told, the exception counts as dealt with: that the
/// thread runs into it again is better than that it dies with its debugger (ABI traps §11.2).
impl Drop for ReplyPort {
    fn drop(&mut self) {
        // Rights of a process that ends go in any order.
        let process_ends =
            || mach().is_none_or(|mach| mach.task_of(&ProcessId::current()).is_none());
        self.question
            .give(if !self.asked.is_alive() || process_ends() {
                Answer::Handled(None)
            } else {
                Answer::Refused
            });
    }
}

/// What an answer without a state says.
fn plain(code: i32) -> Answer {
    match code {
        0 => Answer::Handled(None),
        _ => Answer::Refused,
    }
}

/// An answer with a state: code, kind, words; of one that refuses only the code.
struct WithState(Answer);

impl Param for WithState {
    const SHAPE: Shape = Shape::Inline;

    fn take(request: &mut Request<'_>) -> RoutineResult<Self> {
        if i32::take(request)? != 0 {
            return Ok(Self(Answer::Refused));
        }
        let flavor = i32::take(request)?;
        let words = Words::<{ state::MAX }>::take(request)?;
        Ok(Self(Answer::Handled(Some((flavor, words.0)))))
    }
}

/// The answer to `exception_raise`.
#[routine(2501)]
fn exception_raise_reply(_call: &Call<'_>, port: &ReplyPort, code: i32) -> RoutineResult {
    port.take(2501, plain(code))
}

/// The answer to `exception_raise_state`.
#[routine(2502)]
fn exception_raise_state_reply(
    _call: &Call<'_>,
    port: &ReplyPort,
    answer: WithState,
) -> RoutineResult {
    port.take(2502, answer.0)
}

/// The answer to `exception_raise_state_identity`.
#[routine(2503)]
fn exception_raise_state_identity_reply(
    _call: &Call<'_>,
    port: &ReplyPort,
    answer: WithState,
) -> RoutineResult {
    port.take(2503, answer.0)
}

/// The answer to `mach_exception_raise`.
#[routine(2505)]
fn mach_exception_raise_reply(_call: &Call<'_>, port: &ReplyPort, code: i32) -> RoutineResult {
    port.take(2505, plain(code))
}

/// The answer to `mach_exception_raise_state`.
#[routine(2506)]
fn mach_exception_raise_state_reply(
    _call: &Call<'_>,
    port: &ReplyPort,
    answer: WithState,
) -> RoutineResult {
    port.take(2506, answer.0)
}

/// The answer to `mach_exception_raise_state_identity`.
#[routine(2507)]
fn mach_exception_raise_state_identity_reply(
    _call: &Call<'_>,
    port: &ReplyPort,
    answer: WithState,
) -> RoutineResult {
    port.take(2507, answer.0)
}
