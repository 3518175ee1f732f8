//! An effect: verb × resource × fields × extent.

use serde::Serialize;
use smallvec::SmallVec;

use crate::catalog::ResourceId;
use crate::decimal::Decimal;

/// What is done to a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verb {
    /// Looks, changes nothing.
    Read,
    /// Adds something new.
    Create,
    /// Changes something that exists.
    Update,
    /// Removes something.
    Delete,
    /// Calls a tool or an operation.
    Call,
    /// Starts a program.
    Run,
    /// Changes a schema or a configuration.
    Define,
}

impl Verb {
    /// Every verb, in the order of the grammar.
    pub const ALL: [Verb; 7] =
        [Verb::Read, Verb::Create, Verb::Update, Verb::Delete, Verb::Call, Verb::Run, Verb::Define];

    /// The word in a scope.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Verb::Read => "read",
            Verb::Create => "create",
            Verb::Update => "update",
            Verb::Delete => "delete",
            Verb::Call => "call",
            Verb::Run => "run",
            Verb::Define => "define",
        }
    }

    /// The verb of that word, exactly as the grammar writes it.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Verb> {
        Verb::ALL.into_iter().find(|verb| verb.word() == word)
    }
}

/// A set of verbs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct VerbSet(u8);

impl VerbSet {
    /// Every verb.
    pub const ALL: VerbSet = VerbSet(0b111_1111);
    /// No verb.
    pub const NONE: VerbSet = VerbSet(0);

    /// Whether it holds that verb.
    #[must_use]
    pub fn has(self, verb: Verb) -> bool {
        self.0 & (1 << verb as u8) != 0
    }

    /// Both sets together.
    #[must_use]
    pub fn union(self, other: VerbSet) -> VerbSet {
        VerbSet(self.0 | other.0)
    }

    /// What both sets hold.
    #[must_use]
    pub fn intersection(self, other: VerbSet) -> VerbSet {
        VerbSet(self.0 & other.0)
    }

    /// Whether it holds nothing.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The verbs in it, in the order of the grammar.
    pub fn iter(self) -> impl Iterator<Item = Verb> {
        Verb::ALL.into_iter().filter(move |verb| self.has(*verb))
    }
}

impl From<Verb> for VerbSet {
    fn from(verb: Verb) -> VerbSet {
        VerbSet(1 << verb as u8)
    }
}

impl FromIterator<Verb> for VerbSet {
    fn from_iter<I: IntoIterator<Item = Verb>>(verbs: I) -> VerbSet {
        verbs.into_iter().fold(VerbSet::NONE, |set, verb| set.union(verb.into()))
    }
}

/// A set of fields of one resource, by their place in the catalog's list; `unlisted` stands for any that the catalog
/// does not know (an argument outside the schema, a column added since).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct FieldSet {
    words: SmallVec<[u64; 1]>,
    unlisted: bool,
}

impl FieldSet {
    /// No field.
    #[must_use]
    pub fn new() -> FieldSet {
        FieldSet::default()
    }

    /// The first `count` fields, as the catalog lists them.
    #[must_use]
    pub fn first(count: usize) -> FieldSet {
        (0..count).collect()
    }

    /// Adds the field at that place.
    pub fn insert(&mut self, place: usize) {
        let word = place / 64;
        if self.words.len() <= word {
            self.words.resize(word + 1, 0);
        }
        if let Some(bits) = self.words.get_mut(word) {
            *bits |= 1 << (place % 64);
        }
    }

    /// Takes the field at that place out.
    pub fn remove(&mut self, place: usize) {
        if let Some(bits) = self.words.get_mut(place / 64) {
            *bits &= !(1 << (place % 64));
        }
    }

    /// Notes that a field is touched which the catalog does not list.
    pub fn insert_unlisted(&mut self) {
        self.unlisted = true;
    }

    /// Whether it holds a field that the catalog does not list.
    #[must_use]
    pub fn has_unlisted(&self) -> bool {
        self.unlisted
    }

    /// Whether it holds the field at that place.
    #[must_use]
    pub fn has(&self, place: usize) -> bool {
        self.words.get(place / 64).is_some_and(|bits| bits & (1 << (place % 64)) != 0)
    }

    /// Whether it holds nothing at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.unlisted && self.words.iter().all(|bits| *bits == 0)
    }

    /// Whether every field of it is in `other`.
    #[must_use]
    pub fn is_subset(&self, other: &FieldSet) -> bool {
        (!self.unlisted || other.unlisted)
            && self
                .words
                .iter()
                .enumerate()
                .all(|(word, bits)| bits & !other.words.get(word).copied().unwrap_or(0) == 0)
    }

    /// Whether the two share a field.
    #[must_use]
    pub fn intersects(&self, other: &FieldSet) -> bool {
        (self.unlisted && other.unlisted) || self.words.iter().zip(&other.words).any(|(a, b)| a & b != 0)
    }

    /// Adds every field of `other`.
    pub fn extend_with(&mut self, other: &FieldSet) {
        if self.words.len() < other.words.len() {
            self.words.resize(other.words.len(), 0);
        }
        for (mine, theirs) in self.words.iter_mut().zip(&other.words) {
            *mine |= theirs;
        }
        self.unlisted |= other.unlisted;
    }

    /// The places in it, ascending; the unlisted are not among them.
    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.words.iter().enumerate().flat_map(|(word, bits)| {
            (0..64).filter(move |bit| bits & (1u64 << bit) != 0).map(move |bit| word * 64 + bit)
        })
    }
}

impl FromIterator<usize> for FieldSet {
    fn from_iter<I: IntoIterator<Item = usize>>(places: I) -> FieldSet {
        let mut set = FieldSet::new();
        for place in places {
            set.insert(place);
        }
        set
    }
}

/// How far an effect reaches. `None` is unknown, and unknown reversibility counts as irreversible.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// Rows at most, where that can be known beforehand.
    pub rows: Option<u64>,
    /// The amount moved, in the unit the tool's reading names.
    pub amount: Option<Decimal>,
    /// Whether it can be taken back.
    pub reversible: Option<bool>,
}

/// Whether an effect needs a grant of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It must be granted by a *can* line, else it is outside the scope.
    Own,
    /// It follows from a tool's declared reading: it counts for *confirm* and *cannot*; a *can* on the call covers it.
    Declared,
}

/// One thing that an action does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effect {
    /// What is done.
    pub verb: Verb,
    /// To what.
    pub resource: ResourceId,
    /// To which fields; on a tool, the arguments given (null is not given).
    pub fields: FieldSet,
    /// How far.
    pub extent: Extent,
    /// Whether it needs a grant of its own.
    pub standing: Standing,
    /// Which of the reading's values the tests of a line look into; `None`: nothing is known, every test is Unknown.
    pub subject: Option<usize>,
}
