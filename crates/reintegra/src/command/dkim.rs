//! `dkim`: the keys that a domain's mail is signed with (RFC 6376). A key is made and published, then activated: what it
//! signs before its record is known everywhere cannot be checked.

use super::app_password::ACTOR;
use crate::cli::{DkimCommand, DkimKeyArgs, DkimKind, DkimNewArgs};
use crate::exit::Exit;
use crate::failure::Problem;
use crate::figures::rfc3339;
use crate::selection;
use crate::session::Session;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use directory::{Directory, DkimAlgorithm, DkimKey, DkimState, NewDkimKey, Secret};
use provenance::{SigningKey, generate_ed25519, generate_rsa};
use serde::Serialize;

/// Bits of an RSA key: the most that a TXT record in one UDP answer holds easily, and enough.
const RSA_BITS: usize = 2048;

/// A key as `docs/json.md` describes it.
#[derive(Serialize)]
struct Row {
    domain: String,
    selector: String,
    algorithm: &'static str,
    state: &'static str,
    record: String,
    created_at: Option<String>,
    active_at: Option<String>,
    retired_at: Option<String>,
}

impl From<DkimKey> for Row {
    fn from(key: DkimKey) -> Self {
        Row {
            domain: key.domain,
            selector: key.selector,
            algorithm: key.algorithm.as_str(),
            state: key.state.as_str(),
            record: key.public_record,
            created_at: rfc3339(key.created_at),
            active_at: key.active_at.and_then(rfc3339),
            retired_at: key.retired_at.and_then(rfc3339),
        }
    }
}

pub(super) fn run(command: &DkimCommand, session: &mut Session) -> anyhow::Result<Exit> {
    let directory = session.open_directory()?;
    match command {
        DkimCommand::New(args) => new(args, &directory, session)?,
        DkimCommand::List(args) => {
            let rows = match &args.domain {
                Some(domain) => directory.dkim_keys(&selection::live_domain(domain, &directory)?)?,
                None => {
                    let mut all = Vec::new();
                    directory.for_each_dkim_key(|key| {
                        all.push(key);
                        Ok(())
                    })?;
                    all
                }
            };
            let rows = rows.into_iter().map(Row::from);
            if args.list.json {
                session.output.json_array(rows);
            } else {
                rows.for_each(|row| {
                    let name = format!("{}._domainkey.{}", row.selector, row.domain);
                    session.output.line(format_args!("{name:<48} {:<15} {}", row.algorithm, row.state));
                });
            }
        }
        DkimCommand::Activate(args) => {
            let key = key(&directory, args)?;
            let former = directory.write(|tx| tx.activate_dkim_key(&key.domain, &key.selector, ACTOR))?;
            session.console.note(format_args!("{} signs for {}", key.selector, key.domain));
            if let Some(former) = former {
                session.console.note(format_args!(
                    "{former} signs no more; leave its record published for a week, for mail on its way"
                ));
            }
        }
        DkimCommand::Retire(args) => {
            let key = key(&directory, args)?;
            if key.state != DkimState::Active {
                return Err(Problem::wrong_use(format!("{} does not sign", key.selector))
                    .because(format!("it is {}", key.state.as_str()))
                    .now(format!("`reintegra dkim list {}` says which key does", key.domain))
                    .into());
            }
            directory.write(|tx| tx.retire_dkim_key(&key.domain, &key.selector, ACTOR))?;
            session.console.note(format_args!(
                "{} signs no more for {}; leave its record published for a week, for mail on its way",
                key.selector, key.domain
            ));
        }
        DkimCommand::Remove(args) => {
            let key = key(&directory, args)?;
            if key.state == DkimState::Active {
                let retire = format!("`reintegra dkim retire {} {}`", key.domain, key.selector);
                return Err(Problem::wrong_use(format!("{} signs for {}", key.selector, key.domain))
                    .now(format!("activate another, or {retire} first"))
                    .into());
            }
            directory.write(|tx| tx.remove_dkim_key(&key.domain, &key.selector, ACTOR))?;
            session.console.note(format_args!("{} of {} is removed", key.selector, key.domain));
        }
    }
    Ok(Exit::Complete)
}

fn new(args: &DkimNewArgs, directory: &Directory, session: &mut Session) -> anyhow::Result<()> {
    let domain = selection::live_domain(&args.domain, directory)?;
    let kinds: &[(DkimAlgorithm, &str)] = match args.kind {
        DkimKind::Rsa => &[(DkimAlgorithm::RsaSha256, "r")],
        DkimKind::Ed25519 => &[(DkimAlgorithm::Ed25519Sha256, "e")],
        DkimKind::Both => &[(DkimAlgorithm::RsaSha256, "r"), (DkimAlgorithm::Ed25519Sha256, "e")],
    };
    if args.selector.is_some() && kinds.len() > 1 {
        return Err(Problem::wrong_use("two keys cannot have one selector")
            .now("say --kind rsa or --kind ed25519")
            .into());
    }
    let mut made = Vec::new();
    let today = jiff::Zoned::now().strftime("%Y%m%d").to_string();
    for (algorithm, letter) in kinds {
        let selector = args.selector.as_ref().map_or_else(|| format!("{letter}{today}"), |name| name.to_lowercase());
        if directory.dkim_key(&domain, &selector)?.is_some() {
            return Err(Problem::wrong_use(format!("{domain} has a key {selector}"))
                .now("name another: --selector NAME")
                .into());
        }
        let der = match algorithm {
            DkimAlgorithm::RsaSha256 => generate_rsa(RSA_BITS)?,
            DkimAlgorithm::Ed25519Sha256 => generate_ed25519()?,
        };
        let key = NewDkimKey {
            domain: domain.clone(),
            selector: selector.clone(),
            algorithm: *algorithm,
            private_key: Secret::new(pem(&der)),
            public_record: SigningKey::from_pkcs8(&der)?.dns_record(),
        };
        directory.write(|tx| tx.add_dkim_key(&key, ACTOR))?;
        session.output.line(format_args!("{selector}._domainkey.{domain}. TXT {}", key.public_record));
        made.push(selector);
    }
    session.output.flush();
    session.console.note("publish the records; `reintegra dns` writes them as a zone file has them");
    for selector in made {
        session.console.note(format_args!("when they are known: `reintegra dkim activate {domain} {selector}`"));
    }
    Ok(())
}

/// A private key as text (RFC 7468 §10).
fn pem(der: &[u8]) -> String {
    let mut text = String::from("-----BEGIN PRIVATE KEY-----\n");
    for line in STANDARD.encode(der).as_bytes().chunks(64) {
        text.extend(line.iter().map(|&byte| char::from(byte)));
        text.push('\n');
    }
    text + "-----END PRIVATE KEY-----\n"
}

fn key(directory: &Directory, args: &DkimKeyArgs) -> anyhow::Result<DkimKey> {
    let domain = selection::live_domain(&args.domain, directory)?;
    let missing = || {
        Problem::wrong_use(format!("{domain} has no key {}", args.selector))
            .now(format!("`reintegra dkim list {domain}` lists them"))
    };
    Ok(directory.dkim_key(&domain, &args.selector.to_lowercase())?.ok_or_else(missing)?)
}
