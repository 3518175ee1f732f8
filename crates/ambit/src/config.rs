//! ambit.toml: where things are. It grants nothing.
