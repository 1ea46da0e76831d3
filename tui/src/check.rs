//! `tcpscope check`: what this host allows, what is missing, and how to mend it.
//!
//! ```text
//! CHECK                STATUS    FOUND
//! privileges           ok        CAP_SYS_ADMIN
//! kernel BTF           missing   /sys/kernel/btf/vmlinux is not there
//!                                for   finding the fields of this kernel's structures
//!                                mend  boot a kernel with CONFIG_DEBUG_INFO_BTF=y
//! ```

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;

use collector::probe::requirements::{self, Check, Requirements, Status};

/// Prints the table; 0 if the main job, live events of this host, can be done, else 1.
///
/// # Errors
/// If stdout can't be written to.
pub(crate) fn run() -> anyhow::Result<ExitCode> {
    let mut requirements = Requirements::inspect();
    requirements.try_probes();
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(table(&requirements).as_bytes())?;
    stdout.flush()?;
    Ok(if requirements.main_job_possible() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The widths of the first two columns, and where the third begins.
const NAME: usize = 21;
const STATUS: usize = 10;
const FOUND: usize = NAME + STATUS;

fn table(requirements: &Requirements) -> String {
    let mut text = format!("{:NAME$}{:STATUS$}FOUND\n", "CHECK", "STATUS");
    for check in &requirements.checks {
        row(&mut text, check);
    }
    text.push('\n');
    text.push_str(&verdict(requirements));
    text.push('\n');
    text
}

/// Writing to a string cannot fail, so the results are dropped.
fn row(text: &mut String, check: &Check) {
    let (word, found) = (check.status.word(), check.status.found());
    let _ = writeln!(text, "{:NAME$}{word:STATUS$}{found}", check.name);
    if !matches!(check.status, Status::Ok(_) | Status::Note(_)) {
        let _ = writeln!(text, "{:FOUND$}for   {}", "", check.needed_for);
    }
    if let Some(mend) = check.mend {
        let _ = writeln!(text, "{:FOUND$}mend  {mend}", "");
    }
}

fn verdict(requirements: &Requirements) -> String {
    let missing = |check: &&Check| check.required && matches!(check.status, Status::Missing(_));
    let missing: Vec<_> = requirements.checks.iter().filter(missing).collect();
    match missing.as_slice() {
        [] => "tcpscope can watch this host.".into(),
        [first, ..] if first.name == "privileges" => format!("{}.", requirements::explain()),
        several => {
            let names: Vec<_> = several.iter().map(|check| check.name).collect();
            format!(
                "tcpscope cannot watch this host, for want of: {}. `tcpscope poll` sees less, and \
                 needs none of it.",
                names.join(", ")
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &'static str, status: Status, mend: Option<&'static str>) -> Check {
        Check {
            name,
            needed_for: "the work",
            required: true,
            status,
            mend,
        }
    }

    #[test]
    fn what_is_missing_says_what_for_and_how_to_mend_it() {
        let requirements = Requirements {
            checks: vec![
                check("kernel", Status::Ok("6.12".into()), None),
                check(
                    "kernel BTF",
                    Status::Missing("not there".into()),
                    Some("add it"),
                ),
            ],
        };
        let expected = "\
CHECK                STATUS    FOUND
kernel               ok        6.12
kernel BTF           missing   not there
                               for   the work
                               mend  add it

tcpscope cannot watch this host, for want of: kernel BTF. `tcpscope poll` sees less, and needs \
none of it.
";
        assert_eq!(table(&requirements), expected);
    }

    #[test]
    fn a_missing_privilege_has_its_own_sentence() {
        let requirements = Requirements {
            checks: vec![check("privileges", Status::Missing("none".into()), None)],
        };
        assert!(table(&requirements).contains("run `sudo tcpscope`"));
    }
}
