//! `subscriptions/listen`: which changes a client wants to hear of, and how it is told.

use serde_json::value::RawValue;

use super::News;
use crate::gate::rpc::{self, Members};

/// What a client wants to hear of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    tools: bool,
    resources: bool,
    prompts: bool,
    /// Resources of which it wants to hear that they changed, by URI; `None`: those that its session subscribed to.
    of: Option<Vec<String>>,
}

// Of so many resources one subscription may hear.
const MOST: usize = 256;

impl Filter {
    /// Everything, as the generation with a handshake has it.
    pub(crate) const ALL: Filter = Filter { tools: true, resources: true, prompts: true, of: None };

    /// Reads the parameters of `subscriptions/listen`.
    pub(crate) fn read(params: &RawValue) -> Result<Filter, String> {
        let wanted = Members::of(params)?.get("notifications").ok_or("`notifications` is missing")?;
        let wanted = Members::of(wanted)?;
        let is = |name: &str| wanted.get(name).is_some_and(|value| value.get() == "true");
        let of = match wanted.get("resourceSubscriptions") {
            None => Vec::new(),
            Some(of) => serde_json::from_str(of.get()).map_err(|_| "`resourceSubscriptions` is no list of URIs")?,
        };
        if of.len() > MOST {
            return Err(format!("a subscription hears of at most {MOST} resources"));
        }
        Ok(Filter {
            of: Some(of),
            tools: is("toolsListChanged"),
            resources: is("resourcesListChanged"),
            prompts: is("promptsListChanged"),
        })
    }

    /// The resources that it is about.
    pub(crate) fn resources(&self) -> &[String] {
        self.of.as_deref().unwrap_or_default()
    }

    /// The same, but about these resources.
    pub(crate) fn about(self, of: Vec<String>) -> Filter {
        Filter { of: Some(of), ..self }
    }

    /// The message that says what was agreed to, the first of a subscription. `id`: the raw id of its request.
    pub(crate) fn acknowledge(&self, out: &mut Vec<u8>, id: &str) {
        let mut agreed = Vec::new();
        for (is, name) in [
            (self.tools, "toolsListChanged"),
            (self.resources, "resourcesListChanged"),
            (self.prompts, "promptsListChanged"),
        ] {
            if is {
                agreed.push(format!("\"{name}\":true"));
            }
        }
        if !self.resources().is_empty() {
            agreed.push(format!("\"resourceSubscriptions\":{}", serde_json::json!(self.resources())));
        }
        let params = format!("{{\"_meta\":{},\"notifications\":{{{}}}}}", meta(id), agreed.join(","));
        rpc::notification(out, "notifications/subscriptions/acknowledged", Some(params.as_bytes()));
    }

    /// Writes the messages for what changed. `id`: as for [`Filter::acknowledge`]; `None` where there is no subscription.
    pub(crate) fn tell(&self, out: &mut Vec<u8>, before: &News, now: &News, id: Option<&str>) {
        let params = id.map(|id| format!("{{\"_meta\":{}}}", meta(id)));
        for (wanted, changed, method) in [
            (self.tools, before.tools != now.tools, "notifications/tools/list_changed"),
            (self.resources, before.resources != now.resources, "notifications/resources/list_changed"),
            (self.prompts, before.prompts != now.prompts, "notifications/prompts/list_changed"),
        ] {
            if wanted && changed {
                rpc::notification(out, method, params.as_deref().map(str::as_bytes));
            }
        }
        for (uri, count) in now.updated.iter() {
            let changed = before.updated.get(uri) != Some(count);
            if changed && self.of.as_ref().is_none_or(|of| of.contains(uri)) {
                let mut params =
                    id.map_or_else(|| "{".to_owned(), |id| format!("{{\"_meta\":{},", meta(id))).into_bytes();
                params.extend_from_slice(b"\"uri\":");
                rpc::quote(&mut params, uri);
                params.push(b'}');
                rpc::notification(out, "notifications/resources/updated", Some(&params));
            }
        }
    }

    /// The message that ends a subscription that Ambit ends.
    pub(crate) fn end(out: &mut Vec<u8>, id: &str) {
        let result = format!("{{\"resultType\":\"complete\",\"_meta\":{}}}", meta(id));
        rpc::result(out, id, result.as_bytes());
    }
}

fn meta(id: &str) -> String {
    format!("{{\"io.modelcontextprotocol/subscriptionId\":{id}}}")
}
