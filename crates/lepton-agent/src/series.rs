//! The table of series: what is measured, defined once; a sample is then a slot and a number.
//!
//! Label strings are built when a series appears (a disk is plugged in) and never again, so a tick of 1,200 samples
//! allocates nothing. A slot whose thing went away carries one staleness marker and is then used anew.

use std::fmt::Write as _;

/// "Nothing measured at this tick". One fixed NaN, told from a measured NaN by its bits.
pub const ABSENT: f64 = f64::from_bits(0x7ff8_0000_4c45_5054);

/// Prometheus' staleness marker: the series ends here.
pub const STALE: f64 = f64::from_bits(0x7ff0_0000_0000_0002);

/// Whether a value is [`ABSENT`].
pub fn is_absent(value: f64) -> bool {
    value.to_bits() == ABSENT.to_bits()
}

/// Place of a series in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot(u32);

impl Slot {
    /// No series: setting it does nothing. What a full table hands out.
    pub const NONE: Self = Self(u32::MAX);

    /// The slot as a position.
    pub fn index(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

/// What kind of number a series holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    /// Only grows, from zero at some start.
    Counter,
    /// Goes up and down.
    Gauge,
}

const SEPARATOR: char = '\u{1}';

/// A series' kind, name and labels in one string, sorted by label; the form the table and the disk queue keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeriesText(Box<str>);

impl SeriesText {
    /// Longest label value that is kept; more is cut off.
    const MAX_VALUE: usize = 200;

    fn new(kind: MetricKind, name: &str, labels: &[(&str, &str)]) -> Self {
        let mut text = String::with_capacity(name.len() + labels.len() * 24);
        text.push(match kind {
            MetricKind::Counter => 'c',
            MetricKind::Gauge => 'g',
        });
        text.push_str(name);
        let mut sorted: Vec<&(&str, &str)> = labels.iter().filter(|(_, value)| !value.is_empty()).collect();
        sorted.sort_unstable();
        for (key, value) in sorted {
            let end = value.floor_char_boundary(Self::MAX_VALUE);
            let value = value.get(..end).unwrap_or_default();
            let _ = write!(text, "{SEPARATOR}{key}{SEPARATOR}");
            text.extend(value.chars().map(|c| if c == SEPARATOR { ' ' } else { c }));
        }
        Self(text.into_boxed_str())
    }

    /// Reads what [`Self::as_str`] wrote; `None` when it is no series.
    pub fn parse(text: &str) -> Option<Self> {
        let good = text.starts_with(['c', 'g']) && text.split(SEPARATOR).count() % 2 == 1;
        good.then(|| Self(text.into()))
    }

    /// The stored form.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Counter or gauge.
    pub fn kind(&self) -> MetricKind {
        if self.0.starts_with('c') { MetricKind::Counter } else { MetricKind::Gauge }
    }

    /// The metric's name.
    pub fn name(&self) -> &str {
        self.0.split(SEPARATOR).next().and_then(|head| head.get(1..)).unwrap_or_default()
    }

    /// Its labels, sorted by key.
    pub fn labels(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut parts = self.0.split(SEPARATOR).skip(1);
        std::iter::from_fn(move || Some((parts.next()?, parts.next()?)))
    }
}

/// Every series this agent measures, and the values of the running tick.
#[derive(Debug)]
pub struct SeriesTable {
    texts: Vec<Option<SeriesText>>,
    values: Vec<f64>,
    free: Vec<u32>,
    defined: Vec<Slot>,
    retired: Vec<Slot>,
    limit: usize,
    refused: u64,
}

impl SeriesTable {
    /// An empty table that holds at most `limit` series.
    pub fn new(limit: usize) -> Self {
        Self {
            texts: Vec::new(),
            values: Vec::new(),
            free: Vec::new(),
            defined: Vec::new(),
            retired: Vec::new(),
            limit,
            refused: 0,
        }
    }

    /// A counter's slot. [`Slot::NONE`] when the table is full, which [`Self::refused`] counts.
    pub fn counter(&mut self, name: &str, labels: &[(&str, &str)]) -> Slot {
        self.define_as(MetricKind::Counter, name, labels)
    }

    /// A gauge's slot, as [`Self::counter`].
    pub fn gauge(&mut self, name: &str, labels: &[(&str, &str)]) -> Slot {
        self.define_as(MetricKind::Gauge, name, labels)
    }

    /// The slot of a series of either kind, as [`Self::counter`].
    pub fn define_as(&mut self, kind: MetricKind, name: &str, labels: &[(&str, &str)]) -> Slot {
        if self.len() >= self.limit {
            self.refuse();
            return Slot::NONE;
        }
        let text = Some(SeriesText::new(kind, name, labels));
        let reused = self.free.pop().map(Slot);
        let slot = match reused {
            Some(slot) => {
                if let Some(place) = self.texts.get_mut(slot.index()) {
                    *place = text;
                }
                slot
            }
            None => {
                let Ok(next) = u32::try_from(self.texts.len()) else { return Slot::NONE };
                self.texts.push(text);
                self.values.push(ABSENT);
                Slot(next)
            }
        };
        self.defined.push(slot);
        slot
    }

    /// Sets the value of the running tick.
    pub fn set(&mut self, slot: Slot, value: f64) {
        if let Some(place) = self.values.get_mut(slot.index()) {
            *place = value;
        }
    }

    /// Ends a series: this tick carries its staleness marker, then the slot is free.
    pub fn retire(&mut self, slot: Slot) {
        if slot != Slot::NONE && self.texts.get(slot.index()).is_some_and(Option::is_some) {
            self.set(slot, STALE);
            self.retired.push(slot);
        }
    }

    /// Starts a tick: nothing is measured yet.
    pub fn begin(&mut self) {
        self.values.fill(ABSENT);
    }

    /// Ends a tick: retired slots become free, new ones are new no longer.
    pub fn end(&mut self) {
        self.defined.clear();
        for slot in self.retired.drain(..) {
            if let Some(text) = self.texts.get_mut(slot.index())
                && text.take().is_some()
            {
                self.free.push(slot.0);
            }
        }
    }

    /// Values by slot.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// Series by slot; `None` for a free slot.
    pub fn texts(&self) -> &[Option<SeriesText>] {
        &self.texts
    }

    /// Slots that were given out since the last [`Self::end`].
    pub fn defined(&self) -> &[Slot] {
        &self.defined
    }

    /// Series in use.
    pub fn len(&self) -> usize {
        self.texts.len() - self.free.len()
    }

    /// Whether nothing is measured at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn refuse(&mut self) {
        self.refused = self.refused.saturating_add(1);
    }

    /// Series that were not taken because the table was full.
    pub fn refused(&self) -> u64 {
        self.refused
    }
}

/// The slots of things that come and go (disks, interfaces, mounts), `N` series each, found by key.
///
/// Kernel files list things in the same order at every read, so the next key is nearly always the next row: a lookup
/// is one comparison.
#[derive(Debug)]
pub struct Rows<const N: usize> {
    rows: Vec<Row<N>>,
    next: usize,
    limit: usize,
    pass: u32,
}

#[derive(Debug)]
struct Row<const N: usize> {
    key: Box<[u8]>,
    slots: [Slot; N],
    pass: u32,
}

impl<const N: usize> Rows<N> {
    /// No rows yet, and never more than `limit`.
    pub fn new(limit: usize) -> Self {
        Self { rows: Vec::new(), next: 0, limit, pass: 0 }
    }

    /// Starts a pass over the things there are.
    pub fn begin(&mut self) {
        self.next = 0;
        self.pass = self.pass.wrapping_add(1);
    }

    /// The slots of `key`; `make` defines them when the key is new. All [`Slot::NONE`] when there are too many rows.
    pub fn slots(
        &mut self,
        key: &[u8],
        table: &mut SeriesTable,
        make: impl FnOnce(&mut SeriesTable) -> [Slot; N],
    ) -> [Slot; N] {
        let hinted = self.rows.get(self.next).is_some_and(|row| *row.key == *key);
        let found = if hinted { Some(self.next) } else { self.rows.iter().position(|row| *row.key == *key) };
        if let Some(row) = found.and_then(|at| self.rows.get_mut(at)) {
            row.pass = self.pass;
            self.next = found.map_or(0, |at| at + 1);
            return row.slots;
        }
        if self.rows.len() >= self.limit {
            table.refuse();
            return [Slot::NONE; N];
        }
        let slots = make(table);
        // Beside its neighbour of the kernel's list, so that the hint holds from the next pass on.
        let at = self.next.min(self.rows.len());
        self.rows.insert(at, Row { key: key.into(), slots, pass: self.pass });
        self.next = at + 1;
        slots
    }

    /// Ends the pass: what was not seen is gone, and its series end.
    pub fn finish(&mut self, table: &mut SeriesTable) {
        let pass = self.pass;
        self.rows.retain(|row| {
            let seen = row.pass == pass;
            if !seen {
                row.slots.iter().for_each(|slot| table.retire(*slot));
            }
            seen
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_text_reads_back_sorted() {
        let text = SeriesText::new(
            MetricKind::Counter,
            "node_x_total",
            &[("mode", "idle"), ("cpu", "0"), ("e", "")],
        );
        assert_eq!(text.name(), "node_x_total");
        assert_eq!(text.labels().collect::<Vec<_>>(), [("cpu", "0"), ("mode", "idle")]);
        assert_eq!(SeriesText::parse(text.as_str()), Some(text));
        assert_eq!(SeriesText::parse("xname"), None);
        assert_eq!(SeriesText::parse("gname\u{1}key"), None);
    }

    #[test]
    fn a_retired_series_ends_with_a_marker_and_its_slot_is_used_again() {
        let mut table = SeriesTable::new(10);
        let mut rows = Rows::<1>::new(10);
        let mut pass = |table: &mut SeriesTable, keys: &[&str]| {
            table.begin();
            rows.begin();
            for key in keys {
                let [slot] = rows.slots(key.as_bytes(), table, |t| [t.gauge("up", &[("device", key)])]);
                table.set(slot, 1.0);
            }
            rows.finish(table);
            let values: Vec<u64> = table.values().iter().map(|v| v.to_bits()).collect();
            table.end();
            values
        };
        let one = 1.0_f64.to_bits();
        assert_eq!(pass(&mut table, &["sda", "sdb"]), [one, one]);
        assert_eq!(pass(&mut table, &["sdb"]), [STALE.to_bits(), one]);
        assert_eq!(pass(&mut table, &["sdb", "sdc"]), [one, one]);
        assert_eq!(table.texts()[0].as_ref().map(|t| t.labels().next()), Some(Some(("device", "sdc"))));
    }

    #[test]
    fn a_full_table_refuses_and_counts() {
        let mut table = SeriesTable::new(1);
        assert_ne!(table.gauge("a", &[]), Slot::NONE);
        let none = table.gauge("b", &[]);
        table.set(none, 1.0);
        table.retire(none);
        assert_eq!((none, table.refused(), table.len()), (Slot::NONE, 1, 1));
    }
}
