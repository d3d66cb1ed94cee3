//! The guarantees of `RULES.md` 1 over whole integrations of generated histories: laid out as trees, imported, staged,
//! applied and verified.
#![allow(clippy::unwrap_used)]

mod support_faults;

use integrate::{Platform, Selection, Silent};
use message::{Address, Digest, Flags};
use proptest::prelude::*;
use proptest::test_runner::{Config, FileFailurePersistence};
use std::collections::BTreeMap;
use std::path::Path;
use store::{Delivery, LIVE, Prepared, Traits};
use support_faults::state::{State, assert_holds, assert_same};
use support_faults::tree::{Mail, Tree, message_files, raw};
use support_faults::{apply, assert_proven, assert_sound, import, init, integrate, stage, undo};
use tempfile::TempDir;

const ACCOUNTS: [&str; 3] = ["ana@example.org", "luis@example.org", "eva@other.example"];
const FOLDERS: [&str; 4] = ["", ".Sent", ".Archivo.2013", ".Papelera"];

/// One lineage's mailbox of an account.
#[derive(Clone, Debug)]
struct Folder {
    account: usize,
    folder: usize,
    /// `None`: without a UID list.
    uidvalidity: Option<u32>,
    /// Which text, which flags; UIDs are by place, after a gap.
    mail: Vec<(u8, u8)>,
    gap: u32,
}

/// One lineage: which accounts it has, and their mailboxes.
#[derive(Clone, Debug)]
struct Lineage {
    accounts: Vec<usize>,
    folders: Vec<Folder>,
}

fn folder() -> impl Strategy<Value = Folder> {
    let uidvalidity = prop_oneof![4 => (100u32..103).prop_map(Some), 1 => Just(None)];
    let mail = proptest::collection::vec((0u8..12, 0u8..4), 0..7);
    (0..ACCOUNTS.len(), 0..FOLDERS.len(), uidvalidity, mail, 0u32..4)
        .prop_map(|(account, folder, uidvalidity, mail, gap)| Folder { account, folder, uidvalidity, mail, gap })
}

fn lineage() -> impl Strategy<Value = Lineage> {
    let accounts = proptest::sample::subsequence((0..ACCOUNTS.len()).collect::<Vec<_>>(), 1..=ACCOUNTS.len());
    (accounts, proptest::collection::vec(folder(), 1..6)).prop_map(|(accounts, mut folders)| {
        folders.retain(|f| accounts.contains(&f.account));
        folders.sort_by_key(|f| (f.account, f.folder));
        folders.dedup_by_key(|f| (f.account, f.folder));
        Lineage { accounts, folders }
    })
}

impl Lineage {
    fn lay_out(&self, root: &Path) {
        let addresses: Vec<&str> = self.accounts.iter().map(|a| ACCOUNTS[*a]).collect();
        let tree = Tree::new(root, &addresses);
        for f in &self.folders {
            let each = f.mail.iter().zip(f.gap + 1..);
            let mail: Vec<Mail> = each.map(|((text, flags), uid)| one(uid, *text, *flags)).collect();
            let mail = if f.uidvalidity.is_some() { mail } else { mail.into_iter().map(Mail::unlisted).collect() };
            tree.mailbox(ACCOUNTS[f.account], FOLDERS[f.folder], f.uidvalidity, &mail);
        }
    }

    /// Copies of every message of an account.
    fn copies(&self, account: usize) -> BTreeMap<Digest, usize> {
        let mut copies = BTreeMap::new();
        for (text, _) in self.folders.iter().filter(|f| f.account == account).flat_map(|f| &f.mail) {
            *copies.entry(digest(&text_of(*text))).or_default() += 1;
        }
        copies
    }
}

fn text_of(text: u8) -> Vec<u8> {
    // Some share a Message-ID, so that near matches are about.
    raw(&format!("text{}", text / 2), &format!("body {text}"))
}

fn one(uid: u32, text: u8, flags: u8) -> Mail {
    Mail::new(uid, text_of(text))
        .flags(["", "S", "FS", "RS"][usize::from(flags)])
        .date(1_400_000_000 + i64::from(text) * 100)
}

fn digest(raw: &[u8]) -> Digest {
    message::examine(&message::to_crlf(raw)).digest
}

/// An incident on disk and a platform.
struct Case {
    home: TempDir,
    platform: Platform,
}

impl Case {
    fn new(before: &Lineage, after: &Lineage) -> Self {
        let home = TempDir::new().unwrap();
        before.lay_out(&home.path().join("before"));
        after.lay_out(&home.path().join("after"));
        let platform = init(&home.path().join("data"), 2);
        Case { home, platform }
    }

    fn path(&self) -> &Path {
        self.home.path()
    }
}

/// Delivers a new message into an account's INBOX, and flags one that is there.
fn live_on(platform: &Platform, address: &str, n: usize) -> Digest {
    let address = Address::new(address).unwrap();
    let cell = platform.store.cell_of(&address);
    let (account, inbox) = cell
        .read(|view| {
            let account = view.account(LIVE, &address)?.unwrap();
            let inbox = view.mailboxes(account.id)?.into_iter().find(|m| m.name.is_inbox()).unwrap();
            Ok((account, inbox))
        })
        .unwrap();
    let crlf = message::to_crlf(&raw(&format!("arrival{n}"), "came in the meantime")).into_owned();
    let seen = message::examine(&crlf);
    cell.deliver(vec![Delivery {
        account: account.id,
        mailbox: inbox.id,
        uid: None,
        message: Prepared::new(&crlf, &seen),
        flags: Flags::NONE,
        keywords: Vec::new(),
        internal_date: 1_500_000_000,
        uidl: None,
        traits: Traits::default(),
        item: None,
        id: None,
    }])
    .unwrap();
    seen.digest
}

fn config() -> Config {
    let failure_persistence = Some(Box::new(FileFailurePersistence::Off) as _);
    Config { cases: 14, max_shrink_iters: 60, failure_persistence, ..Config::default() }
}

proptest! {
    #![proptest_config(config())]

    /// G1 to G4, G6, G8.
    #[test]
    fn a_whole_integration_keeps_what_it_promises(before in lineage(), after in lineage()) {
        let case = Case::new(&before, &after);
        let imported = {
            let platform = init(&case.path().join("after-alone"), 1);
            import(&platform, &case.path().join("after")).unwrap();
            State::of(&platform)
        };
        let restored = {
            let platform = init(&case.path().join("before-alone"), 1);
            import(&platform, &case.path().join("before")).unwrap();
            State::of(&platform)
        };
        let id = integrate(&case.platform, case.path()).unwrap();
        let verified = assert_proven(&case.platform, id, "applied");
        let state = State::of(&case.platform);

        for (account, address) in ACCOUNTS.iter().enumerate() {
            let (old, new) = (before.copies(account), after.copies(account));
            let mut expected: BTreeMap<(String, Digest), usize> = BTreeMap::new();
            for (digest, count) in old.iter().chain(&new) {
                let most = expected.entry(((*address).to_owned(), *digest)).or_default();
                *most = (*most).max(*count);
            }
            let mut found = state.copies();
            found.retain(|(a, _), _| a == address);
            prop_assert_eq!(found, expected, "G1 to G3: {}", address);
            // G6, but for the mark of where it came from.
            let alone = match (before.accounts.contains(&account), after.accounts.contains(&account)) {
                (true, false) => &restored,
                (false, true) => &imported,
                _ => continue,
            };
            let bare = |s: &State| {
                let mut mail = s.mail[*address].clone();
                mail.values_mut().flat_map(|m| m.messages.values_mut()).for_each(|m| m.traits = 0);
                mail
            };
            prop_assert_eq!(bare(&state), bare(alone), "G6: {}", address);
        }
        let files = message_files(&case.path().join("before")).len() + message_files(&case.path().join("after")).len();
        prop_assert_eq!(verified.rows, files as u64, "G8");

        let (_, staged) = stage(&case.platform, &case.path().join("before")).unwrap();
        prop_assert_eq!((staged.staged, staged.moved, staged.gone), (0, 0, 0), "G4");
        apply(&case.platform, id).unwrap();
        assert_same(&State::of(&case.platform), &state, "G4");
        assert_sound(&case.platform, "applied");
    }

    /// G9: undo gives back what was there and what came since; applied again, it is what it was and what came since.
    #[test]
    fn what_is_undone_is_as_it_was_and_keeps_what_came_since(before in lineage(), after in lineage()) {
        let case = Case::new(&before, &after);
        import(&case.platform, &case.path().join("after")).unwrap();
        let earlier = State::of(&case.platform);
        let (id, _) = stage(&case.platform, &case.path().join("before")).unwrap();
        apply(&case.platform, id).unwrap();
        let applied = State::of(&case.platform);
        let mut arrivals = BTreeMap::new();
        for (n, account) in after.accounts.iter().enumerate() {
            let address = ACCOUNTS[*account].to_owned();
            let digest = live_on(&case.platform, &address, n);
            arrivals.insert((address, digest), 1);
        }
        assert_proven(&case.platform, id, "with arrivals");

        undo(&case.platform, id).unwrap();
        let undone = State::of(&case.platform);
        let mut expected = earlier.copies();
        expected.extend(arrivals.clone());
        prop_assert_eq!(undone.copies(), expected, "after undo");
        for (account, mailboxes) in &earlier.mail {
            for (name, was) in mailboxes {
                let is = undone.mailbox(account, name);
                prop_assert!(is.uidnext >= was.uidnext, "UIDNEXT of {} {} went down", account, name);
                let flags = |m: &support_faults::state::MailboxState| {
                    let mut flags: Vec<_> = m.messages.values().map(|m| (m.digest, m.flags.clone(), m.internal_date)).collect();
                    flags.retain(|(digest, ..)| !arrivals.contains_key(&(account.clone(), *digest)));
                    flags.sort();
                    flags
                };
                prop_assert_eq!(flags(is), flags(was), "{} {}", account, name);
            }
        }
        prop_assert_eq!(&undone.directory, &earlier.directory);
        assert_sound(&case.platform, "undone");

        apply(&case.platform, id).unwrap();
        let mut expected = applied.copies();
        expected.extend(arrivals);
        prop_assert_eq!(State::of(&case.platform).copies(), expected, "applied again");
        assert_proven(&case.platform, id, "applied again");
        assert_sound(&case.platform, "applied again");
    }

    /// G10: one account after the other, in any order, is all at once.
    #[test]
    fn the_order_of_accounts_does_not_matter(
        before in lineage(),
        after in lineage(),
        order in Just((0..ACCOUNTS.len()).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let case = Case::new(&before, &after);
        let expected = {
            let platform = init(&case.path().join("at-once"), 1);
            integrate(&platform, case.path()).unwrap();
            State::of(&platform)
        };
        import(&case.platform, &case.path().join("after")).unwrap();
        let imported = State::of(&case.platform);
        let (id, _) = stage(&case.platform, &case.path().join("before")).unwrap();
        for account in order {
            let accounts = vec![Address::new(ACCOUNTS[account]).unwrap()];
            let selection = Selection { accounts, ..Selection::default() };
            integrate::apply(&case.platform, id, &selection, &Silent).unwrap();
            assert_holds(&State::of(&case.platform), &imported, "one by one");
        }
        // What belongs to no account (domains) comes with the rest.
        apply(&case.platform, id).unwrap();
        assert_same(&State::of(&case.platform), &expected, "one by one");
        assert_proven(&case.platform, id, "one by one");
        assert_sound(&case.platform, "one by one");
    }
}
