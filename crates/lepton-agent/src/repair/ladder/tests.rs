#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use lepton_model::{CommandStep, Name, Risk};

const LEASE: u64 = 15;

fn step(action: RepairAction, runbook: Option<&str>) -> Rung {
    let mut step = RepairStep::new(action, runbook.map(|name| Name::new(name).unwrap()));
    step.verify_within = Period::from_secs(5);
    step.cooldown = Period::from_secs(10);
    step.most = 2;
    step.per = Period::from_secs(100);
    let command = || CommandStep { command: vec!["true".into()], timeout: Period::from_secs(1) };
    let spec = |verify: bool, rollback: bool| RunbookSpec {
        description: String::new(),
        check: None,
        act: command(),
        verify: verify.then(command),
        rollback: rollback.then(command),
        risk: Risk::Low,
    };
    let runbook = runbook.filter(|&name| name != "missing");
    Rung { step, runbook: runbook.map(|name| spec(name.contains("verified"), name.contains("undoable"))) }
}

/// What happens to a ladder, and what it is expected to decide.
enum Turn {
    /// At this second, with this health: `h`, `u`, `-` (unsettled), `d` (down and unhealthy). The server is in reach.
    See(u64, char, &'static [&'static str]),
    /// The same, with the server last heard of at that second.
    Cut(u64, u64, char, &'static [&'static str]),
    /// What was to be done went so, at this second, while unhealthy.
    Reported(u64, Report),
}
use Turn::{Cut, Reported, See};

fn seen(now: u64, health: char, answered: u64) -> Seen {
    Seen {
        now: Duration::from_secs(now),
        health: match health {
            'h' => Sight::Healthy,
            '-' => Sight::Unsettled,
            _ => Sight::Unhealthy,
        },
        running: health != 'd',
        reachable: now.saturating_sub(answered) < LEASE * 2 / 3,
        answered: Some(Duration::from_secs(answered)),
        lease: Duration::from_secs(LEASE),
    }
}

fn ladder(rungs: Vec<Rung>) -> Ladder {
    let mut ladder = Ladder::with_history(Vec::new());
    ladder.replace(rungs);
    ladder
}

fn check(rungs: &[Rung], turns: Vec<Turn>) {
    let mut ladder = ladder(rungs.to_vec());
    for (number, turn) in turns.into_iter().enumerate() {
        let (seen, expect) = match turn {
            See(now, health, expect) => (seen(now, health, now), expect),
            Cut(now, answered, health, expect) => (seen(now, health, answered), expect),
            Reported(now, report) => {
                ladder.report(report, &seen(now, 'u', now));
                continue;
            }
        };
        let mut decided = Vec::new();
        for _ in 0..20 {
            decided.push(match ladder.decide(&seen) {
                None => break,
                Some(Do::Check(rung)) => format!("check {rung}"),
                Some(Do::Act(rung)) => format!("act {rung}"),
                Some(Do::Verify(rung)) => format!("verify {rung}"),
                Some(Do::RollBack(rung)) => format!("roll back {rung}"),
                Some(Do::Note(Note { act, outcome, .. })) => {
                    format!("{} {outcome:?}", act.as_str()).to_lowercase()
                }
            });
        }
        assert_eq!(decided, expect, "turn {number}");
    }
}

fn done() -> Report {
    Report::Done("done".into())
}
fn failed() -> Report {
    Report::Failed("exit code 1".into())
}

#[test]
fn nothing_is_done_while_it_is_healthy_or_not_judged() {
    check(
        &[step(RepairAction::Restart, None)],
        vec![See(0, '-', &[]), See(1, 'h', &[]), See(2, '-', &[]), See(3, 'h', &[])],
    );
}

#[test]
fn a_restart_that_helps_is_verified() {
    check(
        &[step(RepairAction::Restart, None), step(RepairAction::Escalate, None)],
        vec![
            See(1, 'u', &["repair_check ok", "act 0"]),
            Reported(2, done()),
            See(2, '-', &["repair_act ok"]),
            See(3, '-', &[]),
            See(4, 'h', &["repair_verify ok"]),
            See(5, 'h', &[]),
        ],
    );
}

#[test]
fn a_restart_that_does_not_help_is_escalated_once_and_tried_again_later() {
    check(
        &[step(RepairAction::Restart, None), step(RepairAction::Escalate, None)],
        vec![
            See(1, 'u', &["repair_check ok", "act 0"]),
            Reported(2, done()),
            See(2, '-', &["repair_act ok"]),
            See(6, 'u', &[]),
            See(7, 'u', &["repair_verify failed", "escalate ok"]),
            See(8, 'u', &[]),
            See(106, 'u', &[]),
            // From the bottom again, after the last rung's window.
            See(107, 'u', &[]),
            See(107, 'u', &["repair_check ok", "act 0"]),
        ],
    );
}

#[test]
fn the_bottom_comes_first_after_it_was_healthy_and_waits_for_its_cooldown() {
    check(
        &[step(RepairAction::Restart, None), step(RepairAction::Escalate, None)],
        vec![
            See(1, 'u', &["repair_check ok", "act 0"]),
            Reported(1, done()),
            See(2, 'h', &["repair_act ok", "repair_verify ok"]),
            See(5, 'u', &[]),
            See(10, 'u', &[]),
            See(11, 'u', &["repair_check ok", "act 0"]),
            Reported(11, done()),
            See(12, 'h', &["repair_act ok", "repair_verify ok"]),
            // Twice within the window is all it may: the next rung.
            See(50, 'u', &["repair_check skipped", "escalate ok"]),
            See(51, 'h', &[]),
            // The first use has left the window.
            See(101, 'u', &["repair_check ok", "act 0"]),
        ],
    );
}

#[test]
fn what_has_no_process_is_not_restarted() {
    check(
        &[step(RepairAction::Restart, None), step(RepairAction::Escalate, None)],
        vec![See(1, 'd', &["repair_check skipped", "escalate ok"])],
    );
}

#[test]
fn a_runbook_is_checked_done_and_verified_by_health() {
    check(
        &[step(RepairAction::Runbook, Some("plain")), step(RepairAction::Escalate, None)],
        vec![
            See(1, 'u', &["check 0"]),
            See(2, 'u', &[]),
            Reported(2, done()),
            See(2, 'u', &["repair_check ok", "act 0"]),
            Reported(3, done()),
            See(3, 'u', &["repair_act ok"]),
            See(8, 'u', &["repair_verify failed", "escalate ok"]),
        ],
    );
}

#[test]
fn a_runbook_whose_precondition_fails_or_that_is_missing_is_skipped() {
    check(
        &[step(RepairAction::Runbook, Some("missing")), step(RepairAction::Runbook, Some("plain"))],
        vec![
            See(1, 'u', &["repair_check skipped", "check 1"]),
            Reported(2, Report::Refused("not here".into())),
            See(2, 'u', &["repair_check skipped"]),
            See(3, 'u', &[]),
        ],
    );
}

#[test]
fn what_cannot_be_proven_is_rolled_back() {
    let undone = |turns: Vec<Turn>| {
        check(&[step(RepairAction::Runbook, Some("undoable")), step(RepairAction::Escalate, None)], turns);
    };
    // Not healthy in time.
    undone(vec![
        See(1, 'u', &["check 0"]),
        Reported(1, done()),
        See(1, 'u', &["repair_check ok", "act 0"]),
        Reported(2, done()),
        See(2, 'u', &["repair_act ok"]),
        See(7, 'u', &["repair_verify failed", "roll back 0"]),
        See(8, 'u', &[]),
        Reported(8, done()),
        See(8, 'u', &["repair_rollback ok", "escalate ok"]),
    ]);
    // Failed midway.
    undone(vec![
        See(1, 'u', &["check 0"]),
        Reported(1, done()),
        See(1, 'u', &["repair_check ok", "act 0"]),
        Reported(2, failed()),
        See(2, 'u', &["repair_act failed", "roll back 0"]),
        Reported(3, failed()),
        See(3, 'u', &["repair_rollback failed", "escalate ok"]),
    ]);
}

#[test]
fn a_verify_command_decides_about_the_rollback() {
    let rungs = [step(RepairAction::Runbook, Some("verified-undoable")), step(RepairAction::Escalate, None)];
    let begin = || {
        vec![
            See(1, 'u', &["check 0"]),
            Reported(1, done()),
            See(1, 'u', &["repair_check ok", "act 0"]),
            Reported(2, done()),
            See(2, 'u', &["repair_act ok", "verify 0"]),
        ]
    };
    let with = |mut rest: Vec<Turn>| {
        let mut turns = begin();
        turns.append(&mut rest);
        check(&rungs, turns);
    };
    with(vec![Reported(3, failed()), See(3, 'u', &["repair_verify failed", "roll back 0"])]);
    with(vec![Reported(3, done()), See(3, 'u', &[]), See(4, 'h', &["repair_verify ok"])]);
    // It works, yet the service is not healthy: kept, and on to the next rung.
    with(vec![Reported(3, done()), See(7, 'u', &["repair_verify failed", "escalate ok"])]);
    // Healthy already, and the command still runs: waits for it.
    with(vec![See(3, 'h', &[]), See(9, 'h', &[]), Reported(9, done()), See(9, 'h', &["repair_verify ok"])]);
}

#[test]
fn a_network_reset_that_costs_the_server_is_rolled_back() {
    let rungs = [step(RepairAction::ResetNetwork, Some("undoable")), step(RepairAction::Escalate, None)];
    let begin = |answered: u64| {
        vec![
            Cut(20, answered, 'u', &["check 0"]),
            Reported(20, done()),
            Cut(20, answered, 'u', &["repair_check ok", "act 0"]),
            Reported(21, done()),
        ]
    };
    let with = |answered: u64, mut rest: Vec<Turn>| {
        let mut turns = begin(answered);
        turns.append(&mut rest);
        check(&rungs, turns);
    };
    // Healthy, but no answer within the lease: undone.
    with(
        19,
        vec![
            Cut(22, 19, 'h', &["repair_act ok"]),
            Cut(35, 19, 'h', &[]),
            Cut(36, 19, 'h', &["repair_verify failed", "roll back 0"]),
        ],
    );
    // Healthy and answered since: kept.
    with(19, vec![Cut(22, 19, 'h', &["repair_act ok"]), Cut(26, 25, 'h', &["repair_verify ok"])]);
}

#[test]
fn a_network_reset_while_cut_off_needs_no_answer() {
    let rungs = [step(RepairAction::ResetNetwork, Some("undoable"))];
    check(
        &rungs,
        vec![
            Cut(100, 1, 'u', &["check 0"]),
            // `Reported` sees the server in reach, which is after the question was asked.
            Reported(100, Report::Elsewhere("1s ago".into())),
            Cut(100, 1, 'u', &["repair_check skipped"]),
            Cut(102, 1, 'h', &["repair_verify ok"]),
        ],
    );
}

#[test]
fn what_another_replica_has_just_done_is_only_verified() {
    check(
        &[step(RepairAction::Runbook, Some("verified-undoable")), step(RepairAction::Escalate, None)],
        vec![
            See(1, 'u', &["check 0"]),
            Reported(2, Report::Elsewhere("1s ago".into())),
            See(2, 'u', &["repair_check skipped"]),
            // It is not this replica's to undo.
            See(7, 'u', &["repair_verify failed", "escalate ok"]),
        ],
    );
}

#[test]
fn other_rungs_keep_the_uses_of_steps_that_stay() {
    let restart = step(RepairAction::Restart, None);
    let mut ladder = ladder(vec![restart.clone()]);
    assert!(matches!(ladder.decide(&seen(1, 'u', 1)), Some(Do::Note(_))));
    assert!(ladder.is_busy());
    assert_eq!(ladder.decide(&seen(1, 'u', 1)), Some(Do::Act(0)));
    let longer = vec![restart, step(RepairAction::Escalate, None)];
    let waits = |mut ladder: Ladder| {
        assert_eq!(ladder.decide(&seen(2, 'u', 2)), None);
        assert_eq!(ladder.wake(), Some(Duration::from_secs(11)));
    };
    // So does another agent's ladder.
    let mut next = Ladder::with_history(ladder.history());
    next.replace(longer.clone());
    waits(next);
    ladder.replace(longer);
    waits(ladder);
}
