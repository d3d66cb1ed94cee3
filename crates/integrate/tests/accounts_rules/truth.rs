//! The accounts and aliases of a laid-out incident come out as its truth says.

use crate::support::{World, address};
use directory::{Alias, AliasAddress, NewAccount, Secret};
use integrate::accounts::{self, PasswordOrigin};
use serde_json::Value;

/// Makes what the source of *after* says live.
fn make_live(world: &World, after: &source::Directory) {
    for domain in &after.domains {
        world.hosts(&domain.name);
    }
    for account in &after.accounts {
        let mut new = NewAccount::new(account.address.clone());
        new.password_hash = account.password_hash.clone().map(Secret::new);
        new.quota_bytes = account.quota_bytes;
        world.write(|tx| tx.add_account(&new).map(|_| ()));
    }
    for alias in &after.aliases {
        let address = match &alias.address {
            source::AliasAddress::Address(address) => AliasAddress::Exact(address.clone()),
            source::AliasAddress::CatchAll(domain) => AliasAddress::CatchAll(domain.clone()),
        };
        world.write(|tx| tx.put_alias(&Alias { address, targets: alias.targets.clone(), enabled: true }));
    }
}

#[test]
fn accounts_and_aliases_come_out_as_the_truth_says() {
    if testkit::incident::require().is_none() {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let incident = testkit::incident::small(place.path()).unwrap();
    let truth: Value = serde_json::from_slice(&std::fs::read(incident.join("truth.json")).unwrap()).unwrap();
    let world = World::new();
    make_live(&world, &source::open(&incident.join("after")).unwrap().directory().unwrap());
    let before = source::open(&incident.join("before")).unwrap();
    let listed = before.directory().unwrap();
    world.write(|tx| accounts::stage_directory(tx, world.before, &listed));
    for maildrop in before.maildrops().unwrap() {
        let Some(owner) = &maildrop.address else { continue };
        let mut scan = before.scan(&maildrop).unwrap();
        scan.mailboxes.clear();
        world.write(|tx| accounts::stage_maildrop(tx, world.before, owner, &scan));
    }
    world.settle_shared();
    for account in truth["accounts"].as_array().unwrap() {
        let text = account["address"].as_str().unwrap();
        let settled = world.settle(text);
        let there = world.account(text);
        assert_eq!(there.address.as_str(), text, "its spelling");
        let origin = match account["password"]["origin"].as_str().unwrap() {
            "after" => PasswordOrigin::After,
            "before" => PasswordOrigin::Before,
            _ => PasswordOrigin::None,
        };
        assert_eq!(settled.detail.password, origin, "{text}");
        assert_eq!(crate::support::hash_of(&there), account["password"]["hash"].as_str(), "{text}");
        let disabled = account["password"]["login_disabled"].as_bool().unwrap_or(false);
        assert_eq!(there.state == directory::AccountState::Disabled, disabled, "{text}");
        let quota = account["quota_mb"]["expected"].as_u64().map(|m| m << 20);
        if quota.is_some() {
            assert_eq!(there.quota_bytes, quota, "{text}");
        }
        let listed = |word: &str| account["conflicts"].as_array().unwrap().iter().any(|c| c == word);
        let noticed = |rule: &str| settled.detail.notices.iter().any(|n| n.rule == rule);
        assert_eq!(listed("local-part-other-case"), noticed("7.8"), "{text}");
        assert!(!listed("maildir-without-account") || noticed("7.9"), "{text}");
    }
    for alias in truth["aliases"].as_array().unwrap() {
        let text = alias["address"].as_str().unwrap();
        let expected: Option<Vec<String>> = serde_json::from_value(alias["expected"].clone()).unwrap();
        assert_eq!(world.targets(text), expected, "{text}");
    }
    let mut found = world.conflict_words();
    let mut expected: Vec<(String, String)> = truth["conflicts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| {
            let kind = match c["kind"].as_str().unwrap() {
                "alias-differs" => "alias-alias",
                "account-on-old-alias" => "account-alias",
                "alias-on-old-account" => "alias-account",
                other => other,
            };
            (kind.to_owned(), address(c["address"].as_str().unwrap()).key().to_owned())
        })
        .collect();
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
    world.check();
}
