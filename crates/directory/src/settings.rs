//! Forwarding and vacation of accounts. They are kept as the script that carries them out (`sieve::settings`), in a table
//! of their own: no script of the owner's can have its name, and none can be put in its place.

use crate::directory::Tx;
use crate::error::{DirectoryError, putting};
use crate::ids::AccountId;
use crate::query::{PAGE_ROWS, check_targets, for_each_page, one, reads, rows, wrong_blob};
use crate::script::{Script, list};
use crate::sql::settings as sql;
use rusqlite::{Connection, Row, params};
use sieve::settings::{Settings, Target, Vacation};

/// Where an account's mail goes besides, or instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forward {
    /// Addresses, in order; never empty. What another mail system took for a target and is no address is kept, and gets
    /// nothing.
    pub targets: Vec<String>,
    /// Whether the account keeps a copy.
    pub keep_copy: bool,
}

reads! {
    /// Gets an account's forward.
    pub fn forward(connection, id: AccountId) -> Option<Forward> {
        Ok(get(connection, id)?.and_then(forward_of))
    }

    /// Gives every forward, by account.
    pub fn for_each_forward(connection, each: impl FnMut(AccountId, Forward) -> Result<(), DirectoryError>) -> () {
        let page = |after: &i64| {
            rows(connection, sql::PAGE, params![after, PAGE_ROWS], |row| {
                Ok((AccountId::new_unchecked(row.get(0)?), read(row, 1)?))
            })
        };
        let mut each = each;
        for_each_page(0, page, |(id, _)| id.get(), |(id, settings)| match forward_of(settings) {
            Some(forward) => each(id, forward),
            None => Ok(()),
        })
    }

    /// Gets what is answered to people who write to an account.
    pub fn vacation(connection, id: AccountId) -> Option<Vacation> {
        Ok(get(connection, id)?.and_then(|settings| settings.vacation))
    }

    /// The scripts of an account as another mail system can run them: those of its owner, by name, then its vacation under
    /// a name that none of them has. The vacation is active where no other is: one script alone can be. Forwards are not
    /// in it, since other systems keep them elsewhere.
    pub fn scripts_with_vacation(connection, id: AccountId) -> Vec<Script> {
        let mut scripts = list(connection, id)?;
        if let Some(vacation) = get(connection, id)?.and_then(|settings| settings.vacation) {
            let content = sieve::settings::write_unchecked(&Settings { vacation: Some(vacation), ..Settings::default() });
            let mut names = std::iter::once("vacation".to_owned()).chain((2..).map(|n| format!("vacation {n}")));
            let name = names.find(|name| scripts.iter().all(|s| s.name != *name)).expect("numbers do not run out");
            let active = !scripts.iter().any(|script| script.active);
            scripts.push(Script { account: id, name, content: content.into_bytes(), active });
        }
        Ok(scripts)
    }

    /// Gets the script that carries out an account's forwarding and vacation: it runs before the
    /// [active one](crate::Directory::active_script), which runs where the implicit keep is left. `None`: there are no
    /// settings.
    pub fn settings_script(connection, id: AccountId) -> Option<Vec<u8>> {
        one(connection, sql::GET, [id.get()], |row| row.get(0))
    }
}

impl Tx<'_> {
    /// Sets or replaces an account's forward.
    ///
    /// # Errors
    /// When there is no such account, or there are no targets, or too many ([`sieve::settings::write()`]).
    pub fn put_forward(&mut self, id: AccountId, forward: &Forward) -> Result<(), DirectoryError> {
        check_targets("forward", &id.to_string(), &forward.targets)?;
        let mut settings = get(self.connection(), id)?.unwrap_or_default();
        settings.forward_to = forward.targets.iter().filter_map(|target| Target::new(target)).collect();
        settings.keeps_copy = forward.keep_copy;
        self.put_settings(id, "forward", &settings)
    }

    /// Removes an account's forward; yields whether there was one.
    ///
    /// # Errors
    /// When the engine fails, or its settings cannot be understood.
    pub fn remove_forward(&mut self, id: AccountId) -> Result<bool, DirectoryError> {
        let Some(settings) = get(self.connection(), id)?.filter(|s| !s.forward_to.is_empty()) else {
            return Ok(false);
        };
        self.put_settings(id, "forward", &Settings { vacation: settings.vacation, ..Settings::default() })?;
        Ok(true)
    }

    /// Sets or replaces what is answered to people who write to an account.
    ///
    /// # Errors
    /// When there is no such account, or the vacation cannot be ([`sieve::settings::write()`]).
    pub fn put_vacation(&mut self, id: AccountId, vacation: &Vacation) -> Result<(), DirectoryError> {
        let settings = get(self.connection(), id)?.unwrap_or_default();
        self.put_settings(id, "vacation", &Settings { vacation: Some(vacation.clone()), ..settings })
    }

    /// Removes what is answered; yields whether there was anything.
    ///
    /// # Errors
    /// When the engine fails, or the account's settings cannot be understood.
    pub fn remove_vacation(&mut self, id: AccountId) -> Result<bool, DirectoryError> {
        let Some(settings) = get(self.connection(), id)?.filter(|s| s.vacation.is_some()) else { return Ok(false) };
        self.put_settings(id, "vacation", &Settings { vacation: None, ..settings })?;
        Ok(true)
    }

    /// Writes settings, of which `what` is changed; none at all leave no script.
    fn put_settings(&mut self, id: AccountId, what: &'static str, settings: &Settings) -> Result<(), DirectoryError> {
        if settings.forward_to.is_empty() && settings.vacation.is_none() {
            self.execute(sql::DELETE, [id.get()])?;
            return Ok(());
        }
        let script = sieve::settings::write(settings)?;
        self.execute(sql::PUT, params![id.get(), script.as_bytes()]).map_err(putting(what, id))?;
        Ok(())
    }
}

/// The script of a forward as the releases before kept it, whose targets were any text.
pub(crate) fn script_of_former(targets: &[String], keep_copy: bool) -> String {
    let forward_to = targets.iter().filter_map(|target| Target::new(target)).collect();
    sieve::settings::write_unchecked(&Settings { forward_to, keeps_copy: keep_copy, vacation: None })
}

fn get(connection: &Connection, id: AccountId) -> Result<Option<Settings>, DirectoryError> {
    one(connection, sql::GET, [id.get()], |row| read(row, 0))
}

fn forward_of(settings: Settings) -> Option<Forward> {
    let targets: Vec<String> = settings.forward_to.iter().map(|target| target.as_str().to_owned()).collect();
    (!targets.is_empty()).then_some(Forward { targets, keep_copy: settings.keeps_copy })
}

/// Settings that cannot be read back.
#[derive(Debug, thiserror::Error)]
#[error("a script that is not one of settings")]
struct NoSettings;

fn read(row: &Row<'_>, column: usize) -> rusqlite::Result<Settings> {
    let content = row.get_ref(column)?.as_blob()?;
    sieve::settings::read(content).ok_or_else(|| wrong_blob(column, NoSettings))
}
