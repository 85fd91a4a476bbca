//! One file per command.

pub mod check;
pub mod data_dir;
pub mod demo;
pub mod people;

/// Reads the command line and does what it says.
pub fn main() -> std::process::ExitCode {
    std::process::ExitCode::SUCCESS
}
