//! ambit.lock: the catalog as last looked at.
