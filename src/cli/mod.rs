//! The front door: inputs, logging, signals, and the one place where an outcome becomes an exit code.
//! Kept out: what a program does (`commands`).

mod generate;
mod inputs;
mod log;
mod main;
mod programs;
mod release_tree;
mod signals;
mod spec;

pub use main::main;
pub use programs::Program;
