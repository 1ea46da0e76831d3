//! What of the model is on the screen: which rows, in which order, which of them is selected. Pure.

mod connections;
mod index;
mod list;
mod marks;
mod radix;
mod rank;
mod sorted;
mod window;

pub(crate) use connections::{ConnectionIndex, Judge};
pub(crate) use index::EventIndex;
pub(crate) use list::ListIndex;
pub(crate) use marks::{MOST as MOST_MARKS, Marks};
pub(crate) use rank::Value;
pub(crate) use window::{Home, Motion, Rows, Visible, Window};
