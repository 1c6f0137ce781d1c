//! Who is here, and whose words drive the turn.

use super::{CloseReason, Engine, Event, ReplyEnd, UserState, application::DRAIN, options::OnLeave};
use crate::{id::SpeakerId, time::Timestamp};

/// Whether anybody is here whose words count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Presence {
    /// As far as is known; participants need not be announced before they speak.
    #[default]
    Here,
    /// All are gone. If nobody is back by then, the conversation ends; without a time, it waits.
    Gone { by: Option<Timestamp> },
}

impl Presence {
    pub(super) fn deadline(self) -> Option<Timestamp> {
        match self {
            Self::Here => None,
            Self::Gone { by } => by,
        }
    }
}

impl Engine {
    /// Whether what this speaker says is meant for the agent: everybody's, unless one was linked.
    pub(super) fn drives(&self, speaker: SpeakerId) -> bool {
        self.linked.is_none_or(|linked| linked == speaker)
    }

    /// From now on this speaker drives the turn, or everybody if there is none.
    pub(super) fn link(&mut self, speaker: Option<SpeakerId>) {
        self.linked = speaker;
        if let Some(here) = self.speakers.iter().find(|s| s.present && self.drives(s.id)).map(|s| s.id) {
            self.somebody_here(here);
        }
    }

    /// Nothing is begun while nobody is here to hear it.
    pub(super) fn waits_for_somebody(&self) -> bool {
        self.presence != Presence::Here && self.config.conversation.on_leave == OnLeave::Hold
    }

    /// Somebody has gone; perhaps nobody is left.
    pub(super) fn somebody_left(&mut self, speaker: SpeakerId) {
        let left = self.speakers.iter().any(|s| s.present && self.drives(s.id));
        if left || !self.drives(speaker) || self.presence != Presence::Here {
            return;
        }
        self.presence = Presence::Gone { by: self.config.conversation.rejoin_within.map(|within| self.now + within) };
        self.tell_states();
        if self.user_state != UserState::Speaking {
            self.user_state_changed(UserState::Away);
        }
        if self.config.conversation.on_leave == OnLeave::Hold {
            self.drop_speculation();
            // Who is not here cannot hear the rest of it.
            if self.floor.reply().is_some_and(|reply| reply.options.interruptible)
                && let Some(reply) = self.floor.take()
            {
                self.event(Event::Interrupted { reply: reply.id, utterance: None });
                self.end_reply(*reply, ReplyEnd::Interrupted);
            }
        }
    }

    /// Somebody is here, for the first time or again.
    pub(super) fn somebody_here(&mut self, speaker: SpeakerId) {
        if self.drives(speaker) && self.presence != Presence::Here {
            self.presence = Presence::Here;
            self.user_active();
        }
    }

    /// Nobody has come back in time.
    pub(super) fn rejoin_overdue(&mut self) {
        self.presence = Presence::Here;
        self.end(CloseReason::UserLeft, None, DRAIN);
    }
}
