//! Whether an upstream program is pinned: whether tomorrow's start runs what today's did.

/// Programs that only carry another one. What they carry is the program; they change with the machine.
const CARRIERS: [&str; 20] = [
    "node", "deno", "bun", "tsx", "npx", "bunx", "npm", "pnpm", "yarn", "uv", "uvx", "pipx", "python", "python3",
    "ruby", "perl", "java", "docker", "podman", "env",
];

/// Whether a program, as its word in a command has it, only carries another one: `node`, `/usr/bin/python3.12`.
#[must_use]
pub fn is_carrier(program: &str) -> bool {
    let name = program.rsplit('/').next().unwrap_or(program);
    // `python3.12` carries as `python3` does.
    CARRIERS.contains(&name) || CARRIERS.contains(&name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.'))
}

/// Why that command may run something else tomorrow; `None` when it is pinned, or is a program of this machine (whose
/// files the lock holds by digest).
#[must_use]
pub fn unpinned(command: &[String]) -> Option<Unpinned> {
    let words: Vec<&str> = command.iter().map(String::as_str).collect();
    let (program, rest) = words.split_first()?;
    let name = program.rsplit('/').next().unwrap_or(program);
    match (name, rest) {
        ("env", _) => {
            let inner =
                rest.iter().position(|word| !word.contains('=') && !word.starts_with('-')).unwrap_or(rest.len());
            unpinned(command.get(inner + 1..)?)
        }
        ("npx" | "bunx" | "pnpx", _) => package(rest, &["-p", "--package"], Pinning::Npm),
        ("npm", ["exec" | "x", rest @ ..]) | ("pnpm" | "yarn", ["dlx", rest @ ..]) | ("bun", ["x", rest @ ..]) => {
            package(rest, &["-p", "--package"], Pinning::Npm)
        }
        ("uvx", _) => package(rest, &["--from"], Pinning::Python),
        ("uv", ["tool", "run", rest @ ..]) => package(rest, &["--from"], Pinning::Python),
        ("pipx", ["run", rest @ ..]) => package(rest, &["--spec"], Pinning::Python),
        ("docker" | "podman" | "nerdctl", ["run", rest @ ..]) => {
            let image = rest.iter().any(|word| word.contains("@sha256:"));
            (!image).then(|| Unpinned {
                what: "the image".to_owned(),
                instead: "name it by digest: `IMAGE@sha256:…`".to_owned(),
            })
        }
        ("sh" | "bash" | "zsh" | "dash" | "fish", _)
            if rest.iter().any(|word| word.starts_with('-') && word.contains('c')) =>
        {
            let instead = "write the program and its arguments as a list, without a shell".to_owned();
            Some(Unpinned { what: "what the shell starts".to_owned(), instead })
        }
        ("pip" | "pip3", _) => Some(Unpinned {
            what: "what pip installs".to_owned(),
            instead: "start the installed program, or use `uvx PACKAGE@VERSION`".to_owned(),
        }),
        ("docker" | "podman" | "nerdctl", ["exec", ..]) => Some(Unpinned {
            what: "the container that happens to run".to_owned(),
            instead: "start an image by its digest: `docker run -i IMAGE@sha256:…`".to_owned(),
        }),
        ("npm" | "pnpm" | "yarn" | "bun", ["run" | "run-script" | "start", ..]) => Some(Unpinned {
            what: "what the script in `package.json` starts".to_owned(),
            instead: "start the program itself, by its path".to_owned(),
        }),
        _ if is_carrier(program) && rest.contains(&"-m") => Some(Unpinned {
            what: "the module".to_owned(),
            instead: "start it by the path of its file, or use `uvx PACKAGE@VERSION`".to_owned(),
        }),
        _ if is_carrier(program) && rest.iter().any(|word| word.contains("://") && !word.starts_with('-')) => {
            Some(Unpinned {
                what: "what the URL gives".to_owned(),
                instead: "keep the file beside `ambit.toml`, and start that".to_owned(),
            })
        }
        // This program's own sample servers: whoever puts another `ambit` in its place has put another gate there.
        ("ambit", _) => None,
        _ if !program.contains('/') && !is_carrier(program) => Some(Unpinned {
            what: format!("`{program}`, looked up in `PATH`,"),
            instead: "write the path of the program, and `ambit.lock` holds its digest".to_owned(),
        }),
        _ => None,
    }
}

/// What is not pinned, and how to pin it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unpinned {
    /// What may change by itself.
    pub what: String,
    /// What to write instead.
    pub instead: String,
}

#[derive(Clone, Copy)]
enum Pinning {
    Npm,
    Python,
}

/// The package that a runner of packages would fetch: what stands after one of `options`, else the first word that is
/// no option. Options that take a value we do not know make that value look like the package, which errs on the strict side.
fn package(rest: &[&str], options: &[&str], pinning: Pinning) -> Option<Unpinned> {
    let mut named: Vec<&str> = Vec::new();
    for (at, word) in rest.iter().enumerate() {
        if options.contains(word) {
            named.extend(rest.get(at + 1));
        } else if let Some((option, value)) = word.split_once('=')
            && options.contains(&option)
        {
            named.push(value);
        }
    }
    if named.is_empty() {
        named.extend(rest.iter().find(|word| !word.starts_with('-')));
    }
    let loose = named.iter().find(|package| !is_pinned(package, pinning));
    let what = match (named.is_empty(), loose) {
        (false, None) => return None,
        (false, Some(package)) => format!("`{package}`"),
        (true, _) => "the package".to_owned(),
    };
    let name = loose.map_or("PACKAGE", |package| bare(package, pinning));
    let instead = match pinning {
        Pinning::Npm => format!("name the exact version: `{name}@1.2.3`"),
        Pinning::Python => format!("name the exact version: `{name}==1.2.3`"),
    };
    Some(Unpinned { what, instead })
}

fn is_pinned(package: &str, pinning: Pinning) -> bool {
    let version = match pinning {
        // The first character of a scoped package is an `@` as well.
        Pinning::Npm => package.get(1..).and_then(|rest| rest.rsplit_once('@')).map(|(_, version)| version),
        Pinning::Python => package.split_once("==").or_else(|| package.split_once('@')).map(|(_, version)| version),
    };
    version.is_some_and(is_exact)
}

/// `1.2.3`, `2026.8.31`, `0.2.0-alpha.12`: at least two dots' worth of digits for npm's sake would refuse `1.0`, which
/// PyPI knows; so: digits and dots first, at least one dot, and no sign of a range or a tag.
fn is_exact(version: &str) -> bool {
    let number: &str = version.split(['-', '+']).next().unwrap_or_default();
    let parts: Vec<&str> = number.split('.').collect();
    let digits_lead = parts.iter().take(2).all(|part| part.starts_with(|c: char| c.is_ascii_digit()));
    let plain = version.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'+'));
    let placeholder = parts.iter().any(|part| matches!(*part, "x" | "X"));
    parts.len() >= 2 && digits_lead && plain && !placeholder
}

fn bare(package: &str, pinning: Pinning) -> &str {
    match pinning {
        Pinning::Npm => {
            let at = package.char_indices().skip(1).find(|(_, c)| *c == '@').map(|(at, _)| at);
            at.and_then(|at| package.get(..at)).unwrap_or(package)
        }
        Pinning::Python => package.split(['=', '@', '>', '<', '~', '!']).next().unwrap_or(package),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(command: &str) -> Option<Unpinned> {
        unpinned(&command.split(' ').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn an_exact_version_or_a_digest_is_pinned() {
        for command in [
            "npx -y @modelcontextprotocol/server-memory@2026.8.31",
            "npx --yes conformance@0.2.0-alpha.12 server",
            "npx -p server@1.2.3 start",
            "npx --package=server@1.2.3 start",
            "npm exec server@1.2.3",
            "pnpm dlx server@1.2.3",
            "uvx mcp-server-git@2026.7.10",
            "uvx --from mcp-server-git==1.0 mcp-server-git",
            "uv tool run mcp-server-git==1.0.post1",
            "pipx run --spec tool==2.0 tool",
            "docker run -i --rm acme/crm@sha256:0123456789abcdef",
            "env MODE=prod npx server@1.2.3",
            "node server.js",
            "python3.12 server.py",
            "java -jar server.jar",
            "/opt/crm/bin/server --stdio",
            "ambit demo-server --system crm",
        ] {
            assert_eq!(check(command), None, "{command}");
        }
    }

    #[test]
    fn whatever_may_change_by_itself_is_not() {
        for command in [
            "npx -y @modelcontextprotocol/server-memory",
            "npx server@latest",
            "npx server@^1.2.3",
            "npx server@1",
            "npx server@1.x",
            "npx",
            "npx -p one@1.2.3 -p two run",
            "/usr/bin/npx server",
            "env MODE=prod npx server",
            "uvx mcp-server-git",
            "uvx mcp-server-git>=1.0",
            "uvx --from git+https://github.com/acme/tool tool",
            "docker run -i acme/crm:1.2.3",
            "bash -lc exec-something",
            "pip install server",
            "crm-server --stdio",
            "python3 -m crm_server",
            "deno run https://acme.example/server.ts",
            "npm run server",
            "docker exec -i crm server",
            "env MODE=prod crm-server",
        ] {
            assert!(check(command).is_some(), "{command}");
        }
        let said = check("npx -y @acme/server@latest").unwrap();
        assert_eq!(said.what, "`@acme/server@latest`");
        assert_eq!(said.instead, "name the exact version: `@acme/server@1.2.3`");
    }
}
