//! The `regression-check` program.
fn main() -> std::process::ExitCode {
    llmci::cli::main(llmci::cli::Program::RegressionCheck)
}
