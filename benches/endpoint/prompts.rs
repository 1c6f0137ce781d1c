//! Spoken prompts of a telephone exchange: one woman reads, clearly; G.722 at 16 kHz.

use std::{collections::BTreeMap, fs::File, io::Read as _, path::Path};

use anyhow::{Context, Result};
use ezk_g722::libg722::{Bitrate, decoder::Decoder};

use super::turns::{Ends, Speech};

/// Where they lie in the archive.
const FOLDER: &str = "usr/share/asterisk/sounds/en_US_f_Allison/";

/// Prompts that are one whole sentence. They end where the recording does.
const SENTENCES: &[&str] = &[
    "agent-newlocation",
    "agent-pass",
    "all-circuits-busy-now",
    "cannot-complete-as-dialed",
    "check-number-dial-again",
    "conf-extended",
    "conf-full",
    "conf-getchannel",
    "conf-getconfno",
    "conf-getpin",
    "conf-invalidpin",
    "conf-kicked",
    "conf-leaderhasleft",
    "conf-locked",
    "conf-lockednow",
    "conf-muted",
    "conf-noempty",
    "conf-nonextended",
    "conf-now-muted",
    "conf-now-recording",
    "conf-now-unmuted",
    "conf-onlyone",
    "conf-onlyperson",
    "conf-placeintoconf",
    "conf-roll-callcomplete",
    "conf-unlockednow",
    "conf-unmuted",
    "conf-waitforleader",
    "confbridge-begin-glorious-a",
    "confbridge-begin-leader",
    "confbridge-conf-begin",
    "confbridge-conf-end",
    "confbridge-invalid",
    "confbridge-lock-no-join",
    "confbridge-locked",
    "confbridge-muted",
    "confbridge-only-one",
    "confbridge-only-participant",
    "confbridge-pin",
    "confbridge-pin-bad",
    "confbridge-removed",
    "confbridge-unlocked",
    "confbridge-unmuted",
    "demo-echodone",
    "demo-enterkeywords",
    "dictate/enter_filename",
    "dictate/forhelp",
    "dir-multi9",
    "dir-nomatch",
    "dir-nomore",
    "dir-welcome",
    "enter-num-blacklist",
    "entr-num-rmv-blklist",
    "feature-not-avail-line",
    "followme/no-recording",
    "followme/options",
    "followme/pls-hold-while-try",
    "followme/sorry",
    "hello-world",
    "im-sorry",
    "number-not-answering",
    "one-moment-please",
    "pbx-parkingfailed",
    "please-try-again",
    "please-try-call-later",
    "pls-hold-while-try",
    "priv-recordintro",
    "privacy-incorrect",
    "privacy-prompt",
    "privacy-unident",
    "queue-thankyou",
    "queue-youarenext",
    "simul-call-limit-reached",
    "something-terribly-wrong",
    "sorry",
    "sorry-youre-having-problems",
    "speed-dial-empty",
    "transfer",
    "tt-monkeysintro",
    "tt-somethingwrong",
    "tt-weasels",
    "vm-advopts",
    "vm-calldiffnum",
    "vm-changeto",
    "vm-delete",
    "vm-deleted",
    "vm-dialout",
    "vm-enter-num-to-call",
    "vm-forward-multiple",
    "vm-forwardoptions",
    "vm-helpexit",
    "vm-leavemsg",
    "vm-mailboxfull",
    "vm-marked-nonurgent",
    "vm-marked-urgent",
    "vm-msgforwarded",
    "vm-msgsaved",
    "vm-newpassword",
    "vm-next",
    "vm-nobodyavail",
    "vm-nobox",
    "vm-nonumber",
    "vm-passchanged",
    "vm-pls-try-again",
    "vm-prev",
    "vm-reachoper",
    "vm-rec-busy",
    "vm-rec-name",
    "vm-rec-temp",
    "vm-rec-unv",
    "vm-reenterpassword",
    "vm-repeat",
    "vm-review-nonurgent",
    "vm-review-urgent",
    "vm-savefolder",
    "vm-sorry",
    "vm-star-cancel",
    "vm-starmain",
    "vm-tempgreetactive",
    "vm-tempgreeting",
    "vm-tempgreeting2",
    "vm-tempremoved",
    "vm-tmpexists",
    "vm-tocallback",
    "vm-tocallnum",
    "vm-tocancelmsg",
    "vm-toenternumber",
    "vm-toforward",
    "vm-tohearenv",
    "vm-tomakecall",
    "vm-tooshort",
    "vm-toreply",
    "vm-torerecord",
    "vm-undelete",
    "vm-undeleted",
    "vm-whichbox",
];

/// Prompts of several sentences, or of a sentence that is a list. They are not cut: the quietest place in them is between
/// two sentences, where a turn may well end.
const SEVERAL: &[&str] = &[
    "agent-alreadyon",
    "agent-incorrect",
    "agent-user",
    "auth-incorrect",
    "basic-pbx-ivr-main",
    "dictate/both_help",
    "conf-adminmenu",
    "conf-adminmenu-18",
    "conf-adminmenu-menu8",
    "conf-usermenu",
    "conf-invalid",
    "demo-abouttotry",
    "demo-echotest",
    "demo-moreinfo",
    "demo-nogo",
    "demo-nomatch",
    "demo-thanks",
    "dir-instr",
    "dir-intro",
    "dir-intro-fn",
    "dir-usingkeypad",
    "invalid",
    "followme/status",
    "pbx-invalid",
    "pbx-invalidpark",
    "dictate/play_help",
    "dictate/record_help",
    "pm-invalid-option",
    "priv-introsaved",
    "queue-periodic-announce",
    "screen-callee-options",
    "ss-noservice",
    "tt-allbusy",
    "vm-forward",
    "vm-instructions",
    "vm-intro",
    "vm-invalid-password",
    "vm-invalidpassword",
    "vm-mismatch",
    "vm-msginstruct",
    "vm-newuser",
    "vm-options",
    "vm-opts",
    "vm-opts-full",
    "vm-record-prepend",
    "vm-review",
    "vm-saveoper",
    "unidentified-no-callback",
];

/// Sentences that the exchange puts together of prompts. The first recordings are unfinished, and read so. There is a
/// pause between groups; a group is read as one. They end in a number as often as not, which was not read as an end, so
/// their ends do not count.
const COMPOSED: &[&[&[&str]]] = &[
    &[&["vm-youhave"], &["digits/7", "vm-messages"]],
    &[&["vm-youhave", "digits/3"], &["vm-INBOX", "vm-messages"]],
    &[&["conf-thereare"], &["digits/5", "conf-otherinparty"]],
    &[&["confbridge-there-are", "digits/4"], &["confbridge-participants"]],
    &[&["queue-thereare"], &["digits/6", "queue-callswaiting"]],
    &[&["queue-holdtime"], &["queue-less-than", "digits/2", "queue-minutes"]],
    &[&["queue-holdtime", "queue-less-than"], &["digits/8", "queue-minutes"]],
    &[&["queue-quantity1"], &["digits/9", "queue-quantity2"]],
    &[&["vm-num-i-have"], &["digits/5", "digits/5", "digits/1"], &["digits/0", "digits/1", "digits/4", "digits/2"]],
    &[&["to-call-this-number"], &["vm-press", "digits/1"]],
    &[&["if-correct-press"], &["digits/1"]],
    &[&["dir-pls-enter"], &["digits/4", "dir-last"]],
    &[&["dir-pls-enter", "digits/3"], &["dir-first"]],
    &[&["vm-theperson"], &["digits/4", "digits/0", "digits/2", "vm-isonphone"]],
    &[&["vm-theperson", "digits/7", "digits/1"], &["vm-isunavail"]],
    &[&["at-tone-time-exactly"], &["digits/10", "digits/20", "digits/a-m"]],
    &[&["conf-enteringno"], &["digits/8", "digits/1"], &["digits/6", "digits/0"]],
    &[&["speed-dial", "digits/6"], &["is-set-to"], &["digits/4", "digits/9", "digits/9"]],
    &[&["privacy-to-blacklist-last-caller"], &["digits/6", "digits/0", "digits/9"]],
    &[&["vm-from-phonenumber"], &["digits/3", "digits/1"], &["digits/8", "digits/8"]],
    &[&["vm-from-extension"], &["digits/2", "digits/4"]],
    &[&["followme/call-from"], &["digits/3", "digits/9", "digits/7"]],
    &[&["vm-duration"], &["digits/2", "vm-minutes"]],
    &[&["you-entered"], &["digits/3", "digits/1"], &["digits/7", "digits/5"]],
    &[&["your", "telephone-number"], &["is", "digits/5", "digits/5"], &["digits/2", "digits/8"]],
    &[&["priv-callpending"], &["vm-from-extension", "digits/5"]],
];

/// All of them, the composed ones last.
pub(crate) fn read(archive: &Path) -> Result<Vec<Speech>> {
    let prompts = decode(archive)?;
    let prompt = |name: &&str| -> Result<Vec<i16>> {
        prompts.get(*name).cloned().with_context(|| format!("{} lacks {name}", archive.display()))
    };
    let whole = |names: &'static [&'static str], ends: Ends| {
        names.iter().map(move |name| {
            let groups = vec![vec![prompt(name)?]];
            Ok(Speech { name: (*name).into(), groups, ends })
        })
    };
    let composed = COMPOSED.iter().map(|groups| {
        let recordings = groups.iter().map(|group| group.iter().map(prompt).collect()).collect::<Result<_>>()?;
        let name = groups.concat().join(" ");
        Ok(Speech { name, groups: recordings, ends: Ends::Composed })
    });
    whole(SENTENCES, Ends::Sentence).chain(whole(SEVERAL, Ends::Several)).chain(composed).collect()
}

/// Every prompt of the archive by name.
fn decode(archive: &Path) -> Result<BTreeMap<String, Vec<i16>>> {
    let file = File::open(archive)
        .with_context(|| format!("cannot read {}; run `cargo xtask setup turns`", archive.display()))?;
    let mut prompts = BTreeMap::new();
    for entry in tar::Archive::new(file).entries()? {
        let mut entry = entry?;
        let path = entry.path()?.to_string_lossy().trim_start_matches("./").to_owned();
        let Some(name) = path.strip_prefix(FOLDER).and_then(|name| name.strip_suffix(".g722")) else { continue };
        let mut code = Vec::new();
        entry.read_to_end(&mut code)?;
        let samples = Decoder::new(Bitrate::Mode1_64000, false, false).decode(&code);
        prompts.insert(name.to_owned(), samples);
    }
    Ok(prompts)
}
