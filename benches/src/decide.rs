//! How long a decision takes, against Cedar, side by side in one run.
//!
//! One realistic scope (reads over columns, writes, tool calls with conditions, confirmations, cannots by tag) over 2,000
//! catalogued resources, the same requests put to both, answers compared. Prints a Markdown table.
//!
//! `cargo run --release --manifest-path benches/Cargo.toml --bin decide`

use std::alloc::{GlobalAlloc, Layout, System as SystemAllocator};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::hint::black_box;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use ambit_core::catalog::{Catalog, Declared, Field, Resource, ResourceKind, Shape, System, SystemKind, Type};
use ambit_core::decide::{Facts, Unused, decide};
use ambit_core::decimal::Decimal;
use ambit_core::decision::Verdict;
use ambit_core::effect::{Effect, Extent, FieldSet, Standing, Verb};
use ambit_core::policy::{Person, Policy, Setting};
use ambit_core::reading::Reading;
use ambit_core::scope::compile::compile;
use ambit_core::scope::diagnostics::Severity;
use ambit_core::scope::parse::parse;
use ambit_core::value::Value;
use cedar_policy::{
    Authorizer, Context, Decision as CedarDecision, Entities, Entity, EntityUid, PolicyId, PolicySet, Request,
    RestrictedExpression,
};

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        unsafe { SystemAllocator.alloc(layout) }
    }
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        unsafe { SystemAllocator.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const RELATIONS: usize = 1_900;
const TOOLS: usize = 100;
const COLUMNS: usize = 8;

fn tags(at: usize) -> BTreeSet<String> {
    let mut tags = BTreeSet::new();
    if at % 10 == 9 {
        tags.insert("backup".to_owned());
    }
    if at % 10 == 8 {
        tags.insert("infrastructure".to_owned());
    }
    tags
}

fn catalog() -> Catalog {
    let mut catalog = Catalog::new();
    let shop = catalog.add_system(System { name: "shop".into(), kind: SystemKind::Postgres, tags: BTreeSet::new() });
    let desk = catalog.add_system(System { name: "desk".into(), kind: SystemKind::Mcp, tags: BTreeSet::new() });
    let field = |name: String, t: Type| Field {
        name,
        tags: BTreeSet::new(),
        shape: Shape { types: [t].into(), ..Shape::default() },
        required: true,
    };
    for at in 0..RELATIONS {
        let fields = (0..COLUMNS).map(|c| field(format!("c{c}"), Type::Text)).collect();
        catalog.add_resource(Resource {
            system: shop,
            name: format!("r{at}"),
            kind: ResourceKind::Relation,
            fields,
            tags: tags(at),
            declared: Declared::default(),
            digest: String::new(),
        });
    }
    for at in 0..TOOLS {
        let fields = vec![
            field("amount".into(), Type::Number),
            field("currency".into(), Type::Text),
            field("to".into(), Type::Text),
        ];
        catalog.add_resource(Resource {
            system: desk,
            name: format!("t{at}"),
            kind: ResourceKind::Tool,
            fields,
            tags: tags(at),
            declared: Declared::default(),
            digest: String::new(),
        });
    }
    catalog
}

/// The same scope for both engines: (a line of SCOPE.md, Cedar policies).
fn scope(lines: usize) -> (String, String) {
    let (mut read, mut write, mut confirm, mut cannot) = (String::new(), String::new(), String::new(), String::new());
    let mut cedar = String::new();
    let mut rule = |annotation: &str, text: String| cedar.push_str(&format!("@outcome(\"{annotation}\")\n{text}\n"));
    for at in 0..lines.saturating_sub(2) {
        // Relations and tools that no tag takes away: numbers ending in 0 to 7.
        let relation = |n: usize| (n / 8) * 10 + n % 8;
        match at % 5 {
            0 | 1 => {
                let r = relation(at) % RELATIONS;
                read.push_str(&format!("- shop.r{r} (c0, c1, c{})\n", 2 + at % 6));
                rule(
                    "allow",
                    format!(
                        "permit(principal, action == Action::\"read\", resource) when {{ resource.table == \"shop.r{r}\" && [\"c0\", \"c1\", \"c{}\"].contains(resource.name) }};",
                        2 + at % 6
                    ),
                );
            }
            2 => {
                let r = relation(at) % RELATIONS;
                write.push_str(&format!("- update shop.r{r} (c{})\n", at % COLUMNS));
                rule(
                    "allow",
                    format!(
                        "permit(principal, action == Action::\"update\", resource) when {{ resource.table == \"shop.r{r}\" && [\"c{}\"].contains(resource.name) }};",
                        at % COLUMNS
                    ),
                );
            }
            3 => {
                let t = relation(at / 5) % 80;
                let most = 100 + at;
                write.push_str(&format!(
                    "- call desk.t{t} where amount is above 0 and amount is at most {most} and currency is \"EUR\"\n"
                ));
                rule(
                    "allow",
                    format!(
                        "permit(principal, action == Action::\"call\", resource == Tool::\"desk.t{t}\") when {{ context.amount > 0 && context.amount <= {most} && context.currency == \"EUR\" }};"
                    ),
                );
            }
            _ => {
                let t = relation(at / 5) % 80;
                let least = 5_000 + at;
                confirm.push_str(&format!("- call desk.t{t} where amount is above {least}\n"));
                rule(
                    "confirm",
                    format!(
                        "permit(principal, action == Action::\"call\", resource == Tool::\"desk.t{t}\") when {{ context.amount > {least} }};"
                    ),
                );
            }
        }
    }
    for tag in ["backup", "infrastructure"] {
        cannot.push_str(&format!("- anything tagged {tag}\n"));
        rule("never", format!("forbid(principal, action, resource in Label::\"{tag}\");"));
    }
    let page = format!(
        "---\nagent: bench\nowner: dana@acme.example\n---\n\n# Bench\n\nMeasures.\n\n## It can read\n\n{read}\n## It can write\n\n{write}\n## A human must confirm\n\n{confirm}\n## It cannot touch\n\n{cannot}"
    );
    (page, cedar)
}

#[derive(Clone, Copy)]
enum Asked {
    Column { relation: usize, column: usize, verb: Verb },
    Call { tool: usize, amount: u64, euro: bool },
}

fn requests(lines: usize) -> Vec<Asked> {
    // A fixed pseudo-random walk over what the scope mentions and what it does not.
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut next = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    let relation = |n: usize| (n / 8) * 10 + n % 8;
    (0..1024)
        .map(|_| {
            // Mostly what a line is about, as an agent at its work would ask; sometimes beside it.
            let (at, stray) = (next(lines.saturating_sub(2)), next(5) == 0);
            match at % 5 {
                0..=2 => Asked::Column {
                    relation: if stray { next(RELATIONS) } else { relation(at) % RELATIONS },
                    column: if at % 5 == 2 { at % COLUMNS } else { next(2) },
                    verb: if at % 5 == 2 { Verb::Update } else { Verb::Read },
                },
                _ => Asked::Call {
                    tool: if stray { next(TOOLS) } else { relation(at / 5) % 80 },
                    amount: next(if stray { 9_000 } else { 110 }) as u64,
                    euro: !stray,
                },
            }
        })
        .collect()
}

fn reading(catalog: &Catalog, asked: Asked) -> Reading {
    let system = |name| catalog.system_named(name).expect("system");
    let (effect, values) = match asked {
        Asked::Column { relation, column, verb } => {
            let resource = catalog.resource_named(system("shop"), &format!("r{relation}")).expect("relation");
            let fields: FieldSet = [column].into_iter().collect();
            (
                Effect { verb, resource, fields, extent: Extent::default(), standing: Standing::Own, subject: None },
                vec![],
            )
        }
        Asked::Call { tool, amount, euro } => {
            let resource = catalog.resource_named(system("desk"), &format!("t{tool}")).expect("tool");
            let arguments = Value::Map(vec![
                ("amount".into(), Value::Number(Decimal::from(amount))),
                ("currency".into(), Value::Text(if euro { "EUR" } else { "USD" }.into())),
                ("to".into(), Value::Text("dana@acme.example".into())),
            ]);
            (
                Effect {
                    verb: Verb::Call,
                    resource,
                    fields: FieldSet::first(3),
                    extent: Extent::default(),
                    standing: Standing::Own,
                    subject: Some(0),
                },
                vec![arguments],
            )
        }
    };
    Reading { effects: [effect].into_iter().collect(), unread: vec![], values }
}

fn uid(kind: &str, id: &str) -> EntityUid {
    EntityUid::from_str(&format!("{kind}::\"{id}\"")).expect("uid")
}

fn entities() -> Entities {
    let mut all: Vec<Entity> =
        ["backup", "infrastructure"].iter().map(|t| Entity::new_no_attrs(uid("Label", t), HashSet::new())).collect();
    let parents = |at: usize| tags(at).iter().map(|t| uid("Label", t)).collect::<HashSet<_>>();
    for at in 0..RELATIONS {
        for c in 0..COLUMNS {
            let attrs = HashMap::from([
                ("table".to_owned(), RestrictedExpression::new_string(format!("shop.r{at}"))),
                ("name".to_owned(), RestrictedExpression::new_string(format!("c{c}"))),
            ]);
            all.push(Entity::new(uid("Column", &format!("shop.r{at}.c{c}")), attrs, parents(at)).expect("entity"));
        }
    }
    for at in 0..TOOLS {
        all.push(Entity::new_no_attrs(uid("Tool", &format!("desk.t{at}")), parents(at)));
    }
    Entities::from_entities(all, None).expect("entities")
}

fn cedar_request(asked: Asked) -> Request {
    let agent = uid("Agent", "bench");
    match asked {
        Asked::Column { relation, column, verb } => Request::new(
            agent,
            uid("Action", verb.word()),
            uid("Column", &format!("shop.r{relation}.c{column}")),
            Context::empty(),
            None,
        )
        .expect("request"),
        Asked::Call { tool, amount, euro } => {
            let context = Context::from_pairs([
                ("amount".to_owned(), RestrictedExpression::new_long(amount as i64)),
                ("currency".to_owned(), RestrictedExpression::new_string(if euro { "EUR" } else { "USD" }.to_owned())),
                ("to".to_owned(), RestrictedExpression::new_string("dana@acme.example".to_owned())),
            ]);
            Request::new(
                agent,
                uid("Action", "call"),
                uid("Tool", &format!("desk.t{tool}")),
                context.expect("context"),
                None,
            )
            .expect("request")
        }
    }
}

/// Any error, or a denial with reasons: never. A denial without: outside. An allowance with a confirm among its reasons: confirm.
fn cedar_verdict(
    authorizer: &Authorizer,
    request: &Request,
    policies: &PolicySet,
    entities: &Entities,
    confirms: &HashSet<PolicyId>,
) -> Verdict {
    let response = authorizer.is_authorized(request, policies, entities);
    let mut reasons = response.diagnostics().reason();
    match response.decision() {
        CedarDecision::Deny if response.diagnostics().errors().next().is_some() || reasons.next().is_some() => {
            Verdict::Refuse
        }
        CedarDecision::Deny => Verdict::Hold,
        CedarDecision::Allow if reasons.any(|r| confirms.contains(r)) => Verdict::Hold,
        CedarDecision::Allow => Verdict::Allow,
    }
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn compiled(page: &str, catalog: &Arc<Catalog>) -> Policy {
    let read = parse(page);
    assert!(!read.diagnostics.iter().any(|d| d.severity == Severity::Error), "{:#?}", read.diagnostics);
    let people = vec![Person { name: "dana".into(), email: Some("dana@acme.example".into()), roles: BTreeSet::new() }];
    let compiled = compile(&read.document, &Setting { catalog: Arc::clone(catalog), people, ..Setting::default() });
    compiled.policy.unwrap_or_else(|| panic!("{:#?}", compiled.diagnostics.iter().take(5).collect::<Vec<_>>()))
}

fn main() {
    let catalog = Arc::new(catalog());
    println!(
        "| lines | ambit, allowed | ambit, all | allocations on the allow path | Cedar 4.14, all | Cedar allocations | ratio | read the page | compile it |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for lines in [30, 100, 1_000] {
        let (page, cedar) = scope(lines);
        let parse_ms = median(
            (0..9)
                .map(|_| {
                    let start = Instant::now();
                    black_box(parse(&page));
                    start.elapsed().as_secs_f64() * 1e3
                })
                .collect(),
        );
        let both_ms = median(
            (0..9)
                .map(|_| {
                    let start = Instant::now();
                    black_box(compiled(&page, &catalog));
                    start.elapsed().as_secs_f64() * 1e3
                })
                .collect(),
        );
        let policy = compiled(&page, &catalog);
        let asked = requests(lines);
        let readings: Vec<Reading> = asked.iter().map(|a| reading(&catalog, *a)).collect();
        let facts = Facts { now: None, task: None, usage: &Unused };

        let policies = PolicySet::from_str(&cedar).expect("policies");
        let confirms: HashSet<PolicyId> = policies
            .policies()
            .filter(|p| p.annotation("outcome") == Some("confirm"))
            .map(|p| p.id().clone())
            .collect();
        let entities = entities();
        let authorizer = Authorizer::new();
        let cedar_requests: Vec<Request> = asked.iter().map(|a| cedar_request(*a)).collect();
        let mut verdicts = [0usize; 3];
        for (reading, request) in readings.iter().zip(&cedar_requests) {
            let ours = decide(&policy, reading, &facts).verdict;
            verdicts[ours as usize] += 1;
            assert_eq!(
                ours,
                cedar_verdict(&authorizer, request, &policies, &entities, &confirms),
                "the two engines disagree on {request:?}"
            );
        }

        let allowed: Vec<&Reading> =
            readings.iter().filter(|r| decide(&policy, r, &facts).verdict == Verdict::Allow).collect();
        let before = ALLOCATIONS.load(Ordering::Relaxed);
        for reading in &allowed {
            black_box(decide(&policy, reading, &facts));
        }
        let allocations = (ALLOCATIONS.load(Ordering::Relaxed) - before) as f64 / allowed.len() as f64;
        // Alternated, so that whatever the machine does meets both.
        let (mut ours, mut ours_allowed, mut theirs, mut their_allocations) = (Vec::new(), Vec::new(), Vec::new(), 0);
        for round in 0..400 {
            let start = Instant::now();
            for reading in &readings {
                black_box(decide(&policy, reading, &facts));
            }
            ours.push(start.elapsed().as_nanos() as f64 / readings.len() as f64);
            let start = Instant::now();
            for reading in &allowed {
                black_box(decide(&policy, reading, &facts));
            }
            ours_allowed.push(start.elapsed().as_nanos() as f64 / allowed.len() as f64);
            if round % 20 == 0 {
                let before = ALLOCATIONS.load(Ordering::Relaxed);
                let start = Instant::now();
                for request in cedar_requests.iter().take(256) {
                    black_box(cedar_verdict(&authorizer, request, &policies, &entities, &confirms));
                }
                theirs.push(start.elapsed().as_nanos() as f64 / 256.0);
                their_allocations = (ALLOCATIONS.load(Ordering::Relaxed) - before) / 256;
            }
        }
        let (our, our_allowed, their) = (median(ours), median(ours_allowed), median(theirs));
        println!(
            "| {lines} | {our_allowed:.0} ns | {our:.0} ns | {allocations} | {:.1} µs | {their_allocations} | {:.0}× | {parse_ms:.1} ms | {:.1} ms |",
            their / 1e3,
            their / our,
            both_ms - parse_ms,
        );
        eprintln!(
            "{lines} lines: {} allowed, {} held, {} refused, no disagreement in {} requests",
            verdicts[0],
            verdicts[1],
            verdicts[2],
            readings.len()
        );
    }
}
