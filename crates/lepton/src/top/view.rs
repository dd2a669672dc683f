//! Drawing a snapshot: on a live terminal, or as plain text.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Cell, Paragraph, Row, Table};

use super::gather::{Snapshot, Usage};
use crate::command::explain::plain as printable;
use crate::command::get::places;
use crate::screen::{self, Screen, Tone, ago, bytes, percent};

/// Where the person is.
#[derive(Debug, Default)]
pub(super) struct Position {
    pub scroll: usize,
    pub paused: bool,
}

const NODES: [&str; 9] = ["NODE", "PHASE", "CPU", "MEMORY", "DISK /", "LOAD", "IN/s", "OUT/s", "REPLICAS"];
const SERVICES: [&str; 6] = ["SERVICE", "PHASE", "READY", "RESTARTS", "WHERE", "MESSAGE"];

/// Draws the whole screen.
pub(super) fn draw(
    frame: &mut Frame<'_>,
    snapshot: &Snapshot,
    at: &mut Position,
    trouble: Option<&str>,
    color: bool,
) {
    let nodes = u16::try_from(snapshot.nodes.len()).unwrap_or(u16::MAX).saturating_add(3);
    let height = frame.area().height;
    let [head, node_area, service_area, event_area, foot] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(nodes.min(height / 3).max(4)),
        Constraint::Min(4),
        Constraint::Length((height / 4).max(3)),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    let paint = Paint { color };

    frame.render_widget(Paragraph::new(headline(snapshot, &paint)), head);

    let rows = snapshot.nodes.iter().map(|(node, usage)| {
        let cells = node_cells(snapshot, node, usage, true);
        let tones = [
            None,
            Tone::of(node.status.phase.as_str()),
            load_tone(usage.cpu),
            load_tone(usage.memory),
            load_tone(usage.disk),
        ];
        paint.row(cells, &tones)
    });
    let widths = [18, 9, 14, 14, 14, 6, 10, 10, 8].map(Constraint::Min);
    frame.render_widget(paint.table("Nodes", NODES.to_vec(), rows.collect(), &widths), node_area);

    let room = usize::from(service_area.height.saturating_sub(2)).max(1);
    at.scroll = at.scroll.min(snapshot.services.len().saturating_sub(room));
    let rows = snapshot.services.iter().skip(at.scroll).map(|service| {
        let phase = Tone::of(service.status.phase.as_str());
        paint.row(service_cells(service), &[None, phase])
    });
    let widths = [
        Constraint::Min(20),
        Constraint::Length(10),
        Constraint::Length(8),
        Constraint::Length(8),
        Constraint::Min(24),
        Constraint::Fill(1),
    ];
    frame.render_widget(paint.table("Services", SERVICES.to_vec(), rows.collect(), &widths), service_area);

    frame.render_widget(events(snapshot, event_area, &paint), event_area);
    let keys =
        if at.paused { "paused · p go on · q quit" } else { "q quit · p pause · ↑↓ scroll services" };
    let foot_line = match trouble {
        Some(trouble) => Line::from(paint.span(Some(Tone::Bad), format!("{} · {keys}", printable(trouble)))),
        None => Line::from(paint.span(Some(Tone::Dim), keys.to_owned())),
    };
    frame.render_widget(Paragraph::new(foot_line), foot);
}

/// The same as text, for `--once`.
pub(super) fn plain(snapshot: &Snapshot, screen: &Screen) -> String {
    let mut text = headline(snapshot, &Paint { color: false }).to_string();
    text.push_str("\n\n");
    let mut nodes = screen::Table::new(NODES);
    for (node, usage) in &snapshot.nodes {
        nodes.row(node_cells(snapshot, node, usage, false));
    }
    text.push_str(&nodes.text(screen, ""));
    if !snapshot.services.is_empty() {
        let mut services = screen::Table::new(SERVICES);
        for service in &snapshot.services {
            services.row(service_cells(service));
        }
        text.push('\n');
        text.push_str(&services.text(screen, ""));
    }
    text
}

fn headline(snapshot: &Snapshot, paint: &Paint) -> Line<'static> {
    let status = &snapshot.status;
    let count = |phases: &std::collections::BTreeMap<String, u64>, good: &str| {
        let all: u64 = phases.values().sum();
        format!("{}/{all}", phases.get(good).copied().unwrap_or(0))
    };
    let mut spans = vec![
        paint.span(Some(Tone::Strong), "Lepton ".to_owned()),
        Span::raw(format!("{} · up {} · ", snapshot.server, ago(status.started_at, status.now))),
        Span::raw(format!("nodes {} ready · ", count(&status.nodes, "ready"))),
        Span::raw(format!("services {} running · ", count(&status.services, "running"))),
    ];
    let incidents = format!("{} open incidents", status.open_incidents);
    spans.push(paint.span((status.open_incidents > 0).then_some(Tone::Bad), incidents));
    Line::from(spans)
}

fn node_cells(
    snapshot: &Snapshot,
    node: &lepton_model::Object<lepton_model::NodeSpec>,
    usage: &Usage,
    bars: bool,
) -> Vec<String> {
    let share = |value: Option<f64>| match value {
        Some(value) if bars => format!("{} {:>5}", bar(value), percent(value)),
        Some(value) => percent(value),
        None => "–".to_owned(),
    };
    let rate = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), bytes);
    let replicas: usize = snapshot
        .services
        .iter()
        .map(|service| {
            service.status.replicas.iter().filter(|replica| replica.node == node.meta.name).count()
        })
        .sum();
    let mut phase = node.status.phase.as_str().to_owned();
    if node.spec.draining {
        phase.push_str(",draining");
    } else if node.spec.cordoned {
        phase.push_str(",cordoned");
    }
    vec![
        node.meta.name.to_string(),
        phase,
        share(usage.cpu),
        share(usage.memory),
        share(usage.disk),
        usage.load.map_or_else(|| "–".to_owned(), |load| format!("{load:.2}")),
        rate(usage.received),
        rate(usage.sent),
        replicas.to_string(),
    ]
}

fn service_cells(service: &lepton_model::Object<lepton_model::ServiceSpec>) -> Vec<String> {
    let status = &service.status;
    let restarts: u32 = status.replicas.iter().map(|replica| replica.restarts).sum();
    vec![
        format!("{}/{}", service.meta.project, service.meta.name),
        status.phase.as_str().to_owned(),
        format!("{}/{}", status.ready, service.spec.replicas),
        restarts.to_string(),
        places(&status.replicas),
        printable(&status.message),
    ]
}

fn events(snapshot: &Snapshot, area: Rect, paint: &Paint) -> Paragraph<'static> {
    let room = usize::from(area.height.saturating_sub(1));
    let skip = snapshot.events.len().saturating_sub(room);
    let lines: Vec<Line<'_>> = snapshot
        .events
        .iter()
        .skip(skip)
        .map(|row| {
            let entry = &row.entry;
            let failed = (entry.outcome == lepton_model::Outcome::Failed).then_some(Tone::Bad);
            Line::from(vec![
                paint.span(Some(Tone::Dim), format!("{:>5} ", ago(entry.at, snapshot.now()))),
                paint.span(failed, format!("{:<14} ", entry.act.as_str())),
                Span::raw(format!("{}  {}", entry.subject, printable(&entry.reason))),
            ])
        })
        .collect();
    Paragraph::new(lines).block(paint.block("Events"))
}

/// `███░░░░░`
fn bar(share: f64) -> String {
    const WIDTH: usize = 8;
    let full = (share.clamp(0.0, 1.0) * WIDTH as f64).round() as usize;
    format!("{}{}", "█".repeat(full), "░".repeat(WIDTH - full))
}

fn load_tone(share: Option<f64>) -> Option<Tone> {
    match share? {
        share if share >= 0.9 => Some(Tone::Bad),
        share if share >= 0.7 => Some(Tone::Warn),
        _ => Some(Tone::Good),
    }
}

/// Colours, or none.
struct Paint {
    color: bool,
}

impl Paint {
    fn style(&self, tone: Option<Tone>) -> Style {
        let style = Style::default();
        match tone {
            Some(Tone::Strong) => style.add_modifier(Modifier::BOLD),
            Some(Tone::Good) if self.color => style.fg(Color::Green),
            Some(Tone::Warn) if self.color => style.fg(Color::Yellow),
            Some(Tone::Bad) if self.color => style.fg(Color::Red),
            Some(Tone::Bad) => style.add_modifier(Modifier::BOLD),
            Some(Tone::Dim) if self.color => style.add_modifier(Modifier::DIM),
            _ => style,
        }
    }

    fn span(&self, tone: Option<Tone>, text: String) -> Span<'static> {
        Span::styled(text, self.style(tone))
    }

    fn row(&self, cells: Vec<String>, tones: &[Option<Tone>]) -> Row<'static> {
        let tones = tones.iter().copied().chain(std::iter::repeat(None));
        Row::new(
            cells
                .into_iter()
                .zip(tones)
                .map(|(text, tone)| Cell::new(text).style(self.style(tone)))
                .collect::<Vec<_>>(),
        )
    }

    fn block(&self, title: &'static str) -> Block<'static> {
        Block::new().borders(Borders::TOP).title(self.span(Some(Tone::Strong), format!(" {title} ")))
    }

    fn table(
        &self,
        title: &'static str,
        headings: Vec<&'static str>,
        rows: Vec<Row<'static>>,
        widths: &[Constraint],
    ) -> Table<'static> {
        let header = Row::new(headings).style(self.style(Some(Tone::Strong)));
        Table::new(rows, widths.to_vec()).header(header).block(self.block(title))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_eight_wide_whatever_the_share() {
        let check = |share: f64, expect: &str| assert_eq!(bar(share), expect);
        check(0.0, "░░░░░░░░");
        check(0.5, "████░░░░");
        check(1.7, "████████");
        check(-1.0, "░░░░░░░░");
        check(f64::NAN, "░░░░░░░░");
    }
}
