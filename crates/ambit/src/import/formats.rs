//! Where clients keep their servers, and how each writes them.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use jsonc_parser::ast::{Object, Value};

use super::document::{self, DocumentError, member, members, object_at};
use super::entry::{Entry, entries};

/// The most bytes of a client's file that are read. Claude Code keeps its history in the same file.
pub const MOST_BYTES: u64 = 64 << 20;

/// Who reads the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Client {
    /// Claude Code: `.mcp.json` of a project, `~/.claude.json` of a person.
    ClaudeCode,
    /// Claude Desktop.
    ClaudeDesktop,
    /// Cursor.
    Cursor,
    /// VS Code.
    VsCode,
    /// Some other client that has `mcpServers`.
    Other,
}

impl Client {
    /// Its name, as people know it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Client::ClaudeCode => "Claude Code",
            Client::ClaudeDesktop => "Claude Desktop",
            Client::Cursor => "Cursor",
            Client::VsCode => "VS Code",
            Client::Other => "an MCP client",
        }
    }

    /// A name for the agent, where nobody said one and no project gives one.
    #[must_use]
    pub fn agent(self) -> &'static str {
        match self {
            Client::ClaudeCode => "claude-code",
            Client::ClaudeDesktop => "claude-desktop",
            Client::Cursor => "cursor",
            Client::VsCode => "vs-code",
            Client::Other => "agent",
        }
    }
}

/// A file of a client, and where the client starts what it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Whose it is.
    pub client: Client,
    /// The file, as it is known.
    pub path: PathBuf,
    /// The project it belongs to; `None` for a person's own file, which is for every project.
    pub project: Option<PathBuf>,
}

/// The places in which clients of this person, and of the project that stands `here`, keep their servers.
#[must_use]
pub fn known(here: &Path, home: Option<&Path>) -> Vec<Place> {
    let mut places = vec![here.join(".mcp.json"), here.join(".cursor/mcp.json"), here.join(".vscode/mcp.json")];
    if let Some(home) = home {
        let own = [
            ".claude.json",
            ".config/Claude/claude_desktop_config.json",
            "Library/Application Support/Claude/claude_desktop_config.json",
            ".cursor/mcp.json",
            ".config/Code/User/mcp.json",
            "Library/Application Support/Code/User/mcp.json",
        ];
        places.extend(own.map(|own| home.join(own)));
    }
    let mut all: Vec<Place> = Vec::new();
    for path in places {
        if all.iter().all(|known| known.path != path) {
            all.push(place_of(&path, home));
        }
    }
    all
}

/// Whose file that is, by its name and where it stands.
#[must_use]
pub fn place_of(path: &Path, home: Option<&Path>) -> Place {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let dir = path.parent().unwrap_or(Path::new("/"));
    let within = dir.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let above = dir.parent().unwrap_or(Path::new("/"));
    let (client, project) = match (name, within) {
        (".claude.json", _) => (Client::ClaudeCode, None),
        (".mcp.json", _) => (Client::ClaudeCode, Some(dir)),
        ("claude_desktop_config.json", _) => (Client::ClaudeDesktop, None),
        ("mcp.json", ".cursor") => (Client::Cursor, Some(above)),
        ("mcp.json", ".vscode") => (Client::VsCode, Some(above)),
        ("mcp.json", "User") => (Client::VsCode, None),
        _ => (Client::Other, Some(dir)),
    };
    // A person's own file in their home is for every project.
    let project = project.filter(|project| Some(*project) != home || client == Client::Other);
    Place { client, path: path.to_owned(), project: project.map(Path::to_owned) }
}

/// A client's file, read.
#[derive(Clone, Debug)]
pub struct ClientFile {
    /// Which.
    pub place: Place,
    /// The file itself, behind links.
    pub real: PathBuf,
    /// Its text.
    pub text: String,
    /// The objects in it that hold servers for an agent that is started here.
    pub holders: Vec<Holder>,
    /// Objects with servers for agents that are started elsewhere, with how many each has.
    pub elsewhere: BTreeMap<String, usize>,
}

/// An object whose members are servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The keys that lead to it.
    pub path: Vec<String>,
    /// Where its programs are started; `None` where the client does not say.
    pub base: Option<PathBuf>,
    /// The servers, in the order of the file.
    pub entries: Vec<Entry>,
}

/// Why a file gives nothing.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// It cannot be read.
    #[error("{0}")]
    Unreadable(std::io::Error),
    /// More than is read.
    #[error("it has more than {} MiB", MOST_BYTES >> 20)]
    TooLarge,
    /// Not UTF-8.
    #[error("it is not UTF-8 text")]
    NotText,
    /// It is no plain file.
    #[error("it is not a plain file")]
    NotAFile,
    /// Its JSON.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// No servers in it.
    #[error("it has no servers: neither `mcpServers` nor `servers`")]
    NoServers,
}

/// Reads the servers of a client's file, for an agent that is started `here`.
///
/// # Errors
/// When it cannot be read, is no JSON, or has no place for servers.
pub fn read(place: &Place, here: &Path) -> Result<ClientFile, FormatError> {
    let real = place.path.canonicalize().map_err(FormatError::Unreadable)?;
    let text = read_text(&real)?;
    let (holders, elsewhere) = document::read(&text, |root| holders(root, place, here))?;
    if holders.is_empty() && elsewhere.is_empty() {
        return Err(FormatError::NoServers);
    }
    Ok(ClientFile { place: place.clone(), real, text, holders, elsewhere })
}

/// The text of a client's file.
///
/// # Errors
/// When it cannot be read.
pub fn read_text(path: &Path) -> Result<String, FormatError> {
    let found = std::fs::metadata(path).map_err(FormatError::Unreadable)?;
    if !found.is_file() {
        return Err(FormatError::NotAFile);
    }
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(FormatError::Unreadable)?;
    file.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(FormatError::Unreadable)?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(FormatError::TooLarge);
    }
    String::from_utf8(bytes).map_err(|_| FormatError::NotText)
}

/// Whether the file belongs to another user than this one, who would decide which programs are started.
#[must_use]
pub fn is_of_another(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|found| found.uid() != 0 && found.uid() != rustix::process::geteuid().as_raw())
}

type Found = (Vec<Holder>, BTreeMap<String, usize>);

fn holders(root: &Object<'_>, place: &Place, here: &Path) -> Result<Found, DocumentError> {
    let mut found = Vec::new();
    let mut elsewhere = BTreeMap::new();
    // VS Code says `servers`; everybody else, and Claude Code per project, `mcpServers`.
    let key = match (member(root, "servers")?, member(root, "mcpServers")?) {
        (Some(Value::Object(_)), None) => "servers",
        (Some(Value::Object(_)), Some(_)) if place.client == Client::VsCode => "servers",
        _ => "mcpServers",
    };
    let path = vec![key.to_owned()];
    if let Some(object) = object_at(root, &path)? {
        found.push(Holder { entries: entries(object)?, path, base: place.project.clone() });
    }
    if place.project.is_none()
        && place.client == Client::ClaudeCode
        && let Some(Value::Object(projects)) = member(root, "projects")?
    {
        let all = members(projects)?;
        // A project holds for whatever is started in it; the nearest one does.
        let nearest = here.ancestors().find(|dir| all.iter().any(|(name, _)| Path::new(name) == *dir));
        for (name, _) in &all {
            let path = vec!["projects".to_owned(), (*name).to_owned(), "mcpServers".to_owned()];
            let Some(object) = object_at(root, &path)?.filter(|object| !object.properties.is_empty()) else { continue };
            if nearest == Some(Path::new(name)) {
                found.push(Holder { entries: entries(object)?, path, base: Some(PathBuf::from(name)) });
            } else {
                elsewhere.insert((*name).to_owned(), object.properties.len());
            }
        }
    }
    Ok((found, elsewhere))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_as(path: &str, text: &str, here: &str) -> Result<Found, DocumentError> {
        let place = place_of(Path::new(path), Some(Path::new("/home/dana")));
        document::read(text, |root| holders(root, &place, Path::new(here)))
    }

    #[test]
    fn a_file_is_known_by_where_it_stands() {
        let of = |path: &str| {
            let place = place_of(Path::new(path), Some(Path::new("/home/dana")));
            (place.client, place.project.map(|project| project.display().to_string()))
        };
        let shop = Some("/srv/shop".to_owned());
        assert_eq!(of("/srv/shop/.mcp.json"), (Client::ClaudeCode, shop.clone()));
        assert_eq!(of("/srv/shop/.cursor/mcp.json"), (Client::Cursor, shop.clone()));
        assert_eq!(of("/srv/shop/.vscode/mcp.json"), (Client::VsCode, shop.clone()));
        assert_eq!(of("/home/dana/.cursor/mcp.json"), (Client::Cursor, None));
        assert_eq!(of("/home/dana/.claude.json"), (Client::ClaudeCode, None));
        assert_eq!(of("/home/dana/.config/Claude/claude_desktop_config.json"), (Client::ClaudeDesktop, None));
        assert_eq!(of("/home/dana/.config/Code/User/mcp.json"), (Client::VsCode, None));
        assert_eq!(of("/srv/shop/servers.json"), (Client::Other, shop));
        let places = known(Path::new("/home/dana"), Some(Path::new("/home/dana")));
        assert_eq!(places.iter().filter(|place| place.path.ends_with(".cursor/mcp.json")).count(), 1);
    }

    #[test]
    fn claude_code_keeps_servers_for_everywhere_and_for_each_project() {
        let text = r#"{
          "numStartups": 5,
          "mcpServers": {"memory": {"command": "npx", "args": ["-y", "m"]}},
          "projects": {
            "/srv": {"mcpServers": {"outer": {"command": "o"}}},
            "/srv/shop": {"mcpServers": {"fs": {"type": "stdio", "command": "npx", "env": {}}}, "history": []},
            "/srv/other": {"mcpServers": {"x": {"command": "x"}, "y": {"url": "https://y"}}},
            "/srv/none": {"mcpServers": {}}
          }
        }"#;
        let (holders, elsewhere) = read_as("/home/dana/.claude.json", text, "/srv/shop/src").unwrap();
        let names: Vec<_> =
            holders.iter().flat_map(|holder| &holder.entries).map(|entry| entry.name.as_str()).collect();
        assert_eq!(names, ["memory", "fs"]);
        assert_eq!(holders[1].base.as_deref(), Some(Path::new("/srv/shop")));
        assert_eq!(elsewhere, BTreeMap::from([("/srv".to_owned(), 1), ("/srv/other".to_owned(), 2)]));
    }

    #[test]
    fn twice_said_is_not_read() {
        let twice = r#"{"mcpServers": {"a": {"command": "1"}, "a": {"command": "2"}}}"#;
        assert!(matches!(read_as("/w/.mcp.json", twice, "/w"), Err(DocumentError::Twice(_))));
        let twice = r#"{"mcpServers": {"a": {"command": "1", "command": "2"}}}"#;
        assert!(matches!(read_as("/w/.mcp.json", twice, "/w"), Err(DocumentError::Twice(_))));
        let twice = r#"{"mcpServers": {}, "mcpServers": {"a": {"command": "2"}}}"#;
        assert!(matches!(read_as("/w/.mcp.json", twice, "/w"), Err(DocumentError::Twice(_))));
    }
}
