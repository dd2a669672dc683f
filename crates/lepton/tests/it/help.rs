//! Every command's help, word for word: it is the manual that people read.

use super::program::Place;

#[test]
fn help_of_every_command() {
    let place = Place::new();
    let mut text = String::new();
    for command in [
        "",
        "dev",
        "server",
        "agent",
        "join",
        "apply",
        "plan",
        "delete",
        "get",
        "describe",
        "explain",
        "events",
        "logs",
        "status",
        "top",
        "sql",
        "incidents",
        "cordon",
        "uncordon",
        "drain",
        "token",
        "backup",
        "restore",
        "context",
        "completions",
    ] {
        let words: Vec<&str> = command.split_whitespace().chain(["--help"]).collect();
        let ended = place.run(&words);
        assert_eq!((ended.code, ended.err.as_str()), (0, ""), "{command}");
        assert!(ended.out.contains("Examples:"), "lepton {command} --help shows no example");
        text.push_str(&format!("$ lepton {}\n{}\n", words.join(" "), ended.out));
    }
    text.push_str(&format!("$ lepton exit-codes\n{}", place.run(&["exit-codes"]).ok()));
    insta::assert_snapshot!(text);
}

#[test]
fn completions_for_three_shells() {
    let place = Place::new();
    for (shell, part) in [("bash", "_lepton()"), ("zsh", "#compdef lepton"), ("fish", "complete -c lepton")] {
        let script = place.run(&["completions", shell]).ok();
        assert!(script.contains(part), "{shell}");
    }
}
