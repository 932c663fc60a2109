//! Sources: the files and the API behind what the engine asks for.

pub mod container_output;
pub mod files;
pub mod replies;
