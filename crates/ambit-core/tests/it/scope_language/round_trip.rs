//! What is printed is read as the same tree, and printing what was read changes nothing more.

use ambit_core::scope::parse::parse;
use ambit_core::scope::print::print;

use super::REFUND_HELPER;

#[test]
fn the_documents_own_example_is_canonical() {
    let parsed = parse(REFUND_HELPER);
    assert_eq!(parsed.diagnostics, vec![]);
    assert_eq!(print(&parsed.document), REFUND_HELPER);
}
