//! Text with `*` in it.

/// A pattern: literal parts with any text between them.
///
/// `a*b` has the parts `a` and `b`; without a `*` there is one part, which is the whole text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Glob {
    parts: Vec<String>,
}

/// How a pattern is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Case {
    /// Letter by letter.
    Counts,
    /// The pattern is in lower case; ASCII letters of the text may be in either.
    Ignored,
}

impl Case {
    fn same(self, pattern: &[u8], text: &[u8]) -> bool {
        match self {
            Self::Counts => pattern == text,
            Self::Ignored => pattern.eq_ignore_ascii_case(text),
        }
    }

    /// Where the first `part` in `text` ends.
    fn find(self, part: &[u8], text: &[u8]) -> Option<usize> {
        if part.is_empty() {
            return Some(0);
        }
        let first = part[0];
        let starts = text.len().checked_sub(part.len())?;
        (0..=starts)
            .find(|at| {
                (text[*at] == first
                    || self == Self::Ignored && text[*at].eq_ignore_ascii_case(&first))
                    && self.same(part, &text[*at..*at + part.len()])
            })
            .map(|at| at + part.len())
    }
}

impl Glob {
    /// A pattern that is just this text.
    pub(super) fn literal(text: &str) -> Self {
        Self {
            parts: vec![text.to_owned()],
        }
    }

    /// From nothing, to be extended.
    pub(super) fn new() -> Self {
        Self::literal("")
    }

    /// Adds a literal character.
    pub(super) fn push(&mut self, c: char) {
        if let Some(last) = self.parts.last_mut() {
            last.push(c);
        }
    }

    /// Adds a `*`, unless the pattern ends with one.
    pub(super) fn star(&mut self) {
        if self.parts.len() == 1 || self.parts.last().is_some_and(|last| !last.is_empty()) {
            self.parts.push(String::new());
        }
    }

    /// The text, if there is no `*` in it.
    pub(super) fn as_literal(&self) -> Option<&str> {
        match &self.parts[..] {
            [only] => Some(only),
            _ => None,
        }
    }

    /// The literal parts, between which stands a `*`.
    pub(super) fn parts(&self) -> &[String] {
        &self.parts
    }

    /// The same in lower case, for [`Case::Ignored`].
    pub(super) fn lower(mut self) -> Self {
        for part in &mut self.parts {
            part.make_ascii_lowercase();
        }
        self
    }

    /// Whether it is the whole of `text`.
    pub(super) fn is(&self, text: &str, case: Case) -> bool {
        let text = text.as_bytes();
        let [first, rest @ ..] = &self.parts[..] else {
            return false;
        };
        let Some((last, middle)) = rest.split_last() else {
            return case.same(first.as_bytes(), text);
        };
        let (first, last) = (first.as_bytes(), last.as_bytes());
        if text.len() < first.len() + last.len() {
            return false;
        }
        let (head, tail) = text.split_at(first.len());
        let (body, tail) = tail.split_at(tail.len() - last.len());
        case.same(first, head) && case.same(last, tail) && sequence(middle, body, case)
    }

    /// Whether it is in `text`.
    pub(super) fn is_in(&self, text: &str, case: Case) -> bool {
        sequence(&self.parts, text.as_bytes(), case)
    }
}

/// Whether the parts come one after the other; the leftmost place for each leaves most to the next.
fn sequence(parts: &[String], mut text: &[u8], case: Case) -> bool {
    parts
        .iter()
        .all(|part| match case.find(part.as_bytes(), text) {
            Some(end) => {
                text = &text[end..];
                true
            }
            None => false,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn glob(text: &str) -> Glob {
        let mut glob = Glob::new();
        for c in text.chars() {
            match c {
                '*' => glob.star(),
                c => glob.push(c),
            }
        }
        glob
    }

    #[test]
    fn the_whole_text_is_meant() {
        for (pattern, text, is) in [
            ("cart", "cart", true),
            ("cart", "cart-1", false),
            ("cart-*", "cart-1", true),
            ("cart-*", "cart", false),
            ("*-1", "cart-1", true),
            ("*", "", true),
            ("**", "x", true),
            ("a*a", "a", false),
            ("a*a", "aa", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("", "", true),
            ("", "x", false),
            ("C*", "c", false),
        ] {
            assert_eq!(glob(pattern).is(text, Case::Counts), is, "{pattern} {text}");
        }
        assert!(glob("c").is("C", Case::Ignored));
    }

    #[test]
    fn a_part_of_the_text_is_meant() {
        assert!(glob("url").is_in("Curl", Case::Ignored));
        assert!(glob("cu*l").is_in("xx CURL xx", Case::Ignored));
        assert!(!glob("cu*z").is_in("curl", Case::Ignored));
        assert!(glob("").is_in("", Case::Ignored));
        assert!(!glob("ab").is_in("a", Case::Ignored));
    }
}
