//! What a newcomer reads first.

use std::path::Path;

use lepton_control::RunningServer;
use lepton_model::{NodeSpec, Object};

use super::DevArgs;
use crate::failure::Failure;
use crate::screen::{Screen, Tone, bytes};

pub(super) fn print(
    args: &DevArgs,
    server: &RunningServer,
    node: Option<&Object<NodeSpec>>,
    screen: &Screen,
) -> Result<(), Failure> {
    let node = match node {
        Some(node) => {
            let capacity = &node.status.capacity;
            format!(
                "{}, ready: {} cpu, {} memory",
                node.meta.name,
                capacity.cpu,
                bytes(capacity.memory.get() as f64)
            )
        }
        None => "has not reported yet; `lepton dev --log info` shows why".to_owned(),
    };
    let token = server.admin_token_path();
    let end = if args.keep_services {
        "Ctrl-C stops server and agent; services keep running."
    } else {
        "Ctrl-C stops server, agent and every service they run (--keep-services leaves services running)."
    };
    let program = program();
    let strong = |text: &str| screen.tone(Some(Tone::Strong), text);
    let commands = [
        (format!("{program} apply -f examples/shop.yaml --wait"), "run a small shop"),
        (format!("{program} top"), "watch this machine and it"),
        (format!("{program} explain service/shop"), "why it is where it is"),
    ];
    let width = commands.iter().map(|(command, _)| command.len()).max().unwrap_or(0);
    let commands: String = commands
        .iter()
        .map(|(command, why)| format!("  {}{}  {why}\n", strong(command), " ".repeat(width - command.len())))
        .collect();
    screen.print(&format!(
        "{}\n\n  address  {}\n  token    {}\n  data     {}\n  node     {node}\n\n\
         Try, in another terminal in this folder:\n\n{commands}\n{end}",
        strong("Lepton runs on this machine."),
        strong(&server.url()),
        shown(&token),
        shown(&args.data),
    ))
}

/// How this program was called, so that the commands shown can be typed as they are.
fn program() -> String {
    match std::env::args().next() {
        Some(name) if name.contains('/') => shown(Path::new(&name)),
        _ => "lepton".to_owned(),
    }
}

/// A path from this folder on, where it lies below.
fn shown(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    let short = path.strip_prefix(&here).unwrap_or(path);
    let text = short.display().to_string();
    if path.starts_with(&here) && text.contains('/') && !text.starts_with('.') {
        format!("./{text}")
    } else {
        text
    }
}
