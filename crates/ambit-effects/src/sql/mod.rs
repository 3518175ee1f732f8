//! What a statement of SQL does to a PostgreSQL database: which relations and columns it reads, creates, updates and deletes,
//! what that sets off, and what of it cannot be read.

pub mod asked;
pub mod database;
