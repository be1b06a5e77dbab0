use super::{Cell, Outcome};
pub(crate) fn run(_cell: &Cell) -> Outcome { Outcome::default() }
