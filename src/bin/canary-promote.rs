//! The `canary-promote` program.
fn main() -> std::process::ExitCode {
    llmci::cli::main(llmci::cli::Program::CanaryPromote)
}
