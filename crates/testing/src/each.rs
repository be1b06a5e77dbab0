//! From one function a test on each server.

/// Makes each named function `fn(Kind)` a test on each of the four servers, named `file::function::redis_7_0`
/// and so on. A function that no list names is dead code, which the lint reports: none is forgotten.
#[macro_export]
macro_rules! on_every_server {
    ($($test:ident),+ $(,)?) => { $(
        mod $test {
            #[test]
            fn redis_7_0() {
                super::$test($crate::Kind::Redis70);
            }

            #[test]
            fn redis_8_2() {
                super::$test($crate::Kind::Redis82);
            }

            #[test]
            fn valkey_8_1() {
                super::$test($crate::Kind::Valkey81);
            }

            #[test]
            fn valkey_9_1() {
                super::$test($crate::Kind::Valkey91);
            }
        }
    )+ };
}

/// Makes each named `async fn(Kind)` a tokio test on the newest Redis and the newest Valkey.
#[macro_export]
macro_rules! on_both_servers {
    ($($test:ident),+ $(,)?) => { $(
        mod $test {
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn redis_8_2() {
                super::$test($crate::Kind::Redis82).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn valkey_9_1() {
                super::$test($crate::Kind::Valkey91).await;
            }
        }
    )+ };
}

/// The arguments of a command as bytes, for what no line of text can hold: `args!["SET", key_bytes, 12]`.
#[macro_export]
macro_rules! args {
    ($($arg:expr),* $(,)?) => { [$($crate::Arg::to_arg(&$arg)),*] };
}
