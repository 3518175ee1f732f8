//! The `ambit` command.

fn main() -> std::process::ExitCode {
    ambit::cli::main()
}
