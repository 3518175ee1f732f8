//! What a release changes in who can be an agent, and in what its servers may ask its client, in words.

use std::collections::{BTreeMap, BTreeSet};

use ambit_core::difference::Way;

use crate::config::oauth::Signing;
use crate::config::{AgentOauth, Config, HttpOauth, MayAsk};

/// What a release changes there, against the `ambit.toml` of the one in force (nothing in force: `None`).
#[must_use]
pub fn difference(old: Option<&Config>, new: &Config, agent: &str) -> Vec<(Way, String)> {
    let nothing = Config::default();
    let old = old.unwrap_or(&nothing);
    let mut changes = Changes(Vec::new());
    changes.tokens_of_ours(old, new);
    match (door(old, agent), door(new, agent)) {
        (None, None) => {}
        (None, Some(now)) => {
            changes.say(Way::Widens, format!("access tokens of an issuer open its gate: {}", whole(&now)));
        }
        (Some(was), None) => {
            let words = format!("access tokens of the issuer `{}` open its gate no more", was.0.issuer);
            changes.say(Way::Narrows, words);
        }
        (Some(was), Some(now)) => {
            changes.issuer(was.0, now.0);
            changes.agent(was.1, now.1);
        }
    }
    let user = |config: &Config| config.agents.get(agent).and_then(|agent| agent.os_user.clone());
    changes.asked_for("the operating-system user", user(old).as_deref(), user(new).as_deref());
    changes.questions(&asking(old, agent), &asking(new, agent));
    changes.0
}

/// Whose access tokens are the agent's; nothing where none are.
fn door<'a>(config: &'a Config, agent: &str) -> Option<(&'a HttpOauth, &'a AgentOauth)> {
    let issuer = config.http.as_ref()?.oauth.as_ref()?;
    Some((issuer, config.agents.get(agent)?.oauth.as_ref()?))
}

/// What the servers of the agent's systems may ask its client for.
fn asking<'a>(config: &'a Config, agent: &str) -> BTreeMap<&'a str, &'a BTreeSet<MayAsk>> {
    let systems = config.agents.get(agent).into_iter().flat_map(|agent| &agent.systems);
    systems.filter_map(|name| Some((name.as_str(), &config.systems.get(name)?.may_ask))).collect()
}

/// All that is asked of a token, for a gate that no token of an issuer opened before.
fn whole((issuer, agent): &(&HttpOauth, &AgentOauth)) -> String {
    let mut all = vec![format!("those of `{}` for `{}`", issuer.issuer, issuer.base_url)];
    let mut add = |what: &str, one: Option<&str>| all.extend(one.map(|one| format!("{what} `{one}`")));
    add("of the subject", agent.subject.as_deref());
    add("of the client", agent.client.as_deref());
    add("with the scopes", Some(joined(&issuer.scopes).as_str()).filter(|scopes| !scopes.is_empty()));
    add("in the hands of", agent.held_by.as_deref());
    add("signed with the keys at", issuer.jwks.as_deref());
    let signings: Vec<&str> = issuer.algorithms.iter().copied().map(signing).collect();
    add("by", Some(signings.join(" ").as_str()));
    if issuer.plain_jwt {
        all.push("also where they do not say that they are access tokens".to_owned());
    }
    all.join(", ")
}

fn joined(words: &BTreeSet<String>) -> String {
    words.iter().map(String::as_str).collect::<Vec<_>>().join(" ")
}

struct Changes(Vec<(Way, String)>);

impl Changes {
    fn say(&mut self, way: Way, words: impl Into<String>) {
        self.0.push((way, words.into()));
    }

    fn tokens_of_ours(&mut self, old: &Config, new: &Config) {
        let taken = |config: &Config| {
            config.http.as_ref().and_then(|http| http.oauth.as_ref()).is_none_or(|issuer| issuer.ambit_tokens)
        };
        match (taken(old), taken(new)) {
            (false, true) => self.say(Way::Widens, "tokens that `ambit token` makes open its gate over HTTP"),
            (true, false) => self.say(Way::Narrows, "tokens that `ambit token` makes open its gate over HTTP no more"),
            _ => {}
        }
    }

    fn issuer(&mut self, old: &HttpOauth, new: &HttpOauth) {
        if old.issuer != new.issuer {
            let words = format!("its access tokens are those of the issuer `{}`, not of `{}`", new.issuer, old.issuer);
            self.say(Way::Widens, words);
        }
        if old.jwks != new.jwks {
            let at = |jwks: &Option<String>| {
                jwks.as_ref().map_or_else(|| "where the issuer says".to_owned(), |jwks| format!("at `{jwks}`"))
            };
            let words = format!("the issuer's keys are {}, not {}", at(&new.jwks), at(&old.jwks));
            self.say(Way::Widens, words);
        }
        if old.base_url != new.base_url {
            let words = format!("its access tokens are those for `{}`, not for `{}`", new.base_url, old.base_url);
            self.say(Way::Widens, words);
        }
        for added in new.algorithms.difference(&old.algorithms) {
            self.say(Way::Widens, format!("access tokens signed by {} are taken", signing(*added)));
        }
        for gone in old.algorithms.difference(&new.algorithms) {
            self.say(Way::Narrows, format!("access tokens signed by {} are taken no more", signing(*gone)));
        }
        for gone in old.scopes.difference(&new.scopes) {
            self.say(Way::Widens, format!("access tokens need the scope `{gone}` no more"));
        }
        for added in new.scopes.difference(&old.scopes) {
            self.say(Way::Narrows, format!("access tokens need the scope `{added}`"));
        }
        let plain = "tokens of the issuer that do not say that they are access tokens are taken";
        match (old.plain_jwt, new.plain_jwt) {
            (false, true) => self.say(Way::Widens, plain),
            (true, false) => self.say(Way::Narrows, format!("{plain} no more")),
            _ => {}
        }
    }

    fn agent(&mut self, old: &AgentOauth, new: &AgentOauth) {
        self.asked_for("the subject of its access tokens", old.subject.as_deref(), new.subject.as_deref());
        self.asked_for("the client of its access tokens", old.client.as_deref(), new.client.as_deref());
        self.asked_for("the person at whose hands it runs", old.held_by.as_deref(), new.held_by.as_deref());
    }

    /// Something that stands in the way: to say it narrows, to leave it out or to say another widens.
    fn asked_for(&mut self, what: &str, old: Option<&str>, new: Option<&str>) {
        match (old, new) {
            (None, Some(new)) => self.say(Way::Narrows, format!("{what} is `{new}`, where it was not said")),
            (Some(old), None) => self.say(Way::Widens, format!("{what} is not said, where it was `{old}`")),
            (Some(old), Some(new)) if old != new => {
                self.say(Way::Widens, format!("{what} is `{new}`, not `{old}`"));
            }
            _ => {}
        }
    }

    fn questions(&mut self, old: &BTreeMap<&str, &BTreeSet<MayAsk>>, new: &BTreeMap<&str, &BTreeSet<MayAsk>>) {
        let none = BTreeSet::new();
        let systems: BTreeSet<&str> = old.keys().chain(new.keys()).copied().collect();
        for name in systems {
            let was = old.get(name).copied().unwrap_or(&none);
            let now = new.get(name).copied().unwrap_or(&none);
            for added in now.difference(was) {
                self.say(Way::Widens, format!("the server of `{name}` may ask its client for {}", question(*added)));
            }
            for gone in was.difference(now) {
                let words = format!("the server of `{name}` may ask its client for {} no more", question(*gone));
                self.say(Way::Narrows, words);
            }
        }
    }
}

fn signing(signing: Signing) -> &'static str {
    match signing {
        Signing::Rs256 => "RS256",
        Signing::Ps256 => "PS256",
        Signing::Es256 => "ES256",
        Signing::EdDsa => "EdDSA",
    }
}

fn question(question: MayAsk) -> &'static str {
    match question {
        MayAsk::Elicitation => "something of the person at it (`elicitation`)",
        MayAsk::Sampling => "words of its model (`sampling`)",
        MayAsk::Roots => "where it works (`roots`)",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(toml: &str) -> Config {
        toml::from_str(toml).unwrap()
    }

    const BEFORE: &str = r#"
[http.oauth]
issuer = "https://id.example"
base-url = "https://gate.example"
algorithms = ["RS256"]
scopes = ["books"]
ambit-tokens = false
[agents.helper]
scope = "SCOPE.md"
systems = ["crm"]
os-user = "helper"
oauth = { subject = "s", client = "c", held-by = "dana" }
[agents.other]
scope = "OTHER.md"
systems = ["mail"]
oauth = { client = "other" }
[systems.crm]
kind = "mcp"
may-ask = ["roots"]
[systems.mail]
kind = "mcp"
"#;

    #[test]
    fn every_change_of_who_can_be_the_agent_and_of_what_its_client_is_asked_is_said() {
        use Way::{Narrows, Widens};
        let before = config(BEFORE);
        assert_eq!(difference(Some(&before), &before, "helper"), []);
        let base = r#"base-url = "https://gate.example""#;
        let with = |more: &str| format!("{base}\n{more}");
        let (jwks, plain) = (with("jwks = \"https://keys.example\""), with("plain-jwt = true"));
        // A change, which way it goes, which way it goes back, and a word of what is said of it.
        for (from, to, way, back, word) in [
            ("https://id.example", "https://evil.example", Widens, Widens, "issuer `https://evil.example`"),
            (base, jwks.as_str(), Widens, Widens, "at `https://keys.example`"),
            ("https://gate.example", "https://door.example", Widens, Widens, "for `https://door.example`"),
            ("[\"RS256\"]", "[\"RS256\", \"ES256\"]", Widens, Narrows, "signed by ES256"),
            (base, plain.as_str(), Widens, Narrows, "do not say that they are access tokens"),
            ("scopes = [\"books\"]", "", Widens, Narrows, "the scope `books`"),
            ("ambit-tokens = false", "", Widens, Narrows, "`ambit token`"),
            ("subject = \"s\", ", "", Widens, Narrows, "the subject"),
            ("subject = \"s\"", "subject = \"t\"", Widens, Widens, "the subject of its access tokens is `t`, not `s`"),
            (", client = \"c\"", "", Widens, Narrows, "the client"),
            ("client = \"c\"", "client = \"d\"", Widens, Widens, "is `d`, not `c`"),
            (", held-by = \"dana\"", "", Widens, Narrows, "at whose hands"),
            ("held-by = \"dana\"", "held-by = \"lee\"", Widens, Widens, "is `lee`, not `dana`"),
            ("os-user = \"helper\"", "", Widens, Narrows, "operating-system user"),
            (
                "[\"roots\"]",
                "[\"roots\", \"sampling\"]",
                Widens,
                Narrows,
                "server of `crm` may ask its client for words",
            ),
            ("[\"roots\"]", "[\"elicitation\", \"roots\"]", Widens, Narrows, "(`elicitation`)"),
            ("systems = [\"crm\"]", "systems = []", Narrows, Widens, "(`roots`)"),
            ("oauth = { subject = \"s\", client = \"c\", held-by = \"dana\" }", "", Narrows, Widens, "open its gate"),
        ] {
            let after = BEFORE.replacen(from, to, 1);
            assert_ne!(after, BEFORE, "{from}");
            let after = config(&after);
            for (old, new, way) in [(&before, &after, way), (&after, &before, back)] {
                let said = difference(Some(old), new, "helper");
                assert!(matches!(said.as_slice(), [(of, _)] if *of == way), "{to}: {said:?}");
            }
            let (there, again) =
                (difference(Some(&before), &after, "helper"), difference(Some(&after), &before, "helper"));
            assert!(there.iter().chain(&again).any(|(_, words)| words.contains(word)), "{to}: {there:?} {again:?}");
        }
    }

    #[test]
    fn what_is_another_agents_is_not_said_and_the_first_release_says_all_of_it() {
        let before = config(BEFORE);
        for (from, to) in [("client = \"other\"", "client = \"else\""), ("systems = [\"mail\"]", "systems = []")] {
            let after = config(&BEFORE.replacen(from, to, 1));
            assert_eq!(difference(Some(&before), &after, "helper"), [], "{to}");
        }
        let said = difference(None, &before, "helper");
        let words: Vec<&str> = said.iter().map(|(_, words)| words.as_str()).collect();
        assert_eq!(
            words,
            [
                "tokens that `ambit token` makes open its gate over HTTP no more",
                "access tokens of an issuer open its gate: those of `https://id.example` for `https://gate.example`, of \
                 the subject `s`, of the client `c`, with the scopes `books`, in the hands of `dana`, by `RS256`",
                "the operating-system user is `helper`, where it was not said",
                "the server of `crm` may ask its client for where it works (`roots`)",
            ]
        );
        assert_eq!(difference(None, &config("[agents.helper]\nscope = \"S\"\nsystems = []"), "helper"), []);
    }
}
