//! `pawl`: one binary. Exit codes: 0 done, 1 refused or failed, 2 wrong use, or a
//! console that could not be probed.

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    let command = pawl::commands::Cli::parse();
    match pawl::commands::run(command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(stopped) => {
            #[expect(clippy::print_stderr, reason = "a command's error goes to its terminal")]
            {
                eprintln!("pawl: {}", stopped.text);
            }
            ExitCode::from(stopped.code)
        }
    }
}
