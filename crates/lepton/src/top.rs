//! `lepton top`: the estate on one screen, live.
//!
//! Everything shown comes from the API, as anybody could ask for it: objects, the timeline, and one SQL statement over the
//! samples ([`gather`]). Drawing ([`view`]) is a function of what was gathered.

mod gather;
mod view;

use std::io::IsTerminal as _;
use std::time::Duration;

use clap::Args;
use crossterm::event::{Event, KeyCode, KeyEventKind, KeyModifiers};
use lepton_model::Period;
use tokio::sync::mpsc;

use crate::command::Desk;
use crate::command::get::interrupted;
use crate::failure::Failure;
use gather::Snapshot;
use view::Position;

/// Watch nodes, services and events live
#[derive(Debug, Args)]
#[command(after_help = "\
Keys: q quits, p pauses, ↑ ↓ (or k j) scroll the services. Rates are averages over 25 s.

Examples:
  lepton top
  lepton top --interval 5s
  lepton top --once              print once, for scripts and mail")]
pub(crate) struct TopArgs {
    /// Time between two looks
    #[arg(long, default_value = "2s", value_name = "TIME")]
    pub interval: Period,
    /// Print once and end
    #[arg(long)]
    pub once: bool,
}

pub(crate) async fn run(args: TopArgs, desk: &Desk<'_>) -> Result<(), Failure> {
    if args.once {
        let snapshot = gather::gather(&desk.client).await?;
        return desk.screen.print(&view::plain(&snapshot, desk.screen));
    }
    if !std::io::stdout().is_terminal() {
        return Err(Failure::usage("stdout is no terminal; `lepton top --once` prints once"));
    }
    let interval = args.interval.duration().clamp(Duration::from_millis(250), Duration::from_secs(3_600));
    // Asked before the screen is taken: a server out of reach is said in plain text.
    let first = gather::gather(&desk.client).await?;
    let mut terminal =
        ratatui::try_init().map_err(|error| Failure::failed(format!("cannot use the terminal: {error}")))?;
    let result = show(&mut terminal, first, interval, desk).await;
    ratatui::restore();
    result
}

async fn show(
    terminal: &mut ratatui::DefaultTerminal,
    mut snapshot: Snapshot,
    interval: Duration,
    desk: &Desk<'_>,
) -> Result<(), Failure> {
    let mut keys = keys();
    let done = interrupted();
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    ticks.tick().await;
    let mut position = Position::default();
    let mut trouble: Option<String> = None;
    loop {
        let color = desk.screen.has_color();
        terminal
            .draw(|frame| view::draw(frame, &snapshot, &mut position, trouble.as_deref(), color))
            .map_err(|error| Failure::failed(format!("cannot draw: {error}")))?;
        tokio::select! {
            () = done.cancelled() => return Ok(()),
            event = keys.recv() => match event {
                None => return Ok(()),
                Some(Event::Key(key)) if key.kind != KeyEventKind::Release => match key.code {
                    KeyCode::Char('q') | KeyCode::Esc => return Ok(()),
                    KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => return Ok(()),
                    KeyCode::Char('p') => position.paused = !position.paused,
                    KeyCode::Down | KeyCode::Char('j') => position.scroll = position.scroll.saturating_add(1),
                    KeyCode::Up | KeyCode::Char('k') => position.scroll = position.scroll.saturating_sub(1),
                    _ => {}
                },
                // A new size, for one: drawing again is all there is to do.
                Some(_) => {}
            },
            _ = ticks.tick(), if !position.paused => match gather::gather(&desk.client).await {
                Ok(next) => (snapshot, trouble) = (next, None),
                // What was seen last stays on the screen, with a word about why it is old.
                Err(failure) => trouble = Some(failure.text()),
            },
        }
    }
}

/// Keys and resizes, read on a thread of their own: reading a terminal blocks.
fn keys() -> mpsc::Receiver<Event> {
    let (send, receive) = mpsc::channel(64);
    std::thread::spawn(move || {
        while let Ok(event) = crossterm::event::read() {
            if send.blocking_send(event).is_err() {
                break;
            }
        }
    });
    receive
}
