//! Resources and prompts: what the agent's systems list, live, put together and filtered; and which system a read is for.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ambit_core::action::Action;
use serde_json::value::RawValue;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::Passage;
use super::params::Params;
use super::tools::{action, renamed};
use crate::gate::rpc::{Members, code};
use crate::upstream::Listing;

// A system that lists nothing within this time is left out: the others must not wait for it.
const PATIENCE: Duration = Duration::from_secs(20);
// What was listed is believed for so long when a URI is looked up that is not in it.
const FRESH: Duration = Duration::from_secs(5);

/// Why there is no action; JSON-RPC's code and words for the agent.
pub(super) type Wrong = (i32, String);

/// What the agent's systems list of one kind, in the order of the systems.
struct Listed {
    system: String,
    items: Vec<Box<RawValue>>,
}

/// Which system has which resource, as last listed.
#[derive(Default)]
pub(super) struct Directory {
    known: Mutex<Option<Arc<Known>>>,
}

struct Known {
    at: Instant,
    uris: Vec<(String, String)>,
    templates: Vec<(String, String)>,
}

/// The result of `resources/list`, `resources/templates/list` or `prompts/list`.
pub(super) async fn listing(passage: &Arc<dyn Passage>, listing: Listing) -> Vec<u8> {
    let (member, key, operation) = match listing {
        Listing::Resources => ("resources", "uri", "resources/read"),
        Listing::ResourceTemplates => ("resourceTemplates", "uriTemplate", "resources/read"),
        Listing::Prompts => ("prompts", "name", "prompts/get"),
        Listing::Tools => ("tools", "name", "tools/call"),
    };
    let mut out = format!("{{\"{member}\":[").into_bytes();
    let mut first = true;
    for Listed { system, items } in list(passage, listing).await {
        for item in items {
            let Some(name) = member_text(&item, key).filter(|name| passage.could(&system, operation, name)) else {
                continue;
            };
            let item = match listing {
                Listing::Prompts => renamed(&item, &passage.naming().exposed(&system, &name)),
                _ => Some(item.get().as_bytes().to_vec()),
            };
            if let Some(item) = item {
                if !std::mem::take(&mut first) {
                    out.push(b',');
                }
                out.extend_from_slice(&item);
            }
        }
    }
    out.extend_from_slice(b"]}");
    out
}

/// Reads the parameters of `prompts/get`. The payload is their bytes, but for the prompt's name.
pub(super) async fn prompt(passage: &Arc<dyn Passage>, params: &RawValue) -> Result<Action, Wrong> {
    let params = Params::read(params, "prompts/get", &["name", "arguments"]).map_err(invalid)?;
    let name = params.text("name").map_err(invalid)?;
    let (system, prompt) = prompt_named(passage, &name).await?;
    let payload = params.payload("name", &prompt).map_err(invalid)?;
    Ok(action(passage.caller(), &system, "prompts/get", &prompt, payload))
}

/// The system and the prompt that an agent's name for one stands for.
async fn prompt_named(passage: &Arc<dyn Passage>, name: &str) -> Result<(String, String), Wrong> {
    let systems = passage.systems();
    let naming = passage.naming();
    match naming.unlisted(&systems, name) {
        Some(found) => Ok(found),
        // A shortened name says nothing of what it stands for; the lists do.
        None => {
            let mut found = Vec::new();
            for Listed { system, items } in list(passage, Listing::Prompts).await {
                let prompts = items.iter().filter_map(|item| member_text(item, "name"));
                found.extend(
                    prompts
                        .filter(|prompt| naming.exposed(&system, prompt) == name)
                        .map(|prompt| (system.clone(), prompt)),
                );
            }
            match found.as_slice() {
                [one] => Ok(one.clone()),
                [] => Err(invalid(format!("there is no prompt `{name}`; `prompts/list` says which there are"))),
                _ => Err(invalid(format!("more than one prompt would be called `{name}`"))),
            }
        }
    }
}

impl Directory {
    /// Reads the parameters of `resources/read` or `resources/subscribe`. The payload is their bytes.
    pub(super) async fn resource(
        &self,
        passage: &Arc<dyn Passage>,
        operation: &str,
        params: &RawValue,
    ) -> Result<Action, Wrong> {
        let params = Params::read(params, operation, &["uri"]).map_err(invalid)?;
        let uri = params.text("uri").map_err(invalid)?;
        let system = self.system_with(passage, &uri).await?;
        let payload = params.payload("uri", &uri).map_err(invalid)?;
        Ok(action(passage.caller(), &system, operation, &uri, payload))
    }

    /// Reads the parameters of `completion/complete`. The payload is their bytes, but for the prompt's name.
    pub(super) async fn completion(&self, passage: &Arc<dyn Passage>, params: &RawValue) -> Result<Action, Wrong> {
        let params = Params::read(params, "completion/complete", &["ref", "argument", "context"]).map_err(invalid)?;
        let reference = params.get("ref").ok_or_else(|| invalid("`ref` is missing"))?;
        let reference = Members::of(reference).map_err(invalid)?;
        let (member, system, name) = match reference.text("type").as_deref() {
            Some("ref/prompt") => {
                let name = reference.text("name").ok_or_else(|| invalid("`ref` has no `name`"))?;
                let (system, prompt) = prompt_named(passage, &name).await?;
                ("name", system, prompt)
            }
            Some("ref/resource") => {
                let uri = reference.text("uri").ok_or_else(|| invalid("`ref` has no `uri`"))?;
                ("uri", self.system_with(passage, &uri).await?, uri.into_owned())
            }
            _ => return Err(invalid("`ref` is neither a `ref/prompt` nor a `ref/resource`")),
        };
        let payload = params.payload_within("ref", member, &name).map_err(invalid)?;
        Ok(action(passage.caller(), &system, "completion/complete", &name, payload))
    }

    /// The system that lists the URI, or else the one with a template for it, or else the only one there is.
    async fn system_with(&self, passage: &Arc<dyn Passage>, uri: &str) -> Result<String, Wrong> {
        match passage.systems().as_slice() {
            [only] => Ok(only.clone()),
            _ => self.system_of(passage, uri).await,
        }
    }

    /// Forgets what was listed.
    pub(super) fn forget(&self) {
        *self.known() = None;
    }

    fn known(&self) -> MutexGuard<'_, Option<Arc<Known>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn system_of(&self, passage: &Arc<dyn Passage>, uri: &str) -> Result<String, Wrong> {
        let fresh =
            |known: &Arc<Known>| known.at.elapsed() <= FRESH || known.uris.iter().any(|(_, other)| other == uri);
        let known = self.known().clone().filter(fresh);
        let known = match known {
            Some(known) => known,
            // Nobody waits for a system that is slow to list but who asks for this.
            None => {
                let known = Arc::new(Known {
                    uris: keyed(list(passage, Listing::Resources).await, "uri"),
                    templates: keyed(list(passage, Listing::ResourceTemplates).await, "uriTemplate"),
                    at: Instant::now(),
                });
                *self.known() = Some(Arc::clone(&known));
                known
            }
        };
        let mut found: Vec<&str> =
            known.uris.iter().filter(|(_, other)| other == uri).map(|(system, _)| system.as_str()).collect();
        if found.is_empty() {
            let fitting = known.templates.iter().take(TEMPLATES).filter(|(_, template)| fits(template, uri));
            found = fitting.map(|(system, _)| system.as_str()).collect();
        }
        found.dedup();
        match found.as_slice() {
            [one] => Ok((*one).to_owned()),
            [] => Err((code::RESOURCE_NOT_FOUND, format!("no system lists `{uri}` or has a template for it"))),
            several => Err(invalid(format!("`{uri}` is in more than one system: {}", several.join(", ")))),
        }
    }
}

/// Asks all systems at once.
async fn list(passage: &Arc<dyn Passage>, listing: Listing) -> Vec<Listed> {
    let mut asked = JoinSet::new();
    for (place, system) in passage.systems().into_iter().enumerate() {
        let passage = Arc::clone(passage);
        asked.spawn(async move {
            // A system that cannot be asked has nothing to show; its own calls say why.
            let items =
                timeout(PATIENCE, passage.list(&system, listing)).await.ok().and_then(Result::ok).unwrap_or_default();
            (place, Listed { system, items })
        });
    }
    let mut listed: Vec<(usize, Listed)> = Vec::new();
    while let Some(one) = asked.join_next().await {
        listed.extend(one.ok());
    }
    listed.sort_by_key(|(place, _)| *place);
    listed.into_iter().map(|(_, listed)| listed).collect()
}

fn keyed(listed: Vec<Listed>, key: &str) -> Vec<(String, String)> {
    let mut keyed = Vec::new();
    for Listed { system, items } in listed {
        keyed.extend(items.iter().filter_map(|item| Some((system.clone(), member_text(item, key)?))));
    }
    keyed
}

fn member_text(item: &RawValue, key: &str) -> Option<String> {
    Members::of(item).ok()?.text(key).map(std::borrow::Cow::into_owned)
}

fn invalid(why: impl Into<String>) -> Wrong {
    (code::INVALID_PARAMS, why.into())
}

/// Whether a URI can come out of a template (RFC 6570). An expression stands for any text without `/`; one with an
/// operator, or of several variables, for any text at all. Wide on purpose: this only says which system is asked.
fn fits(template: &str, uri: &str) -> bool {
    if template.len() > LONGEST || uri.len() > LONGEST || template.matches('{').count() > EXPRESSIONS {
        return false;
    }
    // The ends of the parts of `uri` that the template up to here can stand for.
    let mut ends = vec![false; uri.len() + 1];
    if let Some(start) = ends.first_mut() {
        *start = true;
    }
    let mut rest = template;
    while !rest.is_empty() {
        let (literal, after) = rest.split_once('{').unwrap_or((rest, ""));
        let mut next = vec![false; ends.len()];
        for (from, _) in ends.iter().enumerate().filter(|(_, reached)| **reached) {
            if uri.get(from..).is_some_and(|uri| uri.starts_with(literal))
                && let Some(end) = next.get_mut(from + literal.len())
            {
                *end = true;
            }
        }
        if literal.len() < rest.len() {
            let Some((expression, after)) = after.split_once('}') else { return false };
            let narrow =
                expression.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'%'));
            let mut reached = false;
            for (end, before) in next.iter_mut().zip([None].into_iter().chain(uri.bytes().map(Some))) {
                reached = *end || (reached && !(narrow && before == Some(b'/')));
                *end = reached;
            }
            rest = after;
        } else {
            rest = "";
        }
        ends = next;
    }
    ends.last() == Some(&true)
}

// URIs and templates longer than this, and templates of more expressions, are not matched with one another: what a
// server writes there must not cost the others their time.
const LONGEST: usize = 2 << 10;
const EXPRESSIONS: usize = 16;
// So many templates of all systems are looked at.
const TEMPLATES: usize = 512;

#[cfg(test)]
mod tests {
    use super::{EXPRESSIONS, LONGEST, fits};

    #[test]
    fn templates_say_which_system_is_asked() {
        for (template, uri) in [
            ("file:///{name}", "file:///a.txt"),
            ("file:///{+path}", "file:///a/b.txt"),
            ("db://{table}/rows/{id}", "db://notes/rows/7"),
            ("x:///{a}{b}", "x:///"),
            ("test://{id}/end", "test://é/end"),
        ] {
            assert!(fits(template, uri), "{template} {uri}");
        }
        for (template, uri) in [
            ("file:///{name}", "file:///a/b.txt"),
            ("file:///{name}", "http://a"),
            ("db://{table}/rows/{id}", "db://notes/cells/7"),
            ("file:///{name", "file:///a"),
            ("file:///a", "file:///ab"),
        ] {
            assert!(!fits(template, uri), "{template} {uri}");
        }
        // What a server writes there costs nobody their time.
        let many = |count| "{a}".repeat(count);
        assert!(fits(&many(EXPRESSIONS), "x") && !fits(&many(EXPRESSIONS + 1), "x"));
        assert!(fits("{a}", &"x".repeat(LONGEST)) && !fits("{a}", &"x".repeat(LONGEST + 1)));
    }

    #[test]
    fn a_template_made_to_take_long_does_not() {
        assert!(!fits(&"{+a}a".repeat(1_000), &"a".repeat(900)));
    }
}
