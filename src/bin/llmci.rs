//! The `llmci` program.
fn main() -> std::process::ExitCode {
    llmci::cli::main(llmci::cli::Program::Llmci)
}
