//! The command line: every command, every option, every word of help.
//!
//! Other programs are written against it: it is added to and never changed. `docs/cli.md` tells the same to people.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

const AFTER_HELP: &str = "\
Exit status:
  0  done, and complete
  1  done, but something is incomplete or waits for a decision; the summary says what
  2  wrong use
  3  failed

Results go to standard output, progress and errors to standard error.";

/// Puts two histories of mail accounts back together, and proves that nothing was lost.
#[derive(Debug, Parser)]
#[command(name = "reintegra", version, after_help = AFTER_HELP, arg_required_else_help = true)]
#[command(infer_long_args = false, subcommand_required = true)]
pub(crate) struct Cli {
    /// The data directory: mail, accounts, integrations
    #[arg(long, value_name = "DIR", global = true)]
    pub(crate) data: Option<PathBuf>,

    /// Write how long each step took to a file, as JSON
    #[arg(long, value_name = "FILE", global = true, hide = true)]
    pub(crate) timings: Option<PathBuf>,

    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a data directory
    Init(InitArgs),
    /// Read a source into live accounts
    Import(ImportArgs),
    /// Put a recovered history and the live one together
    #[command(subcommand)]
    Integrate(IntegrateCommand),
    /// Compare what a mail server serves with the ledger of an integration, from outside; works beside `serve`
    Verify(VerifyArgs),
    /// Write the result out for another mail server
    #[command(subcommand)]
    Export(ExportCommand),
    /// List accounts; works beside `serve`
    Accounts(ListArgs),
    /// List aliases, catch-alls and domain aliases; works beside `serve`
    Aliases(ListArgs),
    /// List the messages of an account; works beside `serve`
    Messages(MessagesArgs),
    /// List conflicts, which works beside `serve`, or decide one
    Conflicts(ConflictsArgs),
    /// Check every record and every row of the data directory, and note which mail is damaged
    Check,
    /// Make the indexes anew from snapshots and segments
    Rebuild(RebuildArgs),
    /// Serve mail: IMAP and POP3
    Serve(ServeArgs),
    /// Look at a configuration of `serve`
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Set the password of an account; works beside `serve`
    #[command(subcommand)]
    Password(PasswordCommand),
    /// Make, list or take away passwords of single devices; works beside `serve`
    #[command(subcommand)]
    AppPassword(AppPasswordCommand),
    /// Switch an IMAP capability off for an account whose client stumbles on it; works beside `serve`
    #[command(subcommand)]
    Capability(CapabilityCommand),
    /// Look at mail that waits to be handed on, and act on it; works beside `serve`. Mail in mailboxes is not touched
    Queue(QueueArgs),
    /// Send mail of an account on to other addresses; works beside `serve`
    #[command(subcommand)]
    Forward(ForwardCommand),
    /// Answer people who write to an account while nobody is there; works beside `serve`
    #[command(subcommand)]
    Vacation(VacationCommand),
    /// Work on the Sieve scripts of an account; works beside `serve`
    #[command(subcommand)]
    Sieve(SieveCommand),
    /// Make and change the keys that a domain's mail is signed with; works beside `serve`
    #[command(subcommand)]
    Dkim(DkimCommand),
    /// Write what a domain's zone needs: MX, SPF, DKIM, DMARC, MTA-STS, TLS-RPT, SRV
    Dns(DnsArgs),
    /// Work on an exported ledger; needs no data directory
    #[command(subcommand)]
    Ledger(LedgerCommand),
    /// Write manual pages
    Man(ManArgs),
    /// Print the completions of a shell
    Completions(CompletionsArgs),
}

#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// How many cells: slices of the accounts, each with its own index and segments
    #[arg(long, value_name = "N", default_value_t = store::DEFAULT_CELLS)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=i64::from(store::MAX_CELLS)))]
    pub(crate) cells: u32,
}

#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// A mail server's tree, a source.toml, or another data directory
    pub(crate) source: PathBuf,
}

#[derive(Debug, Subcommand)]
pub(crate) enum IntegrateCommand {
    /// All steps: import, stage, plan, apply, verify, report
    Run(RunArgs),
    /// Read the recovered history into the store, hidden; can be stopped and started again
    Stage(StageArgs),
    /// Say what would become of every account; changes nothing, and works beside `serve`
    Plan(PlanArgs),
    /// Integrate the accounts, each in one short transaction
    Apply(ApplyArgs),
    /// Read the sources and the result again and account for every message
    Verify(StepArgs),
    /// Take an apply back; mail that arrived since stays
    Undo(StepArgs),
    /// Make it final: it can no longer be undone, and what was kept for that is let go
    Confirm(ConfirmArgs),
    /// Write the report or the ledger; works beside `serve`
    Report(ReportArgs),
    /// List integrations; works beside `serve`
    List(ListArgs),
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// The recovered history
    #[arg(long, value_name = "SOURCE")]
    pub(crate) before: PathBuf,
    /// The history since; left out: the live accounts as they are
    #[arg(long, value_name = "SOURCE")]
    pub(crate) after: Option<PathBuf>,
    /// The last state that both had in common
    #[arg(long, value_name = "SOURCE")]
    pub(crate) base: Option<PathBuf>,
    /// Apply without asking
    #[arg(long)]
    pub(crate) yes: bool,
    // Last: what follows it in help stands under its heading.
    #[command(flatten)]
    pub(crate) policy: PolicyArgs,
}

#[derive(Debug, Args)]
pub(crate) struct StageArgs {
    /// The recovered history
    #[arg(long, value_name = "SOURCE")]
    pub(crate) before: PathBuf,
    /// The last state that both had in common
    #[arg(long, value_name = "SOURCE")]
    pub(crate) base: Option<PathBuf>,
    /// What to call the integration
    #[arg(long, value_name = "TEXT")]
    pub(crate) label: Option<String>,
    #[command(flatten)]
    pub(crate) policy: PolicyArgs,
}

#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    pub(crate) which: IdArgs,
    /// As JSON (docs/json.md)
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) policy: PolicyArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ApplyArgs {
    #[command(flatten)]
    pub(crate) step: StepArgs,
    #[command(flatten)]
    pub(crate) policy: PolicyArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ConfirmArgs {
    #[command(flatten)]
    pub(crate) step: StepArgs,
    /// Do not ask on a terminal
    #[arg(long)]
    pub(crate) yes: bool,
}

/// An integration and some or all of its accounts.
#[derive(Debug, Args)]
pub(crate) struct StepArgs {
    #[command(flatten)]
    pub(crate) which: IdArgs,
    #[command(flatten)]
    pub(crate) accounts: SelectionArgs,
}

#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct IdArgs {
    /// Which integration; left out: the newest that is not confirmed
    #[arg(long, value_name = "ID")]
    pub(crate) id: Option<i64>,
}

#[derive(Debug, Args)]
pub(crate) struct SelectionArgs {
    /// Only this domain; may be given more than once
    #[arg(long = "domain", value_name = "D")]
    pub(crate) domains: Vec<String>,
    /// Only this account; may be given more than once
    #[arg(long = "account", value_name = "A")]
    pub(crate) accounts: Vec<String>,
}

/// How the integration decides where `RULES.md` leaves the choice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Args)]
#[command(next_help_heading = "Policy")]
pub(crate) struct PolicyArgs {
    /// Take messages that differ in trace fields only as the same (RULES.md 2.5)
    #[arg(long)]
    pub(crate) join_twins: bool,
    /// Remove what was deleted in one history since the base (RULES.md 3.5)
    #[arg(long)]
    pub(crate) honour_deletions: bool,
    /// Whose UIDs stay where not both can (RULES.md 5.1)
    #[arg(long, value_name = "LINEAGE")]
    pub(crate) keep_uids: Option<Lineage>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Lineage {
    /// The recovered history
    Before,
    /// The live one
    After,
}

#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    #[command(flatten)]
    pub(crate) which: IdArgs,
    /// What to write
    #[arg(long)]
    pub(crate) format: ReportFormat,
    /// Where to; a file that is there is replaced once the new one is whole
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportFormat {
    /// The report, for programs
    Json,
    /// The report, for people
    Html,
    /// The ledger, as JSON Lines
    LedgerJsonl,
    /// The ledger, for spreadsheets
    LedgerCsv,
}

#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// The server: imap://HOST, imaps://HOST, pop3://HOST or pop3s://HOST, with a port if need be
    #[arg(long, value_name = "URL")]
    pub(crate) over: String,
    #[command(flatten)]
    pub(crate) step: StepArgs,
    /// Nobody has signed in since the last verify: other flags and new mail are wrong too
    #[arg(long)]
    pub(crate) strict: bool,
    #[command(flatten)]
    pub(crate) sign_in: SignInArgs,
}

/// How to sign in at a server. Passwords come from files alone.
#[derive(Debug, Args)]
#[command(next_help_heading = "Sign-in")]
pub(crate) struct SignInArgs {
    /// A file of lines address:password, for nobody else to read
    #[arg(long, value_name = "FILE", required_unless_present = "master_user")]
    pub(crate) credentials: Option<PathBuf>,
    /// One login that opens every account
    #[arg(long, value_name = "NAME", requires = "master_password_file", conflicts_with = "credentials")]
    pub(crate) master_user: Option<String>,
    /// A file with its password in the first line
    #[arg(long, value_name = "FILE", requires = "master_user")]
    pub(crate) master_password_file: Option<PathBuf>,
    /// What stands between an account's login and the master's
    #[arg(long, value_name = "TEXT", default_value = "*", requires = "master_user")]
    pub(crate) master_separator: String,
    /// Say the account by SASL PLAIN's authorization identity instead
    #[arg(long, requires = "master_user")]
    pub(crate) master_authzid: bool,
    /// What an account's login is: {address}, {localpart} and {domain} in any text
    #[arg(long, value_name = "FORM", default_value = "{address}")]
    pub(crate) login: String,
    /// Certificates (PEM) of the authorities that are believed, instead of the public ones
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,
    /// Whether imap:// and pop3:// begin with STARTTLS or STLS
    #[arg(long, value_name = "WHEN", default_value = "usual")]
    pub(crate) tls: TlsUse,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TlsUse {
    /// Yes; with a server on the loopback only where it lets nobody in without
    Usual,
    /// Always
    Starttls,
    /// Never: passwords can be read on the way
    None,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ExportCommand {
    /// As a Maildir++ tree with accounts and aliases, as Dovecot and Postfix read them
    Maildir(ExportMaildirArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ExportMaildirArgs {
    /// Where to: a new or empty directory
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) accounts: SelectionArgs,
}

#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct ListArgs {
    /// As JSON (docs/json.md)
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct MessagesArgs {
    /// The account's address
    pub(crate) account: String,
    /// Only this mailbox
    #[arg(long, value_name = "M")]
    pub(crate) mailbox: Option<String>,
    /// As JSON (docs/json.md)
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct ConflictsArgs {
    #[command(flatten)]
    pub(crate) list: ListArgs,
    #[command(subcommand)]
    pub(crate) action: Option<ConflictsCommand>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConflictsCommand {
    /// Decide a conflict
    Resolve(ResolveArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ResolveArgs {
    /// The conflict's number, as the list says it
    #[arg(value_name = "N")]
    pub(crate) number: i64,
    /// One of the choices that the list gives for it
    #[arg(long)]
    pub(crate) choice: String,
}

#[derive(Debug, Args)]
pub(crate) struct RebuildArgs {
    /// Only this cell
    #[arg(long, value_name = "N")]
    pub(crate) cell: Option<u32>,
}

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// The configuration (docs/config.md); without one, loopback ports and a certificate of its own making
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Say whether `serve` could use a configuration, certificates included; starts nothing
    Check(ConfigCheckArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ConfigCheckArgs {
    /// The configuration
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PasswordCommand {
    /// Set it to what standard input says; a locked account opens
    Set(PasswordSetArgs),
}

#[derive(Debug, Args)]
pub(crate) struct PasswordSetArgs {
    /// The account's address
    pub(crate) account: String,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AppPasswordCommand {
    /// Make one, and show it this once
    Add(AppPasswordAddArgs),
    /// List those of an account, with their last use
    List(AccountListArgs),
    /// Take one away: its device is out at its next sign-in
    Remove(AppPasswordRemoveArgs),
}

#[derive(Debug, Args)]
pub(crate) struct AppPasswordAddArgs {
    /// The account's address
    pub(crate) account: String,
    /// What the device is called
    #[arg(long, value_name = "TEXT")]
    pub(crate) label: String,
}

#[derive(Debug, Args)]
pub(crate) struct AccountListArgs {
    /// The account's address
    pub(crate) account: String,
    #[command(flatten)]
    pub(crate) list: ListArgs,
}

#[derive(Debug, Args)]
pub(crate) struct AppPasswordRemoveArgs {
    /// The account's address
    pub(crate) account: String,
    /// The app password's number, as the list says it
    #[arg(value_name = "N")]
    pub(crate) number: i64,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CapabilityCommand {
    /// Switch one off; it counts from the account's next sign-in
    Off(CapabilityArgs),
    /// Switch one on again
    On(CapabilityArgs),
    /// List what is switched off for an account
    List(AccountListArgs),
}

#[derive(Debug, Args)]
pub(crate) struct CapabilityArgs {
    /// The account's address
    pub(crate) account: String,
    /// The capability, as IMAP spells it: QRESYNC, NOTIFY, COMPRESS=DEFLATE
    pub(crate) capability: String,
}

#[derive(Debug, Subcommand)]
pub(crate) enum LedgerCommand {
    /// Check that a ledger is whole, as it was written, and signed
    Check(LedgerCheckArgs),
}

#[derive(Debug, Args)]
pub(crate) struct LedgerCheckArgs {
    /// A ledger as `integrate report` wrote it, JSON Lines or CSV
    pub(crate) file: PathBuf,
    /// The key it must be signed with: 64 hexadecimal digits, base64, or a file that holds one
    #[arg(long, value_name = "PUBKEY")]
    pub(crate) key: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// The directory for the pages; made where there is none
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// Which shell
    pub(crate) shell: clap_complete::Shell,
}

#[cfg(test)]
mod tests {
    use super::Cli;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_contradicts_itself_nowhere() {
        Cli::command().debug_assert();
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum ForwardCommand {
    /// Send it on from now on; what was there before is replaced
    Set(ForwardSetArgs),
    /// Show where it is sent on to
    Show(AccountArgs),
    /// Send nothing on any more
    Remove(AccountArgs),
}

#[derive(Debug, Args)]
pub(crate) struct AccountArgs {
    /// The account's address
    pub(crate) account: String,
}

#[derive(Debug, Args)]
pub(crate) struct ForwardSetArgs {
    /// The account's address
    pub(crate) account: String,
    /// Where to; may be given several times
    #[arg(long, value_name = "ADDRESS", required = true)]
    pub(crate) to: Vec<String>,
    /// The account keeps a copy
    #[arg(long)]
    pub(crate) keep_copy: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum VacationCommand {
    /// Answer from now on; the text comes from standard input
    Set(VacationSetArgs),
    /// Show what is answered
    Show(AccountArgs),
    /// Answer no more
    Remove(AccountArgs),
}

#[derive(Debug, Args)]
pub(crate) struct VacationSetArgs {
    /// The account's address
    pub(crate) account: String,
    /// The subject; made from that of the message that is answered where there is none
    #[arg(long, value_name = "TEXT")]
    pub(crate) subject: Option<String>,
    /// The first day, as 2026-12-24
    #[arg(long, value_name = "DAY")]
    pub(crate) from: Option<String>,
    /// The last day
    #[arg(long, value_name = "DAY")]
    pub(crate) until: Option<String>,
    /// For how many days nobody is answered twice
    #[arg(long, value_name = "N", default_value_t = 7, value_parser = clap::value_parser!(u64).range(1..=365))]
    pub(crate) days: u64,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SieveCommand {
    /// List the scripts
    List(AccountListArgs),
    /// Show a script
    Show(ScriptArgs),
    /// Add a script from standard input, or replace one; it must be right
    Put(ScriptPutArgs),
    /// Let a script run for mail that comes in, instead of any other
    Activate(ScriptArgs),
    /// Let no script run
    Deactivate(AccountArgs),
    /// Remove a script that does not run
    Remove(ScriptArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ScriptArgs {
    /// The account's address
    pub(crate) account: String,
    /// The script's name
    pub(crate) name: String,
}

#[derive(Debug, Args)]
pub(crate) struct ScriptPutArgs {
    #[command(flatten)]
    pub(crate) script: ScriptArgs,
    /// The configuration of `serve`, which says what scripts may do; without it, what they always may
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DkimCommand {
    /// Make keys and show their records; they sign once they are activated
    New(DkimNewArgs),
    /// List keys
    List(DkimListArgs),
    /// Let a key sign, instead of the domain's other of its kind; publish its record first
    Activate(DkimKeyArgs),
    /// Let a key sign no more; leave its record published for a week
    Retire(DkimKeyArgs),
    /// Remove a key that does not sign
    Remove(DkimKeyArgs),
}

#[derive(Debug, Args)]
pub(crate) struct DkimNewArgs {
    /// The domain
    pub(crate) domain: String,
    /// What kind of key
    #[arg(long, default_value = "both")]
    pub(crate) kind: DkimKind,
    /// Its selector; made from the date where none is given
    #[arg(long, value_name = "NAME")]
    pub(crate) selector: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DkimKind {
    /// RSA with 2,048 bits, which everybody can check
    Rsa,
    /// Ed25519: short, and not known everywhere yet
    Ed25519,
    /// One of each
    Both,
}

#[derive(Debug, Args)]
pub(crate) struct DkimListArgs {
    /// Only of this domain
    pub(crate) domain: Option<String>,
    #[command(flatten)]
    pub(crate) list: ListArgs,
}

#[derive(Debug, Args)]
pub(crate) struct DkimKeyArgs {
    /// The domain
    pub(crate) domain: String,
    /// The key's selector, as the list says it
    pub(crate) selector: String,
}

#[derive(Debug, Args)]
pub(crate) struct DnsArgs {
    /// The domain
    pub(crate) domain: String,
    /// The configuration of `serve`: the server's name and where its mail comes from
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
    /// Who gets the reports of others; postmaster of the domain where nobody is named
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) reports: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct QueueArgs {
    /// The configuration of `serve`: its data directory, and what is told to senders where no server runs
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) config: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: QueueCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum QueueCommand {
    /// List messages that wait, oldest first
    List(QueueListArgs),
    /// Show a message's envelope, recipients, last words and next tries
    Show(QueueShowArgs),
    /// Try at once what waits; what is held stays held
    Retry(QueueSelectionArgs),
    /// Try nothing of it until it is released
    Hold(QueueSelectionArgs),
    /// Let go on what is held
    Release(QueueSelectionArgs),
    /// Give up, and tell the senders: they get the message back with the reason
    Bounce(QueueBounceArgs),
    /// Destroy waiting messages without telling anybody: they reach nobody. Asks first
    Drop(QueueDropArgs),
}

#[derive(Debug, Args)]
pub(crate) struct QueueListArgs {
    #[command(flatten)]
    pub(crate) which: QueueFilterArgs,
    #[command(flatten)]
    pub(crate) list: ListArgs,
}

#[derive(Debug, Args)]
pub(crate) struct QueueShowArgs {
    /// The message, as the list names it
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) list: ListArgs,
}

/// Which of the messages that wait; all that is said must hold.
#[derive(Debug, Args)]
pub(crate) struct QueueFilterArgs {
    /// Only from this sender; "<>" for notices that have none
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) sender: Option<String>,
    /// Only to this recipient
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) recipient: Option<String>,
    /// Only to this domain
    #[arg(long, value_name = "DOMAIN")]
    pub(crate) domain: Option<String>,
    /// Only what is in this state
    #[arg(long)]
    pub(crate) state: Option<QueueState>,
    /// Only what came this many hours ago or earlier
    #[arg(long, value_name = "HOURS")]
    pub(crate) older_than: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum QueueState {
    /// Tried when it is due
    Waiting,
    /// Waits for the operator
    Held,
    /// Being tried at the moment
    Running,
}

#[derive(Debug, Args)]
pub(crate) struct QueueSelectionArgs {
    /// A message, as the list names it
    pub(crate) id: Option<String>,
    #[command(flatten)]
    pub(crate) which: QueueFilterArgs,
    /// Everything that waits
    #[arg(long, conflicts_with_all = ["id", "sender", "recipient", "domain", "state", "older_than"])]
    pub(crate) all: bool,
}

#[derive(Debug, Args)]
pub(crate) struct QueueBounceArgs {
    #[command(flatten)]
    pub(crate) selection: QueueSelectionArgs,
    /// What the senders are told
    #[arg(long, value_name = "TEXT")]
    pub(crate) why: String,
}

#[derive(Debug, Args)]
pub(crate) struct QueueDropArgs {
    #[command(flatten)]
    pub(crate) selection: QueueSelectionArgs,
    /// Do not ask
    #[arg(long)]
    pub(crate) yes: bool,
}
