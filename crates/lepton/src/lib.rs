//! The command line: every role in one binary.
