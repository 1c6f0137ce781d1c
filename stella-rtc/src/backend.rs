//! Parts for engines of other crates, which implement [`RtcEngine`](crate::RtcEngine) over another WebRTC stack. Those
//! who only use an engine need nothing of it.
//!
//! | an engine has to | with |
//! |---|---|
//! | give received sound | [`FrameSource`], [`AudioStream::new`](crate::AudioStream::new) |
//! | give received text | [`TextSource`], [`TextStreamReader::new`](crate::TextStreamReader::new) |
//! | queue and pace own sound, with exact pause, clear and position | [`Sink`], [`SinkShared`], [`Pacer`] |
//! | hand out events without ever waiting for their reader | [`Events`] |

pub use crate::{
    audio_stream::FrameSource,
    event::TextSource,
    media::{
        pacer::{Pacer, Tick},
        queue::Taken,
    },
    pure::{
        events::Events,
        sink::{Sink, SinkShared, SinkState},
    },
};
