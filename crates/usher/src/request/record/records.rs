use usher_rules::{policy::Verdict, time::Now};

use super::{
    Access, Decided, Format,
    end::End,
    happening::{self, Happening},
};

/// What happened: what each [`Sink`](super::sink::Sink) takes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Record<'a> {
    /// A request was answered.
    Access(&'a Access, End),
    /// A request was decided.
    Decision(&'a Decided<'a>),
    /// Something beside requests.
    Event(&'a Happening),
}

impl Record<'_> {
    pub(super) const fn at(&self) -> Now {
        match self {
            Self::Access(access, _) => access.at,
            Self::Decision(decided) => decided.at,
            Self::Event(event) => event.at,
        }
    }

    /// On a terminal the access line says it all; a refusal is worth a line of its own, and so is a
    /// shadow policy that disagrees.
    pub(super) fn has_line(&self, format: Format) -> bool {
        match (self, format) {
            (Self::Decision(decided), Format::Text) => {
                decided.by.verdict() == Verdict::Deny || decided.by.disagreement().is_some()
            }
            (Self::Decision(decided), Format::Kept) => decided.is_kept(),
            (Self::Access(..) | Self::Event(_), Format::Kept) => false,
            (Self::Decision(_), Format::Json) | (Self::Access(..) | Self::Event(_), _) => true,
        }
    }

    /// Writes it as one line.
    pub(super) fn write(&self, format: Format, out: &mut Vec<u8>) {
        match (self, format) {
            (Self::Access(access, end), Format::Json | Format::Kept) => access.json(out, *end),
            (Self::Access(access, end), Format::Text) => access.text(out, *end),
            (Self::Decision(decided), Format::Json) => decided.json(out),
            (Self::Decision(decided), Format::Text) => decided.text(out),
            (Self::Decision(decided), Format::Kept) => decided.keep(out),
            (Self::Event(event), format) => {
                happening::line(format, out, (event.level, event.name, event.at), &event.fields);
            }
        }
    }
}
