//! A language model behind any server that speaks OpenAI's chat completions: OpenAI itself, llama.cpp, vLLM, Ollama, …
//!
//! ```no_run
//! # async fn run() -> Result<(), stella_core::error::ProviderError> {
//! use stella_core::{chat::{ChatContext, Role}, llm::{Llm, LlmRequest}};
//! use stella_providers::openai::OpenAiLlm;
//!
//! let llm = OpenAiLlm::builder("http://127.0.0.1:8080/v1", "qwen2.5-1.5b").max_tokens(200).build()?;
//! llm.check().await?; // no server, wrong address, no such model: said here, not in the first turn
//! let chat = ChatContext::new().with(Role::User, "Hello!");
//! let stream = llm.generate(LlmRequest { chat, ..LlmRequest::default() }).await?;
//! # drop(stream); Ok(()) }
//! ```
//!
//! # What the model is shown
//! Instructions at the start become one system message, and messages in a row from one side become one message, as
//! many chat templates refuse anything else. A message that was cut off ends in `…` after what was heard; one of which
//! nothing was heard is left out. Tool calls in a row become one assistant message, and each is followed by its output,
//! wherever that stands in the context: a call without output gets a placeholder, an output without call is left out.
//! So a server never refuses a request for its shape.
//!
//! # Tool calls printed as text
//! Small models often print a call instead of making it. Where a text could be one (it begins the message or a line
//! with `{` or a code fence, or is tagged `<tool_call>`), it is held back until that is decided, at most
//! [`Limits::held`] bytes of it. It is a call if it is an object with the name of a tool that was offered, and with an
//! object of arguments; anything else is text. Once text follows a printed call, the generation is ended: the model
//! writes that before it saw what the tool gave, and small models do not stop. What it cost is then not known.
//!
//! # Failures
//! Until something was handed out, [`generate`](stella_core::llm::Llm::generate) has not returned and a failed attempt
//! leaves no trace; what may succeed later is tried again as [`RetryPolicy`] says. A server that answers 500 to a
//! request with tools (llama.cpp, if it cannot parse what its model wrote) is asked once more without them, at once,
//! unless a call was required. Later failures end the stream with an error.

mod assemble;
mod builder;
mod failure;
mod gate;
mod generation;
mod key;
mod llm;
mod models;
mod printed_call;
mod request;
mod retry;
mod sse;
mod wire;

pub use self::{
    builder::{Limits, OpenAiLlmBuilder, Timeouts},
    key::ApiKey,
    llm::OpenAiLlm,
    retry::RetryPolicy,
};
