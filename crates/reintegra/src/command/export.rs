//! `export maildir`: writes the result as a tree that Dovecot and Postfix open.

use crate::cli::ExportMaildirArgs;
use crate::exit::Exit;
use crate::figures::{Count, Size, Things};
use crate::selection;
use crate::session::Session;
use anyhow::Context as _;

pub(super) fn maildir(args: &ExportMaildirArgs, session: &mut Session) -> anyhow::Result<Exit> {
    let platform = session.open("export maildir")?;
    let selection = selection::read(&args.accounts, &platform.directory, &[])?;
    let done = session.step("export", |progress| integrate::export_maildir(&platform, &args.out, &selection, progress));
    let done = done.context("the export was not finished")?;
    let exported = &done.value;
    let output = &mut session.output;
    output.line(format_args!(
        "exported {}, {} in {}",
        Things(exported.messages, "message"),
        Size(exported.bytes),
        done.took
    ));
    let mailboxes = match exported.mailboxes {
        1 => "1 mailbox".to_owned(),
        n => format!("{} mailboxes", Count(n)),
    };
    output.line(format_args!("  {mailboxes} of {}, in {}", Things(exported.accounts, "account"), args.out.display()));
    if exported.unreadable > 0 {
        output.line(format_args!(
            "  {} left out: their stored bytes are damaged",
            Things(exported.unreadable, "message")
        ));
    }
    for notice in &exported.notices {
        output.line(format_args!("  {}: {} (RULES.md {})", notice.place, notice.text, notice.rule));
    }
    Ok(Exit::complete_if(exported.unreadable == 0 && exported.notices.is_empty()))
}
