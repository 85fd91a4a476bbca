/// Why a path is refused with 400: two readers could disagree about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// It does not begin with `/`.
    #[error("the path does not begin with `/`")]
    NotAbsolute,
    /// `%` without two hexadecimal digits behind it.
    #[error("the path holds an incomplete escape")]
    BadEscape,
    /// `%2F` or `%5C`: some upstreams read a separator, some do not.
    #[error("the path holds an escaped separator")]
    EscapedSeparator,
    /// A control character, escaped once or twice or not, or a raw byte outside visible ASCII.
    #[error("the path holds a control character or a raw byte outside ASCII")]
    Control,
    /// Octets that are no UTF-8, overlong forms of `/` and `.` among them (RFC 3629 §10).
    #[error("the path holds octets that are no UTF-8")]
    NotUtf8,
    /// `..;x`: servers that know path parameters read `..`, others a name (RFC 3986 §3.3).
    #[error("the path holds a dot segment with a parameter")]
    DotsWithParameter,
    /// `/;a=b/`: servers that know path parameters see no segment there, others do.
    #[error("the path holds a segment of nothing but parameters")]
    OnlyParameters,
    /// Who decodes twice, folds full-width forms or drops what Windows drops reads `.` or `..`.
    #[error("the path holds what some servers read as a dot segment")]
    HiddenDots,
    /// An escape of an escape, over and over: how often it is decoded decides what it says.
    #[error("the path holds an escape that was escaped too often")]
    EscapedWithoutEnd,
    /// `#`: a fragment never travels (RFC 9112 §3.2).
    #[error("the path holds `#`")]
    Fragment,
}
