//! The `llmci-engine` program.
fn main() -> std::process::ExitCode {
    llmci::eval::model::embedded::serve::main()
}
