//! What a response says about the limits: `RateLimit`, `RateLimit-Policy` and `Retry-After`.
//!
//! The first two are structured fields (RFC 9651) as in draft-ietf-httpapi-ratelimit-headers-10 and -11:
//! `RateLimit-Policy: "default";q=100;w=60` and `RateLimit: "default";r=50;t=30`.

use std::borrow::Cow;
use std::fmt::Write;

use http::header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use sluice_client::{Decision, Limit, LimitKind, Limits};

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// The largest Integer of a structured field.
const LARGEST: u64 = 999_999_999_999_999;

/// What the limits of a layer are called, in their order.
#[derive(Debug, Clone)]
pub(crate) struct Policies(Vec<String>);

impl Default for Policies {
    fn default() -> Self {
        Self(vec!["default".to_owned()])
    }
}

impl Policies {
    /// A String of a structured field, and of JSON, holds printable ASCII; what else is in a name, and
    /// what would have to be escaped, becomes `_`.
    pub(crate) fn named(names: impl IntoIterator<Item: Into<String>>) -> Self {
        let plain = |c: char| if (' '..='~').contains(&c) && c != '"' && c != '\\' { c } else { '_' };
        let names: Vec<String> =
            names.into_iter().map(|name| name.into().chars().map(plain).collect()).collect();
        if names.is_empty() { Self::default() } else { Self(names) }
    }

    /// The name of the limit at `index`; those beyond the names are called after the first, by number.
    pub(crate) fn name(&self, index: usize) -> Cow<'_, str> {
        match (self.0.get(index), self.0.first()) {
            (Some(name), _) => Cow::Borrowed(name),
            (None, Some(first)) => Cow::Owned(format!("{first}-{}", index + 1)),
            (None, None) => Cow::Borrowed(""),
        }
    }
}

/// Adds what is known about a decided call. Nothing if nobody decided.
pub(crate) fn advertise(headers: &mut HeaderMap, decision: &Decision, limits: &Limits, policies: &Policies) {
    let Some((remaining, index)) = decision.remaining().zip(decision.index()) else { return };
    let mut standing = format!("\"{}\";r={}", policies.name(index), remaining.min(LARGEST));
    if let Some(t) = decision.seconds_to_next_token(limits) {
        let _ = write!(standing, ";t={}", t.min(LARGEST));
    }
    append(headers, RATE_LIMIT, standing);

    let policy = |(index, limit)| policy(&policies.name(index), limit);
    let policy: Vec<String> = limits.as_slice().iter().enumerate().map(policy).collect();
    append(headers, RATE_LIMIT_POLICY, policy.join(", "));
}

/// The time after which the same call can be granted, unless it never can or the header is there.
pub(crate) fn retry_after(headers: &mut HeaderMap, decision: &Decision) {
    if let Some(seconds) = decision.retry_after_seconds() {
        headers.entry(RETRY_AFTER).or_insert_with(|| seconds.into());
    }
}

/// `"default";q=100;w=60`: so many tokens in a window of whole seconds. Where the period is not of whole
/// seconds, tokens and period are multiplied until it is: 1 in 300 ms is `q=10;w=3`. Where that is more than
/// a structured field can hold, `w` is left out. A burst other than the count and the kind of a window are
/// parameters of ours that the draft does not know, the latter spelled as RATELIMIT.INFO does.
fn policy(name: &str, limit: &Limit) -> String {
    let period_ms = limit.period().as_millis();
    let times = u128::from(1000 / gcd(u64::try_from(period_ms % 1000).unwrap_or(0), 1000));
    let window = (u128::from(limit.count()) * times, period_ms * times / 1000);
    let whole = |n: u128| u64::try_from(n).ok().filter(|n| *n <= LARGEST);
    let mut policy = match (whole(window.0), whole(window.1)) {
        (Some(q), Some(w)) => format!("\"{name}\";q={q};w={w}"),
        _ => format!("\"{name}\";q={}", limit.count().min(LARGEST)),
    };
    match limit.kind() {
        LimitKind::Strict => policy.push_str(";sluice-kind=strict"),
        LimitKind::Aligned { .. } => policy.push_str(";sluice-kind=align"),
        _ if limit.capacity() == limit.count() => {}
        _ => _ = write!(policy, ";sluice-burst={}", limit.capacity().min(LARGEST)),
    }
    policy
}

const fn gcd(a: u64, b: u64) -> u64 {
    if a == 0 { b } else { gcd(b % a, a) }
}

/// Both fields are lists, which may go over several lines: what another layer said stays.
fn append(headers: &mut HeaderMap, name: HeaderName, value: String) {
    if let Ok(value) = HeaderValue::try_from(value) {
        headers.append(name, value);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn denied(index: usize, remaining: u64, burst: u64, reset_ms: u64) -> Decision {
        let (retry_after, reset) = (Duration::from_millis(1001), Duration::from_millis(reset_ms));
        Decision::Denied { retry_after, remaining, burst, reset, index }
    }

    fn said(decision: Decision, limits: impl Into<Limits>, policies: &Policies) -> Vec<String> {
        let mut headers = HeaderMap::new();
        advertise(&mut headers, &decision, &limits.into(), policies);
        retry_after(&mut headers, &decision);
        headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect()
    }

    #[test]
    fn one_limit_is_the_default_policy() {
        let limit = Limit::per_minute(100);
        assert_eq!(
            said(denied(0, 50, 100, 30_000), limit, &Policies::default()),
            [
                r#"ratelimit: "default";r=50;t=1"#,
                r#"ratelimit-policy: "default";q=100;w=60"#,
                "retry-after: 2"
            ]
        );
    }

    #[test]
    fn of_several_limits_all_are_stated_and_the_one_that_decided_is_told_about() {
        let limits = Limit::per_second(10).burst(20).and(Limit::per_hour(1000));
        let decision = denied(1, 0, 1000, 3_600_000);
        assert_eq!(
            said(decision, limits, &Policies::named(["burst", "hourly"]))[..2],
            [
                r#"ratelimit: "hourly";r=0;t=4"#,
                r#"ratelimit-policy: "burst";q=10;w=1;sluice-burst=20, "hourly";q=1000;w=3600"#
            ]
        );
        assert_eq!(
            said(decision, limits, &Policies::default())[0],
            r#"ratelimit: "default-2";r=0;t=4"#,
            "a name for those that were given none"
        );
    }

    #[test]
    fn nobody_decided_so_nothing_is_said() {
        assert!(said(Decision::Unchecked, Limit::per_second(1), &Policies::default()).is_empty());
    }

    #[test]
    fn what_can_never_be_granted_has_no_retry_after() {
        let never = Decision::Never { remaining: 5, burst: 5, reset: Duration::ZERO, index: 0 };
        assert_eq!(
            said(never, Limit::per_second(5).cost(6), &Policies::default()),
            [r#"ratelimit: "default";r=5;t=0"#, r#"ratelimit-policy: "default";q=5;w=1"#]
        );
    }

    #[test]
    fn a_window_is_of_whole_seconds_and_states_the_same_rate() {
        let policy = |limit: Limit| policy("p", &limit);
        assert_eq!(policy(Limit::per(1, Duration::from_millis(300))), r#""p";q=10;w=3"#);
        assert_eq!(policy(Limit::per(1, Duration::from_millis(50))), r#""p";q=20;w=1"#);
        assert_eq!(policy(Limit::per(3, Duration::from_millis(2500))), r#""p";q=6;w=5"#);
        assert_eq!(policy(Limit::per(7, Duration::from_millis(1001))), r#""p";q=7000;w=1001"#);
        let fast = Limit::per(1_000_000_000_000_001, Duration::from_millis(1_000_000_007)).burst(1);
        assert_eq!(policy(fast), r#""p";q=999999999999999;sluice-burst=1"#);
    }

    #[test]
    fn of_windows_the_kind_is_stated_and_by_when_all_tokens_are_back() {
        let day = Limit::per(1000, Duration::from_secs(86_400)).aligned(Duration::from_secs(54_000));
        let limits = Limit::per_minute(100).strict().and(day);
        for (index, standing) in
            [(0, r#"ratelimit: "default";r=7;t=31"#), (1, r#"ratelimit: "default-2";r=7;t=31"#)]
        {
            assert_eq!(
                said(
                    denied(index, 7, limits.as_slice()[index].count(), 30_001),
                    limits,
                    &Policies::default()
                )[..2],
                [
                    standing,
                    r#"ratelimit-policy: "default";q=100;w=60;sluice-kind=strict, "default-2";q=1000;w=86400;sluice-kind=align"#
                ]
            );
        }
    }

    #[test]
    fn a_name_is_made_of_what_a_field_and_json_can_hold() {
        let policies = Policies::named(["a\"b\\c\nü d"]);
        assert_eq!(policies.name(0), "a_b_c__ d");
        assert_eq!(Policies::named([""; 0]).name(0), "default");
    }
}
