//! Names to indices, once. What does not depend on where things run is decided here, per label class instead of per node.

use std::collections::BTreeMap;
use std::hash::Hash;

use foldhash::{HashMap, HashMapExt};

use crate::problem::{
    Condition, Gpu, Labels, Market, NODE, NodeState, Problem, REGION, Selector, Wish, Workload,
};
use crate::solution::Constraint;
use crate::validate::{ProblemError, in_base, validate};

/// "No domain": the node lacks the topology's label.
pub(crate) const NO_DOMAIN: u32 = u32::MAX;

/// Gives equal things equal small numbers.
#[derive(Debug, Default)]
pub(crate) struct Interner<T: Hash + Eq + Clone> {
    index: HashMap<T, u32>,
    items: Vec<T>,
}

impl<T: Hash + Eq + Clone> Interner<T> {
    fn new() -> Self {
        Self { index: HashMap::new(), items: Vec::new() }
    }

    fn id(&mut self, item: T) -> u32 {
        let next = self.items.len() as u32;
        *self.index.entry(item).or_insert_with_key(|item| {
            self.items.push(item.clone());
            next
        })
    }

    pub(crate) fn len(&self) -> u32 {
        self.items.len() as u32
    }

    pub(crate) fn get(&self, id: u32) -> Option<&T> {
        self.items.get(id as usize)
    }
}

/// A node, existing or launched.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    pub name: String,
    /// Capacity by resource column.
    pub capacity: Box<[i64]>,
    /// Inverse of the capacity, 0 for none.
    pub inverse: Box<[f64]>,
    /// What may be used without touching the headroom.
    pub safe: Box<[i64]>,
    pub gpus: Box<[Device]>,
    /// Base currency an hour, expected loss by interruption included.
    pub price: f64,
    pub state: NodeState,
    pub removable: bool,
    /// Index into the label classes.
    pub class: u32,
    /// Domain by topology.
    pub domains: Box<[u32]>,
    pub taken: Box<[u32]>,
    /// The offer it would be launched from.
    pub offer: Option<u32>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Device {
    pub model: u32,
    pub milli: i64,
}

#[derive(Debug, Clone)]
pub(crate) struct Spreading {
    pub topology: u32,
    pub max_skew: u32,
    pub min_domains: u32,
    pub required: bool,
    /// Number of domains the skew is measured over; domains themselves are told by `eligible`.
    pub eligible: HashMap<u32, ()>,
}

/// Another workload within a topology.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PeerAt {
    pub work: u32,
    pub topology: u32,
}

#[derive(Debug, Clone)]
pub(crate) enum WishAt {
    Label(Selector),
    Near(PeerAt),
    Apart(PeerAt),
}

/// A workload.
#[derive(Debug, Clone)]
pub(crate) struct Work {
    /// Number of its first replica; the others follow.
    pub first: u32,
    pub replicas: u32,
    pub priority: i32,
    /// The highest priority of it and of all that must be near it: what important work needs is placed as early.
    pub urgency: i32,
    pub project: u32,
    /// Non-zero requests, by column.
    pub requests: Box<[(u32, i64)]>,
    pub devices: u32,
    pub milli: i64,
    /// Sorted; empty means any.
    pub models: Box<[u32]>,
    pub profile: u32,
    pub by_name: Box<[Selector]>,
    pub spread: Vec<Spreading>,
    pub near: Vec<PeerAt>,
    /// Who must be near this.
    pub needed_by: Vec<PeerAt>,
    /// Both directions.
    pub apart: Vec<PeerAt>,
    pub wishes: Vec<(WishAt, f64)>,
    pub exclusive: Box<[u32]>,
    pub max_price: f64,
    pub move_cost: f64,
    /// Columns held on both sides of a move.
    pub held: Box<[u32]>,
    /// Egress an hour by region id; absent means nothing.
    pub egress: HashMap<String, f64>,
    /// Position in an order in which whatever one must be near comes first.
    pub depth: u32,
}

/// Nodes that no static constraint can tell apart.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Class {
    pub labels: Vec<(String, String)>,
    pub spot: bool,
}

impl Class {
    fn label(&self, key: &str) -> Option<&str> {
        let i = self.labels.binary_search_by(|(k, _)| k.as_str().cmp(key)).ok()?;
        self.labels.get(i).map(|(_, v)| v.as_str())
    }

    pub(crate) fn region(&self) -> &str {
        self.label(REGION).unwrap_or("")
    }
}

/// Static constraints that workloads share.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Profile {
    selectors: Vec<(String, String)>,
    residency: Vec<String>,
    latency: Vec<(String, u64)>,
    spot: bool,
}

/// The problem in numbers.
#[derive(Debug)]
pub(crate) struct Model<'a> {
    pub problem: &'a Problem,
    pub columns: Vec<String>,
    pub topologies: Interner<String>,
    pub domains: Interner<(u32, String)>,
    pub machines: Vec<Machine>,
    /// Machines as launched from each offer.
    pub offers: Vec<Machine>,
    pub works: Vec<Work>,
    /// Workload of each replica.
    owners: Vec<u32>,
    pub classes: Interner<Class>,
    /// By profile, then class: why not.
    verdicts: Vec<Vec<Option<Constraint>>>,
    pub keys: Interner<String>,
    pub projects: Interner<String>,
    /// Total number of replicas.
    pub replicas: u32,
    /// What a machine's full load is worth an hour in the balance term.
    pub reference_price: f64,
}

impl<'a> Model<'a> {
    pub(crate) fn new(problem: &'a Problem) -> Result<Self, ProblemError> {
        validate(problem)?;
        Compiler::default().run(problem)
    }

    /// Why nodes of a class will never do for this workload.
    pub(crate) fn verdict(&self, work: &Work, class: u32) -> Option<&Constraint> {
        self.verdicts.get(work.profile as usize)?.get(class as usize)?.as_ref()
    }

    /// Whether a condition on the node's own name or labels holds.
    pub(crate) fn selects(&self, selector: &Selector, machine: &Machine) -> bool {
        if selector.key == NODE {
            return holds(&selector.is, Some(&machine.name));
        }
        self.classes.get(machine.class).is_some_and(|c| holds(&selector.is, c.label(&selector.key)))
    }

    /// Numbers of the profiles, sets of static constraints that workloads share, that admit open nodes of a class.
    pub(crate) fn admitting(&self, class: u32) -> impl Iterator<Item = usize> + '_ {
        let rows = self.verdicts.iter().enumerate();
        rows.filter(move |(_, row)| row.get(class as usize).is_some_and(Option::is_none)).map(|(p, _)| p)
    }

    /// How many profiles there are.
    pub(crate) fn profiles(&self) -> usize {
        self.verdicts.len()
    }

    pub(crate) fn column(&self, column: u32) -> &str {
        self.columns.get(column as usize).map_or("", String::as_str)
    }

    pub(crate) fn work_of(&self, replica: u32) -> usize {
        self.owners[replica as usize] as usize
    }
}

/// Whether a label's value (or its absence) satisfies a condition.
pub(crate) fn holds(condition: &Condition, label: Option<&str>) -> bool {
    let number = || label.and_then(|v| v.parse::<i64>().ok());
    match condition {
        Condition::In(values) => label.is_some_and(|v| values.contains(v)),
        Condition::NotIn(values) => label.is_none_or(|v| !values.contains(v)),
        Condition::Exists => label.is_some(),
        Condition::DoesNotExist => label.is_none(),
        Condition::Gt(bound) => number().is_some_and(|v| v > *bound),
        Condition::Lt(bound) => number().is_some_and(|v| v < *bound),
    }
}

#[derive(Default)]
struct Compiler {
    columns: BTreeMap<String, u32>,
    models: BTreeMap<String, u32>,
}

impl Compiler {
    fn run(mut self, problem: &Problem) -> Result<Model<'_>, ProblemError> {
        let sources = problem.nodes.iter().map(|n| &n.capacity);
        let sources = sources.chain(problem.offers.iter().map(|o| &o.capacity));
        for resources in sources.chain(problem.workloads.iter().map(|w| &w.requests)) {
            for name in resources.keys() {
                if !self.columns.contains_key(name) {
                    self.columns.insert(name.clone(), 0);
                }
            }
        }
        let columns: Vec<String> = self.columns.keys().cloned().collect();
        for (i, c) in self.columns.values_mut().enumerate() {
            *c = i as u32;
        }
        let mut topologies = Interner::new();
        topologies.id(NODE.to_owned());
        for w in &problem.workloads {
            let wishes = w.prefer.iter().filter_map(|p| match &p.what {
                Wish::Near(p) | Wish::Apart(p) => Some(&p.topology),
                Wish::Label(_) => None,
            });
            let peers = w.near.iter().chain(&w.apart).map(|p| &p.topology);
            for t in w.spread.iter().map(|s| &s.topology).chain(peers).chain(wishes) {
                topologies.id(t.clone());
            }
        }
        let mut model = Model {
            problem,
            columns,
            topologies,
            domains: Interner::new(),
            machines: Vec::with_capacity(problem.nodes.len()),
            offers: Vec::with_capacity(problem.offers.len()),
            works: Vec::with_capacity(problem.workloads.len()),
            owners: Vec::new(),
            classes: Interner::new(),
            verdicts: Vec::new(),
            keys: Interner::new(),
            projects: Interner::new(),
            replicas: 0,
            reference_price: 0.0,
        };
        self.machines(&mut model)?;
        self.works(&mut model)?;
        Ok(model)
    }

    fn machines(&mut self, model: &mut Model<'_>) -> Result<(), ProblemError> {
        let problem = model.problem;
        for node in &problem.nodes {
            let price = match &node.price_hour {
                Some(p) => in_base(&problem.exchange, p, || format!("nodes[{}].price_hour", node.name))?,
                None => 0.0,
            };
            let mut m = self.machine(model, &node.capacity, &node.gpus, &node.labels, node.headroom, false);
            m.domains[0] = model.domains.id((0, node.name.clone()));
            m.taken = node.taken.iter().map(|k| model.keys.id(k.clone())).collect();
            m.name.clone_from(&node.name);
            m.price = price;
            m.state = node.state;
            m.removable = node.removable;
            model.machines.push(m);
        }
        for (i, offer) in problem.offers.iter().enumerate() {
            let at = || format!("offers[{}].price_hour", offer.name);
            let price = in_base(&problem.exchange, &offer.price_hour, at)?;
            let risk = match offer.market {
                Market::OnDemand => 0.0,
                Market::Spot { interruptions_per_hour } => interruptions_per_hour,
            };
            let spot = offer.market != Market::OnDemand;
            let mut m =
                self.machine(model, &offer.capacity, &offer.gpus, &offer.labels, offer.headroom, spot);
            m.name.clone_from(&offer.name);
            // An interruption moves what runs there; ten average replicas stand for "what".
            m.price = price + risk * 10.0 * problem.strategy.move_cost;
            m.removable = true;
            m.offer = Some(i as u32);
            model.offers.push(m);
        }
        let priced: Vec<f64> =
            model.machines.iter().chain(&model.offers).map(|m| m.price).filter(|p| *p > 0.0).collect();
        model.reference_price =
            if priced.is_empty() { 0.05 } else { priced.iter().sum::<f64>() / priced.len() as f64 };
        Ok(())
    }

    fn machine(
        &mut self,
        model: &mut Model<'_>,
        capacity: &BTreeMap<String, i64>,
        gpus: &[Gpu],
        labels: &Labels,
        headroom: f64,
        spot: bool,
    ) -> Machine {
        let mut cap = vec![0; model.columns.len()].into_boxed_slice();
        for (name, &amount) in capacity {
            if let Some(slot) = self.columns.get(name).and_then(|c| cap.get_mut(*c as usize)) {
                *slot = amount;
            }
        }
        let safe = cap.iter().map(|c| (*c as f64 * (1.0 - headroom)) as i64).collect();
        let inverse = cap.iter().map(|c| if *c == 0 { 0.0 } else { 1.0 / *c as f64 }).collect();
        let domains = model.topologies.items.clone();
        let domains = domains
            .iter()
            .enumerate()
            .map(|(t, key)| labels.get(key).map_or(NO_DOMAIN, |v| model.domains.id((t as u32, v.clone()))));
        let domains = domains.collect();
        let labels = labels.iter().map(|(k, v)| (k.clone(), v.clone())).collect();
        Machine {
            name: String::new(),
            capacity: cap,
            inverse,
            safe,
            gpus: gpus.iter().map(|g| Device { model: self.gpu_model(&g.model), milli: g.milli }).collect(),
            price: 0.0,
            state: NodeState::Open,
            removable: false,
            class: model.classes.id(Class { labels, spot }),
            domains,
            taken: Box::default(),
            offer: None,
        }
    }

    fn gpu_model(&mut self, name: &str) -> u32 {
        let next = self.models.len() as u32;
        *self.models.entry(name.to_owned()).or_insert(next)
    }

    fn works(&mut self, model: &mut Model<'_>) -> Result<(), ProblemError> {
        let problem = model.problem;
        let names: HashMap<&str, u32> =
            problem.workloads.iter().enumerate().map(|(i, w)| (w.name.as_str(), i as u32)).collect();
        let mut profiles = Interner::new();
        for w in &problem.workloads {
            let work = self.work(model, w, &names, &mut profiles)?;
            model.replicas += w.replicas;
            let number = model.works.len() as u32;
            model.owners.extend(std::iter::repeat_n(number, w.replicas as usize));
            model.works.push(work);
        }
        for i in 0..model.works.len() {
            for k in 0..model.works[i].near.len() {
                let p = model.works[i].near[k];
                if p.work as usize != i {
                    model.works[p.work as usize].needed_by.push(PeerAt { work: i as u32, ..p });
                }
            }
            for k in 0..problem.workloads[i].apart.len() {
                let p = model.works[i].apart[k];
                let back = PeerAt { work: i as u32, ..p };
                let other = &mut model.works[p.work as usize].apart;
                if !other.contains(&back) {
                    other.push(back);
                }
            }
        }
        self.depths(model);
        self.eligible(model);
        Ok(())
    }

    fn work(
        &mut self,
        model: &mut Model<'_>,
        w: &Workload,
        names: &HashMap<&str, u32>,
        profiles: &mut Interner<Profile>,
    ) -> Result<Work, ProblemError> {
        let problem = model.problem;
        let exchange = &problem.exchange;
        let at = |field: &str| format!("workloads[{}].{field}", w.name);
        let topology = |model: &mut Model<'_>, t: &str| model.topologies.id(t.to_owned());
        let peer = |model: &mut Model<'_>, p: &crate::problem::Peer| PeerAt {
            work: names.get(p.workload.as_str()).copied().unwrap_or(0),
            topology: topology(model, &p.topology),
        };
        let near = w.near.iter().map(|p| peer(model, p)).collect();
        let apart = w.apart.iter().map(|p| peer(model, p)).collect();
        let mut wishes = Vec::new();
        for (i, p) in w.prefer.iter().enumerate() {
            let what = match &p.what {
                Wish::Label(s) => WishAt::Label(s.clone()),
                Wish::Near(p) => WishAt::Near(peer(model, p)),
                Wish::Apart(p) => WishAt::Apart(peer(model, p)),
            };
            let worth = in_base(exchange, &p.worth_hour, || at(&format!("prefer[{i}].worth_hour")))?;
            wishes.push((what, worth * problem.strategy.horizon_hours));
        }
        let (by_name, by_label): (Vec<_>, Vec<_>) = w.selectors.iter().cloned().partition(|s| s.key == NODE);
        let profile = Profile {
            selectors: by_label.iter().map(|s| (s.key.clone(), format!("{:?}", s.is))).collect(),
            residency: w.residency.iter().cloned().collect(),
            latency: w.latency.iter().map(|l| (l.to.clone(), l.ms.to_bits())).collect(),
            spot: w.spot,
        };
        let profile = profiles.id(profile);
        if profile as usize == model.verdicts.len() {
            let row = model.classes.items.iter().map(|c| static_refusal(problem, w, &by_label, c)).collect();
            model.verdicts.push(row);
        }
        let spread = w.spread.iter().map(|s| Spreading {
            topology: topology(model, &s.topology),
            max_skew: s.max_skew.unwrap_or(u32::MAX),
            min_domains: s.min_domains.unwrap_or(0),
            required: s.required,
            eligible: HashMap::new(),
        });
        let spread = spread.collect();
        let price = |p: &Option<_>, field: &str, absent: f64| match p {
            Some(p) => in_base(exchange, p, || at(field)),
            None => Ok(absent),
        };
        let column = |name: &String| self.columns.get(name).copied();
        let mut models: Vec<u32> = w
            .gpu
            .iter()
            .flat_map(|g| &g.models)
            .map(String::as_str)
            .collect::<Vec<_>>()
            .iter()
            .map(|m| {
                let next = self.models.len() as u32;
                *self.models.entry((*m).to_owned()).or_insert(next)
            })
            .collect();
        models.sort_unstable();
        Ok(Work {
            first: model.replicas,
            replicas: w.replicas,
            priority: w.priority,
            urgency: w.priority,
            project: model.projects.id(w.project.clone()),
            requests: w
                .requests
                .iter()
                .filter(|(_, a)| **a > 0)
                .filter_map(|(n, &a)| Some((column(n)?, a)))
                .collect(),
            devices: w.gpu.as_ref().map_or(0, |g| g.devices),
            milli: w.gpu.as_ref().map_or(0, |g| g.milli),
            models: models.into(),
            profile,
            by_name: by_name.into(),
            spread,
            near,
            needed_by: Vec::new(),
            apart,
            wishes,
            exclusive: w.exclusive.iter().map(|k| model.keys.id(k.clone())).collect(),
            max_price: price(&w.max_price_hour, "max_price_hour", f64::INFINITY)?,
            move_cost: price(&w.move_cost, "move_cost", problem.strategy.move_cost)?,
            held: w.held_on_both_sides.iter().filter_map(column).collect(),
            egress: egress(problem, w)?,
            depth: 0,
        })
    }

    /// Longest chain of `near` below each workload, and the priority it inherits from those that need it; validation has
    /// excluded circles.
    fn depths(&self, model: &mut Model<'_>) {
        let mut waiting: Vec<usize> = model
            .works
            .iter()
            .enumerate()
            .map(|(i, w)| w.near.iter().filter(|p| p.work as usize != i).count())
            .collect();
        let mut ready: Vec<usize> = (0..waiting.len()).filter(|i| waiting[*i] == 0).collect();
        let mut order = Vec::with_capacity(ready.len());
        while let Some(i) = ready.pop() {
            order.push(i);
            let depth = model.works[i].depth + 1;
            for k in 0..model.works[i].needed_by.len() {
                let by = model.works[i].needed_by[k].work as usize;
                model.works[by].depth = model.works[by].depth.max(depth);
                waiting[by] -= 1;
                if waiting[by] == 0 {
                    ready.push(by);
                }
            }
        }
        for i in order.into_iter().rev() {
            let inherited =
                model.works[i].needed_by.iter().map(|p| model.works[p.work as usize].urgency).max();
            model.works[i].urgency = model.works[i].urgency.max(inherited.unwrap_or(i32::MIN));
        }
    }

    /// The domains a spread is measured over: those of open nodes that the workload's labels admit; when there is none,
    /// those of offers.
    fn eligible(&self, model: &mut Model<'_>) {
        for i in 0..model.works.len() {
            for k in 0..model.works[i].spread.len() {
                let work = &model.works[i];
                let t = work.spread[k].topology as usize;
                let domains = |machines: &[Machine]| -> HashMap<u32, ()> {
                    machines
                        .iter()
                        .filter(|m| m.state == NodeState::Open && model.verdict(work, m.class).is_none())
                        .filter_map(|m| m.domains.get(t).copied().filter(|d| *d != NO_DOMAIN))
                        .map(|d| (d, ()))
                        .collect()
                };
                let mut eligible = domains(&model.machines);
                if eligible.is_empty() {
                    eligible = domains(&model.offers);
                }
                model.works[i].spread[k].eligible = eligible;
            }
        }
    }
}

/// Egress of one replica by the region it would run in, in base currency an hour.
fn egress(problem: &Problem, w: &Workload) -> Result<HashMap<String, f64>, ProblemError> {
    let mut costs = HashMap::new();
    for flow in &w.data {
        for (i, e) in problem.egress.iter().enumerate() {
            let (region, gib) = if e.from == flow.region && e.to != flow.region {
                (&e.to, flow.reads_gib_hour)
            } else if e.to == flow.region && e.from != flow.region {
                (&e.from, flow.writes_gib_hour)
            } else {
                continue;
            };
            let price = in_base(&problem.exchange, &e.price_gib, || format!("egress[{i}].price_gib"))?;
            *costs.entry(region.clone()).or_insert(0.0) += price * gib;
        }
    }
    Ok(costs)
}

fn static_refusal(
    problem: &Problem,
    w: &Workload,
    selectors: &[Selector],
    class: &Class,
) -> Option<Constraint> {
    if let Some(s) = selectors.iter().find(|s| !holds(&s.is, class.label(&s.key))) {
        return Some(Constraint::Label(s.key.clone()));
    }
    let region = class.region();
    if !w.residency.is_empty() && !w.residency.contains(region) {
        return Some(Constraint::Residency);
    }
    if !w.latency.iter().all(|bound| reaches(problem, region, &bound.to, bound.ms)) {
        return Some(Constraint::Latency);
    }
    (class.spot && !w.spot).then_some(Constraint::Spot)
}

fn reaches(problem: &Problem, from: &str, to: &str, ms: f64) -> bool {
    if from == to {
        return true;
    }
    let given = |a: &str, b: &str| problem.latencies.iter().find(|l| l.from == a && l.to == b).map(|l| l.ms);
    given(from, to).or_else(|| given(to, from)).is_some_and(|known| known <= ms)
}
