//! The thread that writes lines.

use super::Health;
use crate::error::{ApiError, ApiResult};
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;

/// The path that means standard output.
const STDOUT: &str = "-";

/// What the thread is asked for.
#[derive(Debug)]
pub(super) enum Message {
    Line(String),
    Reopen,
    End,
}

/// Where lines go.
#[derive(Clone, Debug)]
pub(super) enum Target {
    Stdout,
    File(PathBuf),
}

/// Writes lines; a line that cannot be written is counted, and the next one tries again.
#[derive(Debug)]
pub(super) struct Writer {
    target: Target,
    /// `None` after a failure.
    out: Option<Out>,
    health: Arc<Health>,
    /// Lines that were lost up to now, and told of.
    told_lost: u64,
}

#[derive(Debug)]
enum Out {
    Stdout(io::Stdout),
    File(BufWriter<File>),
}

impl Target {
    pub(super) fn of(path: &Path) -> Target {
        match path == Path::new(STDOUT) {
            true => Target::Stdout,
            false => Target::File(path.to_owned()),
        }
    }

    fn open(&self) -> io::Result<Out> {
        use std::os::unix::fs::OpenOptionsExt;
        match self {
            Target::Stdout => Ok(Out::Stdout(io::stdout())),
            Target::File(path) => {
                let mut options = OpenOptions::new();
                let file = options.create(true).append(true).mode(0o640).open(path)?;
                Ok(Out::File(BufWriter::new(file)))
            }
        }
    }
}

impl Writer {
    /// One whose file could be opened.
    ///
    /// # Errors
    /// [`Invalid`](crate::ApiErrorKind::Invalid) when it could not.
    pub(super) fn open(target: Target, health: Arc<Health>) -> ApiResult<Writer> {
        let out = target.open().map_err(|error| {
            let place = match &target {
                Target::Stdout => STDOUT.to_owned(),
                Target::File(path) => path.display().to_string(),
            };
            ApiError::invalid(format!("audit_log: {place}: {error}"))
        })?;
        Ok(Writer {
            target,
            out: Some(out),
            health,
            told_lost: 0,
        })
    }

    /// Writes until it is told to end.
    pub(super) fn run(mut self, messages: &Receiver<Message>) {
        while let Ok(first) = messages.recv() {
            let mut next = Some(first);
            let mut lines = 0;
            while let Some(message) = next {
                match message {
                    Message::Line(line) => {
                        self.line(&line);
                        lines += 1;
                    }
                    Message::Reopen => self.reopen(),
                    Message::End => return self.flush(lines),
                }
                next = messages.try_recv().ok();
            }
            // When nothing waits any more.
            self.flush(lines);
        }
    }

    fn line(&mut self, line: &str) {
        let written = self.prepare().and_then(|out| writeln!(out, "{line}"));
        if let Err(error) = written {
            self.failed(&error, 1);
        }
    }

    /// The open file; the first line in it after a gap says how many are missing.
    fn prepare(&mut self) -> io::Result<&mut Out> {
        if self.out.is_none() {
            self.out = Some(self.target.open()?);
        }
        let lost = self.health.lost.load(Ordering::Relaxed);
        let missing = lost - self.told_lost;
        let out = self.out.as_mut().expect("it was just opened");
        if missing > 0 {
            writeln!(out, "{{\"lost\":{missing}}}")?;
            out.flush()?;
            self.told_lost = lost;
        }
        Ok(out)
    }

    /// What is in the buffer was said to be written: if that fails, as many lines as may have been in it are lost.
    fn flush(&mut self, lines: u64) {
        let Some(out) = &mut self.out else { return };
        match out.flush() {
            Ok(()) => {
                if self.health.is_failing.swap(false, Ordering::Relaxed) {
                    tracing::info!("the audit log can be written again");
                }
            }
            Err(error) => self.failed(&error, lines),
        }
    }

    fn reopen(&mut self) {
        self.flush(0);
        match self.target.open() {
            Ok(out) => self.out = Some(out),
            Err(error) => self.failed(&error, 0),
        }
    }

    fn failed(&mut self, error: &io::Error, lines: u64) {
        if let Some(Out::File(file)) = self.out.take() {
            // What is in its buffer must not come later, in the middle of something else.
            drop(file.into_parts());
        }
        self.health.lost.fetch_add(lines, Ordering::Relaxed);
        // Said once, until it works again.
        if !self.health.is_failing.swap(true, Ordering::Relaxed) {
            tracing::error!(%error, "the audit log cannot be written: its lines are lost until that is mended");
        }
    }
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Out::Stdout(out) => out.write(bytes),
            Out::File(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Out::Stdout(out) => out.flush(),
            Out::File(file) => file.flush(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    fn write(target: Target, messages: Vec<Message>) -> Arc<Health> {
        let health = Arc::new(Health::default());
        let writer = Writer::open(target, Arc::clone(&health)).unwrap();
        let (queue, queued) = channel();
        for message in messages {
            queue.send(message).unwrap();
        }
        queue.send(Message::End).unwrap();
        writer.run(&queued);
        health
    }

    fn line(text: &str) -> Message {
        Message::Line(text.to_owned())
    }

    #[test]
    fn a_file_that_was_moved_away_is_made_again() {
        let folder = tempfile::tempdir().unwrap();
        let (path, moved) = (folder.path().join("audit"), folder.path().join("audit.1"));
        write(Target::File(path.clone()), vec![line("1"), line("2")]);
        std::fs::rename(&path, &moved).unwrap();
        let health = write(
            Target::File(path.clone()),
            vec![line("3"), Message::Reopen, line("4")],
        );
        assert_eq!(std::fs::read_to_string(moved).unwrap(), "1\n2\n");
        assert_eq!(std::fs::read_to_string(path).unwrap(), "3\n4\n");
        assert_eq!(health.lost.load(Ordering::Relaxed), 0);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn lines_that_find_no_room_are_counted() {
        let full = Target::File("/dev/full".into());
        let health = write(full, vec![line("1"), line("2"), line("3")]);
        assert_eq!(health.lost.load(Ordering::Relaxed), 3);
        assert!(health.is_failing.load(Ordering::Relaxed));
    }

    #[test]
    fn the_first_line_after_a_gap_says_how_many_are_missing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit");
        let health = Arc::new(Health::default());
        let target = Target::File(path.clone());
        let mut writer = Writer::open(target, Arc::clone(&health)).unwrap();
        writer.failed(&io::Error::other("on purpose"), 2);
        writer.line("3");
        writer.flush(1);
        assert_eq!(std::fs::read_to_string(path).unwrap(), "{\"lost\":2}\n3\n");
        assert!(!health.is_failing.load(Ordering::Relaxed));
    }

    #[test]
    fn a_folder_that_is_missing_is_said_at_the_start() {
        let health = Arc::new(Health::default());
        let target = Target::File("/nowhere/at/all".into());
        let error = Writer::open(target, health).unwrap_err();
        assert!(error.message.starts_with("audit_log: /nowhere"), "{error}");
    }
}
