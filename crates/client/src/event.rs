//! Events for those who watch, with the feature `tracing`; nothing without it.

/// `event!(warn, "text", field = value)`
macro_rules! event {
    ($level:ident, $text:literal $(, $field:ident = $value:expr)* $(,)?) => {{
        #[cfg(feature = "tracing")]
        tracing::$level!($($field = %$value,)* $text);
        #[cfg(not(feature = "tracing"))]
        { $(let _ = &$value;)* }
    }};
}
