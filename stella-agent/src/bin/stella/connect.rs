//! `stella connect`.

use stella_agent::transport::room::{RoomOptions, RoomTransport};
use stella_rtc::token::{ApiKey, TokenOptions, mint};

use crate::{agent::AgentArgs, failure::Failure};

/// Flags of `stella connect`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Address of the LiveKit server, such as ws://127.0.0.1:7880.
    #[arg(long, env = "LIVEKIT_URL")]
    url: String,
    /// A token that admits the agent to its room. Without it, one is made from key, secret and room.
    #[arg(long, env = "LIVEKIT_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// API key of the server.
    #[arg(long, env = "LIVEKIT_API_KEY", value_name = "KEY")]
    api_key: Option<String>,
    /// API secret of the server.
    #[arg(long, env = "LIVEKIT_API_SECRET", hide_env_values = true, value_name = "SECRET")]
    api_secret: Option<String>,
    /// Room to join, when no token is given.
    #[arg(long)]
    room: Option<String>,
    /// Who the agent is in the room, when no token is given.
    #[arg(long, default_value = "stella")]
    identity: String,
    /// Stay when everybody has left.
    #[arg(long)]
    stay: bool,
    #[command(flatten)]
    agent: AgentArgs,
}

pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    let token = args.token()?;
    let conversation = args.agent.prepare().await?;
    let options = RoomOptions { close_when_alone: !args.stay, ..RoomOptions::default() };
    let room = RoomTransport::connect(&args.url, &token, options).await;
    let room = room.map_err(|error| Failure::from(error).at(&args.url))?;
    println!("joined room {} as {}", room.session().room().name, room.session().local().identity);
    conversation.hold(room).await.map(drop)
}

impl Args {
    /// The token that was given, or one for the room that was named.
    fn token(&self) -> Result<String, Failure> {
        if let Some(token) = self.token.as_ref().filter(|token| !token.is_empty()) {
            return Ok(token.clone());
        }
        let (Some(key), Some(secret), Some(room)) = (&self.api_key, &self.api_secret, &self.room) else {
            return Err(Failure::usage("give --token, or --api-key, --api-secret and --room"));
        };
        let options = TokenOptions { agent: true, ..TokenOptions::new(room.as_str(), self.identity.as_str()) };
        mint(&ApiKey::new(key, secret), &options).map_err(|error| Failure::usage(error.to_string()))
    }
}
