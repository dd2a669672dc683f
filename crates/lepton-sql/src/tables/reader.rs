//! Tables made of the store's objects: reading them page by page, and keeping what a join will ask for again.

use std::collections::HashMap;
use std::sync::Arc;

use lepton_model::{AnyObject, Key, Kind, Name, Scope};
use lepton_store::ListInput;
use parking_lot::Mutex;
use serde_json::Value;

use crate::SqlError;
use crate::statement::Context;
use crate::table::{Cell, Column, Op, Request, Rows, Table, null};

/// Objects in one page read from the store.
const PAGE: usize = 500;

/// Weight of the objects that one statement keeps, in bytes about.
const KEPT: usize = 32 << 20;

/// All objects of a kind in one project, or in all.
type List = Arc<Vec<Arc<AnyObject>>>;

/// What one statement has read: the inner table of a join is read from here from the second time on, and is then the
/// same every time.
#[derive(Default)]
pub(crate) struct Objects(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    lists: HashMap<(Kind, Option<Name>), List>,
    points: HashMap<Key, Option<Arc<AnyObject>>>,
    weight: usize,
}

impl Objects {
    fn list(&self, kind: Kind, project: Option<&Name>) -> Option<List> {
        self.0.lock().lists.get(&(kind, project.cloned())).map(Arc::clone)
    }

    fn keep_list(&self, kind: Kind, project: Option<&Name>, list: Vec<Arc<AnyObject>>, weight: usize) {
        let mut kept = self.0.lock();
        if kept.weight + weight <= KEPT {
            kept.weight += weight;
            kept.lists.insert((kind, project.cloned()), Arc::new(list));
        }
    }

    fn point(&self, context: &Context, key: Key) -> Result<Option<Arc<AnyObject>>, SqlError> {
        if let Some(found) = self.0.lock().points.get(&key) {
            return Ok(found.clone());
        }
        let found = context.wait(context.store.get(&key))?.map(Arc::new);
        let weight = found.as_ref().map_or(0, |object| weigh(object)) + 200;
        let mut kept = self.0.lock();
        if kept.weight + weight <= KEPT {
            kept.weight += weight;
            kept.points.insert(key, found.clone());
        }
        Ok(found)
    }
}

fn weigh(object: &AnyObject) -> usize {
    fn value(of: &Value) -> usize {
        64 + match of {
            Value::String(text) => text.len(),
            Value::Array(items) => items.iter().map(value).sum(),
            Value::Object(fields) => fields.iter().map(|(name, field)| name.len() + value(field)).sum(),
            Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        }
    }
    400 + value(&object.spec) + value(&object.status)
}

/// A column of a table of rows `R`.
pub(crate) struct Col<R: 'static> {
    pub column: Column,
    pub get: for<'a> fn(&'a R) -> Cell<'a>,
}

/// `"name" Type "description" => getter;` …
macro_rules! columns {
    ($($name:literal $type:ident $description:literal => $get:expr;)*) => {
        vec![$($crate::tables::reader::Col {
            column: $crate::Column::new($name, $crate::ColumnType::$type, $description),
            get: $get,
        }),*]
    };
}
pub(crate) use columns;

/// A table made of objects: each gives some rows.
pub(crate) struct ObjectTable<R: 'static> {
    pub name: &'static str,
    pub description: &'static str,
    pub kinds: &'static [Kind],
    pub columns: Arc<Vec<Col<R>>>,
    /// The rows of an object.
    pub rows: fn(&Arc<AnyObject>) -> Vec<R>,
    /// The project that a row belongs to: who may see it.
    pub project: fn(&R) -> &Name,
    /// The column with the object's own name; None where rows of one object have different ones.
    pub object_name: Option<&'static str>,
}

impl<R> ObjectTable<R> {
    fn at(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|col| col.column.name == name)
    }

    /// Whether rows belong to the object's own project; otherwise the object is one of the estate about many.
    fn is_of_its_project(&self) -> bool {
        self.object_name.is_some()
    }
}

impl<R: Send + Sync + 'static> Table for ObjectTable<R> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn description(&self) -> &'static str {
        self.description
    }

    fn columns(&self) -> Vec<Column> {
        self.columns.iter().map(|col| col.column).collect()
    }

    fn uses(&self, column: usize, op: Op) -> bool {
        let is = |name: Option<&str>| name.and_then(|name| self.at(name)) == Some(column);
        op == Op::Eq && self.is_of_its_project() && (is(self.object_name) || is(Some("project")))
    }

    fn open(&self, context: &Arc<Context>, request: Request) -> Result<Box<dyn Rows>, SqlError> {
        let asked = |name: Option<&str>| name.and_then(|name| self.at(name)).and_then(|at| request.text(at));
        let (mut project, mut name) = (None, None);
        let mut nothing = false;
        if self.is_of_its_project() {
            // No object has a name that is not one.
            let mut read = |text: Option<&str>| {
                let parsed = text.map(Name::new);
                nothing |= matches!(parsed, Some(Err(_)));
                parsed.and_then(Result::ok)
            };
            (project, name) = (read(asked(Some("project"))), read(asked(self.object_name)));
            if let Some(own) = context.scope.project() {
                nothing |= project.as_ref().is_some_and(|project| project != own);
                project = Some(own.clone());
            }
        }
        let kinds = if nothing { &[] } else { self.kinds };
        let mut objects = ObjectRows {
            context: Arc::clone(context),
            kinds: kinds.iter(),
            project,
            name,
            columns: Arc::clone(&self.columns),
            rows: self.rows,
            row_project: self.project,
            source: None,
            pending: Vec::new().into_iter(),
            current: None,
        };
        objects.next_source()?;
        Ok(Box::new(objects))
    }
}

/// Objects of one kind, from the statement's memory or page by page.
enum Source {
    Kept(List, usize),
    Point(Option<Arc<AnyObject>>),
    Pages(Box<Pages>),
}

struct Pages {
    kind: Kind,
    project: Option<Name>,
    page: std::vec::IntoIter<Arc<AnyObject>>,
    next: Option<String>,
    /// Everything so far, until it weighs too much to be kept.
    all: Option<Vec<Arc<AnyObject>>>,
    weight: usize,
    started: bool,
}

impl Pages {
    fn advance(&mut self, context: &Context) -> Result<Option<Arc<AnyObject>>, SqlError> {
        loop {
            if let Some(object) = self.page.next() {
                return Ok(Some(object));
            }
            if self.started && self.next.is_none() {
                if let Some(all) = self.all.take() {
                    context.objects.keep_list(self.kind, self.project.as_ref(), all, self.weight);
                }
                return Ok(None);
            }
            let input = ListInput {
                project: self.project.clone(),
                limit: PAGE,
                after: self.next.take(),
                ..ListInput::default()
            };
            let page = context.wait(context.store.list(self.kind, input))?;
            (self.started, self.next) = (true, page.next);
            let items: Vec<_> = page.items.into_iter().map(Arc::new).collect();
            self.weight += items.iter().map(|object| weigh(object)).sum::<usize>();
            match &mut self.all {
                Some(all) if self.weight <= KEPT => all.extend(items.iter().map(Arc::clone)),
                all => *all = None,
            }
            self.page = items.into_iter();
        }
    }
}

struct ObjectRows<R: 'static> {
    context: Arc<Context>,
    kinds: std::slice::Iter<'static, Kind>,
    project: Option<Name>,
    name: Option<Name>,
    columns: Arc<Vec<Col<R>>>,
    rows: fn(&Arc<AnyObject>) -> Vec<R>,
    row_project: fn(&R) -> &Name,
    source: Option<Source>,
    pending: std::vec::IntoIter<R>,
    current: Option<R>,
}

impl<R> ObjectRows<R> {
    /// Goes on to the next kind.
    fn next_source(&mut self) -> Result<(), SqlError> {
        let context = &self.context;
        self.source = match self.kinds.next() {
            None => None,
            Some(kind) => {
                let project = match kind.scope() {
                    Scope::Project => self.project.clone(),
                    Scope::Estate
                        if self.project.as_ref().is_none_or(|project| *project == Key::estate()) =>
                    {
                        Some(Key::estate())
                    }
                    Scope::Estate => return self.next_source(),
                };
                Some(match (context.objects.list(*kind, project.as_ref()), &project, &self.name) {
                    (Some(list), _, _) => Source::Kept(list, 0),
                    (None, Some(project), Some(name)) => {
                        let key = Key { kind: *kind, project: project.clone(), name: name.clone() };
                        Source::Point(context.objects.point(context, key)?)
                    }
                    (None, _, _) => Source::Pages(Box::new(Pages {
                        kind: *kind,
                        project,
                        page: Vec::new().into_iter(),
                        next: None,
                        all: Some(Vec::new()),
                        weight: 0,
                        started: false,
                    })),
                })
            }
        };
        Ok(())
    }

    fn next_object(&mut self) -> Result<Option<Arc<AnyObject>>, SqlError> {
        loop {
            let found = match &mut self.source {
                None => return Ok(None),
                Some(Source::Kept(list, at)) => {
                    let found = list.get(*at).map(Arc::clone);
                    *at += 1;
                    found
                }
                Some(Source::Point(found)) => found.take(),
                Some(Source::Pages(pages)) => pages.advance(&self.context)?,
            };
            match found {
                // A list also holds what the name leaves out.
                Some(object) if self.name.as_ref().is_none_or(|name| object.meta.name == *name) => {
                    return Ok(Some(object));
                }
                Some(_) => {}
                None => self.next_source()?,
            }
        }
    }
}

impl<R> Rows for ObjectRows<R> {
    fn advance(&mut self) -> Result<bool, SqlError> {
        loop {
            if let Some(row) = self.pending.next() {
                if self.context.scope.sees((self.row_project)(&row)) {
                    self.current = Some(row);
                    return Ok(true);
                }
                continue;
            }
            match self.next_object()? {
                Some(object) => self.pending = (self.rows)(&object).into_iter(),
                None => return Ok(false),
            }
        }
    }

    fn cell(&self, column: usize) -> Cell<'_> {
        match (&self.current, self.columns.get(column)) {
            (Some(row), Some(col)) => (col.get)(row),
            _ => null(),
        }
    }
}
