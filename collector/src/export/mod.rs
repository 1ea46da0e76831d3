//! From rows to text: tables for people, spreadsheets and documents.

mod columns;
mod table;

pub use columns::{Align, COLUMNS, Column, cell};
pub use table::{Layout, Rows, Table, UnknownColumn};
