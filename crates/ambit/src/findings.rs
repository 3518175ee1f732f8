//! The findings about `ambit.toml`, `ambit.lock` and what the two and a scope say together, by name. The chores of
//! `xtask` keep this list, the sources, the cases and the reference in step.

/// Name and one sentence, in alphabetical order. What reading and compiling a scope find stands in
/// [`ambit_core::scope::parse::PARSE_FINDINGS`] and [`ambit_core::scope::compile::FINDINGS`], what keeps a scope from
/// being ready in [`ambit_core::ready::RULES`]; a name that stands in two lists means the same in both.
pub const FINDINGS: &[(&str, &str)] = &[
    ("ambiguous-name", "one name for two: a person, a role or an agent"),
    ("bad-address", "a person's address that is none"),
    ("bad-definition", "a definition in the lock that cannot be read, or is not the one it is kept as"),
    ("bad-toml", "text that is no TOML"),
    ("contradiction", "two settings of which only one can hold"),
    ("duplicate-column", "a column that stands twice in a relation"),
    ("duplicate-person", "two people with one address or one operating-system user"),
    ("empty-list", "a list that must have something in it"),
    ("empty-value", "a text that must say something"),
    ("key-not-for-kind", "a key that this kind of system does not have"),
    ("kind-changed", "a system that was looked at as another kind"),
    ("missing-key", "a key that must be there"),
    ("missing-list", "a list whose file is not there"),
    ("name-not-plain", "a name that a scope could not say"),
    ("name-taken", "resources or prompts that share their name with a tool"),
    ("no-gate-yet", "a system that no gate stands before"),
    ("not-a-day", "something that is no day of the calendar where one should stand"),
    ("not-in-lock", "a system that has not been looked at"),
    ("other-agent", "a scope of another agent than `ambit.toml` has it for"),
    ("out-of-range", "a number that is too small or too large"),
    ("program-changed", "a system that was looked at with another program"),
    ("reads-but-destroys", "a tool declared as reading, of which its server says that it destroys"),
    ("secret-in-config", "a secret written out"),
    ("shared-os-user", "an agent that runs as a person's operating-system user"),
    ("shared-scope", "two agents with one scope"),
    ("too-large", "a file past its bounds"),
    ("unknown-agent", "an agent that `ambit.toml` does not have"),
    ("unknown-key", "a key that there is not"),
    ("unknown-person", "a person or role that `ambit.toml` does not have"),
    ("unknown-resource-in-config", "a path in `ambit.toml` that the lock does not know"),
    ("unknown-system", "a system that `ambit.toml` does not have"),
    ("unknown-value", "a word that is none of those that may stand there"),
    ("unpinned-program", "a program that may be another one tomorrow"),
    ("unusable-tool", "a tool whose schema cannot be read"),
    ("wrong-member", "a member of a list that is not what the list holds"),
    ("wrong-type", "a value of a kind that does not belong there"),
];
