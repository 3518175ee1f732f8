//! What comes in between while an action is on its way, and what is too large to be on it.

use std::future::Future as _;
use std::task::{Context, Waker};

use ambit::gate::Answer;
use ambit::gate::means::Settings;
use ambit::journal::Kind;

use crate::rig::{LOCK, Rig, SCOPE, pass, run, settings, snapshot};

/// Whatever the moment at which another release or a stop comes in: what is recorded after it is decided under it.
#[test]
fn a_decision_holds_under_what_is_in_force_at_its_turn() {
    let stricter = SCOPE
        .replace("- call helpdesk.purge", "- call helpdesk.purge\n- call helpdesk.reply")
        .replace("- call helpdesk.reply, at most 3 times per hour", "- nothing");
    let (mut overtaken, mut ran) = (0, 0);
    for stop in [false, true] {
        for after in 0..64 {
            let rig = Rig::new(settings());
            let action = rig.action("helpdesk", "reply", r#"{"to":"a","body":"b"}"#);
            let mut journey = Box::pin(pass(&rig.means, &rig.session, action));
            let mut context = Context::from_waker(Waker::noop());
            let early = (0..after).any(|_| journey.as_mut().poll(&mut context).is_ready());
            if early {
                ran += rig.ran();
                break;
            }
            if stop {
                run(ambit::daemon::stop::stop(&rig.means, Some("helper"), Some("dana"), "enough")).unwrap();
            } else {
                rig.release(2, &snapshot(&stricter, LOCK));
            }
            let decided_before = rig.ran() > 0 || rig.verdicts("reply").contains(&"allow".to_owned());
            let answer = run(journey);
            if !decided_before {
                overtaken += 1;
                assert_eq!(rig.ran(), 0, "after {after} awaits, stop {stop}: {answer:?}");
                assert!(matches!(answer, Answer::Refused(_)), "{answer:?}");
                assert_eq!(rig.verdicts("reply"), ["refuse"]);
            }
        }
    }
    assert!(overtaken >= 4 && ran == 2, "it was overtaken {overtaken} times, and ran {ran} times when it was not");
}

#[test]
fn what_is_too_large_to_read_is_not_kept_and_counts_against_the_agent() {
    let rig = Rig::new(Settings { trip_after: 3, ..settings() });
    let large = format!(r#"{{"id":5,"more":"{}"}}"#, "x".repeat(100 << 10));
    for _ in 0..3 {
        assert!(matches!(rig.call("helpdesk.get_ticket", &large), Answer::Invalid(_) | Answer::Refused(_)));
    }
    let kept = rig.records().iter().filter(|r| r.kind == Kind::Asked).filter(|r| r.commitment.is_some()).count();
    assert_eq!(kept, 0, "nobody fills the disk with what was never read");
    assert!(
        matches!(rig.call("helpdesk.get_ticket", r#"{"id":"7"}"#), Answer::Refused(why) if why.contains("stopped"))
    );
}
