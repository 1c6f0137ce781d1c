//! Telling the other side what happens, without holding up the conversation.

use stella_core::engine::Event;
use tokio::sync::mpsc;

use crate::{guard, transport::Publisher};

/// What waits to be told at most.
const CAPACITY: usize = 4_096;

/// What a publisher is told.
enum News {
    Entered,
    Event(Event),
}

/// Hands events to the publisher's task.
pub(super) struct Publishing {
    sender: Option<mpsc::Sender<News>>,
    lost: u64,
}

impl Publishing {
    /// The handle, and the task to be run.
    pub(super) fn new(mut publisher: Box<dyn Publisher>) -> (Self, impl Future<Output = ()> + Send) {
        let (sender, mut news) = mpsc::channel(CAPACITY);
        let task = async move {
            while let Some(news) = news.recv().await {
                let result = match news {
                    News::Entered => guard::caught(publisher.entered()).await,
                    News::Event(event) => guard::caught(publisher.publish(&event)).await,
                };
                if let Err(panicked) = result {
                    tracing::error!(%panicked, "publishing an event failed");
                }
            }
        };
        (Self { sender: Some(sender), lost: 0 }, task)
    }

    pub(super) fn entered(&mut self) {
        self.send(News::Entered);
    }

    pub(super) fn event(&mut self, event: &Event) {
        self.send(News::Event(event.clone()));
    }

    /// Nothing more is told: the task ends when it has told the rest.
    pub(super) fn finish(&mut self) {
        self.sender = None;
    }

    fn send(&mut self, news: News) {
        let Some(sender) = &self.sender else { return };
        if sender.try_send(news).is_err() {
            if self.lost == 0 {
                tracing::error!("the transport is too slow for the events of the conversation; some are not published");
            }
            self.lost += 1;
        }
    }
}
