//! The `safety-gate` program.
fn main() -> std::process::ExitCode {
    llmci::cli::main(llmci::cli::Program::SafetyGate)
}
