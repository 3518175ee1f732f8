//! What exists, put together: the lock says what systems offer, `ambit.toml` what it means (tags, and how tools read).

mod database;
mod only;
mod returned;
mod shown;

use std::collections::BTreeSet;

use ambit_core::catalog::{
    Catalog, Declared, DeclaredEffect, Field, Resource, ResourceId, ResourceKind, Shape, System, SystemId, Type,
};
use ambit_core::effect::FieldSet;
use ambit_core::scope::Span;
use ambit_core::scope::diagnostics::{Diagnostic, Severity, nearest};
use ambit_effects::definition::ToolDefinition;
use ambit_effects::schema;

use crate::config::program::unpinned;
use crate::config::{self, Config, Doing, Returns};
use crate::lock::{self, Lock};
use database::Types;
use only::only;

pub use database::database;

/// What `ambit.toml` and the lock say that does not fit together, by the file that it stands in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems {
    /// In `ambit.toml`.
    pub in_config: Vec<Diagnostic>,
    /// In `ambit.lock`.
    pub in_lock: Vec<Diagnostic>,
}

impl Problems {
    /// Whether one of them is an error.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.in_config.iter().chain(&self.in_lock).any(|one| one.severity == Severity::Error)
    }
}

/// What exists for that agent: what its systems offer, and what their tools are declared to touch elsewhere; for `None`,
/// everything. Problems with other systems are left out.
#[must_use]
pub fn catalog_of(config: &Config, lock: &Lock, agent: Option<&str>) -> (Catalog, Problems) {
    let concerned: BTreeSet<&str> = match agent {
        Some(agent) => {
            config.agents.get(agent).into_iter().flat_map(|agent| &agent.systems).map(String::as_str).collect()
        }
        None => config.systems.keys().map(String::as_str).collect(),
    };
    let mut build = Build { config, lock, concerned, catalog: Catalog::new(), problems: Problems::default() };
    // Systems first: a declared effect may lead to any of them.
    for (name, system) in &config.systems {
        build.system(name, system);
    }
    for (path, tags) in &config.tags {
        build.tag(path, tags);
    }
    for (name, system) in &config.systems {
        build.readings(name, system);
    }
    let Build { catalog, mut problems, concerned, .. } = build;
    if let Some(agent) = agent {
        problems.in_config.extend(shown::names_for_several(config, lock, agent));
    }
    problems.in_config.sort_by_key(|one| one.at.bytes.start);
    problems.in_lock.sort_by_key(|one| one.at.bytes.start);
    let catalog = if agent.is_some() { only(&catalog, &concerned) } else { catalog };
    (catalog, problems)
}

struct Build<'a> {
    config: &'a Config,
    lock: &'a Lock,
    concerned: BTreeSet<&'a str>,
    catalog: Catalog,
    problems: Problems,
}

impl Build<'_> {
    fn system(&mut self, name: &str, system: &config::System) {
        let id = self.catalog.add_system(System {
            name: name.to_owned(),
            kind: system.kind.into(),
            tags: self.tags_of_system(name, system),
        });
        if matches!(system.kind, config::Kind::Http | config::Kind::Shell) {
            let message = format!("no gate stands before `{name}` yet; scopes over it can be written and checked");
            let help = "an agent reaches it past Ambit: keep its credentials from the agent";
            self.found(Diagnostic::note, "no-gate-yet", name, &["systems", name, "kind"], message, help);
        }
        if let Some(unpinned) = unpinned(&system.command) {
            let message = format!("{} that the system `{name}` starts may be another one tomorrow", unpinned.what);
            let at = ["systems", name, "command"];
            self.found(Diagnostic::not_ready, "unpinned-program", name, &at, message, unpinned.instead);
        }
        let Some(locked) = self.lock.systems.get(name) else {
            let help = match system.kind {
                config::Kind::Mcp | config::Kind::Postgres => format!("run `ambit inventory {name}`"),
                _ => "describe its relations in `ambit.lock` by hand".to_owned(),
            };
            let message = format!("`{name}` has not been looked at: nothing is known of what it offers");
            self.in_config("not-in-lock", name, &["systems", name], message, help);
            return;
        };
        if locked.kind != system.kind {
            let message = format!("`{name}` was looked at as another kind of system");
            self.in_config(
                "kind-changed",
                name,
                &["systems", name, "kind"],
                message,
                format!("run `ambit inventory {name}`"),
            );
        }
        if locked.program.as_ref().is_some_and(|program| program.command != system.command) {
            let message = format!("`{name}` was looked at with another `command`");
            let help = format!("run `ambit inventory {name}`");
            self.in_config("program-changed", name, &["systems", name, "command"], message, help);
        }
        for (tool, definition) in &locked.tools {
            self.tool(id, name, tool, definition);
        }
        if locked.resources {
            self.add(
                name,
                Resource { fields: vec![text_field("uri")], ..resource(id, "resource", ResourceKind::Document) },
            );
        }
        if !locked.prompts.is_empty() {
            let arguments = Field {
                name: "arguments".to_owned(),
                tags: BTreeSet::new(),
                shape: Shape { open: true, ..Shape::default() },
                required: false,
            };
            let fields = vec![text_field("name"), arguments];
            self.add(name, Resource { fields, ..resource(id, "prompt", ResourceKind::Prompt) });
        }
        let types = Types::of(locked.database.as_ref().map_or(&[], |database| &database.types));
        for (relation, definition) in &locked.relations {
            // What is counted in a sequence is nobody's data; statements that reach for one are read as that.
            if definition.kind == lock::RelationKind::Sequence {
                continue;
            }
            let field = |column: &lock::Column| Field {
                name: column.name.clone(),
                tags: BTreeSet::new(),
                shape: types.shape(column),
                required: false,
            };
            let fields = definition.columns.iter().map(field).collect();
            let digest = definition.digest_as(relation);
            self.add(name, Resource { fields, digest, ..resource(id, relation, ResourceKind::Relation) });
        }
        self.relations(id, name, system);
    }

    /// What the system's tools return, as its owner names it.
    fn relations(&mut self, id: SystemId, system: &str, said: &config::System) {
        for (relation, columns) in &said.relations {
            let field = |column: &String| Field {
                name: column.clone(),
                tags: BTreeSet::new(),
                shape: Shape::default(),
                required: false,
            };
            let fields = columns.iter().map(field).collect();
            let added =
                self.catalog.add_resource(Resource { fields, ..resource(id, relation, ResourceKind::Relation) });
            if added.is_none() {
                let message = format!("`{system}` offers something named `{relation}` already");
                let help = "give the relation another name";
                self.in_config("name-taken", system, &["systems", system, "relations", relation], message, help);
            }
        }
    }

    fn tool(&mut self, id: SystemId, system: &str, name: &str, definition: &lock::Definition) {
        let read = definition.read_tool().map_err(|error| error.to_string());
        let with_fields = read.and_then(|tool| match schema::arguments(&tool.input_schema) {
            Ok(arguments) => Ok((tool, arguments.fields)),
            Err(error) => Err(error.to_string()),
        });
        match with_fields {
            Ok((tool, fields)) => {
                let ToolDefinition { digests, annotations, .. } = tool;
                let declared =
                    Declared { destructive_hint: annotations.destructive_hint == Some(true), ..Declared::default() };
                let digest = digests.whole.to_string();
                self.add(system, Resource { fields, declared, digest, ..resource(id, name, ResourceKind::Tool) });
            }
            // Left out of the catalog, so that every call of it is refused.
            Err(why) => {
                let message = format!("the tool `{name}` of `{system}` cannot be called: {why}");
                let help =
                    "its server has to give it a schema that can be read; until then every call of it is refused";
                self.in_lock("unusable-tool", system, &["systems", system, "tools", name, "definition"], message, help);
            }
        }
    }

    fn add(&mut self, system: &str, resource: Resource) {
        let (name, kind) = (resource.name.clone(), resource.kind);
        if self.catalog.add_resource(resource).is_none() {
            let what = if kind == ResourceKind::Prompt { "prompts" } else { "resources" };
            let message = format!("`{system}` has a tool `{name}`, so its {what} cannot be named");
            let help = format!("its {what} are refused until its server gives the tool another name");
            self.in_lock("name-taken", system, &["systems", system, "tools", &name], message, help);
        }
    }

    fn tags_of_system(&self, name: &str, system: &config::System) -> BTreeSet<String> {
        system.tags.iter().chain(self.config.tags.get(name).into_iter().flatten()).cloned().collect()
    }

    /// Gives tags to whatever lies at the path or under it.
    fn tag(&mut self, path: &str, tags: &BTreeSet<String>) {
        let Some((system, rest)) = path.split_once('.') else { return };
        let Some(id) = self.catalog.system_named(system) else { return };
        if !self.lock.systems.contains_key(system) {
            return;
        }
        let under = |name: &str| name == rest || name.strip_prefix(rest).is_some_and(|more| more.starts_with('.'));
        let mut reached: Vec<(ResourceId, Option<usize>)> = Vec::new();
        for (resource_id, resource) in self.catalog.resources_of(id) {
            let names = names_of(resource);
            if names.iter().any(|name| under(name)) {
                reached.push((resource_id, None));
            }
            for name in names {
                let field = rest.strip_prefix(name).and_then(|more| more.strip_prefix('.'));
                if let Some(place) = field.and_then(|field| resource.field_named(field)) {
                    reached.push((resource_id, Some(place)));
                }
            }
        }
        if reached.is_empty() {
            let known = self.known_under(id, rest);
            let message = format!("`{system}` offers nothing named `{rest}`");
            self.unknown(system, &["tags", path], message, rest, &known);
        }
        for (resource, field) in reached {
            let Some(resource) = self.catalog.resource_mut(resource) else { continue };
            match field {
                None => resource.tags.extend(tags.iter().cloned()),
                Some(place) => {
                    if let Some(field) = resource.fields.get_mut(place) {
                        field.tags.extend(tags.iter().cloned());
                    }
                }
            }
        }
    }

    /// How the system's tools read.
    fn readings(&mut self, name: &str, system: &config::System) {
        let Some(id) = self.catalog.system_named(name) else { return };
        if !self.lock.systems.contains_key(name) {
            return;
        }
        for tool in &system.reading_tools {
            if self.find_tool(name, id, tool, &["systems", name, "reading-tools"]).is_some()
                && !system.tools.contains_key(tool)
            {
                self.reading(name, system, tool, &config::Tool::default());
            }
        }
        for (tool, declared) in &system.tools {
            if self.find_tool(name, id, tool, &["systems", name, "tools", tool]).is_some() {
                self.reading(name, system, tool, declared);
            }
        }
    }

    fn reading(&mut self, name: &str, system: &config::System, tool: &str, said: &config::Tool) {
        let here = ["systems", name, "tools", tool];
        let own = self.catalog.system_named(name).and_then(|id| self.catalog.resource_named(id, tool));
        let Some((own, resource)) = own.and_then(|id| Some((id, self.catalog.resource(id)?))) else { return };
        let names: Vec<String> = resource.fields.iter().map(|field| field.name.clone()).collect();
        let destructive_hint = resource.declared.destructive_hint;
        let reads_only = system.reads(tool);
        if reads_only && destructive_hint {
            let message = format!("`{tool}` is declared as reading, and its server says that it destroys");
            let help = "look at what the tool does, and declare it as what it is";
            // Where it was declared: the short list names the tool nowhere else.
            let short = ["systems", name, "reading-tools"];
            let at: &[&str] = if system.reading_tools.contains(tool) { &short } else { &here };
            self.found(Diagnostic::not_ready, "reads-but-destroys", name, at, message, help);
        }
        if let Some(amount) = &said.amount {
            let first = amount.split(['.', '[']).next().unwrap_or_default();
            if !names.iter().any(|name| name == first) {
                let message = format!("`{tool}` has no argument `{first}`");
                self.unknown(name, &["systems", name, "tools", tool, "amount"], message, first, &names);
            }
        }
        let mut effects = Vec::new();
        if let Some(verb) = said.verb {
            let path = ["systems", name, "tools", tool, "resource"];
            let target = match &said.resource {
                Some(path_said) => self.target(name, path_said, &path),
                None => Some(own),
            };
            effects.extend(target.and_then(|target| self.effect(name, verb, target, said.fields.as_ref(), &here)));
        }
        for (index, effect) in said.effects.iter().enumerate() {
            let index = index.to_string();
            let path = ["systems", name, "tools", tool, "effects", &index, "resource"];
            let target = self.target(name, &effect.resource, &path);
            let path = ["systems", name, "tools", tool, "effects", &index];
            effects.extend(
                target.and_then(|target| self.effect(name, effect.verb, target, effect.fields.as_ref(), &path)),
            );
        }
        let (returns, parts) = match &said.returns {
            Returns::Tags(tags) => (tags.clone(), Vec::new()),
            Returns::Parts(parts) => (BTreeSet::new(), self.returned(name, tool, own, parts)),
        };
        if let Some(resource) = self.catalog.resource_mut(own) {
            resource.tags.extend(said.tags.iter().cloned());
            resource.declared = Declared {
                reads_only,
                effects,
                returns,
                parts,
                amount: said.amount.clone(),
                reversible: said.reversible,
                destructive_hint,
            };
        }
    }

    fn effect(
        &mut self,
        system: &str,
        verb: Doing,
        target: ResourceId,
        fields: Option<&BTreeSet<String>>,
        here: &[&str],
    ) -> Option<DeclaredEffect> {
        let mut set = FieldSet::new();
        let Some(fields) = fields else {
            set.insert_unlisted();
            return Some(DeclaredEffect { verb: verb.into(), resource: target, fields: set });
        };
        let resource = self.catalog.resource(target)?;
        let known: Vec<String> = resource.fields.iter().map(|field| field.name.clone()).collect();
        let missing: Vec<&String> = fields.iter().filter(|field| resource.field_named(field).is_none()).collect();
        for place in fields.iter().filter_map(|field| resource.field_named(field)) {
            set.insert(place);
        }
        let path = self.catalog.path(target);
        for field in missing {
            let at: Vec<&str> = here.iter().copied().chain(["fields"]).collect();
            self.unknown(system, &at, format!("`{path}` has no field `{field}`"), field, &known);
        }
        Some(DeclaredEffect { verb: verb.into(), resource: target, fields: set })
    }

    /// The resource that a path in `ambit.toml` names.
    fn target(&mut self, of: &str, path: &str, at: &[&str]) -> Option<ResourceId> {
        let (system, rest) = path.split_once('.').unwrap_or((path, ""));
        let Some(id) = self.catalog.system_named(system) else {
            let known: Vec<String> = self.config.systems.keys().cloned().collect();
            self.unknown(of, at, format!("there is no system `{system}`"), system, &known);
            return None;
        };
        let found = self.catalog.resource_named(id, rest);
        if found.is_none() {
            let known: Vec<String> =
                self.catalog.resources_of(id).flat_map(|(_, resource)| names_of(resource)).map(str::to_owned).collect();
            self.unknown(of, at, format!("`{system}` offers nothing named `{rest}`"), rest, &known);
        }
        found
    }

    fn find_tool(&mut self, system: &str, id: SystemId, tool: &str, at: &[&str]) -> Option<ResourceId> {
        let is_tool = |resource: &Resource| resource.kind == ResourceKind::Tool;
        let found = self
            .catalog
            .resources_of(id)
            .find(|(_, resource)| is_tool(resource) && resource.name == tool)
            .map(|(id, _)| id);
        // One that cannot be called has its own finding.
        let unusable = self.lock.systems.get(system).is_some_and(|locked| locked.tools.contains_key(tool));
        if found.is_none() && !unusable {
            let tools = self.catalog.resources_of(id).filter(|(_, resource)| is_tool(resource));
            let known: Vec<String> = tools.map(|(_, resource)| resource.name.clone()).collect();
            self.unknown(system, at, format!("`{system}` offers no tool `{tool}`"), tool, &known);
        }
        found
    }

    /// What a path into that system may name: its resources, and the fields of the one that was meant.
    fn known_under(&self, system: SystemId, rest: &str) -> Vec<String> {
        let mut known = Vec::new();
        for (_, resource) in self.catalog.resources_of(system) {
            for name in names_of(resource) {
                known.push(name.to_owned());
                if rest.strip_prefix(name).is_some_and(|more| more.starts_with('.')) {
                    known.extend(resource.fields.iter().map(|field| format!("{name}.{}", field.name)));
                }
            }
        }
        known
    }

    fn unknown(&mut self, system: &str, at: &[&str], message: String, written: &str, known: &[String]) {
        let help = match nearest(written, known.iter().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None if known.is_empty() => "`ambit.lock` does not know it".to_owned(),
            None => "`ambit.lock` does not know it; if it is new, look again with `ambit inventory`".to_owned(),
        };
        self.in_config("unknown-resource-in-config", system, at, message, help);
    }

    fn in_config(&mut self, name: &'static str, system: &str, at: &[&str], message: String, help: impl Into<String>) {
        self.found(Diagnostic::error, name, system, at, message, help);
    }

    fn found(
        &mut self,
        severity: fn(&'static str, Span, String, String) -> Diagnostic,
        name: &'static str,
        system: &str,
        at: &[&str],
        message: String,
        help: impl Into<String>,
    ) {
        if self.concerned.contains(system) {
            self.problems.in_config.push(severity(name, self.config.at(at), message, help.into()));
        }
    }

    fn in_lock(&mut self, name: &'static str, system: &str, at: &[&str], message: String, help: impl Into<String>) {
        if self.concerned.contains(system) {
            self.problems.in_lock.push(Diagnostic::note(name, self.lock.at(at), message, help));
        }
    }
}

fn resource(system: SystemId, name: &str, kind: ResourceKind) -> Resource {
    Resource {
        system,
        name: name.to_owned(),
        kind,
        fields: Vec::new(),
        tags: BTreeSet::new(),
        declared: Declared::default(),
        digest: String::new(),
    }
}

fn text_field(name: &str) -> Field {
    let shape = Shape { types: [Type::Text].into(), ..Shape::default() };
    Field { name: name.to_owned(), tags: BTreeSet::new(), shape, required: true }
}

/// The names that a resource answers to: a relation of the schema `public` to its bare name too.
fn names_of(resource: &Resource) -> Vec<&str> {
    let bare = resource.name.strip_prefix("public.").filter(|_| resource.kind == ResourceKind::Relation);
    std::iter::once(resource.name.as_str()).chain(bare).collect()
}

#[cfg(test)]
mod tests;
