//! What rotted in the store is healed by staging what it came from once more.
#![allow(clippy::unwrap_used)]

mod support_faults;

use directory::IntegrationId;
use integrate::{Named, Platform, Silent};
use std::path::Path;
use support_faults::reading::Reading;
use support_faults::state::{State, assert_same};
use support_faults::tree::{Mail, Tree, message_files, raw};
use support_faults::{assert_proven, assert_sound, import, init, integrate, open, stage, stage_from, undo, verify};
use tempfile::TempDir;
use testkit::segments::{self, Record};

const ANA: &str = "ana@example.org";
const LUIS: &str = "luis@example.org";

/// Two histories of two accounts, integrated and proven, and closed.
struct Integrated {
    home: TempDir,
    state: State,
}

impl Integrated {
    fn new() -> Self {
        let home = TempDir::new().unwrap();
        let before = Tree::new(&home.path().join("before"), &[ANA, LUIS]);
        let after = Tree::new(&home.path().join("after"), &[ANA]);
        before.mailbox(ANA, "", Some(100), &mail(1..=12, "old"));
        before.mailbox(ANA, ".Sent", Some(101), &mail(1..=4, "sent"));
        before.mailbox(LUIS, "", Some(102), &mail(1..=5, "luis"));
        let mut both = mail(1..=2, "old");
        both.extend(mail(3..=6, "new"));
        after.mailbox(ANA, "", Some(200), &both);
        let state = support_faults::uninterrupted(&home.path().join("data"), home.path(), 2);
        Integrated { home, state }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.home.path().join(name)
    }

    fn id(&self, platform: &Platform) -> IntegrationId {
        let mut ids = Vec::new();
        let each = |i: directory::Integration| {
            ids.push(i.id);
            Ok(())
        };
        platform.directory.for_each_integration(each).unwrap();
        ids.into_iter().max().unwrap()
    }

    /// Damages records of messages, every one whose number a step divides, and checks.
    fn rot(&self, step: usize) -> Platform {
        let rotten = rot(&self.path("data"), step);
        let platform = open(&self.path("data"));
        assert_eq!(note(&platform), rotten);
        platform
    }
}

fn mail(uids: std::ops::RangeInclusive<u32>, what: &str) -> Vec<Mail> {
    let body = |uid: u32| format!("{what} {uid}\n").repeat(40);
    uids.map(|uid| Mail::new(uid, raw(&format!("{what}{uid}"), &body(uid)))).collect()
}

/// Damages records that have a message's bytes, in turn in their heads and in their bytes. Gives how many.
fn rot(data: &Path, step: usize) -> usize {
    let (mut seen, mut rotten) = (0, 0);
    for cell in std::fs::read_dir(data.join("cells")).unwrap() {
        for segment in std::fs::read_dir(cell.unwrap().path().join("segments")).unwrap() {
            let path = segment.unwrap().path();
            let mut bytes = std::fs::read(&path).unwrap();
            for record in segments::records(&bytes).into_iter().filter(Record::has_message) {
                if seen % step == 0 {
                    let in_bytes = record.stored.start + record.stored.len() / 2;
                    bytes[if rotten % 2 == 0 { in_bytes } else { record.whole.start + 50 }] ^= 0x10;
                    rotten += 1;
                }
                seen += 1;
            }
            std::fs::write(path, bytes).unwrap();
        }
    }
    rotten
}

/// Checks every cell and notes what is damaged. Gives how many records that is.
fn note(platform: &Platform) -> usize {
    let cells = platform.store.cells().iter();
    cells
        .map(|cell| {
            let report = cell.check().unwrap();
            cell.note_damage(&report).unwrap();
            report.damaged.len()
        })
        .sum()
}

#[test]
fn staging_the_same_sources_again_heals_what_rotted() {
    for step in [1, 3] {
        let integrated = Integrated::new();
        let platform = integrated.rot(step);
        let imported = import(&platform, &integrated.path("after")).unwrap();
        assert_eq!((imported.staged.staged, imported.applied.added), (0, 0));
        let (id, staged) = stage(&platform, &integrated.path("before")).unwrap();
        assert_eq!((staged.staged, staged.moved, staged.gone, staged.read_bytes), (0, 0, 0, 0), "nothing is new");
        assert!(imported.staged.healed > 0 && staged.healed > 0, "{imported:?}, {staged:?}");
        let at = format!("every {step}. record");
        assert_same(&State::of(&platform), &integrated.state, &at);
        assert_proven(&platform, id, &at);
        assert_sound(&platform, &at);
        assert_eq!(note(&platform), 0);
        // Once is enough.
        let (_, staged) = stage(&platform, &integrated.path("before")).unwrap();
        assert_eq!(staged.healed, 0);
        drop(platform);
        store::Store::rebuild(&integrated.path("data"), None, store::OpenOptions::for_purpose("test")).unwrap();
        let platform = open(&integrated.path("data"));
        assert_same(&State::of(&platform), &integrated.state, &format!("{at}, made anew"));
        assert_sound(&platform, &at);
    }
}

#[test]
fn what_a_proof_meets_is_healed_without_a_check() {
    let integrated = Integrated::new();
    let data = integrated.path("data");
    let rotten = rot(&data, 1);
    let platform = open(&data);
    let mut ids = Vec::new();
    let each = |one: directory::Integration| {
        ids.push(one.id);
        Ok(())
    };
    platform.directory.for_each_integration(each).unwrap();
    let id = *ids.iter().max().unwrap();
    let verified = verify(&platform, id).unwrap();
    assert!(!verified.problems.is_empty(), "{rotten} records are damaged");
    drop(platform);
    let platform = open(&data);
    import(&platform, &integrated.path("after")).unwrap();
    stage(&platform, &integrated.path("before")).unwrap();
    assert_eq!(note(&platform), 0);
    assert_same(&State::of(&platform), &integrated.state, "healed after a proof");
    assert_proven(&platform, id, "healed after a proof");
    assert_sound(&platform, "healed after a proof");
}

#[test]
fn an_integration_whose_bytes_were_healed_is_undone_as_any_other() {
    let undone = |integrated: &Integrated, platform: &Platform| {
        undo(platform, integrated.id(platform)).unwrap();
        assert_sound(platform, "undone");
        State::of(platform)
    };
    let whole = Integrated::new();
    let expected = undone(&whole, &open(&whole.path("data")));
    let rotten = Integrated::new();
    let platform = rotten.rot(1);
    import(&platform, &rotten.path("after")).unwrap();
    stage(&platform, &rotten.path("before")).unwrap();
    assert_same(&undone(&rotten, &platform), &expected, "undone after it was healed");
}

#[test]
fn a_confirmed_integration_whose_bytes_were_healed_comes_back_from_segments_alone() {
    let integrated = Integrated::new();
    let platform = integrated.rot(1);
    import(&platform, &integrated.path("after")).unwrap();
    stage(&platform, &integrated.path("before")).unwrap();
    integrate::confirm(&platform, integrated.id(&platform)).unwrap();
    let confirmed = State::of(&platform);
    assert_same(&confirmed, &integrated.state, "confirmed");
    assert_sound(&platform, "confirmed");
    drop(platform);
    let data = integrated.path("data");
    for cell in std::fs::read_dir(data.join("cells")).unwrap() {
        let _ = std::fs::remove_dir_all(cell.unwrap().path().join("snapshots"));
    }
    store::Store::rebuild(&data, None, store::OpenOptions::for_purpose("test")).unwrap();
    let platform = open(&data);
    let mut anew = State::of(&platform);
    // Where a head was lost, a gap is left behind the UIDs that there are.
    for (account, mailboxes) in &mut anew.mail {
        for (name, mailbox) in mailboxes {
            let was = confirmed.mailbox(account, name).uidnext;
            assert!(mailbox.uidnext >= was, "{account} {name}");
            mailbox.uidnext = was;
        }
    }
    assert_same(&anew, &confirmed, "made anew");
    assert_sound(&platform, "made anew");
}

#[test]
fn a_file_that_was_renamed_since_heals_its_message() {
    let integrated = Integrated::new();
    let platform = integrated.rot(1);
    import(&platform, &integrated.path("after")).unwrap();
    for file in message_files(&integrated.path("before")) {
        std::fs::rename(&file, file.to_str().unwrap().replace(":2,", ":2,F")).unwrap();
    }
    let (_, staged) = stage(&platform, &integrated.path("before")).unwrap();
    assert_eq!((staged.staged, staged.moved), (0, 21));
    assert_eq!(note(&platform), 0);
    assert_sound(&platform, "renamed");
}

#[test]
fn a_history_staged_anew_under_another_name_heals_too() {
    let integrated = Integrated::new();
    let platform = integrated.rot(2);
    for name in ["before", "after"] {
        std::fs::rename(integrated.path(name), integrated.path(&format!("{name} from a backup"))).unwrap();
        stage(&platform, &integrated.path(&format!("{name} from a backup"))).unwrap();
    }
    assert_eq!(note(&platform), 0);
    assert_same(&State::of(&platform), &integrated.state, "from a backup");
    assert_sound(&platform, "from a backup");
}

#[test]
fn a_source_that_has_other_bytes_now_heals_nothing_and_stops_nothing() {
    let integrated = Integrated::new();
    let platform = integrated.rot(2);
    let damaged = note(&platform);
    // It has rotted itself: of every file another byte is read.
    let rotten = Reading::new(&integrated.path("before"), |source, locator, buffer| {
        source.read(locator, buffer)?;
        let last = buffer.len() - 2;
        buffer[last] ^= 1;
        Ok(())
    });
    let (_, staged) = stage_from(&platform, &integrated.path("before"), &rotten).unwrap();
    assert_eq!((staged.staged, staged.healed), (0, 0));
    assert_eq!(note(&platform), damaged);
    // Nor does one whose files are gone.
    for file in message_files(&integrated.path("after")) {
        std::fs::remove_file(file).unwrap();
    }
    let gone = import(&platform, &integrated.path("after")).unwrap();
    assert_eq!(gone.staged.healed, 0);
    assert_eq!(note(&platform), damaged);
    // The other one has what both had.
    let (_, staged) = stage(&platform, &integrated.path("before")).unwrap();
    assert!(staged.healed > 0);
    assert!(note(&platform) < damaged);
}

#[test]
fn every_message_of_the_sample_is_healed_orphans_too() {
    let home = TempDir::new().unwrap();
    testkit::sample::lay_out(home.path()).unwrap();
    let data = home.path().join("data");
    let platform = init(&data, 4);
    let id = integrate(&platform, home.path()).unwrap();
    let state = State::of(&platform);
    drop(platform);
    let rotten = rot(&data, 1);
    let platform = open(&data);
    assert_eq!(note(&platform), rotten);
    for name in ["after", "before"] {
        let path = home.path().join(name);
        let source = integrate::open_source(&path).unwrap();
        let named = Named { path: path.to_str().unwrap(), source: &*source };
        match name {
            "after" => _ = integrate::import(&platform, &named, &Silent).unwrap(),
            _ => _ = integrate::stage_integration(&platform, &named, None, None, None, &Silent).unwrap(),
        }
    }
    assert_same(&State::of(&platform), &state, "the sample");
    assert_proven(&platform, id, "the sample");
    assert_sound(&platform, "the sample");
}
