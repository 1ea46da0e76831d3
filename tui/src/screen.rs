//! Where on the screen everything stands. Pure: from the size of the terminal.

use ratatui::layout::{Rect, Size};

use crate::action::Tab;

/// The narrowest terminal in which the columns that never go have their minima.
pub(crate) const MIN_WIDTH: u16 = 80;

/// The lowest terminal that shows a few rows beside the header.
pub(crate) const MIN_HEIGHT: u16 = 10;

const HEADER: u16 = 3;

/// What stands in the corner where there is room for it.
pub(crate) const PROGRAM: &str = "tcpscope";

/// A notice has at most that many lines.
const NOTICE: u16 = 3;

/// The panels, from top to bottom.
///
/// ```text
/// tcpscope  1 events  2 connections                    host1 live  6.12.9  accept by fexit
/// C 12.3k   25/s ▁▂▃▅  A  9.1k ...                                                  header
/// port:443                                             lost 0  1,234/12,345  FOLLOW
/// n2 lost: the agent does not answer                                               notice
/// TIME         T     PID COMM     SADDR           DADDR           DPORT REASON      titles
/// 15:04:05.123 C   16266 wget     172.17.0.3      188.114.97.3      443               rows
/// / port:443                                                                        prompt
/// / filter  P pause  t types  w wide  Tab view  ? help  q quit                      footer
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Panels {
    pub(crate) header: Rect,
    /// No lines where there is nothing to take note of.
    pub(crate) notice: Rect,
    pub(crate) titles: Rect,
    pub(crate) rows: Rect,
    /// No lines where no prompt is open.
    pub(crate) prompt: Rect,
    pub(crate) footer: Rect,
}

impl Panels {
    /// The panels of a terminal, or `None` if it is too small for them.
    ///
    /// `notice` is how many lines one would like to have for it; it gets a few at most.
    pub(crate) fn of(size: Size, notice: u16, prompt: bool) -> Option<Self> {
        if size.width < MIN_WIDTH || size.height < MIN_HEIGHT {
            return None;
        }
        let notice = notice.min(NOTICE);
        let prompt = u16::from(prompt);
        let rows = size.height - HEADER - notice - 1 - prompt - 1;
        let mut y = 0;
        let mut lines = |height| {
            let panel = Rect::new(0, y, size.width, height);
            y += height;
            panel
        };
        Some(Self {
            header: lines(HEADER),
            notice: lines(notice),
            titles: lines(1),
            rows: lines(rows),
            prompt: lines(prompt),
            footer: lines(1),
        })
    }
}

/// Cells in which the name of the program and all of the views have room beside the source.
const WIDE: u16 = 120;

/// Where the first line names the views: the first cell of each, and what stands there.
pub(crate) fn views(width: u16) -> impl Iterator<Item = (Tab, u16, String)> {
    let wide = width >= WIDE;
    let gap = if wide { 2 } else { 1 };
    let mut next = if wide { cells(PROGRAM) + gap } else { 0 };
    (1..).zip(Tab::ALL).map(move |(number, tab)| {
        let title = match tab {
            Tab::Connections if !wide => "conns",
            tab => tab.title(),
        };
        let label = format!("{number} {title}");
        let x = next;
        next += cells(&label) + gap;
        (tab, x, label)
    })
}

/// The view that is named at a cell of the first line.
pub(crate) fn view_at(width: u16, cell: u16) -> Option<Tab> {
    let mut views = views(width);
    let hit = views.find(|(_, x, label)| (*x..x + cells(label)).contains(&cell));
    hit.map(|(tab, ..)| tab)
}

/// The cells of words of our own.
fn cells(words: &str) -> u16 {
    u16::try_from(words.len()).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_panels_fill_the_screen_without_overlap() {
        for (notice, prompt) in [(0, false), (0, true), (2, true), (99, false)] {
            let panels = Panels::of(Size::new(80, 24), notice, prompt).unwrap();
            let all = [
                panels.header,
                panels.notice,
                panels.titles,
                panels.rows,
                panels.prompt,
                panels.footer,
            ];
            let mut y = 0;
            for panel in all {
                assert_eq!((panel.x, panel.y, panel.width), (0, y, 80));
                y += panel.height;
            }
            assert_eq!(y, 24);
        }
    }

    #[test]
    fn a_view_is_found_where_it_is_named() {
        assert_eq!(view_at(80, 0), Some(Tab::Events));
        assert_eq!(view_at(80, 7), Some(Tab::Events));
        assert_eq!(view_at(80, 8), None);
        assert_eq!(view_at(80, 9), Some(Tab::Connections));
        assert_eq!(view_at(80, 79), None);
        assert_eq!(view_at(200, 0), None);
        assert_eq!(view_at(200, 10), Some(Tab::Events));
    }

    #[test]
    fn too_small_is_too_small() {
        assert_eq!(Panels::of(Size::new(79, 24), 0, false), None);
        assert_eq!(Panels::of(Size::new(80, 9), 0, false), None);
        assert!(Panels::of(Size::new(80, 10), 99, true).is_some_and(|p| p.rows.height > 0));
    }
}
