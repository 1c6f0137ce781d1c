//! The tool calls of one reply. Each call gets exactly one output.

use crate::{
    chat::{ChatItem, ToolCall, ToolOutput},
    id::CallId,
    time::Timestamp,
    tool::{OnInterrupt, ToolPolicy},
};

/// The calls of one reply, in the order of the model.
#[derive(Debug, Clone, Default)]
pub(super) struct Ledger {
    calls: Vec<Call>,
}

/// One call.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) id: CallId,
    /// Generation step that asked for it.
    pub(super) step: u32,
    pub(super) request: ToolCall,
    pub(super) policy: ToolPolicy,
    pub(super) state: State,
    /// Whether it was ever started.
    ran: bool,
}

/// How far a call is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    /// Waits until its reply is certain.
    Requested,
    /// At work.
    Running { by: Timestamp },
    /// Done, failed, cancelled or timed out.
    Output { text: String, is_error: bool },
}

/// What was done about a call when its reply was cut off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cut {
    /// It must be cancelled.
    Cancelled(CallId),
    /// It goes on in the background until then.
    Detached(CallId, String, Timestamp),
}

impl Ledger {
    /// Enters a call. Its model id is made unique, because history pairs calls and outputs by it; `taken` says that the
    /// history has it already.
    pub(super) fn enter(&mut self, id: CallId, step: u32, mut request: ToolCall, policy: ToolPolicy, taken: bool) {
        let taken = taken || self.calls.iter().any(|call| call.request.id == request.id);
        if request.id.is_empty() || taken {
            request.id = format!("{}#{}", request.id, id.0);
        }
        self.calls.push(Call { id, step, request, policy, state: State::Requested, ran: false });
    }

    /// The next call that may start: any, or only one that changes nothing outside.
    pub(super) fn start(&mut self, now: Timestamp, harmless_only: bool) -> Option<(CallId, ToolCall)> {
        let may = |call: &&mut Call| call.state == State::Requested && (!harmless_only || call.policy.read_only);
        let call = self.calls.iter_mut().find(may)?;
        call.ran = true;
        call.state = State::Running { by: now + call.policy.timeout };
        Some((call.id, call.request.clone()))
    }

    /// Takes the output of a running call. `false` if it is not awaited.
    pub(super) fn output(&mut self, id: CallId, text: String, is_error: bool) -> bool {
        let running = |call: &&mut Call| call.id == id && matches!(call.state, State::Running { .. });
        let Some(call) = self.calls.iter_mut().find(running) else { return false };
        call.state = State::Output { text, is_error };
        true
    }

    /// The running call whose time is over first, and when.
    pub(super) fn deadline(&self) -> Option<(Timestamp, CallId)> {
        let by = |call: &Call| match call.state {
            State::Running { by } => Some((by, call.id)),
            State::Requested | State::Output { .. } => None,
        };
        self.calls.iter().filter_map(by).min()
    }

    /// The first call.
    pub(super) fn first(&self) -> Option<CallId> {
        self.calls.first().map(|call| call.id)
    }

    /// Whether the model need not say anything: the last call was of a tool that speaks for itself.
    pub(super) fn may_be_quiet(&self) -> bool {
        self.calls.last().is_some_and(|call| call.policy.quiet)
    }

    pub(super) fn len(&self) -> usize {
        self.calls.len()
    }

    #[cfg(feature = "rules")]
    pub(super) fn calls(&self) -> impl Iterator<Item = &Call> {
        self.calls.iter()
    }

    /// Whether every call has its output.
    pub(super) fn is_settled(&self) -> bool {
        self.calls.iter().all(|call| matches!(call.state, State::Output { .. }))
    }

    /// Whether something may have changed outside.
    pub(super) fn has_effects(&self) -> bool {
        self.calls.iter().any(|call| call.ran && !call.policy.read_only)
    }

    /// Whether a step asked for calls.
    pub(super) fn has_calls(&self, step: u32) -> bool {
        self.calls.iter().any(|call| call.step == step)
    }

    /// Gives every open call an output, because the reply ends here.
    pub(super) fn cut(&mut self) -> Vec<Cut> {
        let mut cuts = Vec::new();
        for call in &mut self.calls {
            let (text, cut) = match (&call.state, call.policy.on_interrupt) {
                (State::Output { .. }, _) => continue,
                (State::Requested, _) => ("not run: the reply was interrupted", None),
                (State::Running { .. }, OnInterrupt::Cancel) => {
                    ("cancelled: the reply was interrupted", Some(Cut::Cancelled(call.id)))
                }
                (&State::Running { by }, OnInterrupt::Continue) => {
                    let name = call.request.name.clone();
                    (
                        "the reply was interrupted; this goes on in the background",
                        Some(Cut::Detached(call.id, name, by)),
                    )
                }
            };
            call.state = State::Output { text: text.into(), is_error: true };
            cuts.extend(cut);
        }
        cuts
    }

    /// The calls of a step and then their outputs, for the history. Only whole once the ledger is settled.
    pub(super) fn items(&self, step: u32) -> impl Iterator<Item = ChatItem> + '_ {
        let of_step = move || self.calls.iter().filter(move |call| call.step == step);
        let calls = of_step().map(|call| ChatItem::ToolCall(call.request.clone()));
        let outputs = of_step().filter_map(|call| match &call.state {
            State::Output { text, is_error } => Some(ChatItem::ToolOutput(ToolOutput {
                call_id: call.request.id.clone(),
                name: call.request.name.clone(),
                output: text.clone(),
                is_error: *is_error,
            })),
            State::Requested | State::Running { .. } => None,
        });
        calls.chain(outputs)
    }
}
