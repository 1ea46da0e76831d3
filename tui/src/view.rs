//! What of the model is on the screen: which rows, which of them is selected. Pure.

mod connections;
mod index;
mod marks;
mod window;

pub(crate) use connections::ConnectionIndex;
pub(crate) use index::EventIndex;
pub(crate) use marks::{MOST as MOST_MARKS, Marks};
pub(crate) use window::{Home, Motion, Rows, Visible, Window};
