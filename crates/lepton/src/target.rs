//! Which server a command talks to, and with which token.
//!
//! The first of these that names a server wins; a token given nearer to the command line wins over one from further away:
//!
//! 1. `--server` or `--context`
//! 2. `LEPTON_SERVER` or `LEPTON_CONTEXT`
//! 3. the current context of the contexts file
//! 4. a running `lepton dev`, found as `.lepton/dev.json` in this folder or one above it
//!
//! Tokens never appear on a command line, where every process of the machine could read them.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use clap::Args;
use lepton_api::{Client, ClientConfig};
use lepton_model::Name;
use serde::{Deserialize, Serialize};

use crate::context_file::{Contexts, read, read_token};
use crate::failure::{Exit, Failure};

/// Flags that say where the server is.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Server")]
pub(crate) struct Reach {
    /// Address of the server [env: LEPTON_SERVER]
    #[arg(long, global = true, value_name = "URL", conflicts_with = "context")]
    pub server: Option<String>,
    /// Context to use instead of the current one [env: LEPTON_CONTEXT]
    #[arg(long, global = true, value_name = "NAME")]
    pub context: Option<String>,
    /// File with the token [env: LEPTON_TOKEN_FILE, or the token itself in LEPTON_TOKEN]
    #[arg(long, global = true, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// PEM file with the authorities to trust instead of the machine's own [env: LEPTON_CA_FILE]
    #[arg(long, global = true, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// Allow the token to travel unencrypted [env: LEPTON_INSECURE=1]
    #[arg(long, global = true)]
    pub insecure: bool,
}

/// What `lepton dev` leaves beside its data for the commands that look for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DevFile {
    /// Address of the server, always of this machine.
    pub server: String,
    /// The process.
    pub pid: u32,
}

impl DevFile {
    /// Its name within the data folder.
    pub const NAME: &str = "dev.json";

    /// The nearest one: in `.lepton` of `folder` or of one above it.
    pub fn nearest(folder: &Path) -> Option<PathBuf> {
        folder.ancestors().map(|folder| folder.join(".lepton").join(Self::NAME)).find(|path| path.is_file())
    }

    fn load(path: &Path) -> Result<Self, Failure> {
        let file: Self = serde_json::from_str(&read(path)?)
            .map_err(|error| Failure::failed(format!("{} does not read: {error}", path.display())))?;
        // A file that lies about in a shared folder must not lead a token away.
        let host = file.server.strip_prefix("http://").and_then(|rest| rest.parse::<SocketAddr>().ok());
        if host.is_none_or(|address| !IpAddr::is_loopback(&address.ip())) {
            return Err(Failure::failed(format!(
                "{} names {:?}, which is not this machine",
                path.display(),
                file.server
            )));
        }
        Ok(file)
    }
}

/// Where this process runs: handed in, so that tests need not change the process.
pub(crate) struct Surroundings<'a> {
    pub env: &'a dyn Fn(&str) -> Option<String>,
    pub folder: PathBuf,
}

/// A server, who one is there, and the project one works in.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub config: ClientConfig,
    pub project: Option<Name>,
}

impl Target {
    /// Finds the server.
    pub fn find(reach: &Reach, around: &Surroundings<'_>) -> Result<Self, Failure> {
        let env = |name: &str| (around.env)(name).filter(|value| !value.is_empty());
        let mut target = Self::address(reach, around, &env)?;
        if let Some(path) = &reach.token_file {
            target.config.token = Some(read_token(path)?);
        } else if let Some(token) = env("LEPTON_TOKEN") {
            target.config.token = Some(token.trim().to_owned());
        } else if let Some(path) = env("LEPTON_TOKEN_FILE") {
            target.config.token = Some(read_token(Path::new(&path))?);
        }
        if let Some(path) = reach.ca_file.clone().or_else(|| env("LEPTON_CA_FILE").map(PathBuf::from)) {
            target.config.authorities = Some(read(&path)?.into_bytes());
        }
        target.config.insecure |= reach.insecure || env("LEPTON_INSECURE").is_some_and(|value| value == "1");
        if let Some(project) = env("LEPTON_PROJECT") {
            let project =
                project.parse().map_err(|problem| Failure::usage(format!("LEPTON_PROJECT: {problem}")))?;
            target.project = Some(project);
        }
        Ok(target)
    }

    fn address(
        reach: &Reach,
        around: &Surroundings<'_>,
        env: &impl Fn(&str) -> Option<String>,
    ) -> Result<Self, Failure> {
        let contexts = || match Contexts::path(env) {
            Some(path) => Contexts::load(&path),
            None => Ok(Contexts::default()),
        };
        if let Some(name) = &reach.context {
            return Self::of_context(&contexts()?, name);
        }
        if let Some(server) = &reach.server {
            return Ok(Self::bare(server.clone()));
        }
        if let Some(server) = env("LEPTON_SERVER") {
            return Ok(Self::bare(server));
        }
        let contexts = contexts()?;
        if let Some(name) = env("LEPTON_CONTEXT").or_else(|| contexts.current.clone()) {
            return Self::of_context(&contexts, &name);
        }
        if let Some(path) = DevFile::nearest(&around.folder) {
            return Self::of_dev(&path);
        }
        Err(Failure::usage("no server is known").hint(
            "start one here with `lepton dev`, name one with LEPTON_SERVER and LEPTON_TOKEN_FILE, or keep one with \
             `lepton context add`",
        ))
    }

    fn bare(server: String) -> Self {
        Self { config: ClientConfig { server, ..ClientConfig::default() }, project: None }
    }

    fn of_context(contexts: &Contexts, name: &str) -> Result<Self, Failure> {
        let context = contexts.named(name)?;
        let mut target = Self::bare(context.server.clone());
        target.config.token = match (&context.token_file, &context.token) {
            (Some(path), _) => Some(read_token(path)?),
            (None, token) => token.clone(),
        };
        target.config.authorities = context.ca_file.as_deref().map(read).transpose()?.map(String::into_bytes);
        target.config.insecure = context.insecure;
        target.project = context.project.clone();
        Ok(target)
    }

    fn of_dev(path: &Path) -> Result<Self, Failure> {
        let file = DevFile::load(path)?;
        if !Path::new("/proc").join(file.pid.to_string()).exists() {
            let message =
                format!("`lepton dev` is not running ({} is left from process {})", path.display(), file.pid);
            return Err(
                Failure::new(Exit::Unreachable, message).hint("start it again in its folder: lepton dev")
            );
        }
        let mut target = Self::bare(file.server);
        target.config.token = Some(read_token(&path.with_file_name("admin.token"))?);
        Ok(target)
    }

    /// A client of it.
    pub fn client(self) -> Result<Client, Failure> {
        Ok(Client::new(self.config)?)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    struct House(tempfile::TempDir);

    impl House {
        fn new() -> Self {
            let house = Self(tempfile::tempdir().unwrap());
            house.write("dev/.lepton/dev.json", r#"{"server": "http://127.0.0.1:7701", "pid": 1}"#);
            let gone = r#"{"server": "http://127.0.0.1:7701", "pid": 4294967295}"#;
            house.write("gone/.lepton/dev.json", gone);
            house.write("dev/.lepton/admin.token", "lpt_dev\n");
            house.write("dev/deep/er/x", "");
            house.write("evil/.lepton/dev.json", r#"{"server": "http://10.0.0.9:80", "pid": 1}"#);
            house.write("evil/.lepton/admin.token", "lpt_dev\n");
            house.write("token", "lpt_file\n");
            house.write(
                "config.toml",
                "current = 'prod'\n[contexts.prod]\nserver = 'https://prod'\ntoken = 'lpt_prod'\nproject = 'shop'\n\
                 [contexts.test]\nserver = 'https://test'\n",
            );
            house
        }

        fn write(&self, path: &str, text: &str) {
            let path = self.0.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }

        fn find(
            &self,
            folder: &str,
            reach: Reach,
            env: &[(&str, &str)],
        ) -> Result<(String, Option<String>), String> {
            let root = self.0.path().display().to_string();
            let env = |name: &str| {
                env.iter().find(|(key, _)| *key == name).map(|(_, value)| value.replace("ROOT", &root))
            };
            let around = Surroundings { env: &env, folder: self.0.path().join(folder) };
            let target = Target::find(&reach, &around).map_err(|failure| failure.text())?;
            Ok((target.config.server, target.config.token))
        }
    }

    #[test]
    fn the_nearest_mention_of_a_server_wins() {
        let house = House::new();
        let file = ("LEPTON_CONFIG", "ROOT/config.toml");
        let none = ("LEPTON_CONFIG", "ROOT/absent.toml");
        let found = |server: &str, token: Option<&str>| Ok((server.to_owned(), token.map(str::to_owned)));
        let check = |folder: &str, reach: Reach, env: &[(&str, &str)], expect| {
            assert_eq!(house.find(folder, reach, env), expect, "{folder} {env:?}");
        };
        let no = Reach::default;
        check("dev/deep/er", no(), &[none], found("http://127.0.0.1:7701", Some("lpt_dev")));
        check("dev", no(), &[file], found("https://prod", Some("lpt_prod")));
        check("dev", no(), &[file, ("LEPTON_CONTEXT", "test")], found("https://test", None));
        check("dev", no(), &[file, ("LEPTON_SERVER", "http://a")], found("http://a", None));
        check(
            "dev",
            no(),
            &[file, ("LEPTON_SERVER", "http://a"), ("LEPTON_TOKEN_FILE", "ROOT/token")],
            found("http://a", Some("lpt_file")),
        );
        check("dev", no(), &[file, ("LEPTON_TOKEN", "lpt_env")], found("https://prod", Some("lpt_env")));
        let server = Reach { server: Some("http://b".into()), ..no() };
        check("dev", server, &[file, ("LEPTON_SERVER", "http://a")], found("http://b", None));
        let context = Reach { context: Some("test".into()), ..no() };
        check("dev", context, &[file, ("LEPTON_SERVER", "http://a")], found("https://test", None));
        let absent = Reach { context: Some("nope".into()), ..no() };
        check("dev", absent, &[file], Err("there is no context \"nope\"".into()));
        check("deep", no(), &[none], Err("no server is known".into()));
        let gone = house.find("gone", no(), &[none]).unwrap_err();
        assert!(gone.starts_with("`lepton dev` is not running"), "{gone}");
        let refused = house.find("evil", no(), &[none]).unwrap_err();
        assert!(refused.ends_with("which is not this machine"), "{refused}");
    }
}
