//! The server: a process of its own, which ends when this one does, however that comes about.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use aethervec_server::Config;
use rustix::process::{Pid, Signal, getppid, kill_process, set_parent_process_death_signal};
use serde_json::Value;

use crate::protocol::Result;

/// A server that runs. Killed when dropped.
pub struct Target {
    process: Child,
    pub grpc: SocketAddr,
    pub http: SocketAddr,
}

impl Target {
    /// Starts one with the databases in `dir`; it listens when this returns.
    pub fn start(dir: &Path) -> Result<Target> {
        Target::start_with(dir, None)
    }

    /// As [`Target::start`]; tenants are closed when they were idle for so many seconds.
    pub fn start_with(dir: &Path, tenant_idle_s: Option<u64>) -> Result<Target> {
        let tenant_idle_s = tenant_idle_s.unwrap_or(Config::default().tenant_idle_s);
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("serve").arg(dir).arg(tenant_idle_s.to_string());
        Target::listening(command)
    }

    /// Starts one that does not search.
    pub fn start_floor() -> Result<Target> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("serve-floor");
        Target::listening(command)
    }

    /// Starts one by `command`, which is also told who does.
    fn listening(mut command: Command) -> Result<Target> {
        let mut process = command
            .arg(std::process::id().to_string())
            .stdout(Stdio::piped())
            .spawn()?;
        let out = process.stdout.take().ok_or("no standard output")?;
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line)?;
        let addresses: Value = serde_json::from_str(&line)?;
        let address = |name: &str| -> Result<SocketAddr> {
            Ok(addresses[name].as_str().ok_or("no address")?.parse()?)
        };
        Ok(Target {
            grpc: address("grpc")?,
            http: address("http")?,
            process,
        })
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.grpc)
    }

    /// Bytes of it that lie in memory.
    pub fn resident_bytes(&self) -> u64 {
        let path = format!("/proc/{}/statm", self.process.id());
        let statm = std::fs::read_to_string(path).unwrap_or_default();
        let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok());
        pages.unwrap_or(0_u64) * rustix::param::page_size() as u64
    }

    /// Seconds of CPU time that it has used.
    pub fn cpu_seconds(&self) -> f64 {
        let path = format!("/proc/{}/stat", self.process.id());
        let stat = std::fs::read_to_string(path).unwrap_or_default();
        let after_name = stat.rsplit(") ").next().unwrap_or_default();
        let mut fields = after_name.split(' ').skip(11);
        let mut ticks = || fields.next().and_then(|field| field.parse().ok());
        let sum: f64 = ticks().unwrap_or(0.0) + ticks().unwrap_or(0.0);
        sum / rustix::param::clock_ticks_per_second() as f64
    }

    /// kill -9.
    pub fn kill(mut self) -> Result<()> {
        self.process.kill()?;
        self.process.wait()?;
        Ok(())
    }

    /// Tells it to stop, and waits until it has closed everything.
    pub fn stop(mut self) -> Result<()> {
        let pid = Pid::from_child(&self.process);
        kill_process(pid, Signal::TERM)?;
        self.process.wait()?;
        Ok(())
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        // It has ended already where it was told to.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// `serverbench serve DIR IDLE_S PARENT`: a server with all settings as they are by default, but for its ports, its folder and
/// the seconds after which idle tenants are closed. It is killed when the process PARENT, which has started it, ends.
pub fn serve(arguments: &[String]) -> Result<()> {
    let [dir, tenant_idle_s, parent] = arguments else {
        return Err("serve DIR IDLE_S PARENT".into());
    };
    end_with(parent)?;
    let config = Config {
        data_dir: dir.into(),
        tenant_idle_s: tenant_idle_s.parse()?,
        http_port: Some(0),
        grpc_port: Some(0),
        qdrant_http_port: None,
        qdrant_grpc_port: None,
        metrics_port: None,
        log_filter: "warn".to_owned(),
        ..Config::default()
    };
    aethervec_server::run(config, |addresses| println!("{}", addresses.to_json()))?;
    Ok(())
}

/// Has this process killed when the process `parent`, which has started it, ends.
pub fn end_with(parent: &str) -> Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let is_orphan = getppid().is_none_or(|now| now.as_raw_nonzero().to_string() != parent);
    match is_orphan {
        true => Err("who has started this has ended".into()),
        false => Ok(()),
    }
}
