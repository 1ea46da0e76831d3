//! What a kernel, or the rights that there are, keep a source from knowing.

use std::sync::Arc;

/// One thing that is not known on a node, as a word of its greeting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Degraded {
    /// One that this version knows.
    Known(Lack),
    /// The word of a later version.
    Other(Arc<str>),
}

/// The things that may not be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lack {
    /// Owners of what was open at the start.
    OwnersAtStart,
    /// All that was open at the start.
    OpenAtStart,
    /// Accepts through `io_uring`.
    IoUring,
    /// Accepts that had begun before the start.
    AcceptsUnderWay,
    /// Connections that no process accepts.
    NeverAccepted,
    /// The kernel's clock.
    Clock,
    /// Which closings are those of the thread that lists files.
    Looker,
    /// Transitions of a process that was preempted inside a program.
    Preempted,
    /// Names of containers that exist in cgroup v1 only.
    ContainerV1,
}

impl Lack {
    /// All of them, with the word in JSON and on the header, and the sentence for a person.
    const ALL: [(Self, &str, &str); 9] = [
        (
            Self::OwnersAtStart,
            "owners-at-start",
            "owners of what was open at the start are not known",
        ),
        (
            Self::OpenAtStart,
            "open-at-start",
            "not all that was open at the start is listed; `sudo modprobe tcp_diag` may help",
        ),
        (
            Self::IoUring,
            "io-uring",
            "accepts through io_uring are not seen",
        ),
        (
            Self::AcceptsUnderWay,
            "accepts-under-way",
            "accepts that had begun before the start are not seen",
        ),
        (
            Self::NeverAccepted,
            "never-accepted",
            "connections that no process accepts are not reported while they wait",
        ),
        (
            Self::Clock,
            "clock",
            "times are off if this runs in a time namespace",
        ),
        (
            Self::Looker,
            "looker",
            "a connection that closes while open files are listed may be credited to tcpscope",
        ),
        (
            Self::Preempted,
            "preempted",
            "events of processes that are preempted may be missed, and are counted as drift",
        ),
        (
            Self::ContainerV1,
            "container-v1",
            "pods whose cgroups exist in v1 only have no names; boot the node with cgroup v2",
        ),
    ];

    fn row(self) -> (&'static str, &'static str) {
        let mut all = Self::ALL.into_iter();
        let row = all.find(|(lack, ..)| *lack == self);
        row.map_or(("", ""), |(_, word, sentence)| (word, sentence))
    }
}

impl Degraded {
    /// Of a word.
    #[must_use]
    pub fn of_word(word: &str) -> Self {
        let mut all = Lack::ALL.into_iter();
        let known = all.find(|(_, known, _)| *known == word);
        known.map_or_else(|| Self::Other(word.into()), |(lack, ..)| Self::Known(lack))
    }

    /// The word in JSON.
    #[must_use]
    pub fn word(&self) -> &str {
        match self {
            Self::Known(lack) => lack.row().0,
            Self::Other(word) => word,
        }
    }

    /// The sentence for a person, without its end; of a later version's the word.
    #[must_use]
    pub fn sentence(&self) -> &str {
        match self {
            Self::Known(lack) => lack.row().1,
            Self::Other(word) => word,
        }
    }
}

impl From<Lack> for Degraded {
    fn from(lack: Lack) -> Self {
        Self::Known(lack)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_a_word_of_its_own_and_a_sentence() {
        for (lack, word, sentence) in Lack::ALL {
            let degraded = Degraded::from(lack);
            assert_eq!(Degraded::of_word(word), degraded);
            assert_eq!((degraded.word(), degraded.sentence()), (word, sentence));
        }
        let later = Degraded::of_word("drops");
        assert_eq!((later.word(), later.sentence()), ("drops", "drops"));
    }
}
