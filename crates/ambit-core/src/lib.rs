//! What is permitted: the scope language, the compiled policy, and the decision.
//!
//! Nothing here knows a clock, a file, a socket or a protocol. `scope` reads a document, `policy` is what it means over
//! a catalog, `decide` answers for one action and `could` for a whole resource.

pub mod action;
pub mod catalog;
pub mod check;
pub mod could;
pub mod decide;
pub mod decimal;
pub mod decision;
pub mod difference;
pub mod edit;
pub mod effect;
pub mod explain;
pub mod hold;
pub mod permit;
pub mod place;
pub mod policy;
pub mod reading;
pub mod ready;
pub mod record;
pub mod release;
pub mod returns;
pub mod scope;
pub mod task;
pub mod test_tree;
pub mod time;
pub mod truth;
pub mod usage;
pub mod value;
pub mod weaken;
