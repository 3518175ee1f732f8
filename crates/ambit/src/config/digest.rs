//! `[digest]`: when the owner is told what happened, and where.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::Check;
use super::{Secret, Setting};

/// When a digest of what agents did is sent, and where; none is unless said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Digest {
    /// How often.
    #[serde(default)]
    pub every: Every,
    /// At which time of the day, as `HH:MM` in UTC.
    #[serde(default = "at")]
    #[schemars(length(min = 1))]
    pub at: String,
    /// Where it is sent.
    pub webhook: Webhook,
}

/// How often a digest is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Every {
    /// Every day.
    #[default]
    Day,
    /// Every Monday.
    Week,
}

/// Where a digest is sent, and what signs it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Webhook {
    /// The address, `https` or on this machine; a reference where its path holds a secret.
    pub url: Setting,
    /// The key that signs, by reference: `whsec_` and the Base64 of 24 to 64 random bytes.
    pub secret: Secret,
}

impl Digest {
    /// The time of the day, in minutes since midnight; nothing when it is none.
    #[must_use]
    pub fn minutes(&self) -> Option<i64> {
        let (hours, minutes) = self.at.split_once(':')?;
        let two = |text: &str, most: i64| {
            let digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse::<i64>().ok().filter(|number| digits && *number <= most)
        };
        Some(two(hours, 23)? * 60 + two(minutes, 59)?)
    }
}

impl Check<'_> {
    pub(super) fn digest(&mut self, digest: &Digest) {
        if digest.minutes().is_none() {
            let message = format!("`{}` is no time of the day", digest.at);
            self.error("bad-time", &["digest", "at"], message, "write it as `07:00`, in UTC");
        }
        let path = ["digest", "webhook", "url"];
        if let Setting::Plain(url) = &digest.webhook.url {
            self.endpoint(&path, url);
        }
        self.setting(&path, "url", &digest.webhook.url);
        self.setting(&["digest", "webhook", "secret"], "secret", &Setting::Secret(digest.webhook.secret.clone()));
    }
}

fn at() -> String {
    "07:00".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_the_day_has_one_form() {
        let minutes = |at: &str| {
            let webhook = Webhook { url: Setting::Plain(String::new()), secret: Secret::Env("X".into()) };
            Digest { every: Every::Day, at: at.into(), webhook }.minutes()
        };
        assert_eq!((minutes("00:00"), minutes("07:05"), minutes("23:59")), (Some(0), Some(425), Some(1439)));
        for wrong in ["7:00", "24:00", "07:60", "+7:00", "07-00", "0700", "07:0a", ""] {
            assert_eq!(minutes(wrong), None, "{wrong}");
        }
    }
}
