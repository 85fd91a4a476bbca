use usher_rules::plan::{Level, LogSelection};

/// Is this optional field on the line? All are where none was chosen.
pub(super) fn selected(selection: Option<&Vec<Box<str>>>, field: &str) -> bool {
    selection.is_none_or(|fields| fields.iter().any(|known| **known == *field))
}

/// Is an event of this level written?
pub(super) fn wanted(log: &LogSelection, level: Level) -> bool {
    level >= log.level
}
