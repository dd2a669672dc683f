//! The formulas of the mission, with its worked examples.

use lepton_schedule::expect::{ExpectError, expected_value, risk_score};
use lepton_schedule::maintenance::{ChoiceError, Task, choose_tasks};
use rust_decimal::Decimal;

fn task(name: &str, cost: i64) -> Task {
    Task { name: name.into(), cost: Decimal::from(cost), ..Task::default() }
}

fn names(tasks: &[(String, i64)]) -> Vec<&str> {
    tasks.iter().map(|(n, _)| n.as_str()).collect()
}

#[test]
fn two_of_four_tasks_at_least_cost() {
    let tasks = [task("a", 100), task("b", 200), task("c", 300), task("d", 400)];
    let choice = choose_tasks(&tasks, 2).unwrap();
    assert_eq!(
        (names(&choice.tasks), choice.cost, choice.proven),
        (vec!["a", "b"], Decimal::from(300), true)
    );
}

#[test]
fn predecessors_are_paid_and_windows_rule_out() {
    let check = |change: &dyn Fn(&mut [Task; 4]), wanted, expect: Result<(&[&str], i64), &str>| {
        let mut tasks = [task("a", 100), task("b", 200), task("c", 300), task("d", 400)];
        change(&mut tasks);
        let choice = choose_tasks(&tasks, wanted);
        let found = choice.as_ref().map(|c| (names(&c.tasks), c.cost)).map_err(ToString::to_string);
        let expect = expect.map(|(n, c)| (n.to_vec(), Decimal::from(c))).map_err(str::to_owned);
        assert_eq!(found, expect);
    };
    check(&|t| t[0].after = vec!["d".into()], 1, Ok((&["b"], 200)));
    check(&|t| t[0].after = vec!["d".into()], 2, Ok((&["d", "a"], 500)));
    let late = |t: &mut [Task; 4]| (t[0].minutes, t[0].closes) = (60, Some(30));
    check(&late, 2, Ok((&["b", "c"], 500)));
    let too_few = "at least 4 tasks must be done but only 3 of 4 can be, in their windows and order";
    check(&late, 4, Err(too_few));
    check(
        &|t| (t[0].after, t[1].after) = (vec!["b".into()], vec!["a".into()]),
        1,
        Err("tasks[a].after: waits for itself through others"),
    );
    check(&|t| t[2].cost = Decimal::from(-1), 1, Err("tasks[c].cost: expected 0 to 1e15"));
}

#[test]
fn a_choice_begins_when_its_predecessors_have_ended() {
    let mut tasks = [task("a", 1), task("b", 1)];
    (tasks[0].minutes, tasks[0].opens) = (30, 10);
    tasks[1].after = vec!["a".into()];
    assert_eq!(choose_tasks(&tasks, 2).unwrap().tasks, [("a".to_owned(), 10), ("b".to_owned(), 40)]);
    tasks[1].closes = Some(39);
    let too_few = ChoiceError::TooFew { wanted: 2, possible: 1, all: 2 };
    assert_eq!(choose_tasks(&tasks, 2), Err(too_few));
}

#[test]
fn expected_value_and_risk() {
    assert_eq!(expected_value(&[(0.6, 100.0), (0.3, 50.0), (0.1, -20.0)]), Ok(73.0));
    assert!((risk_score(&[(0.5, 3.0), (0.3, 2.0), (0.2, 1.0)]).unwrap() - 2.3).abs() < 1e-12);
    assert_eq!(expected_value(&[(0.5, 1.0)]), Err(ExpectError::Sum { sum: 0.5 }));
    assert_eq!(risk_score(&[(1.5, 1.0)]), Err(ExpectError::Probability { index: 0, found: 1.5 }));
    assert!(matches!(risk_score(&[(0.5, f64::NAN)]), Err(ExpectError::Value { index: 0, .. })));
}
