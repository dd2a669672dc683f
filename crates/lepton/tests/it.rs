//! The command line as people and scripts meet it: the real binary, its exit codes, stdout and stderr.

mod it {
    mod help;
    mod journey;
    mod offline;
    mod program;
}
