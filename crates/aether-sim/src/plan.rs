//! Which I/O goes wrong, and how: the decisions, made under one lock; nothing is carried out here.

use std::io;

/// A kind of I/O.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Io {
    /// `Storage::create`.
    Create,
    /// `WritableFile::append`.
    Append,
    /// `LogFile::reserve`, when it takes space.
    Reserve,
    /// `LogFile::write_at`.
    Write,
    /// `LogFile::rename`.
    Rename,
    /// `LogFile::finish`.
    Finish,
    /// `WritableFile::sync` and `FileSync::sync`.
    Sync,
    /// `Storage::put_if_absent`.
    Put,
    /// `Storage::delete`.
    Delete,
    /// `Storage::sync_names`.
    SyncNames,
    /// `Storage::open`.
    Open,
    /// `RandomFile::read_at` (also by `Storage::read_batch`, once per range) and `map_private`.
    Read,
    /// `Storage::list`.
    List,
}

impl Io {
    /// The kinds that change something; [`SimStorage::io_count`](crate::SimStorage::io_count) counts these.
    pub const MUTATING: &[Io] = &[
        Io::Create,
        Io::Append,
        Io::Reserve,
        Io::Write,
        Io::Rename,
        Io::Finish,
        Io::Sync,
        Io::Put,
        Io::Delete,
        Io::SyncNames,
    ];

    /// The kinds that only look.
    pub const READING: &[Io] = &[Io::Open, Io::Read, Io::List];

    /// Whether it changes something.
    pub fn mutates(self) -> bool {
        Io::MUTATING.contains(&self)
    }
}

/// I/O errors to come.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// The kinds that it hits; only these are counted.
    pub on: &'static [Io],
    /// So many of them still succeed.
    pub after: u64,
    /// All that follow fail too, not only the first.
    pub sticky: bool,
}

/// How one I/O is to go.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// As usual.
    Succeed,
    /// It fails and does nothing.
    Refuse(io::Error),
    /// It fails, and was carried out by this share, from 0 to 1 (for what is atomic: wholly if above a half).
    Partly(f64, io::Error),
    /// It fails after so many bytes, for want of space.
    Fill(usize, io::Error),
}

/// The plan and where it stands.
#[derive(Debug)]
pub(crate) struct Plan {
    random: fastrand::Rng,
    trace: Vec<(Io, String)>,
    power_cut: Option<u64>,
    off: bool,
    faults: Vec<Fault>,
    space: Option<u64>,
}

impl Plan {
    pub(crate) fn new(seed: u64) -> Plan {
        Plan {
            random: fastrand::Rng::with_seed(seed),
            trace: Vec::new(),
            power_cut: None,
            off: false,
            faults: Vec::new(),
            space: None,
        }
    }

    /// Counts the I/O and decides. `bytes`: how many it would write.
    pub(crate) fn decide(&mut self, io: Io, name: &str, bytes: usize) -> Verdict {
        if let Err(error) = self.check_power() {
            return Verdict::Refuse(error);
        }
        if io.mutates() {
            let number = self.io_count();
            self.trace.push((io, name.to_owned()));
            if self.power_cut == Some(number) {
                self.off = true;
                return Verdict::Partly(self.random.f64(), power_is_off());
            }
        }
        if self.hit_by_fault(io) {
            let error = io::Error::other(format!("simulated I/O error of {io:?} on {name:?}"));
            return Verdict::Partly(self.random.f64(), error);
        }
        self.take_space(io, name, bytes)
    }

    pub(crate) fn check_power(&self) -> io::Result<()> {
        if self.off {
            Err(power_is_off())
        } else {
            Ok(())
        }
    }

    pub(crate) fn io_count(&self) -> u64 {
        self.trace.len() as u64
    }

    pub(crate) fn trace(&self) -> &[(Io, String)] {
        &self.trace
    }

    pub(crate) fn is_off(&self) -> bool {
        self.off
    }

    pub(crate) fn cut_power_at(&mut self, number: u64) {
        self.power_cut = Some(number);
    }

    pub(crate) fn add_fault(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    pub(crate) fn clear_faults(&mut self) {
        self.faults.clear();
    }

    pub(crate) fn set_space(&mut self, bytes: Option<u64>) {
        self.space = bytes;
    }

    fn hit_by_fault(&mut self, io: Io) -> bool {
        let mut hit = false;
        self.faults.retain_mut(|fault| {
            if !fault.on.contains(&io) {
                return true;
            }
            if fault.after > 0 {
                fault.after -= 1;
                return true;
            }
            hit = true;
            fault.sticky
        });
        hit
    }

    fn take_space(&mut self, io: Io, name: &str, bytes: usize) -> Verdict {
        let Some(space) = &mut self.space else {
            return Verdict::Succeed;
        };
        let needs_space = matches!(io, Io::Create | Io::Append | Io::Reserve | Io::Put);
        let error = || {
            io::Error::new(
                io::ErrorKind::StorageFull,
                format!("no space left for {name:?}"),
            )
        };
        match space.checked_sub(bytes as u64) {
            _ if !needs_space => Verdict::Succeed,
            Some(left) if *space > 0 => {
                *space = left;
                Verdict::Succeed
            }
            _ if io == Io::Append => {
                let fits = usize::try_from(std::mem::take(space))
                    .unwrap_or(usize::MAX)
                    .min(bytes);
                Verdict::Fill(fits, error())
            }
            _ => Verdict::Refuse(error()),
        }
    }
}

fn power_is_off() -> io::Error {
    io::Error::other("simulated power cut")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn succeeds(verdict: &Verdict) -> bool {
        matches!(verdict, Verdict::Succeed)
    }

    #[test]
    fn a_fault_counts_its_own_kinds() {
        let mut plan = Plan::new(0);
        plan.add_fault(Fault {
            on: &[Io::Sync],
            after: 1,
            sticky: false,
        });
        let kinds = [Io::Append, Io::Sync, Io::Append, Io::Sync, Io::Sync];
        let went: Vec<bool> = kinds
            .iter()
            .map(|&io| succeeds(&plan.decide(io, "f", 1)))
            .collect();
        assert_eq!(went, [true, true, true, false, true]);
        plan.add_fault(Fault {
            on: Io::READING,
            after: 0,
            sticky: true,
        });
        assert!(
            !succeeds(&plan.decide(Io::Read, "f", 0)) && !succeeds(&plan.decide(Io::Open, "f", 0))
        );
        plan.clear_faults();
        assert!(succeeds(&plan.decide(Io::Read, "f", 0)));
    }

    #[test]
    fn nothing_works_without_power() {
        let mut plan = Plan::new(0);
        plan.cut_power_at(1);
        assert!(succeeds(&plan.decide(Io::Append, "f", 1)));
        assert!(
            succeeds(&plan.decide(Io::Read, "f", 1)),
            "reads do not count"
        );
        assert!(matches!(plan.decide(Io::Sync, "f", 0), Verdict::Partly(..)));
        assert!(matches!(plan.decide(Io::Read, "f", 0), Verdict::Refuse(_)));
        assert_eq!(
            plan.trace(),
            [(Io::Append, "f".into()), (Io::Sync, "f".into())]
        );
    }

    #[test]
    fn space_runs_out_and_comes_back() {
        let mut plan = Plan::new(0);
        plan.set_space(Some(10));
        assert!(succeeds(&plan.decide(Io::Append, "f", 4)));
        assert!(matches!(plan.decide(Io::Put, "g", 7), Verdict::Refuse(_)));
        assert!(matches!(
            plan.decide(Io::Append, "f", 7),
            Verdict::Fill(6, _)
        ));
        assert!(matches!(
            plan.decide(Io::Create, "h", 0),
            Verdict::Refuse(_)
        ));
        assert!(succeeds(&plan.decide(Io::Delete, "f", 0)));
        plan.set_space(None);
        assert!(succeeds(&plan.decide(Io::Create, "h", 0)));
    }
}
