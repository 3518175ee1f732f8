//! What exists: systems and their resources, as the lock last saw them, with the tags and readings that `ambit.toml`
//! gives them. Built once, then looked up by number.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::effect::{FieldSet, Verb};
use crate::returns::Returned;
use crate::value::Value;

/// A system's place in its catalog.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SystemId(pub u32);

/// A resource's place in its catalog.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceId(pub u32);

/// Which protocol a system speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SystemKind {
    /// A server of the Model Context Protocol.
    Mcp,
    /// A PostgreSQL database.
    Postgres,
    /// An HTTP API.
    Http,
    /// A host on which commands run.
    Shell,
}

impl SystemKind {
    /// The word in `ambit.toml`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            SystemKind::Mcp => "mcp",
            SystemKind::Postgres => "postgres",
            SystemKind::Http => "http",
            SystemKind::Shell => "shell",
        }
    }
}

/// A live system behind Ambit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct System {
    /// Its name in `ambit.toml`, the part of a target before the first dot.
    pub name: String,
    /// What it speaks.
    pub kind: SystemKind,
    /// Tags that everything in it inherits.
    pub tags: BTreeSet<String>,
}

/// What sort of thing a resource is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ResourceKind {
    /// A table or view; its fields are columns. In a system of tools, where there is no other way to it: what tools return.
    Relation,
    /// A tool of an MCP server; its fields are its top-level arguments.
    Tool,
    /// The resources of an MCP server taken together (`SYSTEM.resource`); its field is `uri`.
    Document,
    /// The prompts of an MCP server taken together (`SYSTEM.prompt`); its fields are `name` and `arguments`.
    Prompt,
    /// An operation of an HTTP API; its fields are its parameters.
    Operation,
    /// A program on a shell host; its field is `argv`.
    Command,
}

impl ResourceKind {
    /// Whether it is *called* (verb `call`), as against read and written by field.
    #[must_use]
    pub fn is_called(self) -> bool {
        matches!(self, ResourceKind::Tool | ResourceKind::Operation)
    }
}

/// Something in a system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// Where it is.
    pub system: SystemId,
    /// Its name within the system, in exact case.
    pub name: String,
    /// What it is.
    pub kind: ResourceKind,
    /// Columns or top-level arguments, in the lock's order.
    pub fields: Vec<Field>,
    /// Its own tags and those inherited from its system.
    pub tags: BTreeSet<String>,
    /// What a tool is declared to do (`ambit.toml`); empty for a relation.
    pub declared: Declared,
    /// SHA-256 of the definition as locked (name, description and schema of a tool), hex.
    pub digest: String,
}

/// A column, or an argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name, in exact case.
    pub name: String,
    /// Tags given to this field alone (those of its resource reach it as well).
    pub tags: BTreeSet<String>,
    /// What may stand in it.
    pub shape: Shape,
    /// Whether a call without it is invalid.
    pub required: bool,
}

/// The types a value may have, and what is inside. From a JSON Schema, or a column's type.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// The types allowed; empty means any.
    pub types: BTreeSet<Type>,
    /// Members of an object that the schema names.
    pub members: Vec<(String, Shape)>,
    /// Whether an object may have members that the schema does not name.
    pub open: bool,
    /// The elements of an array; `None`: nothing is said of them.
    pub items: Option<Box<Shape>>,
    /// Filled in when the value is absent.
    pub default: Option<Value>,
    /// The only values allowed, where the schema lists them.
    pub only: Option<Vec<Value>>,
    /// The schema's `format`, such as `email` or `uri`.
    pub format: Option<String>,
}

/// A type in a [`Shape`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Type {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool,
    /// A number; an integer is a number.
    Number,
    /// Text.
    Text,
    /// An array.
    List,
    /// An object.
    Map,
}

/// What `ambit.toml` says a tool does. It grants nothing; it can only tighten, except for `reads_only`, which lets a
/// *can read* line name the tool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Declared {
    /// The owner says that calling it changes nothing.
    pub reads_only: bool,
    /// What calling it does besides being called.
    pub effects: Vec<DeclaredEffect>,
    /// Tags of what it returns.
    pub returns: BTreeSet<String>,
    /// What the parts of its result are; empty: nothing is said, and its result is passed as it is.
    pub parts: Vec<Returned>,
    /// The argument that holds the amount moved.
    pub amount: Option<String>,
    /// Whether what it does can be taken back; unknown counts as not.
    pub reversible: Option<bool>,
    /// The server's own `destructiveHint`; honoured, because it can only tighten. `readOnlyHint` is never kept.
    pub destructive_hint: bool,
}

/// One declared effect of a tool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeclaredEffect {
    /// What it does.
    pub verb: Verb,
    /// To what; often the tool itself.
    pub resource: ResourceId,
    /// To which of its fields; empty with `unlisted` when nothing is said.
    pub fields: FieldSet,
}

/// Everything that exists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalog {
    systems: Vec<System>,
    resources: Vec<Resource>,
    by_name: BTreeMap<(SystemId, String), ResourceId>,
}

impl Catalog {
    /// A catalog with nothing in it.
    #[must_use]
    pub fn new() -> Catalog {
        Catalog::default()
    }

    /// Adds a system; one of that name stays as it is and keeps its number.
    pub fn add_system(&mut self, system: System) -> SystemId {
        if let Some(id) = self.system_named(&system.name) {
            return id;
        }
        self.systems.push(system);
        SystemId(u32::try_from(self.systems.len() - 1).unwrap_or(u32::MAX))
    }

    /// Adds a resource; its system's tags are inherited. `None` when the system has one of that name already.
    pub fn add_resource(&mut self, mut resource: Resource) -> Option<ResourceId> {
        let key = (resource.system, resource.name.clone());
        if self.by_name.contains_key(&key) {
            return None;
        }
        if let Some(system) = self.system(resource.system) {
            resource.tags.extend(system.tags.iter().cloned());
        }
        let id = ResourceId(u32::try_from(self.resources.len()).ok()?);
        self.resources.push(resource);
        self.by_name.insert(key, id);
        Some(id)
    }

    /// The system of that number.
    #[must_use]
    pub fn system(&self, id: SystemId) -> Option<&System> {
        self.systems.get(id.0 as usize)
    }

    /// The resource of that number.
    #[must_use]
    pub fn resource(&self, id: ResourceId) -> Option<&Resource> {
        self.resources.get(id.0 as usize)
    }

    /// The resource of that number, to complete it while the catalog is being built.
    pub fn resource_mut(&mut self, id: ResourceId) -> Option<&mut Resource> {
        self.resources.get_mut(id.0 as usize)
    }

    /// The system of that name.
    #[must_use]
    pub fn system_named(&self, name: &str) -> Option<SystemId> {
        self.systems.iter().position(|s| s.name == name).and_then(|i| u32::try_from(i).ok()).map(SystemId)
    }

    /// The resource of that name in that system. A relation of the schema `public` answers to its bare name too.
    #[must_use]
    pub fn resource_named(&self, system: SystemId, name: &str) -> Option<ResourceId> {
        if let Some(id) = self.by_name.get(&(system, name.to_owned())) {
            return Some(*id);
        }
        let public = self.by_name.get(&(system, format!("public.{name}")))?;
        (self.resource(*public)?.kind == ResourceKind::Relation).then_some(*public)
    }

    /// Whether it only ever comes back from tools: a relation behind a server of tools. No gate sees its rows, so that
    /// nothing can be asked of them, counted, or done to them.
    #[must_use]
    pub fn only_returned(&self, resource: &Resource) -> bool {
        resource.kind == ResourceKind::Relation
            && self.system(resource.system).is_some_and(|system| system.kind == SystemKind::Mcp)
    }

    /// The tools whose results are declared to have fields of that resource.
    pub fn returning(&self, resource: ResourceId) -> impl Iterator<Item = ResourceId> + '_ {
        let returns = move |tool: &Resource| {
            tool.declared.parts.iter().any(|part| part.resource == resource && part.field.is_some())
        };
        self.resources().filter(move |(_, tool)| returns(tool)).map(|(id, _)| id)
    }

    /// `system.name`, as a person writes it.
    #[must_use]
    pub fn path(&self, id: ResourceId) -> String {
        match self.resource(id) {
            Some(resource) => {
                let system = self.system(resource.system).map_or("?", |s| s.name.as_str());
                format!("{system}.{}", resource.name)
            }
            None => format!("#{}", id.0),
        }
    }

    /// Every system with its number.
    pub fn systems(&self) -> impl Iterator<Item = (SystemId, &System)> {
        (0u32..).map(SystemId).zip(&self.systems)
    }

    /// Every resource with its number.
    pub fn resources(&self) -> impl Iterator<Item = (ResourceId, &Resource)> {
        (0u32..).map(ResourceId).zip(&self.resources)
    }

    /// Every resource of that system with its number.
    pub fn resources_of(&self, system: SystemId) -> impl Iterator<Item = (ResourceId, &Resource)> {
        self.resources().filter(move |(_, r)| r.system == system)
    }
}

impl Resource {
    /// The place of the field of that name.
    #[must_use]
    pub fn field_named(&self, name: &str) -> Option<usize> {
        self.fields.iter().position(|f| f.name == name)
    }
}
