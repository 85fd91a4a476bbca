//! What the contenders are asked to do.

/// What is asked for, and over which HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// 1 KiB of JSON, HTTP/1.1, 64 connections.
    Small1,
    /// 1 KiB of JSON, HTTP/2, 10 connections of 32 streams.
    Small2,
    /// A full TLS handshake and one small request, 32 at once.
    Handshake,
    /// Eight films of 256 MiB, HTTP/1.1.
    Film1,
    /// Eight films of 256 MiB, HTTP/2.
    Film2,
    /// Eight requests that send such a film, HTTP/1.1.
    Upload1,
    /// Eight requests that send such a film, HTTP/2.
    Upload2,
}

impl Scenario {
    /// In the order in which they are run.
    pub const ALL: [Self; 7] = [
        Self::Small1,
        Self::Small2,
        Self::Handshake,
        Self::Film1,
        Self::Film2,
        Self::Upload1,
        Self::Upload2,
    ];

    /// As it is asked for with `--tests`, and as the results name it.
    pub const fn slug(self) -> &'static str {
        match self {
            Self::Small1 => "small-h1",
            Self::Small2 => "small-h2",
            Self::Handshake => "handshake",
            Self::Film1 => "film-h1",
            Self::Film2 => "film-h2",
            Self::Upload1 => "upload-h1",
            Self::Upload2 => "upload-h2",
        }
    }

    /// Is it about requests, and not about what they carry?
    pub const fn is_small(self) -> bool {
        matches!(self, Self::Small1 | Self::Small2)
    }

    /// Is it about what clients send?
    pub const fn is_upload(self) -> bool {
        matches!(self, Self::Upload1 | Self::Upload2)
    }

    /// For the tables.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Small1 => "small requests, HTTP/1.1",
            Self::Small2 => "small requests, HTTP/2",
            Self::Handshake => "full handshakes with one request",
            Self::Film1 => "films, HTTP/1.1",
            Self::Film2 => "films, HTTP/2",
            Self::Upload1 => "uploads, HTTP/1.1",
            Self::Upload2 => "uploads, HTTP/2",
        }
    }

    /// What a cost is in.
    pub const fn unit(self) -> &'static str {
        match self {
            Self::Small1 | Self::Small2 => "CPU µs per request",
            Self::Handshake => "CPU µs per handshake",
            Self::Film1 | Self::Film2 | Self::Upload1 | Self::Upload2 => "CPU s per GiB",
        }
    }

    /// Seconds per unit of work, in the unit of the tables.
    pub fn scaled(self, seconds: f64) -> f64 {
        match self {
            Self::Small1 | Self::Small2 | Self::Handshake => seconds * 1e6,
            Self::Film1 | Self::Film2 | Self::Upload1 | Self::Upload2 => seconds,
        }
    }
}
