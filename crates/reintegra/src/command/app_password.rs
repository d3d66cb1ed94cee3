//! `app-password`: passwords of single devices, made here and shown once.

use crate::cli::AppPasswordCommand;
use crate::exit::Exit;
use crate::failure::Problem;
use crate::figures::rfc3339;
use crate::selection;
use crate::session::Session;
use directory::{Account, AccountState, AppPassword, AppPasswordId, Directory};
use serde::Serialize;

/// Who made or took away an app password, in the audit log.
pub(super) const ACTOR: &str = "operator";

/// An app password as `docs/json.md` describes it.
#[derive(Serialize)]
struct Row {
    number: i64,
    label: String,
    created_at: Option<String>,
    last_used_at: Option<String>,
    last_address: Option<String>,
    last_protocol: Option<String>,
}

impl From<AppPassword> for Row {
    fn from(app: AppPassword) -> Self {
        Row {
            number: app.id.get(),
            label: app.label,
            created_at: rfc3339(app.created_at),
            last_used_at: app.last_use.as_ref().and_then(|last| rfc3339(last.at)),
            last_address: app.last_use.as_ref().map(|last| last.from.clone()),
            last_protocol: app.last_use.map(|last| last.protocol),
        }
    }
}

pub(super) fn run(command: &AppPasswordCommand, session: &mut Session) -> anyhow::Result<Exit> {
    let directory = session.open_directory()?;
    match command {
        AppPasswordCommand::Add(args) => {
            let account = account(&directory, &args.account)?;
            must_be_open(&account)?;
            let (id, password) = directory.add_app_password(account.id, &args.label, ACTOR)?;
            session.console.note(format_args!(
                "app password {} of {} for {}: it is shown this once",
                id.get(),
                account.address.as_str(),
                args.label
            ));
            session.output.line(format_args!("{}", password.expose()));
        }
        AppPasswordCommand::List(args) => {
            let account = account(&directory, &args.account)?;
            let rows = directory.app_passwords(account.id)?.into_iter().map(Row::from);
            if args.list.json {
                session.output.json_array(rows);
            } else {
                for row in rows {
                    let used = match (&row.last_used_at, &row.last_address, &row.last_protocol) {
                        (Some(at), Some(from), Some(by)) => format!("last used {at} from {from} by {by}"),
                        _ => "never used".to_owned(),
                    };
                    let created = row.created_at.as_deref().unwrap_or("-");
                    session.output.line(format_args!("{:>6}  {:<32} {created:<20}  {used}", row.number, row.label));
                }
            }
        }
        AppPasswordCommand::Remove(args) => {
            let account = account(&directory, &args.account)?;
            let mut apps = directory.app_passwords(account.id)?.into_iter();
            let Some(app) = apps.find(|app| app.id == AppPasswordId::new_unchecked(args.number)) else {
                let address = account.address.as_str();
                return Err(Problem::wrong_use(format!("{address} has no app password {}", args.number))
                    .now(format!("`reintegra app-password list {address}` lists them"))
                    .into());
            };
            directory.remove_app_password(app.id, ACTOR)?;
            session.console.note(format_args!("{} of {} is out", app.label, account.address.as_str()));
        }
    }
    Ok(Exit::Complete)
}

/// The live account of an address.
pub(super) fn account(directory: &Directory, text: &str) -> anyhow::Result<Account> {
    let address = selection::live_account(text, directory)?;
    let found = directory.account(&address)?;
    found.ok_or_else(|| Problem::wrong_use(format!("there is no account {}", address.as_str())).into())
}

/// Refuses what would let nobody in.
fn must_be_open(account: &Account) -> Result<(), Problem> {
    let address = account.address.as_str();
    let refused = Problem::wrong_use(format!("{address} is {}: nobody can sign in to it", account.state.as_str()));
    Err(match account.state {
        AccountState::Open => return Ok(()),
        AccountState::Locked => refused
            .because("it has no password that somebody could know")
            .now(format!("`reintegra password set {address}` sets one, and opens it")),
        AccountState::Disabled => refused.because("an admin switched it off"),
        AccountState::Closed => refused.because("its address belongs to an alias"),
        AccountState::Sealed => {
            refused.because("it waits for a decision").now("`reintegra conflicts` lists what is to be decided")
        }
    })
}
