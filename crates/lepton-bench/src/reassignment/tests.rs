//! A two-machine example of the format, priced by hand, and files that must be refused.
#![allow(clippy::unwrap_used)]

use super::checker::check;
use super::format::{read_assignment, read_model};

const MODEL: &str = "1 0 10  2  0 0 10 5 0 2  0 1 10 5 3 0  2  0 0  0 0  2  0 4 7  1 3 1  0  1 1 1";

#[test]
fn costs_are_those_worked_out_by_hand() {
    let input = read_model(MODEL).unwrap();
    // Both on the first machine: 7 used, 2 above safety, at 10 each.
    assert_eq!(check(&input, &[0, 0], &[0, 0]), Ok(20));
    // The second one moved: itself 1, its service 1, the way 2.
    assert_eq!(check(&input, &[0, 0], &[0, 1]), Ok(4));
}

#[test]
fn broken_rules_are_named() {
    let check_rule = |model: &str, assignment: &[u32], expect: &str| {
        let input = read_model(model).unwrap();
        assert_eq!(check(&input, &[0, 1], assignment).unwrap_err().to_string(), expect);
    };
    let small = MODEL.replace("0 0 10 5 0 2", "0 0 6 5 0 2");
    check_rule(&small, &[0, 0], "capacity: machine 0 resource 0: 7 of 6");
    let held = small.replace("1 0 10  2", "1 1 10  2").replace("0 1 10 5", "0 1 6 5");
    check_rule(&held, &[1, 0], "capacity: machine 0 resource 0: 7 of 6");
    let one_service = MODEL.replace("1 3 1  0", "0 3 1  0");
    check_rule(&one_service, &[1, 1], "conflict: service 0 twice on machine 1");
    let spread = MODEL.replace("2  0 0  0 0  2", "2  2 0  0 0  2");
    check_rule(&spread, &[0, 1], "spread: service 0: 1 of 2");
    let near = MODEL.replace("2  0 0  0 0  2", "2  0 1 1  0 0  2").replace("0 1 10 5", "1 1 10 5");
    check_rule(&near, &[0, 1], "dependency: service 0 needs 1 in neighbourhood 0");
    check_rule(MODEL, &[0, 2], "machine: there is no machine 2");
}

#[test]
fn bad_files_are_refused_at_the_number_that_is_wrong() {
    let refuse = |text: &str, expect: &str| assert_eq!(read_model(text).unwrap_err().to_string(), expect);
    refuse("", "ends after 0 numbers, expected number of resources");
    refuse("1 x", "number 2 is \"x\", expected resource 0 transient flag");
    refuse("1 2", "number 2 is 2, expected resource 0 transient flag from 0 to 1");
    refuse("1 0 10 99999999", "number 4 is 99999999, expected number of machines from 0 to 10000000");
    refuse(&format!("{MODEL} 9"), "more numbers follow after 32, expected the end of the file");
    let refused = read_assignment("0 2", 2, 2).unwrap_err();
    assert_eq!(refused.to_string(), "number 2 is 2, expected machine of process 1 from 0 to 1");
}
