//! Three-valued truth. A fact we do not have is [`Truth::Unknown`]; it makes a *cannot* and a *confirm* fire and never
//! makes a *can* fire.

use serde::Serialize;

/// Yes, no, or not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Truth {
    /// Known to be false.
    No,
    /// Not known: the fact is absent, of the wrong type, or written by somebody who may not say it.
    Unknown,
    /// Known to be true.
    Yes,
}

impl Truth {
    /// Kleene's *and*: the lesser of the two.
    #[must_use]
    pub fn and(self, other: Truth) -> Truth {
        self.min(other)
    }

    /// Kleene's *or*: the greater of the two.
    #[must_use]
    pub fn or(self, other: Truth) -> Truth {
        self.max(other)
    }

    /// Whether a *can* may rest on this.
    #[must_use]
    pub fn grants(self) -> bool {
        self == Truth::Yes
    }

    /// Whether a *confirm* or a *cannot* fires on this.
    #[must_use]
    pub fn fires(self) -> bool {
        self != Truth::No
    }
}

impl std::ops::Not for Truth {
    type Output = Truth;

    fn not(self) -> Truth {
        match self {
            Truth::No => Truth::Yes,
            Truth::Unknown => Truth::Unknown,
            Truth::Yes => Truth::No,
        }
    }
}

impl From<bool> for Truth {
    fn from(known: bool) -> Truth {
        if known { Truth::Yes } else { Truth::No }
    }
}
