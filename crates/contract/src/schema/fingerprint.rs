//! A hash for what a schema means that does not depend on which other schemas there are.
//!
//! Hashing starts from the classes, where each meaning exists once, so a definition that is repeated or unrolled
//! hashes like one that is referred to. Schemas outside circles are hashed after their parts. The members of a circle
//! are told apart first, by hashing them together with their parts as often as that takes; then each is hashed with
//! all of them.

use std::collections::{BTreeSet, HashMap};

use sha2::{Digest, Sha256};

use super::class::{Part, classes, own, parts};
use super::{SchemaId, Schemas};

pub(crate) type Fingerprint = [u8; 32];

/// The fingerprint of each schema.
pub(crate) fn fingerprints(schemas: &Schemas) -> Vec<Fingerprint> {
    let class = classes(&[schemas]).pop().expect("one list of classes for one contract");
    let count = class.iter().max().map_or(0, |max| *max as usize + 1);
    let mut owns = vec![String::new(); count];
    let mut meanings: Vec<Vec<Part>> = vec![Vec::new(); count];
    for (index, meaning) in class.iter().enumerate() {
        let schema = schemas.get(SchemaId(u32::try_from(index).expect("the number of schemas is limited")));
        let meaning = *meaning as usize;
        if owns[meaning].is_empty() {
            owns[meaning] = own(schema);
            meanings[meaning] =
                parts(schema).into_iter().map(|part| part.map(|id| class[id as usize])).collect();
        }
    }
    let mut done: Vec<Option<Fingerprint>> = vec![None; count];
    for circle in circles(&meanings) {
        fingerprint(&circle, &owns, &meanings, &mut done);
    }
    class.iter().map(|meaning| done[*meaning as usize].expect("every class is in one circle")).collect()
}

/// Hashes the members of a circle; everything they refer to outside has been hashed.
fn fingerprint(circle: &[u32], owns: &[String], meanings: &[Vec<Part>], done: &mut [Option<Fingerprint>]) {
    let mut now: HashMap<u32, Fingerprint> =
        circle.iter().map(|id| (*id, Sha256::digest(owns[*id as usize].as_bytes()).into())).collect();
    let distinct = |hashes: &HashMap<u32, Fingerprint>| hashes.values().collect::<BTreeSet<_>>().len();
    // Once more after all are distinct, so that each knows its parts by a hash of their own.
    let mut settled = false;
    for _ in 0..=circle.len() {
        let last = settled;
        settled = distinct(&now) == circle.len();
        let token = |id: u32| done[id as usize].unwrap_or_else(|| now[&id]);
        let next = now
            .iter()
            .map(|(id, hash)| {
                let mut sha = Sha256::new();
                sha.update(hash);
                for part in &meanings[*id as usize] {
                    for group in part.tokens(&token) {
                        sha.update((group.len() as u64).to_le_bytes());
                        group.iter().for_each(|hash| sha.update(hash));
                    }
                }
                (*id, sha.finalize().into())
            })
            .collect();
        now = next;
        if last || circle.len() == 1 {
            break;
        }
    }
    let mut all: Vec<Fingerprint> = now.values().copied().collect();
    all.sort_unstable();
    for (id, hash) in now {
        let mut sha = Sha256::new();
        sha.update(hash);
        all.iter().for_each(|hash| sha.update(hash));
        done[id as usize] = Some(sha.finalize().into());
    }
}

/// The circles of the graph, each after those it leads to; what is in no circle is one of its own.
/// (Tarjan's strongly connected components, with a stack of its own instead of recursion.)
fn circles(meanings: &[Vec<Part>]) -> Vec<Vec<u32>> {
    const UNSEEN: usize = usize::MAX;
    let next: Vec<Vec<u32>> =
        meanings.iter().map(|parts| parts.iter().flat_map(Part::ids).collect()).collect();
    let mut order = vec![UNSEEN; meanings.len()];
    let mut low = vec![0; meanings.len()];
    let mut on_path = vec![false; meanings.len()];
    let (mut path, mut circles, mut seen) = (Vec::new(), Vec::new(), 0);
    for start in 0..meanings.len() {
        if order[start] != UNSEEN {
            continue;
        }
        // A node and how many of its parts have been followed.
        let mut work = vec![(start, 0)];
        while let Some((node, followed)) = work.pop() {
            if followed == 0 {
                order[node] = seen;
                low[node] = seen;
                seen += 1;
                path.push(node);
                on_path[node] = true;
            } else {
                low[node] = low[node].min(low[next[node][followed - 1] as usize]);
            }
            let mut at = followed;
            let mut descended = false;
            while let Some(part) = next[node].get(at) {
                let part = *part as usize;
                at += 1;
                if order[part] == UNSEEN {
                    work.push((node, at));
                    work.push((part, 0));
                    descended = true;
                    break;
                }
                if on_path[part] {
                    low[node] = low[node].min(order[part]);
                }
            }
            if !descended && low[node] == order[node] {
                let from = path
                    .iter()
                    .rposition(|n| *n == node)
                    .expect("a node stays on the path until its circle is told");
                let circle: Vec<usize> = path.drain(from..).collect();
                circle.iter().for_each(|n| on_path[*n] = false);
                circles
                    .push(circle.into_iter().map(|n| u32::try_from(n).expect("classes are u32")).collect());
            }
        }
    }
    circles
}
