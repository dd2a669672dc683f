//! Measurements: every sample, the newest of each series, the series themselves.

use std::sync::Arc;
use std::time::Duration;

use lepton_lake::{Labels, METRIC_LABEL, Matcher, NODE_LABEL, Sample, Scan, Selection};
use lepton_model::Timestamp;
use rusqlite::types::Value;

use super::selector;
use crate::statement::Context;
use crate::table::{
    Cell, Column, ColumnType, Op, Request, Rows, Table, int, maybe, null, owned, print, real, text,
};
use crate::{SqlError, SqlScope};

/// The label whose project a series belongs to.
const PROJECT_LABEL: &str = "project";

/// How far back `latest` looks unless `time` says otherwise.
const LOOK_BACK: Duration = Duration::from_secs(3_600);

pub(super) struct Samples;
pub(super) struct Latest;
pub(super) struct Series;

/// What a column of any of the three shows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shows {
    Time,
    At,
    Value,
    Metric,
    Node,
    Labels,
    /// The selector that was asked for: the argument of `samples('…')`.
    Selector,
    Label(&'static str),
}

const TIME: (Column, Shows) =
    (Column::new("time", ColumnType::Integer, "when it was measured, in Unix milliseconds"), Shows::Time);
const AT: (Column, Shows) = (Column::new("at", ColumnType::Text, "when it was measured"), Shows::At);
const VALUE: (Column, Shows) = (
    Column::new(
        "value",
        ColumnType::Real,
        "what was measured, in the metric's unit; NULL for NaN and stale markers",
    ),
    Shows::Value,
);
const METRIC: (Column, Shows) =
    (Column::new("metric", ColumnType::Text, "name of the metric"), Shows::Metric);
const NODE: (Column, Shows) =
    (Column::new("node", ColumnType::Text, "machine it was measured on"), Shows::Node);
const LABELS: (Column, Shows) =
    (Column::new("labels", ColumnType::Json, "the other labels: labels ->> 'mode'"), Shows::Labels);

/// Columns that narrow what is read without being shown by `SELECT *`. The selector comes first: it is what an argument
/// given to the table in parentheses means.
const HIDDEN: &[(Column, Shows)] = {
    const fn label(name: &'static str, label: &'static str) -> (Column, Shows) {
        (
            Column::hidden(name, ColumnType::Text, "the label of this name; faster to search by than labels"),
            Shows::Label(label),
        )
    }
    &[
        (
            Column::hidden(
                "selector",
                ColumnType::Text,
                "series as Prometheus names them: samples('up{node=\"web-1\"}')",
            ),
            Shows::Selector,
        ),
        label("project", PROJECT_LABEL),
        label("service", "service"),
        label("replica", "replica"),
        label("check_name", "check"),
        label("cpu", "cpu"),
        label("mode", "mode"),
        label("device", "device"),
        label("fstype", "fstype"),
        label("mountpoint", "mountpoint"),
        label("job", "job"),
        label("instance", "instance"),
    ]
};

type Layout = Vec<(Column, Shows)>;

fn layout(shown: &[(Column, Shows)]) -> Layout {
    shown.iter().chain(HIDDEN).copied().collect()
}

/// Whether a condition on what a column shows narrows a scan.
fn uses(layout: &Layout, column: usize, op: Op) -> bool {
    match layout.get(column).map(|(_, shows)| shows) {
        Some(Shows::Time | Shows::At) => true,
        Some(Shows::Metric | Shows::Node | Shows::Selector | Shows::Label(_)) => op == Op::Eq,
        Some(Shows::Value | Shows::Labels) | None => false,
    }
}

fn argument(layout: &Layout) -> Option<usize> {
    layout.iter().position(|(_, shows)| *shows == Shows::Selector)
}

/// What the lake is asked for, and the selector that was given.
fn select(
    context: &Context,
    layout: &Layout,
    request: &Request,
) -> Result<(Selection, Option<String>), SqlError> {
    let mut selection = Selection::all();
    let mut given = None;
    for (column, (_, shows)) in layout.iter().enumerate() {
        match shows {
            Shows::Time => {
                let (from, to) = request.range(column);
                (selection.from, selection.to) = (selection.from.max(from), selection.to.min(to));
            }
            Shows::At => {
                let (from, to) = text_range(request, column);
                (selection.from, selection.to) = (selection.from.max(from), selection.to.min(to));
            }
            Shows::Metric | Shows::Node | Shows::Label(_) => {
                let label = match shows {
                    Shows::Metric => METRIC_LABEL,
                    Shows::Node => NODE_LABEL,
                    Shows::Label(label) => label,
                    _ => continue,
                };
                if let Some(value) = request.text(column) {
                    selection = selection.with(Matcher::eq(label, value));
                }
            }
            Shows::Selector => {
                if let Some(text) = request.text(column) {
                    let matchers = selector::read(text)
                        .map_err(|problem| SqlError::Params(format!("selector {text:?}: {problem}")))?;
                    selection.matchers.extend(matchers);
                    given = Some(text.to_owned());
                }
            }
            Shows::Value | Shows::Labels => {}
        }
    }
    if let SqlScope::Project(project) = &context.scope {
        selection = selection.with(Matcher::eq(PROJECT_LABEL, project.as_str()));
    }
    Ok((selection, given))
}

/// Bounds in Unix milliseconds that conditions on RFC 3339 text imply, a second wider than they say: texts of different
/// precision do not sort exactly like their times, and SQLite compares the texts again.
pub(super) fn text_range(request: &Request, column: usize) -> (i64, i64) {
    let mut bounds = Vec::new();
    for op in [Op::Eq, Op::Ge, Op::Le] {
        for value in request.values(column, op) {
            if let Value::Text(text) = value
                && let Some(time) = read_utc(text)
            {
                bounds.push((op, time.as_millis()));
            }
        }
    }
    let from =
        bounds.iter().filter(|(op, _)| *op != Op::Le).map(|(_, time)| time.saturating_sub(1_000)).max();
    let to = bounds.iter().filter(|(op, _)| *op != Op::Ge).map(|(_, time)| time.saturating_add(1_000)).min();
    (from.unwrap_or(i64::MIN), to.unwrap_or(i64::MAX))
}

/// Times whose text sorts like ours: a date, or date and time in UTC with a `T` between.
fn read_utc(text: &str) -> Option<Timestamp> {
    match text.len() {
        10 => format!("{text}T00:00:00Z").parse().ok(),
        _ if text.ends_with('Z') && text.as_bytes().get(10) == Some(&b'T') => text.parse().ok(),
        _ => None,
    }
}

/// A value of a series, and of a sample of it where there is one.
fn show<'a>(
    shows: Option<Shows>,
    labels: Option<&'a Labels>,
    rest: &'a str,
    given: Option<&'a str>,
    sample: Option<Sample>,
) -> Cell<'a> {
    let (Some(shows), Some(labels)) = (shows, labels) else { return null() };
    match shows {
        Shows::Time => maybe(sample, |sample| int(sample.timestamp)),
        Shows::At => maybe(sample, |sample| print(Timestamp::from_millis(sample.timestamp))),
        Shows::Value => maybe(sample, |sample| real(sample.value)),
        Shows::Metric => text(labels.metric()),
        Shows::Node => maybe(labels.node(), text),
        Shows::Labels if rest.is_empty() => owned(labels.to_json()),
        Shows::Labels => text(rest),
        Shows::Selector => maybe(given, text),
        Shows::Label(name) => maybe(labels.get(name), text),
    }
}

struct SampleRows {
    context: Arc<Context>,
    layout: Layout,
    given: Option<String>,
    scan: Scan,
    labels: Option<Labels>,
    /// Labels as JSON, once per series.
    rest: String,
    timestamps: Vec<i64>,
    values: Vec<f64>,
    /// The current sample; one past the last before the first series.
    at: usize,
}

impl Rows for SampleRows {
    fn advance(&mut self) -> Result<bool, SqlError> {
        self.at += 1;
        if self.at < self.timestamps.len() {
            return Ok(true);
        }
        self.context.budget.check()?;
        self.labels = self.scan.next_into(&mut self.timestamps, &mut self.values)?;
        self.rest = self.labels.as_ref().map(Labels::to_json).unwrap_or_default();
        self.at = 0;
        Ok(self.labels.is_some())
    }

    fn cell(&self, column: usize) -> Cell<'_> {
        let sample = match (self.timestamps.get(self.at), self.values.get(self.at)) {
            (Some(timestamp), Some(value)) => Some(Sample { timestamp: *timestamp, value: *value }),
            _ => None,
        };
        let shows = self.layout.get(column).map(|(_, shows)| *shows);
        show(shows, self.labels.as_ref(), &self.rest, self.given.as_deref(), sample)
    }
}

/// One row per series.
struct SeriesRows {
    layout: Layout,
    given: Option<String>,
    series: std::vec::IntoIter<(Labels, Option<Sample>)>,
    current: Option<(Labels, Option<Sample>)>,
}

impl Rows for SeriesRows {
    fn advance(&mut self) -> Result<bool, SqlError> {
        self.current = self.series.next();
        Ok(self.current.is_some())
    }

    fn cell(&self, column: usize) -> Cell<'_> {
        let shows = self.layout.get(column).map(|(_, shows)| *shows);
        let sample = self.current.as_ref().and_then(|(_, sample)| *sample);
        show(shows, self.current.as_ref().map(|(labels, _)| labels), "", self.given.as_deref(), sample)
    }
}

impl Table for Samples {
    fn name(&self) -> &'static str {
        "samples"
    }
    fn description(&self) -> &'static str {
        "every measurement; name a metric or a selector, and a time: WHERE metric = 'node_load1' AND time > ago('1h')"
    }
    fn columns(&self) -> Vec<Column> {
        self.layout().into_iter().map(|(column, _)| column).collect()
    }
    fn uses(&self, column: usize, op: Op) -> bool {
        uses(&self.layout(), column, op)
    }
    fn argument(&self) -> Option<usize> {
        argument(&self.layout())
    }
    fn size(&self) -> (f64, f64) {
        (1e8, 100.0)
    }
    fn open(&self, context: &Arc<Context>, request: Request) -> Result<Box<dyn Rows>, SqlError> {
        let layout = self.layout();
        let (selection, given) = select(context, &layout, &request)?;
        Ok(Box::new(SampleRows {
            context: Arc::clone(context),
            scan: context.lake.scan(&selection)?,
            layout,
            given,
            labels: None,
            rest: String::new(),
            timestamps: Vec::new(),
            values: Vec::new(),
            at: 0,
        }))
    }
}

impl Samples {
    fn layout(&self) -> Layout {
        layout(&[TIME, AT, METRIC, NODE, VALUE, LABELS])
    }
}

impl Table for Latest {
    fn name(&self) -> &'static str {
        "latest"
    }
    fn description(&self) -> &'static str {
        "the newest sample of each series that has one within the last hour; time > ago('1d') looks further back"
    }
    fn columns(&self) -> Vec<Column> {
        Samples.columns()
    }
    fn uses(&self, column: usize, op: Op) -> bool {
        Samples.uses(column, op)
    }
    fn argument(&self) -> Option<usize> {
        Samples.argument()
    }
    fn size(&self) -> (f64, f64) {
        (10_000.0, 100.0)
    }
    fn open(&self, context: &Arc<Context>, request: Request) -> Result<Box<dyn Rows>, SqlError> {
        let layout = Samples.layout();
        let (mut selection, given) = select(context, &layout, &request)?;
        if selection.from == i64::MIN {
            selection.from = context.now.before(LOOK_BACK).as_millis();
        }
        // An upper bound leaves out series whose newest sample is later; it does not make an earlier one the newest.
        selection.to = i64::MAX;
        let latest = context.lake.latest(&selection)?;
        let series: Vec<_> = latest.into_iter().map(|(labels, sample)| (labels, Some(sample))).collect();
        Ok(Box::new(SeriesRows { layout, given, series: series.into_iter(), current: None }))
    }
}

impl Table for Series {
    fn name(&self) -> &'static str {
        "series"
    }
    fn description(&self) -> &'static str {
        "what is measured: metrics, nodes and labels"
    }
    fn columns(&self) -> Vec<Column> {
        self.layout().into_iter().map(|(column, _)| column).collect()
    }
    fn uses(&self, column: usize, op: Op) -> bool {
        uses(&self.layout(), column, op)
    }
    fn argument(&self) -> Option<usize> {
        argument(&self.layout())
    }
    fn size(&self) -> (f64, f64) {
        (10_000.0, 100.0)
    }
    fn open(&self, context: &Arc<Context>, request: Request) -> Result<Box<dyn Rows>, SqlError> {
        let layout = self.layout();
        let (selection, given) = select(context, &layout, &request)?;
        let series: Vec<_> =
            context.lake.series(&selection)?.into_iter().map(|labels| (labels, None)).collect();
        Ok(Box::new(SeriesRows { layout, given, series: series.into_iter(), current: None }))
    }
}

impl Series {
    fn layout(&self) -> Layout {
        layout(&[METRIC, NODE, LABELS])
    }
}
