//! `ambit journal`: the record, for people and for third parties.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::Value;

use super::args::{Format, Printed};
use super::link::{self, Link, Who, unexpected};
use super::options::Options;
use super::output::{self, say};
use super::{Exit, Trouble};
use crate::confirm::wait::clock;
use crate::daemon::request::{Asked, Reply, Request};
use crate::escape::escape;
use crate::journal::{checkpoints, export, ocsf, verify};
use crate::keys::InstallationKeys;
use crate::keys::signature::PublicKey;
use crate::store::sqlite::Sqlite;

/// What was said.
#[derive(Clone, Debug, Args)]
pub struct JournalArgs {
    /// What to do [default: tail]
    #[command(subcommand)]
    pub what: Option<What>,
}

/// What to do with the journal.
#[derive(Clone, Debug, Subcommand)]
pub enum What {
    /// Show the last records
    Tail(TailArgs),
    /// Check that nothing in it was changed, moved, removed or cut off
    Verify(VerifyArgs),
    /// Write it out as JSON lines, which anyone with the public key can verify, or as events for a collector
    Export(ExportArgs),
    /// Erase the payload of a record for good; the chain still verifies
    Erase(EraseArgs),
}

/// Which records.
#[derive(Clone, Debug, Default, Args)]
pub struct Which {
    /// Of that agent
    #[arg(long, value_name = "NAME")]
    pub agent: Option<String>,
    /// Of that kind: asked, decided, held, confirmed, outcome, …
    #[arg(long, value_name = "KIND")]
    pub kind: Option<String>,
    /// About that hold
    #[arg(long, value_name = "ID")]
    pub hold: Option<String>,
    /// In that session
    #[arg(long, value_name = "ID")]
    pub session: Option<String>,
}

/// What was said to `ambit journal tail`.
#[derive(Clone, Debug, Args)]
pub struct TailArgs {
    /// Which records.
    #[command(flatten)]
    pub which: Which,
    /// How many
    #[arg(short = 'n', long, value_name = "NUMBER", default_value_t = 20)]
    pub lines: usize,
    /// Go on showing what is recorded, until interrupted
    #[arg(short, long)]
    pub follow: bool,
    /// How to print it.
    #[command(flatten)]
    pub printed: Printed,
}

/// What was said to `ambit journal verify`.
#[derive(Clone, Debug, Args)]
pub struct VerifyArgs {
    /// An export to verify instead of this installation's own journal
    #[arg(long, value_name = "FILE", requires = "key")]
    pub export: Option<PathBuf>,
    /// The installation's public key, which must come from elsewhere than the export
    #[arg(long, value_name = "HEX")]
    pub key: Option<String>,
    /// Checkpoints kept elsewhere (a copy of `checkpoints.jsonl`): a tail cut off before them shows
    #[arg(long, value_name = "FILE")]
    pub checkpoints: Option<PathBuf>,
    /// How to print it.
    #[command(flatten)]
    pub printed: Printed,
}

/// What was said to `ambit journal export`.
#[derive(Clone, Debug, Args)]
pub struct ExportArgs {
    /// Which records; a filtered export cannot be verified.
    #[command(flatten)]
    pub which: Which,
    /// How to write it
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub format: ExportFormat,
    /// Write payloads (arguments, answers) too, opened; in the journal's own format only
    #[arg(long)]
    pub open: bool,
    /// Write to this file instead of standard output
    #[arg(long, value_name = "FILE")]
    pub to: Option<PathBuf>,
}

/// For whom to write it out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// The journal's own, which can be verified.
    #[default]
    Journal,
    /// Events of the Open Cybersecurity Schema Framework 1.8.0, never with payloads.
    Ocsf,
}

/// What was said to `ambit journal erase`.
#[derive(Clone, Debug, Args)]
pub struct EraseArgs {
    /// The number of the record, or the id of a hold for the payloads of all its records
    #[arg(value_name = "ID")]
    pub id: String,
    /// Why; recorded
    #[arg(long, value_name = "TEXT")]
    pub because: String,
    /// Who says so.
    #[command(flatten)]
    pub who: Who,
}

/// Shows, verifies, exports or erases.
///
/// # Errors
/// When the journal cannot be read.
pub fn run(args: &JournalArgs, options: &Options) -> anyhow::Result<Exit> {
    match &args.what {
        None => tail(
            &TailArgs { which: Which::default(), lines: 20, follow: false, printed: Printed { format: Format::Human } },
            options,
        ),
        Some(What::Tail(args)) => tail(args, options),
        Some(What::Verify(args)) => verified(args, options),
        Some(What::Export(args)) => exported(args, options),
        Some(What::Erase(args)) => erase(args, options),
    }
}

impl Which {
    fn asked(&self, after: Option<u64>) -> Asked {
        Asked {
            agent: self.agent.clone(),
            kind: self.kind.clone(),
            hold: self.hold.clone(),
            session: self.session.clone(),
            after,
        }
    }
}

fn tail(args: &TailArgs, options: &Options) -> anyhow::Result<Exit> {
    let mut link = Link::open(options)?;
    let mut after = None;
    loop {
        let reply = link.ask(&Request::Journal { filter: args.which.asked(after), most: args.lines })?;
        let Reply::Journal(records) = reply else { return Err(unexpected(&reply).into()) };
        let mut out = output::data();
        for record in &records {
            after = record.get("sequence").and_then(Value::as_u64).or(after);
            match args.printed.format {
                Format::Json => writeln!(out, "{record}")?,
                Format::Human => writeln!(out, "{}", line(record))?,
            }
        }
        out.flush()?;
        drop(out);
        if !args.follow {
            return Ok(Exit::Fine);
        }
        after = after.or(Some(0));
        std::thread::sleep(Duration::from_millis(250));
    }
}

/// One record on one line.
fn line(record: &Value) -> String {
    let text = |name: &str| record.get(name).and_then(Value::as_str).map(escape).unwrap_or_default();
    let at = record
        .get("time")
        .and_then(Value::as_i64)
        .map_or_else(String::new, |at| clock(ambit_core::time::Timestamp(at)));
    let sequence = record.get("sequence").and_then(Value::as_u64).unwrap_or(0);
    let mut said = format!("{sequence:>7}  {at}  {:<15} {}", text("kind"), text("agent"));
    for (label, name) in [("by", "person"), ("hold", "hold")] {
        if !text(name).is_empty() {
            said.push_str(&format!("  {label} {}", text(name)));
        }
    }
    if let Some(details) = record.get("details").and_then(Value::as_object) {
        let plain = details.iter().filter_map(|(name, value)| match value {
            Value::String(text) => Some(format!("{name}: {}", escape(text))),
            Value::Number(_) | Value::Bool(_) => Some(format!("{name}: {value}")),
            _ => None,
        });
        let plain: Vec<String> = plain.collect();
        if !plain.is_empty() {
            said.push_str(&format!("  {}", plain.join(", ")));
        }
    }
    said
}

fn verified(args: &VerifyArgs, options: &Options) -> anyhow::Result<Exit> {
    let unreadable = |message: String| Trouble::new(Exit::Fault, message, "name a file that can be read");
    let earlier = match &args.checkpoints {
        Some(path) => checkpoints::read(path).map_err(|e| unreadable(e.to_string()))?,
        None => Vec::new(),
    };
    let result = if let (Some(path), Some(key)) = (&args.export, &args.key) {
        let key = PublicKey::from_hex(key).ok_or_else(|| {
            Trouble::new(
                Exit::Usage,
                "the key is not 64 hex digits of a public key",
                "take it from where the installation published it",
            )
        })?;
        let file = std::fs::File::open(path).map_err(|e| unreadable(e.to_string()))?;
        verify::verify_export(std::io::BufReader::new(file), &key, &earlier)
    } else {
        let state = options.home()?.state_dir();
        let keys = InstallationKeys::read(&state).map_err(|e| link::split(Exit::Fault, &e.to_string()))?;
        let store = Sqlite::open_to_read(&state).map_err(|e| link::split(Exit::Fault, &e.to_string()))?;
        let mut kept = checkpoints::read(&state.join(checkpoints::FILE)).unwrap_or_default();
        kept.extend(earlier);
        verify::verify_store(&store, &keys.public(), &kept, Some(&keys))
    };
    match result {
        Ok(verified) => {
            if args.printed.format == Format::Json {
                output::json(&serde_json::json!({
                    "verified": true, "records": verified.records, "erased": verified.erased, "payloads": verified.payloads,
                    "checkpoints": verified.checkpoints, "signed-to": verified.signed_to, "kept-to": verified.kept_to,
                }))?;
            } else {
                writeln!(
                    output::data(),
                    "the journal holds: {} records, {} payloads compared, {} erased; signed to record {}, kept elsewhere to record {}",
                    verified.records,
                    verified.payloads,
                    verified.erased,
                    verified.signed_to,
                    verified.kept_to
                )?;
                if verified.kept_to == 0 {
                    say("a cut tail would not show: compare with checkpoints kept elsewhere (`--checkpoints FILE`)");
                }
            }
            Ok(Exit::Fine)
        }
        Err(broken) => {
            if args.printed.format == Format::Json {
                output::json(&serde_json::json!({ "verified": false, "why": broken.to_string() }))?;
            }
            Err(Trouble::new(
                Exit::Refused,
                broken.to_string(),
                "keep a copy of the state directory as it is, and compare it with an export made earlier",
            )
            .into())
        }
    }
}

fn exported(args: &ExportArgs, options: &Options) -> anyhow::Result<Exit> {
    if args.open && args.format == ExportFormat::Ocsf {
        let help = "leave `--open` out, or write the journal's own format";
        return Err(Trouble::new(Exit::Usage, "payloads are not written as OCSF", help).into());
    }
    let state = options.home()?.state_dir();
    let keys = InstallationKeys::read(&state).map_err(|e| link::split(Exit::Fault, &e.to_string()))?;
    let store = Sqlite::open_to_read(&state).map_err(|e| link::split(Exit::Fault, &e.to_string()))?;
    let filter = args
        .which
        .asked(None)
        .filter()
        .map_err(|e| Trouble::new(Exit::Usage, e, "`ambit journal tail` shows the kinds there are"))?;
    let out: Box<dyn std::io::Write> = match &args.to {
        Some(path) => {
            let file = crate::store::private::open(
                path,
                std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600),
            )
            .map_err(|e| link::split(Exit::Fault, &e.to_string()))?;
            Box::new(std::io::BufWriter::new(file))
        }
        None => Box::new(std::io::stdout().lock()),
    };
    match args.format {
        ExportFormat::Journal => {
            let open = args.open.then_some(&keys);
            let count = export::export(&store, &keys.public(), &filter, open, out)?;
            let public = keys.public();
            say(&format!("{count} records; verify them with `ambit journal verify --export FILE --key {public}`"));
        }
        ExportFormat::Ocsf => {
            let count = ocsf::export(&store, &keys.public(), &filter, out)?;
            say(&format!("{count} records as OCSF {}; only the journal's own format can be verified", ocsf::VERSION));
        }
    }
    Ok(Exit::Fine)
}

fn erase(args: &EraseArgs, options: &Options) -> anyhow::Result<Exit> {
    let mut link = Link::open(options)?;
    let numbers = match args.id.parse::<u64>() {
        Ok(number) => vec![number],
        Err(_) => {
            let filter = Asked { hold: Some(args.id.clone()), ..Asked::default() };
            match link.ask(&Request::Journal { filter, most: 1_000 })? {
                Reply::Journal(records) => records
                    .iter()
                    .filter(|r| r.pointer("/payload/erased") == Some(&Value::Bool(false)))
                    .filter_map(|r| r.get("sequence").and_then(Value::as_u64))
                    .collect(),
                other => return Err(unexpected(&other).into()),
            }
        }
    };
    if numbers.is_empty() {
        return Err(Trouble::new(
            Exit::Refused,
            format!("no record of `{}` has a payload", args.id),
            "`ambit journal --hold ID` shows its records",
        )
        .into());
    }
    let key = args.who.key()?;
    for sequence in numbers {
        let signed = link.sign(&key, "erase", &[&sequence.to_string(), &args.because])?;
        match link.ask(&Request::Erase { sequence, because: args.because.clone(), signed })? {
            Reply::Done => say(&format!("erased the payload of record {sequence}; the chain still verifies")),
            other => return Err(unexpected(&other).into()),
        }
    }
    Ok(Exit::Fine)
}
