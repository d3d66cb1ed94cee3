//! Layouts: where in a tree the maildrops lie, as a template of paths: `{domain}/{localpart}/Maildir`.
//!
//! ```text
//! layout    = component *( "/" component )
//! component = 1*( literal / "{domain}" / "{localpart}" / "{address}" / "*" )
//! ```
//! `{address}` is `localpart@domain`, `*` is anything. The component that completes the address is the *home*; what
//! follows it is literal and leads from the home to its mail.

use crate::root::{Entry, EntryKind, Root, join};
use message::Address;
use std::io;

/// A parsed layout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    /// The components down to the home.
    components: Vec<Vec<Piece>>,
    /// What leads from the home to the mail; empty when the home is the maildrop.
    tail: Vec<Vec<u8>>,
    /// The domain of every address, where the template has none.
    domain: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Literal(Vec<u8>),
    Domain,
    Localpart,
    Address,
    Any,
}

/// A home that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Home {
    /// Beneath the root.
    pub(crate) place: Vec<u8>,
    /// Whose it is; `None` where the names on the way are no address.
    pub(crate) address: Option<Address>,
}

/// What a tree holds, by its layout.
#[derive(Clone, Debug, Default)]
pub(crate) struct Found {
    /// Homes, in order of place.
    pub(crate) homes: Vec<Home>,
    /// What lies above the homes and is no directory, in order of place.
    pub(crate) loose: Vec<Loose>,
}

/// Entries of a directory above the homes that are no directories.
#[derive(Clone, Debug)]
pub(crate) struct Loose {
    /// The directory, beneath the root.
    pub(crate) place: Vec<u8>,
    /// The entries.
    pub(crate) entries: Vec<Entry>,
}

/// The names that a path has given so far.
#[derive(Clone, Debug, Default)]
struct Names {
    domain: Option<Vec<u8>>,
    localpart: Option<Vec<u8>>,
    address: Option<Vec<u8>>,
}

impl Layout {
    /// Parses a template.
    ///
    /// # Errors
    /// In words, when the template is wrong.
    pub(crate) fn parse(text: &str) -> Result<Layout, String> {
        let expected = "a path beneath root such as \"{domain}/{localpart}/Maildir\" is expected";
        let mut components = text.split('/').map(parse_component).collect::<Result<Vec<_>, _>>()?;
        let is_dotted = |c: &Vec<Piece>| matches!(&c[..], [Piece::Literal(l)] if l == b"." || l == b"..");
        if components.iter().any(|c| c.is_empty() || is_dotted(c)) {
            return Err(format!("it has an empty or dotted component; {expected}"));
        }
        let has = |piece: &Piece| components.iter().flatten().filter(|p| *p == piece).count();
        let counts = (has(&Piece::Address), has(&Piece::Domain), has(&Piece::Localpart));
        if !matches!(counts, (1, 0, 0) | (0, 1, 1) | (0, 0, 1)) {
            return Err(format!("it needs {{domain}} and {{localpart}} once each, or {{address}} once; {expected}"));
        }
        let is_name = |p: &Piece| matches!(p, Piece::Address | Piece::Domain | Piece::Localpart);
        let home = components.iter().rposition(|c| c.iter().any(is_name)).unwrap_or(0);
        let tail = components.split_off(home + 1);
        let literal = |c: Vec<Piece>| match &c[..] {
            [Piece::Literal(text)] => Ok(text.clone()),
            _ => Err(format!("after the address only plain names may follow; {expected}")),
        };
        Ok(Layout { components, tail: tail.into_iter().map(literal).collect::<Result<_, _>>()?, domain: None })
    }

    /// Whether the template says the domain of an address.
    pub(crate) fn says_domain(&self) -> bool {
        self.components.iter().flatten().any(|piece| matches!(piece, Piece::Domain | Piece::Address))
    }

    /// Says the domain of every address of a template without one.
    pub(crate) fn set_domain(&mut self, domain: String) {
        self.domain = Some(domain);
    }

    /// What leads from a home to its mail.
    pub(crate) fn tail(&self) -> &[Vec<u8>] {
        &self.tail
    }

    /// Finds the homes beneath the root. `is_known` says of a path above the homes whether it serves the source
    /// otherwise (account files, orphans) and is left out.
    ///
    /// # Errors
    /// When the root cannot be listed; a directory beneath it that cannot be is a home without an address, so that
    /// reading it says why.
    pub(crate) fn find(&self, root: &Root, is_known: &dyn Fn(&[u8]) -> bool) -> io::Result<Found> {
        let mut found = Found::default();
        let mut search = Search { root, layout: self, is_known, found: &mut found };
        let entries = root.list(b".")?;
        let names = Names { domain: self.domain.clone().map(String::into_bytes), ..Names::default() };
        search.level(b".", &entries, 0, &names, true);
        found.homes.sort_by(|a, b| a.place.cmp(&b.place));
        found.loose.sort_by(|a, b| a.place.cmp(&b.place));
        Ok(found)
    }

    /// How many components a home's place has.
    pub(crate) fn depth(&self) -> usize {
        self.components.len()
    }
}

struct Search<'a> {
    root: &'a Root,
    layout: &'a Layout,
    is_known: &'a dyn Fn(&[u8]) -> bool,
    found: &'a mut Found,
}

impl Search<'_> {
    /// Searches one directory above the homes. Where the layout names one literal entry, other directories beside it, and
    /// at the root other files too, are none of the source's business.
    fn level(&mut self, place: &[u8], entries: &[Entry], depth: usize, names: &Names, at_root: bool) {
        let component = &self.layout.components[depth];
        let is_literal = matches!(&component[..], [Piece::Literal(_)]);
        let mut loose = Vec::new();
        for entry in entries {
            let path = join(place, &entry.name);
            if (self.is_known)(&path) {
                continue;
            }
            let mut names = names.clone();
            let fits = matches(component, &entry.name, &mut names);
            let is_last = depth + 1 == self.layout.components.len();
            match entry.kind {
                EntryKind::Directory if !fits && is_literal => {}
                EntryKind::Directory if is_last || !fits => {
                    let address = if fits { names.address() } else { None };
                    self.found.homes.push(Home { place: path, address });
                }
                EntryKind::Directory => match self.root.list(&path) {
                    Ok(entries) => self.level(&path, &entries, depth + 1, &names, false),
                    Err(_) => self.found.homes.push(Home { place: path, address: None }),
                },
                // A single file can be a whole mbox.
                EntryKind::File if is_last && fits && self.layout.tail.is_empty() && names.address().is_some() => {
                    self.found.homes.push(Home { place: path, address: names.address() });
                }
                _ if at_root && is_literal => {}
                _ => loose.push(entry.clone()),
            }
        }
        if !loose.is_empty() {
            self.found.loose.push(Loose { place: place.to_vec(), entries: loose });
        }
    }
}

impl Names {
    fn address(&self) -> Option<Address> {
        let text = match (&self.address, &self.localpart, &self.domain) {
            (Some(address), _, _) => String::from_utf8(address.clone()).ok()?,
            (None, Some(local), Some(domain)) => {
                format!("{}@{}", std::str::from_utf8(local).ok()?, std::str::from_utf8(domain).ok()?)
            }
            _ => return None,
        };
        Address::new(&text).ok()
    }
}

fn parse_component(text: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(['{', '*']).unwrap_or(rest.len());
        if end > 0 {
            pieces.push(Piece::Literal(rest.as_bytes()[..end].to_vec()));
            rest = &rest[end..];
            continue;
        }
        let known = [
            ("{domain}", Piece::Domain),
            ("{localpart}", Piece::Localpart),
            ("{address}", Piece::Address),
            ("*", Piece::Any),
        ];
        let (name, piece) = known.into_iter().find(|(name, _)| rest.starts_with(name)).ok_or_else(|| {
            format!("{rest:?} begins no variable; {{domain}}, {{localpart}}, {{address}} and * are known")
        })?;
        if !matches!(pieces.last(), None | Some(Piece::Literal(_))) {
            return Err("two variables of one component need something between them".to_owned());
        }
        pieces.push(piece);
        rest = &rest[name.len()..];
    }
    Ok(pieces)
}

/// Whether a name fits a component. A variable takes as little as it can, at least one byte.
fn matches(pieces: &[Piece], name: &[u8], names: &mut Names) -> bool {
    let Some((piece, more)) = pieces.split_first() else { return name.is_empty() };
    if let Piece::Literal(text) = piece {
        return name.strip_prefix(&text[..]).is_some_and(|rest| matches(more, rest, names));
    }
    for end in 1..=name.len() {
        if matches(more, &name[end..], names) {
            let value = Some(name[..end].to_vec());
            match piece {
                Piece::Domain => names.domain = value,
                Piece::Localpart => names.localpart = value,
                Piece::Address => names.address = value,
                Piece::Literal(_) | Piece::Any => {}
            }
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn address_of(layout: &str, path: &[&[u8]]) -> Option<String> {
        let layout = Layout::parse(layout).unwrap();
        let mut names = Names::default();
        let fits = path.iter().zip(&layout.components).all(|(name, component)| matches(component, name, &mut names));
        assert_eq!(path.len(), layout.depth());
        if fits { names.address().map(|a| a.to_string()) } else { None }
    }

    #[test]
    fn paths_give_addresses() {
        type Row = (&'static str, &'static [&'static [u8]], Option<&'static str>);
        let table: [Row; 8] = [
            ("{domain}/{localpart}/Maildir", &[b"Example.org", b"Ana"], Some("Ana@example.org")),
            ("{address}", &[b"ana@example.org"], Some("ana@example.org")),
            ("*/{localpart}@{domain}/mail", &[b"a", b"ana@example.org"], Some("ana@example.org")),
            ("mail/{domain}/{localpart}", &[b"mail", b"example.org", b"ana"], Some("ana@example.org")),
            ("{domain}/u-{localpart}.mbox", &[b"example.org", b"u-ana.b.mbox"], Some("ana.b@example.org")),
            ("{domain}/u-{localpart}.mbox", &[b"example.org", b"ana.mbox"], None),
            ("{domain}/{localpart}", &[b"example.org", b"a b"], None),
            ("{domain}/{localpart}", &[b"example.org", b"\xff"], None),
        ];
        for (layout, path, address) in table {
            assert_eq!(address_of(layout, path).as_deref(), address, "{layout}");
        }
        assert_eq!(
            Layout::parse("{domain}/{localpart}/mail/Maildir").unwrap().tail(),
            [b"mail".to_vec(), b"Maildir".to_vec()]
        );
    }

    #[test]
    fn wrong_layouts_are_refused() {
        for layout in [
            "",
            "Maildir",
            "{domain}",
            "/{domain}/{localpart}",
            "{domain}/../{localpart}",
            "{user}",
            "{domain}{localpart}",
            "{address}/{domain}",
            "{domain}/{localpart}/*",
        ] {
            assert!(Layout::parse(layout).is_err(), "{layout}");
        }
    }
}
