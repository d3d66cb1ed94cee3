//! Aliases that lead back to themselves (`RULES.md 8`).
//!
//! Each lineage may have loops of its own: that is its business, and it comes out as it was. A loop that neither had
//! and their union makes is a conflict, and the aliases of *before* on it are not put back. Which those are follows
//! from the union alone, so that the order in which accounts and domains are applied does not matter (`RULES.md`
//! G10).

use super::targets::{other_domain, target_key};
use directory::{AliasAddress, DirectoryError, Tx};
use message::Address;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Where the addresses of a lineage deliver.
#[derive(Debug, Default)]
pub(super) struct Routes {
    /// Targets of aliases by key: of an address, or `@domain`.
    pub(super) aliases: BTreeMap<String, Vec<String>>,
    /// Keys of accounts.
    pub(super) accounts: BTreeSet<String>,
    /// Targets of forwards by account.
    pub(super) forwards: BTreeMap<String, Vec<String>>,
}

/// The aliases of *before* that would close a loop with those of *after*, each with the targets that do not lead back.
/// `before` has those aliases alone that are to be put back.
pub(super) fn looping(live: &Routes, before: &Routes) -> BTreeMap<String, Vec<String>> {
    let graph = Graph::of(live, before);
    let groups = graph.groups();
    let loops = |e: &&Edge| groups[e.from] == groups[e.to];
    let mixed: BTreeSet<usize> =
        graph.edges.iter().filter(loops).filter(|e| e.of_after_alone).map(|e| groups[e.from]).collect();
    let closes = |e: &&Edge| e.is_pending && mixed.contains(&groups[e.from]);
    let mut held: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for edge in graph.edges.iter().filter(loops).filter(closes) {
        let targets = before.aliases.get(&edge.owner);
        let targets = held.entry(edge.owner.clone()).or_insert_with(|| targets.cloned().unwrap_or_default());
        targets.retain(|t| *t != edge.target);
    }
    held
}

/// The union of two lineages' routes.
struct Graph<'r> {
    live: &'r Routes,
    before: &'r Routes,
    numbers: HashMap<String, usize>,
    waiting: Vec<(usize, String)>,
    edges: Vec<Edge>,
}

struct Edge {
    from: usize,
    to: usize,
    /// The alias, or the forwarding account, that leads there.
    owner: String,
    /// As which target.
    target: String,
    /// Only *after* leads there.
    of_after_alone: bool,
    /// It is of an alias of *before* that is to be put back.
    is_pending: bool,
}

impl<'r> Graph<'r> {
    fn of(live: &'r Routes, before: &'r Routes) -> Self {
        let (numbers, waiting, edges) = Default::default();
        let mut graph = Graph { live, before, numbers, waiting, edges };
        for key in live.aliases.keys().chain(before.aliases.keys()) {
            match key.strip_prefix('@') {
                // Stands for every address of a domain that is mapped to another.
                Some(domain) if graph.domain_of(domain).is_some() => graph.number(&format!("*@{domain}")),
                _ => graph.number(key),
            };
        }
        for key in live.forwards.keys().chain(before.forwards.keys()) {
            graph.number(key);
        }
        while let Some((from, key)) = graph.waiting.pop() {
            graph.follow(from, &key);
        }
        graph
    }

    fn number(&mut self, key: &str) -> usize {
        if let Some(number) = self.numbers.get(key) {
            return *number;
        }
        let number = self.numbers.len();
        self.numbers.insert(key.to_owned(), number);
        self.waiting.push((number, key.to_owned()));
        number
    }

    /// Where a domain as a whole is mapped to.
    fn domain_of(&self, domain: &str) -> Option<String> {
        let key = format!("@{domain}");
        other_domain(self.live.aliases.get(&key).or_else(|| self.before.aliases.get(&key))?)
    }

    /// Adds the edges from an address.
    fn follow(&mut self, from: usize, key: &str) {
        let (live, before) = (self.live, self.before);
        let mapped = key.split_once('@').filter(|(local, _)| !local.is_empty());
        if live.aliases.contains_key(key) || before.aliases.contains_key(key) {
            self.lead(from, key, live.aliases.get(key), before.aliases.get(key), true);
        } else if live.accounts.contains(key) || before.accounts.contains(key) {
            self.lead(from, key, live.forwards.get(key), before.forwards.get(key), false);
        } else if let Some((local, domain)) = mapped
            && let Some(other) = self.domain_of(domain)
        {
            let owner = format!("@{domain}");
            let (is_live, is_before) = (live.aliases.contains_key(&owner), before.aliases.contains_key(&owner));
            let Some(to) = self.resolve(&format!("{local}@{other}")) else { return };
            let (target, of_after_alone, is_pending) = (format!("@{other}"), !is_before, !is_live);
            self.edges.push(Edge { from, to, owner, target, of_after_alone, is_pending });
        }
    }

    fn lead(
        &mut self,
        from: usize,
        owner: &str,
        live: Option<&Vec<String>>,
        before: Option<&Vec<String>>,
        is_alias: bool,
    ) {
        let Some(targets) = live.or(before) else { return };
        for target in targets {
            let key = target_key(target);
            if key == owner {
                continue;
            }
            let Some(to) = self.resolve(&key) else { continue };
            let of_after_alone = !before.is_some_and(|b| b.iter().any(|t| target_key(t) == key));
            let is_pending = is_alias && live.is_none();
            let (owner, target) = (owner.to_owned(), target.clone());
            self.edges.push(Edge { from, to, owner, target, of_after_alone, is_pending });
        }
    }

    /// What a target leads to here; nothing, where it is nobody's or leads out.
    fn resolve(&mut self, key: &str) -> Option<usize> {
        let is = |r: &Routes| r.aliases.contains_key(key) || r.accounts.contains(key);
        if is(self.live) || is(self.before) {
            return Some(self.number(key));
        }
        let (_, domain) = key.rsplit_once('@')?;
        if self.domain_of(domain).is_some() {
            return Some(self.number(key));
        }
        let catch_all = format!("@{domain}");
        let there = self.live.aliases.contains_key(&catch_all) || self.before.aliases.contains_key(&catch_all);
        there.then(|| self.number(&catch_all))
    }

    /// For each address, which group it is of: two are of one where each leads to the other (Kosaraju's two passes).
    fn groups(&self) -> Vec<usize> {
        let count = self.numbers.len();
        let (mut forth, mut back) = (vec![Vec::new(); count], vec![Vec::new(); count]);
        for edge in &self.edges {
            forth[edge.from].push(edge.to);
            back[edge.to].push(edge.from);
        }
        let mut order = Vec::with_capacity(count);
        let mut seen = vec![false; count];
        for start in 0..count {
            walk(start, &forth, &mut seen, &mut order);
        }
        let mut groups = vec![0; count];
        let mut seen = vec![false; count];
        for (group, start) in order.into_iter().rev().enumerate() {
            let mut members = Vec::new();
            walk(start, &back, &mut seen, &mut members);
            members.into_iter().for_each(|m| groups[m] = group);
        }
        groups
    }
}

/// Adds all that can be reached and was not seen, each after what it leads to.
fn walk(start: usize, edges: &[Vec<usize>], seen: &mut [bool], order: &mut Vec<usize>) {
    if std::mem::replace(&mut seen[start], true) {
        return;
    }
    let mut path = vec![(start, 0)];
    while let Some((at, next)) = path.last_mut() {
        match edges[*at].get(*next) {
            Some(&to) => {
                *next += 1;
                if !std::mem::replace(&mut seen[to], true) {
                    path.push((to, 0));
                }
            }
            None => {
                order.push(*at);
                path.pop();
            }
        }
    }
}

/// Whether mail to an address, or to the rest of a domain (`@domain`), comes back to it, as the directory is now. An
/// address among its own targets is a copy, not a loop.
pub(super) fn leads_back(tx: &Tx<'_>, start: &str) -> Result<bool, DirectoryError> {
    let mut seen = BTreeSet::new();
    let mut waiting = vec![start.to_owned()];
    while let Some(key) = waiting.pop() {
        for target in targets_of(tx, &key)? {
            let next = station(tx, &target)?;
            if next == start && key != start {
                return Ok(true);
            }
            if seen.insert(next.clone()) {
                waiting.push(next);
            }
        }
    }
    Ok(false)
}

/// The key under which mail to a target is looked up: its own, or that of its domain's catch-all.
fn station(tx: &Tx<'_>, target: &str) -> Result<String, DirectoryError> {
    let key = target_key(target);
    let Ok(address) = Address::new(&key) else { return Ok(key) };
    let catch_all = AliasAddress::CatchAll(address.domain().to_owned());
    let is_exact = tx.account(&address)?.is_some() || tx.alias(&AliasAddress::Exact(address))?.is_some();
    let falls = !is_exact && tx.alias(&catch_all)?.is_some_and(|a| a.enabled);
    Ok(if falls { catch_all.key() } else { key })
}

fn targets_of(tx: &Tx<'_>, key: &str) -> Result<Vec<String>, DirectoryError> {
    if let Some(domain) = key.strip_prefix('@') {
        let alias = tx.alias(&AliasAddress::CatchAll(domain.to_owned()))?.filter(|a| a.enabled);
        let mapped = tx.domain_alias(domain)?.map(|a| vec![format!("@{}", a.to)]);
        return Ok(alias.map(|a| a.targets).or(mapped).unwrap_or_default());
    }
    let Ok(address) = Address::new(key) else { return Ok(Vec::new()) };
    if let Some(alias) = tx.alias(&AliasAddress::Exact(address.clone()))?.filter(|a| a.enabled) {
        return Ok(alias.targets);
    }
    if let Some(account) = tx.account(&address)? {
        return Ok(tx.forward(account.id)?.map(|f| f.targets).unwrap_or_default());
    }
    let mapped = tx.domain_alias(address.domain())?;
    Ok(mapped.map(|m| vec![format!("{}@{}", address.localpart(), m.to)]).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes(aliases: &[(&str, &[&str])]) -> Routes {
        let texts = |targets: &[&str]| targets.iter().map(|t| (*t).to_owned()).collect();
        Routes { aliases: aliases.iter().map(|(a, t)| ((*a).to_owned(), texts(t))).collect(), ..Routes::default() }
    }

    fn held(live: &Routes, before: &Routes) -> Vec<String> {
        looping(live, before).into_keys().collect()
    }

    #[test]
    fn a_loop_that_only_the_union_makes_is_found() {
        let live = routes(&[("b@x.example", &["a@x.example"])]);
        let before = routes(&[("a@x.example", &["B@x.example", "out@y.example"])]);
        let found = looping(&live, &before);
        assert_eq!(found["a@x.example"], ["out@y.example"], "what does not lead back is offered");
    }

    #[test]
    fn a_loop_of_before_alone_or_after_alone_is_its_own_business() {
        let ring = [("a@x.example", &["b@x.example"][..]), ("b@x.example", &["a@x.example"][..])];
        assert!(held(&Routes::default(), &routes(&ring)).is_empty());
        assert!(held(&routes(&ring), &routes(&[("c@x.example", &["a@x.example"])])).is_empty());
        let themselves = routes(&[("a@x.example", &["a@x.example", "b@y.example"])]);
        assert!(held(&Routes::default(), &themselves).is_empty());
    }

    #[test]
    fn what_is_put_back_already_makes_no_difference() {
        let ring = [("a@x.example", &["b@x.example"][..]), ("b@x.example", &["a@x.example"][..])];
        assert!(held(&routes(&ring[..1]), &routes(&ring)).is_empty(), "half of a loop of before is in force");
    }

    #[test]
    fn a_loop_through_a_catch_all_a_forward_or_a_domain_alias_is_found() {
        let catch_all = routes(&[("@x.example", &["a@y.example"])]);
        assert_eq!(held(&catch_all, &routes(&[("a@y.example", &["who@x.example"])])), ["a@y.example"]);

        let mut forwarding = Routes::default();
        forwarding.accounts.insert("b@x.example".to_owned());
        forwarding.forwards.insert("b@x.example".to_owned(), vec!["a@x.example".to_owned()]);
        assert_eq!(held(&forwarding, &routes(&[("a@x.example", &["b@x.example"])])), ["a@x.example"]);

        let mapped = routes(&[("@old.example", &["@new.example"])]);
        assert_eq!(held(&mapped, &routes(&[("@new.example", &["@old.example"])])), ["@new.example"]);
        assert_eq!(held(&mapped, &routes(&[("a@new.example", &["a@old.example"])])), ["a@new.example"]);
    }

    #[test]
    fn an_account_ends_the_way() {
        let mut live = routes(&[("b@x.example", &["c@x.example"])]);
        live.accounts.insert("c@x.example".to_owned());
        assert!(held(&live, &routes(&[("a@x.example", &["b@x.example"])])).is_empty());
    }

    #[test]
    fn a_long_chain_does_not_exhaust_the_stack() {
        let name = |n: u32| format!("a{n}@x.example");
        let mut before = Routes::default();
        before.aliases.extend((0..100_000).map(|n| (name(n), vec![name(n + 1)])));
        let mut live = Routes::default();
        live.aliases.insert(name(100_000), vec![name(0)]);
        assert_eq!(held(&live, &before).len(), 100_000);
    }
}
