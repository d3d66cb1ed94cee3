//! Pictures in memory: what is taken anew, what is shared, what is let go.

use std::sync::Arc;

use message::Flags;
use store::FlagMode;

use super::support::{Served, held, new_message, shown};
use crate::support::{assert_sound, delivery};

#[test]
fn a_picture_is_taken_once_until_something_changes() {
    let served = Served::new();
    let other = served.create("Otro");
    let uids = served.fill(&["a", "b", "c"]);
    let first = served.image(served.inbox);
    assert!(Arc::ptr_eq(&first, &served.image(served.inbox)));
    served.cell().append(served.ana.id, other, vec![new_message("d")]).unwrap().unwrap();
    assert!(Arc::ptr_eq(&first, &served.image(served.inbox)), "another mailbox is another picture");
    served.flag(&uids[1..2], FlagMode::Add, Flags::SEEN);
    let second = served.image(served.inbox);
    assert_eq!((first.row(1).flags, second.row(1).flags), (Flags::NONE, Flags::SEEN));
    assert_eq!(shown(&second), held(served.cell(), &served.ana, served.inbox));
}

#[test]
fn a_uid_that_comes_late_finds_its_place() {
    let served = Served::new();
    served.fill(&["a"]);
    let mut late = delivery(&served.ana, served.inbox, "b");
    late.uid = Some(9);
    served.cell().deliver(vec![late.clone()]).unwrap();
    served.image(served.inbox);
    late.uid = Some(5);
    served.cell().deliver(vec![late]).unwrap();
    assert_eq!(served.image(served.inbox).uids(), [1, 5, 9]);
    assert_eq!(shown(&served.image(served.inbox)), held(served.cell(), &served.ana, served.inbox));
    assert_sound(&served.store);
}

#[test]
fn what_failed_is_seen_nowhere() {
    let served = Served::new();
    served.fill(&["a"]);
    let image = served.image(served.inbox);
    let usage = served.cell().served_usage(served.ana.id).unwrap();
    let failed: Result<(), _> = served.cell().write(|tx| {
        tx.remove_message(served.ana.id, served.inbox, 1)?;
        Err(store::StoreError::Caller("changed my mind".into()))
    });
    failed.unwrap_err();
    assert!(Arc::ptr_eq(&image, &served.image(served.inbox)));
    assert_eq!(served.cell().served_usage(served.ana.id).unwrap(), usage);
}

#[test]
fn an_account_that_is_removed_and_made_again_shows_nothing_of_before() {
    let served = Served::new();
    served.fill(&["a"]);
    served.image(served.inbox);
    served.cell().served_usage(served.ana.id).unwrap();
    served.cell().write(|tx| tx.remove_account(&served.ana)).unwrap();
    assert!(served.cell().image(served.ana.id, served.inbox).unwrap().is_none());
    let again = served.cell().open_served(&crate::support::address("ana@example.org")).unwrap();
    assert_eq!(again.id, served.ana.id, "the number is free");
    assert!(served.cell().image(again.id, served.inbox).unwrap().unwrap().is_empty());
    assert_eq!(served.cell().served_usage(again.id).unwrap().messages, 0);
}
