//! What is printed is read as the same tree, and printing what was read changes nothing more.
//! `PROPTEST_CASES` sets how many documents are tried.

use ambit_core::scope::parse::{parse, parse_line};
use ambit_core::scope::print::{print, print_line};
use proptest::prelude::*;

use super::trees::{document, line};
use super::{REFUND_HELPER, renderer};

#[test]
fn the_documents_own_example_is_canonical() {
    let parsed = parse(REFUND_HELPER);
    assert_eq!(parsed.diagnostics, vec![]);
    assert_eq!(print(&parsed.document), REFUND_HELPER);
    renderer::shows(REFUND_HELPER, &parsed.document).unwrap();
}

proptest! {
    // Trees with a text that cannot be shown are passed over, however many are asked for.
    #![proptest_config(ProptestConfig { failure_persistence: None, max_local_rejects: u32::MAX, ..ProptestConfig::default() })]

    #[test]
    fn a_tree_printed_is_read_as_that_tree(tree in document()) {
        let text = print(&tree);
        let parsed = parse(&text);
        prop_assert_eq!(&parsed.diagnostics, &vec![], "{}", text);
        let shown = renderer::shows(&text, &parsed.document);
        prop_assert_eq!(shown, Ok(()), "{}", text);
        prop_assert_eq!(print(&parsed.document), text);
        prop_assert_eq!(parsed.document.without_places(), tree);
    }

    #[test]
    fn a_line_printed_is_read_as_that_line(tree in line()) {
        let text = print_line(&tree);
        let (read, found) = parse_line(tree.section, &text);
        prop_assert_eq!(found, vec![], "{}", text);
        let mut read = read.unwrap();
        (read.text, read.at) = (tree.text.clone(), tree.at.clone());
        prop_assert_eq!(read, tree);
    }
}
