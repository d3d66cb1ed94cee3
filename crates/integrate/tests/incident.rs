//! Whole integrations of incidents whose right outcome is known, held against it by the corpus's own checker, and in
//! all that the checker does not look at.
#![allow(clippy::unwrap_used)]

mod support_flow;

use directory::Refusal;
use integrate::report::{ConflictKind, Report};
use integrate::{Platform, stage::Staged};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use support_flow::served::{Served, folder, ident};
use support_flow::shown::{self, account, sha256, signs_in};
use support_flow::{Bench, Whole, apply, check, import, ledger, stage, verify};

#[test]
fn the_small_incident_comes_out_right_in_four_cells() {
    let Some(bench) = Bench::of_small_incident() else { return };
    comes_out_right(&bench, 4);
}

#[test]
fn the_small_incident_comes_out_right_in_one_cell() {
    let Some(bench) = Bench::of_small_incident() else { return };
    comes_out_right(&bench, 1);
}

#[test]
fn real_mail_without_damage() {
    let Some(bench) = Bench::of_generated("--seed 3 --domains 3 --users 12 --messages 400 --damage 0 --mix 0") else {
        return;
    };
    comes_out_right(&bench, 1);
}

#[test]
fn synthetic_mail_with_damage() {
    let arguments = "--seed 11 --synthetic --domains 6 --users 60 --messages 700 --damage 0.05";
    let Some(bench) = Bench::of_generated(arguments) else { return };
    comes_out_right(&bench, 4);
}

#[test]
fn mixed_mail_with_damage() {
    let arguments = "--seed 1971 --domains 5 --users 40 --messages 600 --damage 0.05 --mix 0.5 --attachment-max-kb 64";
    let Some(bench) = Bench::of_generated(arguments) else { return };
    comes_out_right(&bench, 1);
}

#[test]
fn many_domains_of_few_messages_without_damage() {
    let arguments = "--seed 5 --synthetic --domains 20 --users 150 --messages 450 --damage 0 --attachments 0";
    let Some(bench) = Bench::of_generated(arguments) else { return };
    comes_out_right(&bench, 4);
}

fn comes_out_right(bench: &Bench, cells: u32) {
    let platform = bench.init(cells);
    let whole = bench.integrate(&platform);
    let truth = Truth::read(bench);
    let out = bench.export(&platform);
    if let Err(wrong) = testkit::truth::check(&bench.incident(), &out) {
        panic!("{wrong}");
    }
    let report = integrate::build_report(&platform, whole.id).unwrap();
    accounts_are_right(&truth, &platform);
    conflicts_are_right(&truth, &report);
    losses_are_named(&truth, &report);
    damage_is_accounted_for(&truth, &platform, &whole);
    every_file_has_its_row(bench, &platform, &whole);
    identities_name_one_thing(bench, &truth, &platform);
    again_changes_nothing(bench, &platform, &whole);
    check(&platform);
}

/// What must come out.
struct Truth {
    json: Value,
}

impl Truth {
    fn read(bench: &Bench) -> Truth {
        let text = std::fs::read(bench.incident().join("truth.json")).unwrap();
        Truth { json: serde_json::from_slice(&text).unwrap() }
    }

    fn accounts(&self) -> &[Value] {
        self.json["accounts"].as_array().unwrap()
    }

    fn total(&self, name: &str) -> u64 {
        self.json["totals"][name].as_u64().unwrap_or(0)
    }

    fn damage(&self) -> impl Iterator<Item = (&str, &Value)> {
        let all = self.accounts().iter().flat_map(|a| list(&a["damage"]));
        all.map(|entry| (text(&entry["kind"]), entry))
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

/// Existence, passwords, quotas, scripts, subscriptions.
fn accounts_are_right(truth: &Truth, platform: &Platform) {
    for want in truth.accounts() {
        let address = text(&want["address"]);
        let have = platform.directory.account(&shown::address(address)).unwrap();
        assert_eq!(have.is_some(), want["exists_expected"].as_bool().unwrap(), "{address}");
        let Some(have) = have else { continue };
        assert_eq!(have.address.to_string(), address);

        let password = &want["password"];
        let disabled = password["login_disabled"].as_bool().unwrap_or(false);
        match (password["plain"].as_str(), text(&password["origin"])) {
            (_, "none") => assert_eq!(have.state.as_str(), "locked", "{address}"),
            (Some(plain), _) => {
                let expected = if disabled { Err(Refusal::Disabled) } else { Ok(()) };
                assert_eq!(signs_in(platform, address, plain), expected, "{address}");
                let other = password["other_plain"].as_str().filter(|other| *other != plain);
                if let Some(other) = other {
                    assert_eq!(signs_in(platform, address, other), Err(Refusal::WrongPassword), "{address}");
                }
            }
            (None, origin) => panic!("{address}: a password of {origin} that nobody knows"),
        }

        // Without an account line, what its Maildir says of its quota counts.
        if let Some(quota) = want["quota_mb"]["expected"].as_u64() {
            assert_eq!(have.quota_bytes, Some(quota << 20), "{address}");
        }

        let scripts = platform.directory.scripts(have.id).unwrap();
        let sieve = &want["sieve"];
        let active: Vec<String> = scripts.iter().filter(|s| s.active).map(|s| sha256(&s.content)).collect();
        let expected = sieve["expected_active"].as_str().map(|side| text(&sieve[side]).to_owned());
        assert_eq!(active, expected.into_iter().collect::<Vec<_>>(), "{address}");
        if let Some(kept) = sieve["expected_kept_inactive"].as_str() {
            assert!(scripts.iter().any(|s| !s.active && sha256(&s.content) == kept), "{address}");
        }

        // Every client shows the INBOX; no list here names it.
        let shown = account(platform, address).into_iter().filter(|m| m.subscribed && m.name != "INBOX");
        let subscribed = shown.map(|m| m.name);
        let expected = list(&want["subscriptions_expected"]).iter().map(|name| text(name).to_owned());
        assert_eq!(subscribed.collect::<BTreeSet<_>>(), expected.collect::<BTreeSet<_>>(), "{address}");
    }
}

fn conflicts_are_right(truth: &Truth, report: &Report) {
    let mut want = BTreeSet::new();
    for conflict in list(&truth.json["conflicts"]) {
        let kind = match text(&conflict["kind"]) {
            "alias-differs" => "alias-alias",
            "account-on-old-alias" => "account-alias",
            "alias-on-old-account" => "alias-account",
            other => panic!("the truth has a conflict {other}"),
        };
        want.insert((kind, text(&conflict["address"]).to_owned()));
    }
    for account in truth.accounts() {
        if list(&account["conflicts"]).iter().any(|kind| kind == "sieve-differs") {
            want.insert(("script", text(&account["address"]).to_owned()));
        }
    }
    let kind = |kind| match kind {
        ConflictKind::AliasAlias => "alias-alias",
        ConflictKind::AccountAlias => "account-alias",
        ConflictKind::AliasAccount => "alias-account",
        ConflictKind::Sieve => "script",
        other => panic!("the truth has no conflict {other:?}"),
    };
    let have: BTreeSet<_> = report.open_decisions().map(|c| (kind(c.kind), c.address.clone())).collect();
    assert_eq!(have, want);
    // What is no decision is said of its account.
    let notices = |address: &str| {
        let accounts = report.domains.iter().flat_map(|d| &d.accounts);
        let account = accounts.into_iter().find(|a| a.address == address);
        account.unwrap_or_else(|| panic!("{address} is not in the report")).notices.clone()
    };
    for account in truth.accounts() {
        let address = text(&account["address"]);
        for kind in list(&account["conflicts"]) {
            let rule = match text(kind) {
                "local-part-other-case" => "7.8",
                "maildir-without-account" => "7.9",
                _ => continue,
            };
            let notices = notices(address);
            assert!(notices.iter().any(|n| n.rule == rule), "{address} {rule}: {notices:?}");
        }
    }
}

/// The report names how many messages it cannot account for, and each has its row.
fn losses_are_named(truth: &Truth, report: &Report) {
    let lost: usize = truth.accounts().iter().map(|account| list(&account["lost"]).len()).sum();
    assert_eq!(lost as u64, truth.total("lost"));
    let counted = |kinds: &[&str]| truth.damage().filter(|(kind, _)| kinds.contains(kind)).count() as u64;
    assert_eq!(report.totals.unreadable, counted(&["empty", "zero-filled"]));
    assert!(report.totals.listed_no_file >= counted(&["missing", "stale-uid"]));
    assert!(report.totals.unreadable + report.totals.listed_no_file >= lost as u64);
    assert_eq!(report.totals.missing, 0);
    assert_eq!(report.totals.unfinished, counted(&["tmp-leftover"]));
    assert!(report.totals.adding_up().holds, "{:?}", report.totals);
}

fn damage_is_accounted_for(truth: &Truth, platform: &Platform, whole: &Whole) {
    let (_, rows) = ledger::rows(platform, whole.id);
    let mut by_path: BTreeMap<Vec<u8>, &Value> = BTreeMap::new();
    for row in rows.iter().filter(|row| row["lineage"] == "before") {
        by_path.insert(decoded(text(&row["path"])), row);
    }
    let notices = notices_of_staging(platform, whole);
    for (kind, entry) in truth.damage() {
        let path = decoded(text(&entry["path"]));
        let path = path.strip_prefix(b"before/").unwrap().to_vec();
        let place = String::from_utf8_lossy(&path).into_owned();
        let row = || by_path.get(&path).unwrap_or_else(|| panic!("{kind}: no row for {place}"));
        let outcome_is = |row: &Value, outcomes: &[&str]| {
            let outcome = text(&row["outcome"]);
            assert!(outcomes.contains(&outcome), "{kind} {place}: {row}");
        };
        match kind {
            "truncated" | "truncated-in-header" | "zero-tail" => {
                outcome_is(row(), if entry["whole_copy"] == "nowhere" { &["kept"] } else { &["same_as", "kept"] });
                assert_eq!(row()["damaged"], true, "{kind} {place}: {}", row());
            }
            "empty" | "zero-filled" => outcome_is(row(), &["unreadable"]),
            "lost+found" => {
                outcome_is(row(), &["kept", "same_as", "unattributed"]);
            }
            "lost+found-folder" => {
                let below: Vec<_> = by_path.iter().filter(|(at, _)| at.starts_with(&path)).collect();
                assert!(!below.is_empty(), "{place}");
                below.iter().for_each(|(_, row)| outcome_is(row, &["kept", "same_as", "unattributed"]));
            }
            "missing" | "stale-uid" => {
                let base = entry["entry"].as_str().unwrap_or(&place);
                let base = base.rsplit('/').next().unwrap().split(":2,").next().unwrap().to_owned();
                let is_it = |row: &&Value| {
                    row["outcome"] == "listed_no_file" && row["reason"].as_str().is_some_and(|r| r.contains(&base))
                };
                assert_eq!(rows.iter().filter(is_it).count(), 1, "{kind} {place}: {base}");
            }
            "mode-000" => outcome_is(row(), &["kept", "same_as", "unreadable"]),
            "name-not-utf8" | "name-newline" | "name-windows" | "name-wrong-size" | "name-too-plain" => {
                outcome_is(row(), &["kept", "same_as"]);
            }
            "tmp-leftover" => outcome_is(row(), &["unfinished"]),
            // Files beside the folders of messages serve the format and need no row.
            "stray-file" if !place.contains("/cur/") => {}
            "stray-file" => outcome_is(row(), &["not_a_message"]),
            "uid-twice" | "uidlist-garbage" | "uidlist-missing" => {
                let directory = place.rsplit_once('/').unwrap().0;
                let is_mended = |(at, row): (&Vec<u8>, &&Value)| {
                    at.starts_with(directory.as_bytes()) && !list(&row["mended"]).is_empty()
                };
                let is_said = notices.iter().any(|n| n.contains(directory));
                assert!(is_said || by_path.iter().any(is_mended), "{kind} {place}");
            }
            other => panic!("the truth has damage {other}"),
        }
        if let Some(outcome) = by_path.get(&path).filter(|row| row["outcome"] == "kept" || row["outcome"] == "same_as")
        {
            assert_eq!(outcome["verified"], true, "{kind} {place}");
            assert!(outcome["target"].is_object(), "{kind} {place}");
        }
    }
}

fn notices_of_staging(platform: &Platform, whole: &Whole) -> Vec<String> {
    let mut found = Vec::new();
    for lineage in platform.directory.lineages_of(whole.id).unwrap() {
        platform
            .directory
            .for_each_lineage_notice(lineage.id, |notice| {
                found.push(format!("{}: {}", notice.place, notice.text));
                Ok(())
            })
            .unwrap();
    }
    found
}

/// Undoes `%XX`.
fn decoded(path: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = path.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        if *first == b'%' {
            let hex = std::str::from_utf8(&after[..2]).unwrap();
            bytes.push(u8::from_str_radix(hex, 16).unwrap());
            rest = &after[2..];
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    bytes
}

fn every_file_has_its_row(bench: &Bench, platform: &Platform, whole: &Whole) {
    let (checked, rows) = ledger::rows(platform, whole.id);
    for source in &checked.header.sources {
        let of_lineage = rows.iter().filter(|row| row["lineage"] == source.lineage.name()).count() as u64;
        assert_eq!(of_lineage, source.items, "{}", source.description);
    }
    for (lineage, root) in [("before", bench.before()), ("after", bench.after())] {
        let (mut places, mut paths) = (BTreeSet::new(), BTreeSet::new());
        for row in rows.iter().filter(|row| row["lineage"] == lineage) {
            let path = decoded(text(&row["path"]));
            assert!(places.insert((path.clone(), row["offset"].as_u64())), "twice: {}", row["path"]);
            paths.insert(path);
        }
        for file in ledger::files_of_tree(&root) {
            assert!(paths.contains(&file), "{lineage}: no row for {}", String::from_utf8_lossy(&file));
        }
    }
    let unaccounted = rows.iter().filter(|row| row["verified"] == false).count();
    assert_eq!(unaccounted, 0);
}

/// `RULES.md` 5.1, 5.2, G7, G11: the kept lineage's UIDs are unchanged, UIDLs stay, and nothing that either lineage
/// served names anything else.
fn identities_name_one_thing(bench: &Bench, truth: &Truth, platform: &Platform) {
    let (mut uids, mut uidls) = (0, 0);
    for want in truth.accounts() {
        let address = text(&want["address"]);
        let result = with_idents(platform, address);
        for folder_truth in list(&want["folders"]) {
            let names: Vec<&str> = list(&folder_truth["accept_names"]).iter().map(text).collect();
            let Some(have) = result.iter().find(|m| names.contains(&m.name.as_str())) else { continue };
            let side = |side: &str| Lineage::of(bench, &folder_truth[side], list(&want["damage"]));
            let (before, after) = (side("before"), side("after"));
            let kept = if after.as_ref().is_some_and(|a| a.files > 0) { &after } else { &before };
            let Some(kept) = kept else { continue };
            if kept.believed {
                assert_eq!(have.uidvalidity, kept.uidvalidity, "{address} {names:?}");
            }
            for lineage in [&before, &after].into_iter().flatten().filter(|l| l.believed) {
                let same_space = lineage.uidvalidity == have.uidvalidity;
                for message in &lineage.messages {
                    let here = have.by_uid.get(&message.uid).map(|(ident, _)| ident);
                    if same_space && here.is_some() {
                        let damaged = lineage.damaged.contains(&message.ident);
                        assert!(here == Some(&message.ident) || damaged, "{address} {names:?} UID {}", message.uid);
                        uids += 1;
                    }
                    if names == ["INBOX"] {
                        let uidl = format!("{:08x}{:08x}", message.uid, lineage.uidvalidity);
                        if let Some(ident) = have.by_uidl.get(&uidl) {
                            let damaged = lineage.damaged.contains(&message.ident);
                            assert!(*ident == message.ident || damaged, "{address} {uidl}");
                            uidls += 1;
                        }
                    }
                }
            }
            // Every message of the lineage kept that stands in this mailbox still has its UID there.
            if kept.believed {
                for message in &kept.messages {
                    let stands = have.by_uid.values().any(|(ident, _)| *ident == message.ident);
                    let once = kept.messages.iter().filter(|m| m.ident == message.ident).count() == 1;
                    if stands && once {
                        let at = have.by_uid.get(&message.uid).map(|(ident, _)| ident);
                        assert_eq!(at, Some(&message.ident), "{address} {names:?} UID {}", message.uid);
                    }
                }
            }
            if names == ["INBOX"] {
                uidls_stay(address, have, before.as_ref(), after.as_ref());
            }
        }
    }
    assert!(uids > 0 && uidls > 0, "{uids} UIDs, {uidls} UIDLs");
}

/// Every message that one lineage alone served by POP3 and that is in the INBOX keeps the UIDL of that lineage, and a
/// pair that of *after*.
fn uidls_stay(address: &str, have: &Folder, before: Option<&Lineage>, after: Option<&Lineage>) {
    for (lineage, other) in [(after, None), (before, after)] {
        let Some(lineage) = lineage.filter(|l| l.believed) else { continue };
        for message in &lineage.messages {
            let once = lineage.messages.iter().filter(|m| m.ident == message.ident).count() == 1;
            let alone = other.is_none_or(|o| o.messages.iter().all(|m| m.ident != message.ident));
            let stands = have.by_uid.values().filter(|(ident, _)| *ident == message.ident).count() == 1;
            if once && alone && stands {
                let uidl = format!("{:08x}{:08x}", message.uid, lineage.uidvalidity);
                assert_eq!(have.by_uidl.get(&uidl), Some(&message.ident), "{address}: {uidl}");
            }
        }
    }
}

/// A folder of a lineage as it was served.
struct Lineage {
    uidvalidity: u32,
    files: u64,
    messages: Vec<Served>,
    /// Whether its UID list is whole.
    believed: bool,
    /// Idents of messages that are cut: a whole copy may stand for one.
    damaged: BTreeSet<String>,
}

impl Lineage {
    fn of(bench: &Bench, truth: &Value, damage: &[Value]) -> Option<Lineage> {
        let dir = truth["dir"].as_str()?;
        let broken = ["uid-twice", "uidlist-garbage", "uidlist-missing"];
        let list = format!("{dir}/dovecot-uidlist");
        let is_broken = |d: &Value| broken.contains(&text(&d["kind"])) && d["path"] == list.as_str();
        Some(Lineage {
            uidvalidity: u32::try_from(truth["uidvalidity"].as_u64()?).unwrap(),
            files: truth["files"].as_u64()?,
            messages: folder(&bench.incident().join(String::from_utf8(decoded(dir)).unwrap())),
            believed: !damage.iter().any(is_broken),
            damaged: damage.iter().filter_map(|d| d["ident_damaged"].as_str()).map(str::to_owned).collect(),
        })
    }
}

/// A mailbox of the result.
struct Folder {
    name: String,
    uidvalidity: u32,
    by_uid: BTreeMap<u32, (String, String)>,
    by_uidl: BTreeMap<String, String>,
}

fn with_idents(platform: &Platform, of: &str) -> Vec<Folder> {
    let address = shown::address(of);
    let cell = platform.store.cell_of(&address);
    let mut idents: BTreeMap<(String, u32), String> = BTreeMap::new();
    cell.read(|view| {
        let Some(account) = view.account(store::LIVE, &address)? else { return Ok(()) };
        for mailbox in view.mailboxes(account.id)? {
            let name = shown::dotted(&mailbox.name);
            view.for_each_message(account.id, mailbox.id, |row, blob| {
                idents.insert((name.clone(), row.uid), ident(&view.bytes(&blob)?));
                Ok(())
            })?;
        }
        Ok(())
    })
    .unwrap();
    let mut folders = Vec::new();
    for mailbox in account(platform, of) {
        let (mut by_uid, mut by_uidl) = (BTreeMap::new(), BTreeMap::new());
        for message in &mailbox.messages {
            let ident = idents[&(mailbox.name.clone(), message.uid)].clone();
            by_uid.insert(message.uid, (ident.clone(), message.uidl.clone()));
            by_uidl.insert(message.uidl.clone(), ident);
        }
        let uidvalidity = mailbox.uidvalidity.unwrap();
        folders.push(Folder { name: mailbox.name, uidvalidity, by_uid, by_uidl });
    }
    folders
}

/// `RULES.md` G4: staging, applying, verifying and importing the same again.
fn again_changes_nothing(bench: &Bench, platform: &Platform, whole: &Whole) {
    let was = shown::everything(platform);
    let (id, staged) = stage(platform, &bench.before(), None);
    assert_eq!(id, whole.id);
    let Staged { items, staged: new, unchanged, moved, gone, read_bytes, .. } = staged;
    assert_eq!((items, new, moved, gone, read_bytes), (whole.staged.items, 0, 0, 0, 0));
    assert!(unchanged > 0);
    let applied = apply(platform, id);
    assert_eq!((applied.accounts, applied.added, applied.changed, applied.removed), (0, 0, 0, 0));
    assert_eq!(applied.already, whole.applied.accounts);
    let verified = verify(platform, id);
    assert_eq!((verified.totals, verified.rows), (whole.verified.totals, whole.verified.rows));
    shown::everything(platform).must_be(&was, "again");

    let imported = import(platform, &bench.after());
    assert_eq!((imported.id, imported.staged.staged, imported.applied.added), (whole.import, 0, 0));
    shown::everything(platform).must_be(&was, "again");
    verify(platform, id);
}
