//! `lepton restore`

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::Args;
use lepton_lake::Lake;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::server::with_sources;
use crate::context_file::read;
use crate::failure::{Exit, Failure};
use crate::screen::{Screen, bytes};

/// Bring back what `lepton backup` wrote, every file checked against its checksum, while no server runs
#[derive(Debug, Args)]
#[command(after_help = "\
Nothing is overwritten: with --replace, what is there is moved aside first. Tokens are part of the backup; the file
admin.token with the first administrator's secret is not: keep it.

Examples:
  lepton restore .lepton/server/backups/backup-20260131093000123 --data /srv/restored
  lepton restore backup-20260131093000123 --data .lepton --replace
  lepton restore backup-20260131093000123 --check")]
pub(crate) struct RestoreArgs {
    /// Folder of the backup
    pub backup: PathBuf,
    /// Data folder of the server
    #[arg(long, value_name = "DIR", required_unless_present = "check")]
    pub data: Option<PathBuf>,
    /// Move what is in the data folder aside
    #[arg(long)]
    pub replace: bool,
    /// Only check the backup
    #[arg(long, conflicts_with_all = ["data", "replace"])]
    pub check: bool,
}

/// `MANIFEST.json` of a backup.
#[derive(Debug, Deserialize)]
struct Manifest {
    name: String,
    revision: u64,
    files: BTreeMap<String, Entry>,
}

#[derive(Debug, Deserialize)]
struct Entry {
    sha256: String,
}

const STORE: &str = "lepton.db";
/// Imported offers; only in backups of servers that have some.
const OFFERS: &str = "offers.csv";
const LAKE_LIST: &str = "lake/checksums.sha256";

pub(crate) fn run(args: RestoreArgs, screen: &Screen) -> Result<(), Failure> {
    let path = args.backup.join("MANIFEST.json");
    let manifest: Manifest = serde_json::from_str(&read(&path)?).map_err(|error| {
        Failure::invalid(format!("{} is not a backup's manifest: {error}", path.display()))
    })?;
    let sum = |file: &str| {
        manifest.files.get(file).map(|entry| entry.sha256.clone()).ok_or_else(|| {
            Failure::invalid(format!(
                "{} names no checksum of {file}; the backup is not whole",
                path.display()
            ))
        })
    };
    let (store_sum, list_sum) = (sum(STORE)?, sum(LAKE_LIST)?);
    // First everything that can be wrong with the backup, then the first change.
    let list = args.backup.join(LAKE_LIST);
    matches(&list, &list_sum)?;
    let damaged = |error: &dyn std::error::Error| {
        Failure::invalid(format!("the backup is damaged: {}", with_sources(error)))
            .hint("nothing was changed; use an older backup")
    };
    let lake = Lake::verify_snapshot(&args.backup.join("lake")).map_err(|error| damaged(&error))?;
    if let Ok(offers_sum) = sum(OFFERS) {
        matches(&args.backup.join(OFFERS), &offers_sum)?;
    }
    let Some(data) = args.data else {
        matches(&args.backup.join(STORE), &store_sum)?;
        return screen.print(&format!("{}: whole, revision {}", manifest.name, manifest.revision));
    };
    let part = data.join("server.restoring");
    if part.exists() {
        fs::remove_dir_all(&part).map_err(failed("remove", &part))?;
    }
    fs::create_dir_all(&part).map_err(failed("create", &part))?;
    let store = lepton_store::restore(&args.backup.join(STORE), &part.join(STORE), Some(&store_sum))
        .map_err(|error| damaged(&error))?;
    if manifest.files.contains_key(OFFERS) {
        copy_file(&args.backup.join(OFFERS), &part.join(OFFERS))?;
    }
    copy(&args.backup.join("lake"), &part.join("lake"))?;
    Lake::verify_snapshot(&part.join("lake")).map_err(|error| damaged(&error))?;
    let server = data.join("server");
    if server.exists() {
        if !args.replace {
            fs::remove_dir_all(&part).map_err(failed("remove", &part))?;
            return Err(Failure::new(
                Exit::Conflict,
                format!("{} holds a server's data already", server.display()),
            )
            .hint("stop that server, then move its data aside with --replace"));
        }
        let aside = unused(&data)?;
        fs::rename(&server, &aside).map_err(failed("move", &server))?;
        screen.note(&format!("what was there is in {}", aside.display()));
    }
    fs::rename(&part, &server).map_err(failed("move", &part))?;
    screen.print(&format!(
        "{} is in {}: revision {}, {}",
        manifest.name,
        server.display(),
        store.revision,
        bytes((store.bytes + lake.bytes) as f64)
    ))
}

fn matches(path: &Path, expected: &str) -> Result<(), Failure> {
    let mut hash = Sha256::new();
    let mut file = fs::File::open(path).map_err(failed("read", path))?;
    let mut piece = vec![0; 1 << 20];
    loop {
        match file.read(&mut piece).map_err(failed("read", path))? {
            0 => break,
            size => hash.update(piece.get(..size).unwrap_or_default()),
        }
    }
    let found: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    if found == expected {
        return Ok(());
    }
    Err(Failure::invalid(format!("the backup is damaged: {} does not match its checksum", path.display()))
        .hint("nothing was changed; use an older backup"))
}

fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    fs::create_dir_all(to).map_err(failed("create", to))?;
    for entry in fs::read_dir(from).map_err(failed("read", from))? {
        let entry = entry.map_err(failed("read", from))?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type().map_err(failed("read", &source))?.is_dir() {
            copy(&source, &target)?;
        } else {
            copy_file(&source, &target)?;
        }
    }
    fs::File::open(to).and_then(|folder| folder.sync_all()).map_err(failed("sync", to))
}

fn copy_file(source: &Path, target: &Path) -> Result<(), Failure> {
    fs::copy(source, target).map_err(failed("copy", source))?;
    fs::File::open(target).and_then(|file| file.sync_all()).map_err(failed("sync", target))
}

/// `server.before-1`, or the next number that is free.
fn unused(data: &Path) -> Result<PathBuf, Failure> {
    (1..1_000).map(|n| data.join(format!("server.before-{n}"))).find(|path| !path.exists()).ok_or_else(|| {
        Failure::failed(format!("{} is full of folders server.before-N; remove some", data.display()))
    })
}

fn failed<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(std::io::Error) -> Failure + use<'a> {
    move |error| Failure::failed(format!("cannot {action} {}: {error}", path.display()))
}
