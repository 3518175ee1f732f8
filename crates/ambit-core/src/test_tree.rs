//! The tests of one line, arranged by the arrays that their paths go through, so that tests on one and the same element
//! are asked together.

use std::collections::BTreeMap;

use smallvec::SmallVec;

use crate::check::{Check, Unmakeable};
use crate::policy::List;
use crate::scope::{Path, Test};
use crate::task::Task;
use crate::truth::Truth;
use crate::value::Value;

/// The tests of a line. A *can* asks [`TestTree::holds`], a *confirm* or *cannot* asks [`TestTree::fires`].
#[derive(Clone, Debug, Default)]
pub struct TestTree {
    plain: Vec<(Steps, Alternatives)>,
    arrays: Vec<(Steps, TestTree)>,
}

// Most paths are one name and most tests one predicate: those stand beside each other, not behind pointers.
type Steps = SmallVec<[Box<str>; 1]>;
type Alternatives = SmallVec<[Check; 1]>;

/// What stands at the end of some steps.
enum Found<'a> {
    Nothing,
    Value(&'a Value),
    /// A step leads into something that has no members, or nobody knows what stands there.
    Untold,
}

/// Over an array: every element, or one and the same.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Over {
    Every,
    Some,
}

impl TestTree {
    /// Arranges the tests of a line.
    ///
    /// # Errors
    /// One for each predicate that cannot be made.
    pub fn new(tests: &[Test], lists: &BTreeMap<String, List>) -> Result<TestTree, Vec<Unmakeable>> {
        let mut tree = TestTree::default();
        let mut errors = Vec::new();
        for test in tests {
            let mut checks = Alternatives::new();
            for predicate in &test.any {
                match Check::new(predicate.negated, &predicate.ask, lists) {
                    Ok(check) => checks.push(check),
                    Err(error) => errors.push(error),
                }
            }
            tree.insert(&test.path, checks);
        }
        if errors.is_empty() { Ok(tree) } else { Err(errors) }
    }

    fn insert(&mut self, path: &Path, checks: Alternatives) {
        let mut node = self;
        let mut steps = Steps::new();
        for step in &path.steps {
            steps.push(step.name.as_str().into());
            if step.each {
                let taken = std::mem::take(&mut steps);
                let at = match node.arrays.iter().position(|(array, _)| *array == taken) {
                    Some(at) => at,
                    None => {
                        node.arrays.push((taken, TestTree::default()));
                        node.arrays.len() - 1
                    }
                };
                match node.arrays.get_mut(at) {
                    Some((_, below)) => node = below,
                    None => return,
                }
            }
        }
        node.plain.push((steps, checks));
    }

    /// Whether all tests hold, over every element of each array, and each array has an element. `None`: nothing is known
    /// of what would be tested.
    #[must_use]
    pub fn holds(&self, subject: Option<&Value>, task: Option<&Task>) -> Truth {
        subject.map_or(Truth::Unknown, |subject| self.ask(subject, task, Over::Every))
    }

    /// Whether all tests hold for one and the same element of each array.
    #[must_use]
    pub fn fires(&self, subject: Option<&Value>, task: Option<&Task>) -> Truth {
        subject.map_or(Truth::Unknown, |subject| self.ask(subject, task, Over::Some))
    }

    fn ask(&self, value: &Value, task: Option<&Task>, over: Over) -> Truth {
        let mut all = Truth::Yes;
        for (steps, checks) in &self.plain {
            all = all.and(match find(value, steps) {
                Found::Untold => Truth::Unknown,
                Found::Nothing => any(checks, None, task),
                Found::Value(found) => any(checks, Some(found), task),
            });
            // Nothing that follows can make a no into anything else.
            if all == Truth::No {
                return Truth::No;
            }
        }
        for (steps, below) in &self.arrays {
            all = all.and(match find(value, steps) {
                Found::Untold => Truth::Unknown,
                Found::Nothing => below.ask(&Value::Null, task, over),
                Found::Value(Value::List(elements)) => {
                    let each = elements.iter().map(|element| below.ask(element, task, over));
                    match over {
                        Over::Every if elements.is_empty() => Truth::No,
                        Over::Every => each.fold(Truth::Yes, Truth::and),
                        Over::Some => each.fold(Truth::No, Truth::or),
                    }
                }
                Found::Value(_) => Truth::Unknown,
            });
        }
        all
    }
}

fn any(checks: &[Check], value: Option<&Value>, task: Option<&Task>) -> Truth {
    checks.iter().map(|check| check.of(value, task)).fold(Truth::No, Truth::or)
}

fn find<'a>(value: &'a Value, steps: &[Box<str>]) -> Found<'a> {
    let mut at = value;
    for step in steps {
        at = match at {
            Value::Map(_) => match at.get(step) {
                Some(found) => found,
                None => return Found::Nothing,
            },
            Value::Null => return Found::Nothing,
            _ => return Found::Untold,
        };
    }
    match at {
        Value::Null => Found::Nothing,
        Value::Unknown => Found::Untold,
        _ => Found::Value(at),
    }
}

/// The sum of what stands at a path, for limits `of` it. `None` when something there is no number, is negative, or
/// nothing stands there at all.
#[must_use]
pub fn sum(value: &Value, path: &Path) -> Option<crate::decimal::Decimal> {
    sum_steps(value, &path.steps)
}

fn sum_steps(value: &Value, steps: &[crate::scope::Step]) -> Option<crate::decimal::Decimal> {
    use crate::decimal::Decimal;
    let Some((step, rest)) = steps.split_first() else {
        return match value {
            Value::Number(number) if !number.is_negative() => Some(*number),
            _ => None,
        };
    };
    let found = value.get(&step.name)?;
    if !step.each {
        return sum_steps(found, rest);
    }
    match found {
        Value::List(elements) => {
            elements.iter().try_fold(Decimal::ZERO, |total, element| total.checked_add(sum_steps(element, rest)?))
        }
        _ => None,
    }
}
