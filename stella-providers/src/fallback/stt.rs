//! Recognisers, one after the other.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::StreamExt;
use stella_core::{
    error::ProviderError,
    stt::{Stt, SttCapabilities, SttOptions, SttSession},
};

use super::{FallbackOptions, Line};

/// Opens the next recogniser when one cannot be opened. One that fails later ends its events with the error and rests, so
/// that whoever opens recognition again, as the agent runtime does, gets the next.
#[derive(Debug)]
pub struct FallbackStt(Line<dyn Stt>);

impl FallbackStt {
    /// Recognisers in the order in which they are asked.
    pub fn new(first: Arc<dyn Stt>, others: impl IntoIterator<Item = Arc<dyn Stt>>, options: FallbackOptions) -> Self {
        Self(Line::new(first, others, options))
    }
}

async fn open(stt: &dyn Stt, options: &SttOptions) -> Result<SttSession, ProviderError> {
    stt.open(options).await
}

#[async_trait]
impl Stt for FallbackStt {
    fn name(&self) -> &'static str {
        self.0.first().name()
    }

    /// What all of them can do.
    fn capabilities(&self) -> SttCapabilities {
        let all = |can: fn(SttCapabilities) -> bool| self.0.providers.iter().all(|stt| can(stt.capabilities()));
        SttCapabilities {
            interim: all(|can| can.interim),
            word_times: all(|can| can.word_times),
            turn_end: all(|can| can.turn_end),
        }
    }

    async fn open(&self, options: &SttOptions) -> Result<SttSession, ProviderError> {
        let ask = |stt| open(stt, options);
        let (SttSession { input, events }, rest) = self.0.ask(|stt| stt.name(), ask).await?;
        let events = events.inspect(move |event| {
            if let Err(error) = event {
                rest.take(error);
            }
        });
        Ok(SttSession { input, events: events.boxed() })
    }
}
