//! Documents made up as trees, with the oddest names, values and reasons that a tree can hold.

use ambit_core::decimal::Decimal;
use ambit_core::effect::Verb;
use ambit_core::scope::parse::RESERVED;
use ambit_core::scope::{
    Ask, Commentary, Counted, Document, Duration, DurationUnit, Fields, Front, Limit, Line, Literal, Outside, Path,
    Place, Predicate, Scenario, Section, Set, Span, Step, Target, Tasks, Test, Then, Who, Window,
};
use ambit_core::time::Date;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

/// Pieces that mean something to Markdown, to the language, to a terminal, or to the eye.
const ODD: &[&str] = &[
    "a",
    "B",
    "7",
    " ",
    "  ",
    "_",
    "__",
    "*",
    "**",
    "~",
    "`",
    "``",
    "\\",
    "\\u{",
    "\"",
    "'",
    ",",
    ";",
    "(",
    ")",
    "[",
    "]",
    "[]",
    "<b>",
    "&amp;",
    "$x$",
    ":cow:",
    "|",
    "#",
    ">",
    "- ",
    ".",
    "..",
    "-",
    "/",
    "@",
    "é",
    "e\u{301}",
    "\u{200b}",
    "\u{202e}",
    "\n",
    "\t",
    "\u{1b}",
    "日本",
    "p\u{430}y",
    "ﬁ",
    "“",
    "because",
    ", by ",
    "where",
    "or",
    "and",
    "nothing",
    "\u{e000}",
    "\u{3000}",
    "🙂",
    "=",
    "!",
    "https://a.example/_x_",
    "{}",
    "\u{5c}u{41}",
];

pub fn odd() -> impl Strategy<Value = String> {
    vec(select(ODD), 1..6).prop_map(|parts| parts.concat())
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![6 => "[a-z][a-z0-9_]{0,7}", 1 => select(RESERVED.to_vec()).prop_map(str::to_owned), 3 => odd()]
}

fn list_name() -> impl Strategy<Value = String> {
    "[a-z][a-z0-9_-]{0,7}".prop_filter("reserved", |name| !RESERVED.contains(&name.as_str()))
}

fn distinct<T: std::fmt::Debug + Clone + PartialEq>(
    item: impl Strategy<Value = T>,
    size: std::ops::Range<usize>,
) -> impl Strategy<Value = Vec<T>> {
    vec(item, size).prop_map(|items| {
        let mut kept: Vec<T> = Vec::new();
        for item in items {
            if !kept.contains(&item) {
                kept.push(item);
            }
        }
        kept
    })
}

fn number() -> impl Strategy<Value = Decimal> {
    ("-?(0|[1-9][0-9]{0,12})", option::of("[0-9]{1,6}")).prop_map(|(whole, fraction)| {
        Decimal::parse(&fraction.map_or(whole.clone(), |fraction| format!("{whole}.{fraction}"))).unwrap()
    })
}

fn date() -> impl Strategy<Value = Date> {
    (1..9999u16, 1..13u8, 1..29u8).prop_map(|(y, m, d)| Date::parse(&format!("{y:04}-{m:02}-{d:02}")).unwrap())
}

fn text() -> impl Strategy<Value = Literal> {
    prop_oneof![Just(String::new()), "[A-Z]{3}", odd()].prop_map(Literal::Text)
}

fn ordered() -> impl Strategy<Value = Literal> {
    prop_oneof![number().prop_map(Literal::Number), date().prop_map(Literal::Date)]
}

fn path() -> impl Strategy<Value = Path> {
    let step = (name(), any::<bool>()).prop_map(|(name, each)| Step { name, each });
    vec(step, 1..4).prop_map(|steps| Path { steps })
}

fn set(values: impl Strategy<Value = Literal>) -> impl Strategy<Value = Set> {
    prop_oneof![distinct(values, 1..4).prop_map(Set::Values), list_name().prop_map(Set::List), Just(Set::Request)]
}

fn ask() -> impl Strategy<Value = Ask> {
    let any_value = || prop_oneof![text(), ordered(), any::<bool>().prop_map(Literal::Bool)];
    // `is true` is a question of its own.
    let is = prop_oneof![text(), ordered()].prop_map(Ask::Is);
    prop_oneof![
        is,
        set(any_value()).prop_map(Ask::In),
        Just(Ask::QuotedInRequest),
        name().prop_map(Ask::TaskFact),
        ordered().prop_map(Ask::AtLeast),
        ordered().prop_map(Ask::AtMost),
        ordered().prop_map(Ask::Above),
        ordered().prop_map(Ask::Below),
        odd().prop_map(Ask::StartsWith),
        odd().prop_map(Ask::EndsWith),
        odd().prop_map(Ask::Contains),
        odd().prop_map(Ask::Matches),
        set(text()).prop_map(Ask::AddressAt),
        set(text()).prop_map(Ask::UrlAt),
        set(text()).prop_map(Ask::Under),
        select(vec![Ask::Given, Ask::True, Ask::False]),
    ]
}

fn test() -> impl Strategy<Value = Test> {
    let predicate = (any::<bool>(), ask()).prop_map(|(negated, ask)| Predicate { negated, ask });
    (path(), distinct(predicate, 1..4)).prop_map(|(path, any)| Test { path, any })
}

fn target() -> impl Strategy<Value = Target> {
    prop_oneof![
        6 => (name(), name()).prop_map(|(system, name)| Target::Named { system, name }),
        1 => name().prop_map(Target::EveryReadingTool),
        1 => name().prop_map(Target::AnythingIn),
        1 => name().prop_map(Target::Tagged),
        1 => Just(Target::Anything),
    ]
}

fn limits() -> impl Strategy<Value = Vec<Limit>> {
    let counted = prop_oneof![Just(Counted::Rows), Just(Counted::Times), path().prop_map(Counted::Sum)];
    let window = select(vec![Window::AtOnce, Window::Minute, Window::Hour, Window::Day, Window::Task]);
    let limit =
        (0u64..10_000, counted, window).prop_map(|(most, of, per)| Limit { most: Decimal::from(most), of, per });
    vec(limit, 0..3).prop_map(|limits| {
        let mut kept: Vec<Limit> = Vec::new();
        for limit in limits {
            if !kept.iter().any(|known| known.of == limit.of && known.per == limit.per) {
                kept.push(limit);
            }
        }
        kept
    })
}

pub fn line() -> impl Strategy<Value = Line> {
    let fields =
        prop_oneof![distinct(name(), 1..4).prop_map(Fields::Only), distinct(name(), 1..4).prop_map(Fields::AllBut)];
    let tasks =
        prop_oneof![distinct(name(), 1..3).prop_map(Tasks::Only), distinct(name(), 1..3).prop_map(Tasks::AnyBut)];
    let who = prop_oneof![name().prop_map(Who::Named), name().prop_map(Who::TwoOf), Just(Who::SomeoneElse)];
    let unit = select(vec![DurationUnit::Second, DurationUnit::Minute, DurationUnit::Hour, DurationUnit::Day]);
    let within = (1..100u32, unit).prop_map(|(count, unit)| Duration { count, unit });
    let because = odd().prop_filter("a reason", |text| !text.trim().is_empty());
    let head = (
        select(Section::ALL.to_vec()),
        distinct(select(Verb::ALL.to_vec()), 0..3),
        distinct(target(), 1..4),
        option::of(fields),
        distinct(test(), 0..3),
    );
    let tail = (
        limits(),
        option::of(tasks),
        any::<bool>(),
        option::of(who),
        option::of(within),
        option::of(date()),
        option::of(because),
    );
    (head, tail).prop_map(|(head, tail)| {
        let (section, verbs, targets, fields, tests) = head;
        let (limits, tasks, otherwise_human, by, within, until, because) = tail;
        let (text, at) = (String::new(), Span::default());
        Line {
            section,
            verbs,
            targets,
            fields,
            tests,
            limits,
            tasks,
            otherwise_human,
            by,
            within,
            until,
            because,
            text,
            at,
        }
    })
}

/// Text that a cell can hold: seen by everybody, one line, no backslash before a pipe.
fn cell() -> impl Strategy<Value = String> {
    let plain = |c: &char| (' '..='~').contains(c) || "éß日本🙂“".contains(*c);
    odd()
        .prop_map(move |text| text.chars().filter(plain).collect::<String>().trim_matches(' ').to_owned())
        .prop_filter("shows", |text| !text.is_empty() && !text.ends_with('\\') && !text.contains("\\|"))
}

fn scenario() -> impl Strategy<Value = Scenario> {
    let then = select(vec![Then::Allow, Then::Confirm, Then::Refuse]);
    let in_task = select(vec!["refund", "refund (customer = 8812)", "\"odd name\" (a = \"x, y\", b = true)"]);
    let step = select(vec!["crm.notes {\"a\": \"x; y\"}", "crm: DELETE FROM notes WHERE a = 'b;c'", "a.b {}"]);
    (cell(), cell(), then, option::of(in_task), option::of("[a-z]{1,8}"), vec(step, 0..3)).prop_map(
        |(told, tries, then, in_task, author, after)| Scenario {
            told,
            tries,
            then,
            in_task: in_task.map(str::to_owned),
            author,
            after: after.into_iter().map(str::to_owned).collect(),
            at: Span::default(),
        },
    )
}

fn prose() -> impl Strategy<Value = String> {
    vec("[A-Z][a-z]{1,9}( [a-z]{1,9}|, `x_y`|\\.)?", 1..4).prop_map(|lines| lines.join("\n"))
}

pub fn document() -> impl Strategy<Value = Document> {
    let front = (
        "[a-z][a-z0-9-]{0,9}",
        "[a-z][a-z.]{0,8}@acme[.]example",
        option::of("[a-z]{1,9}"),
        option::of("[a-z]{1,9}( [a-z]{1,9})?"),
        option::of(date()),
        select(vec![Outside::Confirm, Outside::Refuse]),
    )
        .prop_map(|(agent, owner, backup_owner, workflow, review_by, outside)| Front {
            agent,
            owner,
            backup_owner,
            workflow,
            review_by,
            outside,
        });
    let place = prop_oneof![
        Just(Place::Purpose),
        select(Section::ALL.to_vec()).prop_map(Place::Section),
        Just(Place::Scenarios)
    ];
    (
        front,
        cell(),
        vec(prose(), 1..3),
        vec(line(), 0..8),
        vec(scenario(), 0..4),
        option::of(prose()),
        vec((place, 0..4usize, prose()), 0..4),
    )
        .prop_map(|(front, title, purpose, mut lines, scenarios, notes, remarks)| {
            lines.sort_by_key(|line| line.section);
            let mut commentary: Vec<Commentary> = Vec::new();
            for (place, after, text) in remarks {
                let most = match place {
                    Place::Purpose => purpose.len(),
                    Place::Section(section) => lines.iter().filter(|line| line.section == section).count(),
                    Place::Scenarios if scenarios.is_empty() => continue,
                    Place::Scenarios => scenarios.len(),
                };
                commentary.push(Commentary { place, after: after.min(most), text, at: Span::default() });
            }
            let order = |place: Place| match place {
                Place::Purpose => 0,
                Place::Section(section) => 1 + section as usize,
                Place::Scenarios => 5,
            };
            commentary.sort_by_key(|remark| (order(remark.place), remark.after));
            Document { front, title, purpose: purpose.join("\n\n"), lines, scenarios, notes, commentary }
        })
}
