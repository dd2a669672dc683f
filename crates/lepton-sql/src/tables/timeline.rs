//! The record.

use std::sync::Arc;

use lepton_model::{Act, Kind, Name, PlanId, Subject, Timestamp};
use lepton_store::{Recorded, TimelineInput};
use serde_json::Value as Json;

use super::objects::word;
use super::samples::text_range;
use crate::SqlError;
use crate::statement::Context;
use crate::table::{
    Cell, Column, ColumnType, Op, Request, Rows, Table, int, json, maybe, null, owned, print, text,
};

/// Entries read at once.
const PAGE: usize = 1_000;

pub(super) struct Timeline;

const SEQUENCE: usize = 0;
const TIME: usize = 1;
const AT: usize = 2;
const ACTOR: usize = 3;
const ACT: usize = 4;
const KIND: usize = 5;
const PROJECT: usize = 6;
const NAME: usize = 7;
const ORDINAL: usize = 8;
const NODE: usize = 9;
const PLAN: usize = 10;
const REASON: usize = 11;
const OUTCOME: usize = 12;
const BEFORE: usize = 13;
const AFTER: usize = 14;
const ID: usize = 15;

const COLUMNS: [Column; 16] = {
    use ColumnType::{Integer, Json, Text};
    [
        Column::new(
            "sequence",
            Integer,
            "place in the record; ORDER BY sequence DESC LIMIT n reads only the newest",
        ),
        Column::new("time", Integer, "when it happened, in Unix milliseconds"),
        Column::new("at", Text, "when it happened"),
        Column::new("actor", Text, "who: token:alice, agent:edge-1, reconciler:placement"),
        Column::new("act", Text, "what: apply, start, exit, repair_act, node_lost, …"),
        Column::new("kind", Text, "kind of what it is about"),
        Column::new("project", Text, "project of what it is about"),
        Column::new("name", Text, "name of what it is about"),
        Column::new("ordinal", Integer, "replica it is about"),
        Column::new("node", Text, "where"),
        Column::new("plan", Text, "because of which plan"),
        Column::new("reason", Text, "why, in a sentence"),
        Column::new("outcome", Text, "ok, failed or skipped"),
        Column::new("before", Json, "what was before"),
        Column::new("after", Json, "what is after"),
        Column::new("id", Text, "identity of the entry"),
    ]
};

impl Table for Timeline {
    fn name(&self) -> &'static str {
        "timeline"
    }

    fn description(&self) -> &'static str {
        "who did what to what, when and why"
    }

    fn columns(&self) -> Vec<Column> {
        COLUMNS.into()
    }

    fn uses(&self, column: usize, op: Op) -> bool {
        match column {
            TIME | AT | SEQUENCE => true,
            ACT | KIND | PROJECT | NAME | NODE | PLAN => op == Op::Eq,
            _ => false,
        }
    }

    fn order(&self) -> Option<usize> {
        Some(SEQUENCE)
    }

    fn size(&self) -> (f64, f64) {
        (100_000.0, 20.0)
    }

    fn open(&self, context: &Arc<Context>, request: Request) -> Result<Box<dyn Rows>, SqlError> {
        let input = read_request(context, &request);
        let (first, last) = request.range(SEQUENCE);
        Ok(Box::new(Entries {
            context: Arc::clone(context),
            input,
            descending: request.descending,
            after: u64::try_from(first.saturating_sub(1)).unwrap_or(0),
            before: u64::try_from(last.saturating_add(1)).unwrap_or(0),
            page: Vec::new().into_iter(),
            current: None,
        }))
    }
}

/// What the store is asked for; `None` when nothing can match.
fn read_request(context: &Context, request: &Request) -> Option<TimelineInput> {
    let name = |column| match request.text(column) {
        Some(text) => Name::new(text).map(Some).map_err(drop),
        None => Ok(None),
    };
    let mut project = name(PROJECT).ok()?;
    if let Some(own) = context.scope.project() {
        if project.as_ref().is_some_and(|project| project != own) {
            return None;
        }
        project = Some(own.clone());
    }
    let kind = request.text(KIND).map(|kind| Kind::ALL.iter().copied().find(|known| known.as_str() == kind));
    let kind = match kind {
        Some(None) => return None,
        kind => kind.flatten(),
    };
    let act = request.text(ACT).map(|act| serde_json::from_value::<Act>(Json::from(act)));
    let acts = match act {
        Some(act) => vec![act.ok()?],
        None => Vec::new(),
    };
    let subject = match (kind, &project, name(NAME).ok()?) {
        (Some(kind), Some(project), Some(name)) => {
            Some(Subject { kind, project: project.clone(), name, replica: None })
        }
        _ => None,
    };
    let plan: Option<PlanId> = match request.text(PLAN) {
        Some(plan) => Some(plan.parse().ok()?),
        None => None,
    };
    let (from, to) = request.range(TIME);
    let (from_text, to_text) = text_range(request, AT);
    let (from, to) = (from.max(from_text), to.min(to_text));
    Some(TimelineInput {
        subject,
        kind,
        project,
        node: name(NODE).ok()?,
        acts,
        plan,
        since: (from > i64::MIN).then(|| Timestamp::from_millis(from)),
        until: (to < i64::MAX).then(|| Timestamp::from_millis(to.saturating_add(1))),
        after: None,
        before: None,
        limit: PAGE,
    })
}

struct Entries {
    context: Arc<Context>,
    /// None when there is nothing to read, or nothing more.
    input: Option<TimelineInput>,
    descending: bool,
    /// Entries between these two, both excluded, are still to come.
    after: u64,
    before: u64,
    page: std::vec::IntoIter<Recorded>,
    current: Option<Recorded>,
}

impl Entries {
    fn next_page(&mut self) -> Result<(), SqlError> {
        let Some(input) = &mut self.input else { return Ok(()) };
        // Without `after` the store gives the last ones before `before`.
        input.after = (!self.descending).then_some(self.after);
        input.before = (self.before < u64::MAX).then_some(self.before);
        let mut page = self.context.wait(self.context.store.timeline(input))?;
        if self.descending {
            page.retain(|recorded| recorded.sequence > self.after);
            page.reverse();
        }
        match page.last() {
            None => self.input = None,
            Some(last) if self.descending => self.before = last.sequence,
            Some(last) => self.after = last.sequence,
        }
        self.page = page.into_iter();
        Ok(())
    }
}

impl Rows for Entries {
    fn advance(&mut self) -> Result<bool, SqlError> {
        loop {
            if let Some(next) = self.page.next() {
                self.current = Some(next);
                return Ok(true);
            }
            if self.input.is_none() {
                return Ok(false);
            }
            self.next_page()?;
        }
    }

    fn cell(&self, column: usize) -> Cell<'_> {
        let Some(Recorded { sequence, entry }) = &self.current else { return null() };
        match column {
            SEQUENCE => int(*sequence),
            TIME => int(entry.at.as_millis()),
            AT => print(entry.at),
            ACTOR => text(&entry.actor.0),
            ACT => owned(entry.act.as_str()),
            KIND => text(entry.subject.kind.as_str()),
            PROJECT => text(entry.subject.project.as_str()),
            NAME => text(entry.subject.name.as_str()),
            ORDINAL => maybe(entry.subject.replica, int),
            NODE => maybe(entry.node.as_ref(), |node| text(node.as_str())),
            PLAN => maybe(entry.plan, print),
            REASON => text(&entry.reason),
            OUTCOME => word(&entry.outcome),
            BEFORE => maybe(entry.before.as_ref(), json),
            AFTER => maybe(entry.after.as_ref(), json),
            ID => print(entry.id),
            _ => null(),
        }
    }
}
