//! What an action does.
