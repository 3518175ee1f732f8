//! A small setting that the rules' tests are written over.
