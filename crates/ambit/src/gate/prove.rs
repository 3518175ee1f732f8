//! What execution must prove before an agent sees what came of its action: the bounds that its permit carried.

use ambit_core::decision::Bound;
use ambit_effects::mcp::cut::{Withheld, cut, cut_error};

use super::Sent;

/// What came of an action, as its agent may have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proved {
    /// What came of it.
    pub sent: Sent,
    /// What of it was withheld; nothing, where no bound says so.
    pub withheld: Withheld,
}

/// Holds what came back to the bounds. What happened stays what it was: only what is seen of it is less.
#[must_use]
pub fn prove(bounds: &[Bound], sent: Sent) -> Proved {
    bounds.iter().fold(Proved { sent, withheld: Withheld::default() }, |proved, bound| match (bound, &proved.sent) {
        (Bound::Returns(returns), Sent::Result(result)) => {
            let cut = cut(result, returns);
            Proved { sent: Sent::Result(cut.bytes), withheld: cut.withheld }
        }
        (Bound::Returns(_), Sent::Error(error)) => {
            let cut = cut_error(error);
            Proved { sent: Sent::Error(cut.bytes), withheld: cut.withheld }
        }
        // Nothing came back; and no limit on rows is compiled for what this gate sends (`limit-not-provable`).
        (Bound::Returns(_), Sent::NotSent(_) | Sent::Unknown(_)) | (Bound::RowsAtMost { .. }, _) => proved,
    })
}
