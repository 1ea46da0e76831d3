//! From rows to text: tables for people, spreadsheets and documents.

mod columns;
mod document;
mod sheet;
mod table;

pub use columns::{Align, COLUMNS, Column, cell, peer};
pub use document::{Document, Format, Of, Row};
pub use sheet::{Cell, Sheet};
pub use table::{Layout, Rows, Table, UnknownColumn};
