//! What this machine lacks for the job, and how to mend it.
//!
//! `facts` reads the machine, and `table` judges it: pure, so that every verdict can be
//! tested on a machine that is not like that. What only a real attempt can tell (which hooks the
//! kernel lets us attach) is tried by [`Requirements::try_probes`].

mod facts;
mod table;

use self::facts::Facts;
use super::{Options, ProbeError, Probes};
use crate::model::{Degraded, HookKind};

/// The verdict of a check, with what was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// It is there.
    Ok(String),
    /// It works, with less to tell; what is less.
    Degraded(String),
    /// It is not there.
    Missing(String),
    /// It could not be looked at.
    Unknown(String),
    /// Nothing depends on it, but it may explain something.
    Note(String),
}

impl Status {
    /// One word for it.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Ok(_) => "ok",
            Self::Degraded(_) => "degraded",
            Self::Missing(_) => "missing",
            Self::Unknown(_) => "unknown",
            Self::Note(_) => "note",
        }
    }

    /// What was found.
    #[must_use]
    pub fn found(&self) -> &str {
        match self {
            Self::Ok(text)
            | Self::Degraded(text)
            | Self::Missing(text)
            | Self::Unknown(text)
            | Self::Note(text) => text,
        }
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What was looked at, in two or three words.
    pub name: &'static str,
    /// What it is needed for.
    pub needed_for: &'static str,
    /// Without it the main job, live events of this host, can't be done.
    pub required: bool,
    /// What was found.
    pub status: Status,
    /// The command or step that mends what is not well.
    pub mend: Option<&'static str>,
}

/// All that was looked at, in the order in which it should be mended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requirements {
    /// The checks.
    pub checks: Vec<Check>,
}

/// The sentence for a missing privilege.
#[must_use]
pub fn explain() -> String {
    "tcpscope needs root, or CAP_BPF and CAP_PERFMON, to load its probes: run `sudo tcpscope`, or \
     `tcpscope poll` which needs no privileges and sees less"
        .into()
}

/// Why there are no probes, for a person: what this machine lacks and the step that mends it,
/// where that can be told, and else what the kernel said.
#[must_use]
pub fn explain_failure(error: &ProbeError) -> String {
    because_of(error, &Requirements::inspect())
}

fn because_of(error: &ProbeError, found: &Requirements) -> String {
    // Without another hook, what else is optional is needed.
    let needs_tracefs = matches!(error, ProbeError::NoAcceptHook(_));
    let stops = |check: &&Check| check.required || needs_tracefs && check.name == table::TRACEFS;
    let lacks = |check: &&Check| matches!(check.status, Status::Missing(_));
    match found.checks.iter().filter(stops).find(lacks) {
        Some(check) if check.name != table::PRIVILEGES => {
            let mend = check.mend.unwrap_or(check.needed_for);
            let found = check.status.found();
            format!("cannot trace: {}: {found}; {mend}", check.name)
        }
        _ => error.to_string(),
    }
}

impl Requirements {
    /// Looks at this machine. Changes nothing and loads nothing.
    #[must_use]
    pub fn inspect() -> Self {
        let facts = Facts::read();
        let checks = table::judge(&facts);
        Self { checks }
    }

    /// Loads the probes with each hook for accepts in turn, unloads them again, and adds what came
    /// of it. Takes about a second; without privileges it would only repeat what is known.
    pub fn try_probes(&mut self) {
        if !self.main_job_possible() {
            return;
        }
        let tried = HookKind::ALL.map(|hook| {
            let options = Options {
                buffer: 1 << 16,
                accept_hook: Some(hook),
                max_sockets: 1024,
                ..Options::default()
            };
            (
                hook,
                Probes::attach(&options).map(|probes| optional(&probes)),
            )
        });
        // Those that the best hook comes with are those that will be there.
        let best = tried.iter().find_map(|(_, result)| result.as_ref().ok());
        let optional = best.cloned().unwrap_or_default();
        self.checks.extend(accept_hooks(&tried));
        self.checks.extend(optional);
    }

    /// Nothing that is required is missing.
    #[must_use]
    pub fn main_job_possible(&self) -> bool {
        let stops = |check: &Check| check.required && matches!(check.status, Status::Missing(_));
        !self.checks.iter().any(stops)
    }
}

/// What came of loading each program that the job can be done without.
fn optional(probes: &Probes) -> Vec<Check> {
    let way = Check {
        name: "open at the start",
        needed_for: "connections that are open already, with their owners",
        required: false,
        status: Status::Ok(probes.seeds_by().into()),
        mend: None,
    };
    let refused = probes.optional().filter_map(|(program, lack, why)| {
        let why = why?;
        let end = why.find("; `tcpscope check`").unwrap_or(why.len());
        let lack = Degraded::from(lack);
        Some(Check {
            name: program,
            needed_for: "what is not known without it",
            required: false,
            status: Status::Degraded(format!("{}: {}", lack.sentence(), &why[..end])),
            mend: Some("nothing else is missing; a kernel that takes the program knows that too"),
        })
    });
    let mut checks: Vec<_> = std::iter::once(way).chain(refused).collect();
    if let [_] = checks[..] {
        checks.push(Check {
            name: "optional programs",
            needed_for: "what the job can be done without",
            required: false,
            status: Status::Ok("all are loaded".into()),
            mend: None,
        });
    }
    checks
}

/// What came of trying each hook: one check for each, and one for whether any works.
fn accept_hooks<T>(tried: &[(HookKind, Result<T, ProbeError>)]) -> Vec<Check> {
    let best = tried.iter().find(|(_, result)| result.is_ok());
    let any = Check {
        name: "probes load",
        needed_for: "live events",
        required: true,
        status: match (best, tried.last()) {
            (Some((hook, _)), _) => Status::Ok(format!("accepts by {}", hook.word())),
            (None, Some((_, Err(error)))) => Status::Missing(why(error)),
            (None, _) => Status::Unknown("nothing was tried".into()),
        },
        mend: best
            .is_none()
            .then_some("run `tcpscope poll` instead, which sees less"),
    };
    let each = tried.iter().map(|(hook, result)| Check {
        name: match hook {
            HookKind::Fexit => "accept by fexit",
            HookKind::Kretprobe => "accept by kretprobe",
            HookKind::Syscall => "accept by syscall",
        },
        needed_for: match hook {
            HookKind::Fexit => "the cheapest way to see accepts; any of the three will do",
            HookKind::Kretprobe => "seeing accepts where fexit is refused",
            HookKind::Syscall => "seeing accepts where both others are refused",
        },
        required: false,
        status: match result {
            Ok(_) => Status::Ok("attached and detached again".into()),
            Err(error) => {
                Status::Missing(why(error).replacen(&format!("{}: ", hook.word()), "", 1))
            }
        },
        mend: None,
    });
    std::iter::once(any).chain(each).collect()
}

/// The error without the advice to run this very check, and without the verifier's pages.
fn why(error: &ProbeError) -> String {
    let text = match error {
        ProbeError::NoAcceptHook(why) => why.clone(),
        other => other.to_string(),
    };
    let end = [". Verifier output", "; `tcpscope check`", "\n"]
        .iter()
        .filter_map(|mark| text.find(mark))
        .min();
    text[..end.unwrap_or(text.len())].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_hook_for_accepts_is_enough() {
        let no = || Err(ProbeError::NoAcceptHook("refused".into()));
        let one = accept_hooks(&[
            (HookKind::Fexit, no()),
            (HookKind::Kretprobe, no()),
            (HookKind::Syscall, Ok(())),
        ]);
        assert_eq!(one[0].status, Status::Ok("accepts by syscall".into()));
        assert!(Requirements { checks: one }.main_job_possible());
        let none = accept_hooks(&[(HookKind::Fexit, no()), (HookKind::Syscall, no())]);
        assert!(!Requirements { checks: none }.main_job_possible());
    }

    #[test]
    fn a_failure_names_what_mends_it() {
        let refused = ProbeError::NoAcceptHook("no tracefs".into());
        let check = |name, required, mend| Check {
            name,
            needed_for: "the job",
            required,
            status: Status::Missing("not there".into()),
            mend: Some(mend),
        };
        let said = |checks: &[Check]| {
            let checks = checks.to_vec();
            because_of(&refused, &Requirements { checks })
        };
        let tracefs = check(table::TRACEFS, false, "mount it");
        let expected = "cannot trace: tracefs: not there; mount it";
        assert_eq!(said(std::slice::from_ref(&tracefs)), expected);
        let lockdown = check("lockdown", true, "boot without");
        let expected = "cannot trace: lockdown: not there; boot without";
        assert_eq!(said(&[lockdown, tracefs]), expected);
        // Its own sentence says how.
        let privileges = check(table::PRIVILEGES, true, "sudo");
        assert_eq!(said(&[privileges]), refused.to_string());
        assert_eq!(
            said(&[check("kprobes", false, "boot")]),
            refused.to_string()
        );
    }

    #[test]
    fn an_error_is_one_line() {
        let refused = "fexit: no. Verifier output: 0: R1=ctx()\n1: exit";
        assert_eq!(why(&ProbeError::NoAcceptHook(refused.into())), "fexit: no");
        assert_eq!(
            why(&ProbeError::Load("no map".into())),
            "cannot load the probes: no map"
        );
    }

    #[test]
    fn this_machine_can_be_inspected() {
        let requirements = Requirements::inspect();
        assert!(!requirements.checks.is_empty());
        for check in requirements.checks {
            assert!(!check.status.found().is_empty(), "{check:?}");
        }
    }
}
