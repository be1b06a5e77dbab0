//! One call to the partner, and what its answer means.

use std::error::Error;
use std::time::{Duration, SystemTime};

use reqwest::header::RETRY_AFTER;
use reqwest::{Client, Response, StatusCode, Url, redirect};

use crate::delivery::Delivery;

/// The header with the fencing token: the partner refuses one below the highest it has seen.
pub(crate) const FENCE: &str = "x-fence";

/// What became of a call.
pub(crate) enum Answer {
    /// 2xx: the partner has it.
    Taken,
    /// 409 or 412: the partner has seen a newer fence. Somebody else holds the lock.
    Fenced,
    /// 400, 413, 415 or 422: the partner has read this very delivery and will never take it.
    Refused(String),
    /// 429 or 503 with a `Retry-After`: the partner wants to be left alone for so long.
    LeaveAlone(Duration),
    /// Anything else, such as a wrong address or password, too many calls, a fault of the partner's, or
    /// no answer in time. It may work another time; without an answer, the partner may have it already.
    Failed(String),
}

/// Where the calls go.
pub(crate) struct Endpoint {
    client: Client,
    url: Url,
}

impl Endpoint {
    /// Calls that are given up after `timeout`, answer included.
    pub(crate) fn new(url: Url, timeout: Duration) -> reqwest::Result<Self> {
        // A redirected POST arrives as a GET somewhere else: no delivery.
        let client = Client::builder().timeout(timeout).redirect(redirect::Policy::none()).build()?;
        Ok(Self { client, url })
    }

    /// Sends a delivery once.
    pub(crate) async fn send(&self, delivery: &Delivery, fence: u64) -> Answer {
        let call = self.client.post(self.url.clone()).header(FENCE, fence).json(delivery);
        let (status, wanted) = match call.send().await {
            Ok(response) => (response.status(), retry_after(&response)),
            Err(error) => return Answer::Failed(causes(&error)),
        };
        match status {
            _ if status.is_success() => Answer::Taken,
            StatusCode::CONFLICT | StatusCode::PRECONDITION_FAILED => Answer::Fenced,
            StatusCode::BAD_REQUEST
            | StatusCode::PAYLOAD_TOO_LARGE
            | StatusCode::UNSUPPORTED_MEDIA_TYPE
            | StatusCode::UNPROCESSABLE_ENTITY => Answer::Refused(status.to_string()),
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                wanted.map_or_else(|| Answer::Failed(status.to_string()), Answer::LeaveAlone)
            }
            _ => Answer::Failed(status.to_string()),
        }
    }
}

/// `Retry-After`, in seconds or as a date; not if that is over.
fn retry_after(response: &Response) -> Option<Duration> {
    let value = response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim();
    let time = match value.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => httpdate::parse_http_date(value).ok()?.duration_since(SystemTime::now()).ok()?,
    };
    (!time.is_zero()).then_some(time)
}

/// The error with what caused it: reqwest keeps the cause, such as a refused connection, to itself.
fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
