//! The LiveKit server that a benchmark uses.

use clap::Args;

/// Where the server is, and what it takes to be let in: flags of a benchmark.
#[derive(Debug, Clone, Args)]
pub struct Server {
    /// Address of the LiveKit server
    #[arg(long, env = "LIVEKIT_URL", default_value = "ws://127.0.0.1:7880", value_name = "URL")]
    pub url: String,
    /// API key of the LiveKit server
    #[arg(long, env = "LIVEKIT_API_KEY", default_value = "devkey", value_name = "KEY")]
    pub api_key: String,
    /// API secret of the LiveKit server
    #[arg(long, env = "LIVEKIT_API_SECRET", default_value = "secret", hide_env_values = true, value_name = "SECRET")]
    pub api_secret: String,
}

impl Server {
    /// The same for a program on an SDK of LiveKit, as environment variables.
    #[must_use]
    pub fn variables(&self) -> [(&'static str, &str); 3] {
        [("LIVEKIT_URL", &self.url), ("LIVEKIT_API_KEY", &self.api_key), ("LIVEKIT_API_SECRET", &self.api_secret)]
    }
}
