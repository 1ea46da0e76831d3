//! What was typed at a prompt before. Pure.

/// Lines that are kept.
const MOST: usize = 200;

/// Lines, the newest last, and where somebody is in them.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    lines: Vec<String>,
    /// The line that is shown, and what was typed before it was.
    at: Option<(usize, String)>,
}

impl History {
    /// A history that begins with these lines.
    pub(crate) fn new(lines: impl IntoIterator<Item = String>) -> Self {
        let mut history = Self::default();
        for line in lines {
            history.add(&line);
        }
        history
    }

    /// Remembers a line; one that is known already moves to the end.
    pub(crate) fn add(&mut self, line: &str) {
        self.at = None;
        if line.trim().is_empty() || line.contains('\n') {
            return;
        }
        self.lines.retain(|known| known != line);
        self.lines.push(line.to_owned());
        if self.lines.len() > MOST {
            self.lines.remove(0);
        }
    }

    /// The line before the one that is shown, `typed` being what is at the prompt.
    pub(crate) fn older(&mut self, typed: &str) -> Option<&str> {
        let (at, typed) = match self.at.take() {
            Some((at, typed)) => (at.saturating_sub(1), typed),
            None => (self.lines.len().checked_sub(1)?, typed.to_owned()),
        };
        self.at = Some((at, typed));
        self.lines.get(at).map(String::as_str)
    }

    /// The line after the one that is shown; after the last one, what was typed.
    pub(crate) fn newer(&mut self) -> Option<String> {
        let (at, typed) = self.at.take()?;
        match self.lines.get(at + 1) {
            Some(line) => {
                self.at = Some((at + 1, typed));
                Some(line.clone())
            }
            None => Some(typed),
        }
    }

    /// What is at the prompt is no longer a line of the history.
    pub(crate) fn leave(&mut self) {
        self.at = None;
    }

    /// All lines, the newest last.
    pub(crate) fn lines(&self) -> &[String] {
        &self.lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_back_and_forth_and_ends_at_what_was_typed() {
        let mut history = History::new(["a", "b", " ", "a"].map(str::to_owned));
        assert_eq!(history.lines(), ["b", "a"]);
        assert_eq!(history.newer(), None);
        assert_eq!(history.older("ty"), Some("a"));
        assert_eq!(history.older("a"), Some("b"));
        assert_eq!(history.older("b"), Some("b"));
        assert_eq!(history.newer().as_deref(), Some("a"));
        assert_eq!(history.newer().as_deref(), Some("ty"));
        assert_eq!(history.newer(), None);
    }

    #[test]
    fn it_is_bounded() {
        let history = History::new((0..MOST + 5).map(|n| n.to_string()));
        assert_eq!(history.lines().len(), MOST);
        assert_eq!(history.lines()[0], "5");
    }
}
