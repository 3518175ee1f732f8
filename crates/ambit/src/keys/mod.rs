//! Keys of people, of the installation, and tokens of agents.
