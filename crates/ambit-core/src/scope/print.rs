//! Tree to canonical text. (A first cut; the language branch replaces it.)
use super::*;
pub fn print_target(t: &Target) -> String {
    match t {
        Target::Named { system, name } => format!("{system}.{name}"),
        Target::EveryReadingTool(s) => format!("every reading tool in {s}"),
        Target::AnythingIn(s) => format!("anything in {s}"),
        Target::Tagged(s) => format!("anything tagged {s}"),
        Target::Anything => "anything".into(),
    }
}
pub fn print_path(p: &Path) -> String {
    p.steps.iter().map(|s| format!("{}{}", s.name, if s.each { "[]" } else { "" })).collect::<Vec<_>>().join(".")
}
pub fn print_limit(l: &Limit) -> String {
    format!("at most {} {:?}", l.most, l.per)
}
pub fn print_line(l: &Line) -> String {
    l.text.clone()
}
pub fn print_test(t: &Test) -> String {
    print_path(&t.path)
}
