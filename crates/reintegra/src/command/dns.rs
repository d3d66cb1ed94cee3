//! `dns`: what a domain's zone needs.

use crate::cli::DnsArgs;
use crate::exit::Exit;
use crate::failure::Problem;
use crate::selection;
use crate::serve::Config;
use crate::session::Session;
use crate::zone::Zone;
use directory::DkimState;
use message::Address;

pub(super) fn run(args: &DnsArgs, session: &mut Session) -> anyhow::Result<Exit> {
    let config = Config::read(&args.config)?;
    session.name_data_unless_named(config.data.as_deref());
    let directory = session.open_directory()?;
    let domain = selection::live_domain(&args.domain, &directory)?;
    let keys = directory.dkim_keys(&domain)?;
    let signs = keys.iter().any(|key| key.state == DkimState::Active);
    // Retired ones too: mail that they signed may be on its way.
    let keys: Vec<(String, String)> = keys.into_iter().map(|key| (key.selector, key.public_record)).collect();
    if let Some(reports) = &args.reports
        && Address::new(reports).is_err()
    {
        return Err(Problem::wrong_use(format!("{reports:?} is no address that reports can be sent to"))
            .now("write it as name@example.org, or leave --reports out")
            .into());
    }
    let reports = args.reports.clone().unwrap_or_else(|| format!("postmaster@{domain}"));
    let zone = Zone {
        domain: &domain,
        hostname: &config.hostname.0,
        senders: &config.delivery.from,
        smart_host: config.delivery.smart_host.as_ref().map(|host| host.address.host.as_str()),
        keys: &keys,
        reports: &reports,
    };
    session.output.raw(zone.fragment().as_bytes());
    session.output.flush();
    if config.hostname.0 == "localhost" {
        session
            .console
            .note("`hostname` is \"localhost\": these records lead nobody here until it is the server's own name");
    }
    if !signs {
        session.console.note(format_args!("nothing signs for {domain} yet: `reintegra dkim new`, then `activate`"));
    }
    Ok(Exit::Complete)
}
