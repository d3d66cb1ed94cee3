//! The names that LIST knows: mailboxes, what lies above them, and names that are only subscribed to.

use crate::answer::Refusal;
use edge::SignedIn;
use message::{MailboxName, SpecialUse};
use std::collections::BTreeMap;
use store::{Mailbox, MailboxId};

/// A name.
#[derive(Debug, Default)]
pub(crate) struct Node {
    /// The mailbox of that name, if there is one.
    pub(crate) mailbox: Option<Mailbox>,
    pub(crate) subscribed: bool,
    /// Whether mailboxes lie beneath it.
    pub(crate) has_children: bool,
    /// Its special use, by attribute or by name (`RULES.md 6.2`).
    pub(crate) special_use: Option<SpecialUse>,
}

/// Every name, in order.
#[derive(Debug, Default)]
pub(crate) struct Tree(pub(crate) BTreeMap<String, Node>);

impl Tree {
    /// The names of an account.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) fn read(user: &SignedIn) -> Result<Self, Refusal> {
        let account = user.mail.id;
        let (mailboxes, subscriptions) =
            user.cell.read(|view| Ok((view.mailboxes(account)?, view.subscriptions(account)?)))?;
        let mut uses = special_uses(user, &mailboxes)?;
        let mut tree = Tree::default();
        for mailbox in mailboxes {
            for above in above(mailbox.name.as_str()) {
                tree.0.entry(above.to_owned()).or_default().has_children = true;
            }
            let node = tree.0.entry(mailbox.name.as_str().to_owned()).or_default();
            node.subscribed = mailbox.subscribed;
            node.special_use = uses.remove(&mailbox.id);
            node.mailbox = Some(mailbox);
        }
        for name in subscriptions {
            tree.0.entry(name.as_str().to_owned()).or_default().subscribed = true;
        }
        Ok(tree)
    }

    /// As [`Tree::read`], the first time.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) fn read_once<'a>(kept: &'a mut Option<Self>, user: &SignedIn) -> Result<&'a Self, Refusal> {
        let tree = match kept.take() {
            Some(tree) => tree,
            None => Tree::read(user)?,
        };
        Ok(kept.insert(tree))
    }

    /// What is known of a name.
    pub(crate) fn node(&self, name: &str) -> &Node {
        static UNKNOWN: Node = Node { mailbox: None, subscribed: false, has_children: false, special_use: None };
        self.0.get(name).unwrap_or(&UNKNOWN)
    }
}

/// The names above a name, outermost first.
pub(crate) fn above(name: &str) -> impl Iterator<Item = &str> {
    name.match_indices(MailboxName::SEPARATOR).map(|(at, _)| &name[..at])
}

/// Who has which special use: those that have the attribute; where no mailbox does, the one that is known by its name
/// and holds most.
fn special_uses(user: &SignedIn, mailboxes: &[Mailbox]) -> Result<BTreeMap<MailboxId, SpecialUse>, Refusal> {
    let by_attribute = mailboxes.iter().filter_map(|mailbox| Some((mailbox.id, mailbox.special_use?)));
    let mut uses: BTreeMap<MailboxId, SpecialUse> = by_attribute.collect();
    for special_use in SpecialUse::ALL {
        if uses.values().any(|taken| *taken == special_use) {
            continue;
        }
        let known = |mailbox: &&Mailbox| {
            mailbox.special_use.is_none() && SpecialUse::of_known_name(&mailbox.name) == Some(special_use)
        };
        let named: Vec<&Mailbox> = mailboxes.iter().filter(known).collect();
        let chosen = match named[..] {
            [] => continue,
            [only] => only.id,
            _ => fullest(user, &named)?,
        };
        uses.insert(chosen, special_use);
    }
    Ok(uses)
}

fn fullest(user: &SignedIn, mailboxes: &[&Mailbox]) -> Result<MailboxId, Refusal> {
    let mut fullest = (0, mailboxes[0].id);
    for mailbox in mailboxes {
        let counts = user.cell.counts(user.mail.id, mailbox.id)?;
        let messages = counts.map_or(0, |(_, counts)| counts.messages);
        if messages > fullest.0 {
            fullest = (messages, mailbox.id);
        }
    }
    Ok(fullest.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_above_a_name() {
        assert_eq!(above("a/b/c").collect::<Vec<_>>(), ["a", "a/b"]);
        assert_eq!(above("a").count(), 0);
    }
}
