//! Breadth-first exploration of the engine: every input that means something, in every state, from several beginnings.

mod actions;
mod world;

use std::{
    collections::{BTreeMap, HashSet},
    fmt,
};

use stella_core::{engine::Options, testing::rules::Broken};

pub(crate) use self::actions::{Action, EVERYDAY, INITIATIVE, LINKED};
use self::world::{Edge, World, edges};

/// Where an exploration begins.
#[derive(Debug, Clone)]
pub(crate) struct Root {
    pub(crate) name: &'static str,
    pub(crate) options: Options,
    pub(crate) actions: Vec<Action>,
    /// What may happen from there.
    pub(crate) alphabet: &'static [Action],
}

/// A state: how it was first reached.
#[derive(Debug, Clone, Copy)]
struct Node {
    /// Another state, or a root from the top of the numbers.
    parent: u32,
    action: u8,
}

/// What an exploration has found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) states: usize,
    pub(crate) expanded: usize,
    pub(crate) steps: u64,
    /// Actions from a root to the last states that were all expanded.
    pub(crate) depth: usize,
    /// Each step of a machine, and the first way to it.
    pub(crate) edges: BTreeMap<Edge, String>,
    pub(crate) broken: Option<(Broken, String)>,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { states, expanded, steps, depth, edges, .. } = self;
        write!(f, "{states} states, {expanded} expanded by {steps} steps, complete to depth {depth}, ")?;
        write!(f, "{} edges", edges.len())
    }
}

/// Successors of one state: fingerprints with the action that led there.
struct Expansion {
    node: u32,
    next: Vec<(u64, u8)>,
    steps: u64,
    /// Each step of a machine, and the first action that takes it.
    edges: BTreeMap<Edge, u8>,
    broken: Option<(Broken, u8)>,
}

/// Explores until so many states are known.
pub(crate) fn explore(roots: &[Root], limit: usize) -> Found {
    let mut found = Found::default();
    let mut seen = HashSet::new();
    let mut nodes: Vec<Node> = Vec::new();
    let mut layer: Vec<u32> = Vec::new();
    let worlds: Vec<World> = roots.iter().map(begin).collect();
    for (index, world) in worlds.iter().enumerate() {
        seen.insert(salted(index, roots, world));
        layer.push(nodes.len() as u32);
        nodes.push(Node { parent: u32::MAX - index as u32, action: 0 });
    }
    while !layer.is_empty() {
        let mut next = Vec::new();
        for batch in layer.chunks(2_048) {
            for expansion in expand_all(batch, &nodes, &worlds, roots) {
                found.expanded += 1;
                found.steps += expansion.steps;
                let story = |action| story(expansion.node, action, &nodes, roots);
                for (edge, action) in expansion.edges {
                    found.edges.entry(edge).or_insert_with(|| story(action));
                }
                if let Some((broken, action)) = expansion.broken {
                    found.broken = Some((broken, story(action)));
                    found.states = nodes.len();
                    return found;
                }
                for (state, action) in expansion.next {
                    if seen.insert(state) {
                        next.push(nodes.len() as u32);
                        nodes.push(Node { parent: expansion.node, action });
                    }
                }
            }
            if nodes.len() >= limit {
                found.states = nodes.len();
                return found;
            }
        }
        found.depth += 1;
        layer = next;
    }
    found.states = nodes.len();
    found
}

fn begin(root: &Root) -> World {
    let mut world = World::new(&root.options);
    for action in &root.actions {
        let done = world.act(*action).unwrap_or_else(|| panic!("{}: {action:?} means nothing", root.name));
        done.unwrap_or_else(|broken| panic!("{}: {broken}", root.name));
    }
    world
}

/// The fingerprint of a state under the options and the alphabet of its root.
fn salted(root: usize, roots: &[Root], world: &World) -> u64 {
    let Root { options, alphabet, .. } = &roots[root];
    let same = roots.iter().position(|r| r.options == *options && r.alphabet == *alphabet).unwrap_or(root) as u64;
    world.watched.engine.fingerprint().wrapping_add(same.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

/// The root and the actions that lead to a state.
fn path(node: u32, nodes: &[Node]) -> (usize, Vec<u8>) {
    let mut actions = Vec::new();
    let mut at = nodes[node as usize];
    while (at.parent as usize) < nodes.len() {
        actions.push(at.action);
        at = nodes[at.parent as usize];
    }
    actions.reverse();
    ((u32::MAX - at.parent) as usize, actions)
}

/// What leads to a state and on by one more action, to be read.
fn story(node: u32, action: u8, nodes: &[Node], roots: &[Root]) -> String {
    let (root, mut actions) = path(node, nodes);
    actions.push(action);
    let Root { name, alphabet, .. } = &roots[root];
    let actions: Vec<_> = actions.into_iter().map(|action| format!("{:?}", alphabet[usize::from(action)])).collect();
    format!("{name}: {}", actions.join(", "))
}

fn expand_all(batch: &[u32], nodes: &[Node], worlds: &[World], roots: &[Root]) -> Vec<Expansion> {
    let half = batch.len().div_ceil(2);
    std::thread::scope(|scope| {
        let threads: Vec<_> = batch
            .chunks(half.max(1))
            .map(|part| {
                scope.spawn(move || part.iter().map(|node| expand(*node, nodes, worlds, roots)).collect::<Vec<_>>())
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("no thread panics")).collect()
    })
}

fn expand(node: u32, nodes: &[Node], worlds: &[World], roots: &[Root]) -> Expansion {
    let (root, actions) = path(node, nodes);
    let mut world = worlds[root].clone();
    for action in actions {
        world
            .act(roots[root].alphabet[usize::from(action)])
            .expect("it was done before")
            .expect("it broke no rule before");
    }
    let mut expansion = Expansion { node, next: Vec::new(), steps: 0, edges: BTreeMap::new(), broken: None };
    if world.watched.engine.is_closed() {
        return expansion;
    }
    let before = world.machines();
    for (number, action) in roots[root].alphabet.iter().enumerate() {
        if world.input(*action).is_none() {
            continue;
        }
        let mut after = world.clone();
        expansion.steps += 1;
        match after.act(*action) {
            None => continue,
            Some(Err(broken)) => {
                expansion.broken = Some((broken, number as u8));
                return expansion;
            }
            Some(Ok(())) => {}
        }
        for edge in edges(&before, &after.machines()) {
            expansion.edges.entry(edge).or_insert(number as u8);
        }
        expansion.next.push((salted(root, roots, &after), number as u8));
    }
    expansion
}
