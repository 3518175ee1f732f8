//! What is printed is read as the same tree, and printing what was read changes nothing more.
//! `PROPTEST_CASES` sets how many documents are tried.

use ambit_core::scope::parse::{parse, parse_line};
use ambit_core::scope::print::{canonical, print, print_line, print_table};
use ambit_core::scope::{Document, Scenario};
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
    fn tables_become_one_where_their_columns_are_the_same_and_only_there(
        tree in document(),
        divided in proptest::collection::vec(any::<bool>(), 3),
    ) {
        let mut tables: Vec<Vec<Scenario>> = Vec::new();
        for (at, scenario) in tree.scenarios.iter().enumerate() {
            match tables.last_mut().filter(|_| at > 0 && !divided[at - 1]) {
                Some(table) => table.push(scenario.clone()),
                None => tables.push(vec![scenario.clone()]),
            }
        }
        let tree = Document { commentary: vec![], notes: None, ..tree };
        let mut text = print(&Document { scenarios: vec![], ..tree.clone() });
        if !tables.is_empty() {
            text.push_str("\n## Scenarios\n");
        }
        tables.iter().for_each(|table| text.push_str(&print_table(table)));
        let parsed = parse(&text);
        prop_assert_eq!(&parsed.diagnostics, &vec![], "{}", text);
        let canonical = canonical(&parsed.document);
        prop_assert!(canonical.is_ok(), "{:?} {}", canonical, text);
        let has = |table: &Vec<Scenario>| {
            let column = |given: fn(&Scenario) -> bool| table.iter().any(given);
            [column(|row| row.in_task.is_some()), column(|row| row.author.is_some()), column(|row| !row.after.is_empty())]
        };
        let mut columns: Vec<_> = tables.iter().map(has).collect();
        columns.dedup();
        let canonical = canonical.unwrap();
        let heads = canonical.lines().filter(|line| line.starts_with("| when it is told "));
        let heads: Vec<_> = heads.map(|head| ["| in task ", "| author ", "| after "].map(|one| head.contains(one))).collect();
        prop_assert_eq!(heads, columns, "{}", canonical);
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
