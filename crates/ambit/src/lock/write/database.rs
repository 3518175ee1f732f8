//! What was added to a database, as text: one thing a line.

use super::super::database::{Cast, Database, Function, FunctionKind, Operator, TypeMade, Unasked, Volatility};
use super::inline::{Inline, lines, list};
use super::{line, text};

/// All that the lock says of a database, its relations aside.
pub(super) fn database_body(database: &Database) -> String {
    let mut out = String::new();
    line(&mut out, &format!("name = {}", text(&database.name)));
    line(&mut out, &format!("search-path = {}", list(database.search_path.iter().map(String::as_str))));
    if !database.extensions.is_empty() {
        let versions =
            database.extensions.iter().fold(Inline::default(), |all, (name, version)| all.text(name, version));
        line(&mut out, &format!("extensions = {}", versions.done()));
    }
    lines(&mut out, "types", database.types.iter().map(type_line).collect());
    lines(&mut out, "functions", database.functions.iter().map(function_line).collect());
    lines(&mut out, "operators", database.operators.iter().map(operator_line).collect());
    lines(&mut out, "casts", database.casts.iter().map(cast_line).collect());
    out
}

pub(crate) fn type_line(made: &TypeMade) -> String {
    let parts =
        made.parts.iter().map(|part| Inline::default().text("name", &part.name).text("type", &part.type_name).done());
    let parts: Vec<String> = parts.collect();
    let line = Inline::default()
        .text("name", &made.name)
        .text("kind", made.kind.word())
        .option("extension", made.extension.as_deref())
        .option("of", made.of.as_deref())
        .flag("not-null", made.not_null)
        .option("default", made.default.as_deref())
        .list("checks", made.checks.iter().map(String::as_str))
        .flag("runs-functions", made.runs_functions)
        .list("labels", made.labels.iter().map(String::as_str));
    if parts.is_empty() { line.done() } else { line.raw("parts", format!("[{}]", parts.join(", "))).done() }
}

pub(crate) fn function_line(function: &Function) -> String {
    Inline::default()
        .text("name", &function.name)
        .text("arguments", &function.arguments)
        .option("returns", function.returns.as_deref())
        .word("kind", function.kind.word(), FunctionKind::Function.word())
        .flag("definer", function.definer)
        .word("volatility", function.volatility.word(), Volatility::Volatile.word())
        .text("language", &function.language)
        .option("extension", function.extension.as_deref())
        .option("digest", function.digest.as_deref())
        .done()
}

pub(crate) fn operator_line(operator: &Operator) -> String {
    Inline::default()
        .text("name", &operator.name)
        .option("left", operator.left.as_deref())
        .option("right", operator.right.as_deref())
        .text("function", &operator.function)
        .option("extension", operator.extension.as_deref())
        .done()
}

pub(crate) fn cast_line(cast: &Cast) -> String {
    Inline::default()
        .text("from", &cast.from)
        .text("to", &cast.to)
        .word("unasked", cast.unasked.word(), Unasked::Never.word())
        .option("function", cast.function.as_deref())
        .option("extension", cast.extension.as_deref())
        .done()
}
