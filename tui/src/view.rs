//! What of the model is on the screen: which rows, which of them is selected. Pure.

mod connections;
mod index;
mod window;

pub(crate) use connections::ConnectionIndex;
pub(crate) use index::EventIndex;
pub(crate) use window::{Home, Motion, Rows, Visible, Window};
