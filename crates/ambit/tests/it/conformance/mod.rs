//! The official conformance suite, with and without the gate: a server that passes it does the same behind the gate, but for
//! the differences that `differences.toml` lists, each with its reason.

mod clients;
mod differences;
mod fixture;
mod forward;
mod page;
mod servers;
mod suite;

#[test]
fn the_page_says_every_reason() {
    let list = differences::List::read();
    let reasons = list.reasons.iter().map(|(name, why)| format!("### {name}\n\n{}\n", why.trim()));
    page::keep("reasons", &reasons.collect::<Vec<_>>().join("\n"));
}
