//! Live systems that Ambit calls on an agent's behalf.
