//! What `Retry-After` of an answer asks for.

use std::time::{Duration, SystemTime};

use http::header::RETRY_AFTER;
use http::{HeaderMap, StatusCode};

/// For how long a service that answers this wants to be left alone: 429 or 503 with a `Retry-After`, in seconds
/// or as a date (RFC 9110). `None` if it does not say, or that time is over.
pub(crate) fn of(status: StatusCode, headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    if status != StatusCode::TOO_MANY_REQUESTS && status != StatusCode::SERVICE_UNAVAILABLE {
        return None;
    }
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let time = match value.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => httpdate::parse_http_date(value).ok()?.duration_since(now).ok()?,
    };
    (!time.is_zero()).then_some(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_dates_are_read_and_anything_else_is_no_time() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777); // Sun, 06 Nov 1994 08:49:37 GMT
        for (status, value, time) in [
            (429, "30", Some(30)),
            (503, " 30 ", Some(30)),
            (503, "Sun, 06 Nov 1994 08:50:37 GMT", Some(60)),
            (503, "Sun, 06 Nov 1994 08:49:07 GMT", None),
            (429, "0", None),
            (429, "-1", None),
            (429, "soon", None),
            (200, "30", None),
            (301, "30", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, value.parse().unwrap());
            let found = of(StatusCode::from_u16(status).unwrap(), &headers, now);
            assert_eq!(found, time.map(Duration::from_secs), "{status} {value}");
        }
        assert_eq!(of(StatusCode::TOO_MANY_REQUESTS, &HeaderMap::new(), now), None);
    }
}
