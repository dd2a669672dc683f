//! The binary `lepton`.

use std::process::ExitCode;

fn main() -> ExitCode {
    lepton::main()
}
