//! Each move of a hold, and each that it denies.

use super::*;
use proptest::prelude::*;

fn circle() -> Circle {
    let set = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<BTreeSet<_>>();
    Circle {
        owner: "dana".into(),
        backup_owner: Some("omar".into()),
        roles: [("support-lead".to_owned(), set(&["lena", "max", "dana", "refund-helper"]))].into(),
        people: set(&["dana", "omar", "lena", "max", "tess"]),
    }
}

fn held(asks: &[Option<Who>]) -> Hold {
    let digest = |n: u8| Digest([n; 32]);
    Hold {
        id: "h-1".into(),
        binding: Binding {
            agent: "refund-helper".into(),
            action: digest(1),
            effects: digest(2),
            release: digest(3),
            definition: "abc".into(),
            shown: digest(4),
            expires: Timestamp(1_000),
            nonce: digest(5),
        },
        asks: (0u32..).zip(asks).map(|(line, who)| Ask { line: Some(line), who: who.clone() }).collect(),
        askers: ["dana".to_owned()].into(),
        on_behalf_of: Some("tess".into()),
        opened: Timestamp(0),
        votes: vec![],
        state: State::Waiting,
    }
}

fn vote(hold: &Hold, person: &str, at: i64) -> Vote {
    Vote {
        person: person.into(),
        binding: hold.binding.digest(),
        at: Timestamp(at),
        strength: Strength::Passphrase,
        advised: false,
    }
}

fn confirm(hold: &mut Hold, person: &str) -> Result<Counted, Denial> {
    let vote = vote(hold, person, 10);
    hold.confirm(vote, &circle())
}

fn role() -> Option<Who> {
    Some(Who::Named("support-lead".into()))
}

#[test]
fn cannot_execute_without_a_terminal_allow() {
    let mut hold = held(&[None, Some(Who::TwoOf("support-lead".into()))]);
    assert!(hold.begin(hold.binding.action, Timestamp(1), &circle()).is_err());
    confirm(&mut hold, "lena").unwrap();
    assert!(hold.begin(hold.binding.action, Timestamp(1), &circle()).is_err(), "one of two, and no owner");
    confirm(&mut hold, "max").unwrap();
    assert!(hold.begin(hold.binding.action, Timestamp(1), &circle()).is_err(), "no owner");
    assert_eq!(confirm(&mut hold, "omar"), Ok(Counted::Complete));
    hold.begin(hold.binding.action, Timestamp(1), &circle()).unwrap();
}

#[test]
fn approval_for_digest_a_cannot_execute_b() {
    let mut hold = held(&[None]);
    confirm(&mut hold, "dana").unwrap();
    assert_eq!(hold.begin(Digest([9; 32]), Timestamp(1), &circle()), Err(Denial::OtherAction));
    let mut a = held(&[None]);
    let mut b = held(&[None]);
    b.binding.action = Digest([9; 32]);
    let for_a = vote(&a, "dana", 1);
    assert_eq!(b.confirm(for_a.clone(), &circle()), Err(Denial::OtherBinding));
    assert_eq!(a.confirm(for_a, &circle()), Ok(Counted::Complete));
}

#[test]
fn a_change_of_anything_it_is_bound_to_invalidates_it() {
    let changes: [fn(&mut Binding); 8] = [
        |b| b.agent.push('x'),
        |b| b.action.0[0] ^= 1,
        |b| b.effects.0[0] ^= 1,
        |b| b.release.0[0] ^= 1,
        |b| b.definition.push('x'),
        |b| b.shown.0[0] ^= 1,
        |b| b.expires.0 += 1,
        |b| b.nonce.0[0] ^= 1,
    ];
    for change in changes {
        let mut hold = held(&[None]);
        let given = vote(&hold, "dana", 1);
        change(&mut hold.binding);
        assert_eq!(hold.confirm(given, &circle()), Err(Denial::OtherBinding));
    }
}

#[test]
fn a_change_of_the_approver_chain_invalidates_it() {
    let mut hold = held(&[role()]);
    assert_eq!(confirm(&mut hold, "lena"), Ok(Counted::Complete));
    let mut without = circle();
    without.roles.get_mut("support-lead").unwrap().remove("lena");
    assert!(matches!(hold.begin(hold.binding.action, Timestamp(11), &without), Err(Denial::NotAsked(_))));
}

#[test]
fn the_asker_cannot_approve() {
    for who in [role(), Some(Who::TwoOf("support-lead".into())), Some(Who::SomeoneElse)] {
        let mut hold = held(&[who]);
        assert_eq!(confirm(&mut hold, "dana"), Err(Denial::Asker("dana".into())));
    }
    // A plain confirm is a pause, not four eyes.
    assert_eq!(confirm(&mut held(&[None]), "dana"), Ok(Counted::Complete));
}

#[test]
fn an_agent_cannot_approve() {
    // Not even one whose name stands in a role.
    for who in [None, role(), Some(Who::SomeoneElse), Some(Who::Named("refund-helper".into()))] {
        assert_eq!(confirm(&mut held(&[who]), "refund-helper"), Err(Denial::NotAsked("refund-helper".into())));
    }
}

#[test]
fn all_of_several_lines_people_must() {
    let mut hold = held(&[None, role(), Some(Who::Named("omar".into()))]);
    assert_eq!(
        confirm(&mut hold, "lena"),
        Ok(Counted::Waiting { missing: vec!["dana or omar or tess".into(), "omar".into()] })
    );
    assert_eq!(confirm(&mut hold, "omar"), Ok(Counted::Complete), "one person may answer for two lines");
}

#[test]
fn two_of_a_role_are_two_people() {
    let mut hold = held(&[Some(Who::TwoOf("support-lead".into()))]);
    assert_eq!(confirm(&mut hold, "lena"), Ok(Counted::Waiting { missing: vec!["one more of support-lead".into()] }));
    assert_eq!(confirm(&mut hold, "lena"), Ok(Counted::Already));
    assert_eq!(confirm(&mut hold, "tess"), Err(Denial::NotAsked("tess".into())));
    assert_eq!(confirm(&mut hold, "max"), Ok(Counted::Complete));
}

#[test]
fn a_refusal_short_circuits() {
    let mut hold = held(&[None, role()]);
    confirm(&mut hold, "lena").unwrap();
    hold.refuse("omar", "not this customer", Timestamp(20), &circle()).unwrap();
    assert!(matches!(confirm(&mut hold, "dana"), Err(Denial::Late { state: State::Refused { .. }, .. })));
    assert!(hold.begin(hold.binding.action, Timestamp(21), &circle()).is_err());
}

#[test]
fn only_people_refuse() {
    let mut hold = held(&[role()]);
    for nobody in ["refund-helper", "stranger"] {
        assert!(matches!(hold.refuse(nobody, "", Timestamp(1), &circle()), Err(Denial::NotAsked(_))));
    }
    hold.refuse("dana", "I asked by mistake", Timestamp(1), &circle()).unwrap();
}

#[test]
fn duplicates_are_idempotent() {
    let mut hold = held(&[None]);
    assert_eq!(confirm(&mut hold, "dana"), Ok(Counted::Complete));
    let before = hold.clone();
    assert_eq!(confirm(&mut hold, "dana"), Ok(Counted::Already));
    assert_eq!(hold, before);
}

#[test]
fn it_cannot_be_consumed_twice() {
    let mut hold = held(&[None]);
    confirm(&mut hold, "dana").unwrap();
    hold.begin(hold.binding.action, Timestamp(11), &circle()).unwrap();
    assert!(hold.begin(hold.binding.action, Timestamp(11), &circle()).is_err());
    hold.finish(Outcome::Result, 7, Timestamp(12)).unwrap();
    assert!(hold.begin(hold.binding.action, Timestamp(13), &circle()).is_err());
}

#[test]
fn time_out_fails_closed() {
    let mut hold = held(&[None]);
    assert!(!hold.expire(Timestamp(1_000)), "the last millisecond counts");
    let late = vote(&hold, "dana", 1_001);
    assert_eq!(hold.clone().confirm(late, &circle()), Err(Denial::TimeIsUp { id: "h-1".into() }));
    // Confirmed in time but not begun in time: it does not run either.
    confirm(&mut hold, "dana").unwrap();
    assert!(matches!(hold.begin(hold.binding.action, Timestamp(1_001), &circle()), Err(Denial::TimeIsUp { .. })));
    assert!(hold.expire(Timestamp(1_001)));
    assert!(hold.begin(hold.binding.action, Timestamp(900), &circle()).is_err());
}

#[test]
fn a_late_answer_is_harmless_and_says_so() {
    let mut hold = held(&[None]);
    hold.expire(Timestamp(2_000));
    let before = hold.clone();
    let vote = vote(&hold, "dana", 10);
    let said = hold.confirm(vote, &circle()).unwrap_err().to_string();
    assert_eq!(said, "`h-1` is expired already; your answer changed nothing");
    assert!(
        hold.refuse("dana", "no", Timestamp(2_001), &circle()).unwrap_err().to_string().contains("expired already")
    );
    assert_eq!(hold, before);
}

#[test]
fn it_survives_being_written_and_read() {
    let mut hold = held(&[None, role(), Some(Who::TwoOf("x".into())), Some(Who::SomeoneElse)]);
    confirm(&mut hold, "omar").unwrap();
    let text = serde_json::to_string(&hold).unwrap();
    assert_eq!(serde_json::from_str::<Hold>(&text).unwrap(), hold);
}

#[derive(Clone, Debug)]
enum Move {
    Confirm(usize, i64),
    Refuse(usize, i64),
    Expire(i64),
    Withdraw(i64),
    Begin(bool, i64),
    Finish(i64),
    Lose(i64),
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let at = 0i64..1_500;
    prop::collection::vec(
        prop_oneof![
            4 => (0usize..7, at.clone()).prop_map(|(p, t)| Move::Confirm(p, t)),
            1 => (0usize..7, at.clone()).prop_map(|(p, t)| Move::Refuse(p, t)),
            1 => at.clone().prop_map(Move::Expire),
            1 => at.clone().prop_map(Move::Withdraw),
            3 => (any::<bool>(), at.clone()).prop_map(|(right, t)| Move::Begin(right, t)),
            1 => at.clone().prop_map(Move::Finish),
            1 => at.prop_map(Move::Lose),
        ],
        0..24,
    )
}

proptest! {
    #[test]
    fn whatever_happens_it_begins_at_most_once_confirmed_by_all_in_time_and_ends_for_good(steps in moves()) {
        let mut hold = held(&[None, Some(Who::TwoOf("support-lead".into()))]);
        let names = ["dana", "omar", "lena", "max", "tess", "refund-helper", "stranger"];
        let mut begun = 0;
        for step in steps {
            let before = hold.clone();
            match step {
                Move::Confirm(p, t) => { let v = vote(&hold, names[p], t); let _ = hold.confirm(v, &circle()); }
                Move::Refuse(p, t) => { let _ = hold.refuse(names[p], "", Timestamp(t), &circle()); }
                Move::Expire(t) => { hold.expire(Timestamp(t)); }
                Move::Withdraw(t) => { let _ = hold.withdraw("", Timestamp(t)); }
                Move::Begin(right, t) => {
                    let action = if right { hold.binding.action } else { Digest([9; 32]) };
                    if hold.begin(action, Timestamp(t), &circle()).is_ok() {
                        begun += 1;
                        prop_assert!(right && t <= 1_000);
                        prop_assert!(hold.missing(&circle()).is_empty());
                        let two = hold.votes.iter().filter(|v| ["lena", "max"].contains(&v.person.as_str())).count();
                        prop_assert!(two == 2 && hold.votes.len() >= 3);
                    }
                }
                Move::Finish(t) => { let _ = hold.finish(Outcome::Result, 1, Timestamp(t)); }
                Move::Lose(t) => { let _ = hold.lose("", Timestamp(t)); }
            }
            if before.state.ended().is_some() {
                prop_assert_eq!(&before, &hold);
            }
        }
        prop_assert!(begun <= 1);
    }
}
