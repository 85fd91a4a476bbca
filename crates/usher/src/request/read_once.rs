use std::{
    any::Any,
    fmt,
    sync::{Arc, OnceLock},
};

/// What the app of its route reads of a request, worked out by the first step that asks for it.
///
/// INVARIANT: what is kept follows from the head as the client sent it, its canonical path and its
/// route alone. Those stay what they are on the whole way, so that every step gets the same answer.
#[derive(Default)]
pub(super) struct ReadOnce(OnceLock<Arc<dyn Any + Send + Sync>>);

impl ReadOnce {
    /// What was read before, or else what `read` gives now.
    pub(super) fn get<T: Any + Send + Sync>(&self, read: impl Fn() -> T) -> Arc<T> {
        let kept = Arc::clone(self.0.get_or_init(|| Arc::new(read())));
        // Of another type where two apps had a route; each reads for itself then.
        kept.downcast().unwrap_or_else(|_| Arc::new(read()))
    }
}

/// It may hold a token.
impl fmt::Debug for ReadOnce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReadOnce(..)")
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::ReadOnce;

    #[test]
    fn what_is_asked_for_again_is_not_read_again() {
        let (once, times) = (ReadOnce::default(), Cell::new(0));
        let read = || {
            times.set(times.get() + 1);
            "a token".to_owned()
        };
        for _ in 0..3 {
            assert_eq!(*once.get(read), "a token");
        }
        assert_eq!((times.get(), &*format!("{once:?}")), (1, "ReadOnce(..)"));
        assert_eq!(*once.get(|| 7_u8), 7, "another app's is its own");
    }
}
