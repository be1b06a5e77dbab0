//! A program with a limiter in its struct, tested without a server.

use std::time::{Duration, UNIX_EPOCH};

use sluice_client::{InProcess, Limit, Limiter, Outage};
use tokio::time::{Instant, sleep, timeout};

use crate::ms;

/// As programs have it: no generics.
#[derive(Clone)]
struct App {
    partner: Limiter,
}

impl App {
    async fn order(&self) -> bool {
        self.partner.acquire("partner:api").await.unwrap().is_granted()
    }
}

#[tokio::test(start_paused = true)]
async fn turns_are_spaced_in_virtual_time() {
    let app = App { partner: Limiter::in_process(Limit::per_second(2).burst(1)) };
    let start = Instant::now();
    let orders: Vec<_> = (0..5)
        .map(|_| {
            let app = app.clone();
            tokio::spawn(async move {
                assert!(app.order().await);
                start.elapsed().as_millis()
            })
        })
        .collect();
    let mut times = Vec::new();
    for order in orders {
        times.push(order.await.unwrap());
    }
    assert_eq!(times, [0, 500, 1000, 1500, 2000]);
}

#[tokio::test(start_paused = true)]
async fn a_queue_has_an_end_and_who_hangs_up_makes_room() {
    let app = App { partner: Limiter::in_process(Limit::per_second(1)).max_wait(ms(2000)) };
    assert!(app.order().await);
    let waiting: Vec<_> = (0..2)
        .map(|_| {
            let app = app.clone();
            tokio::spawn(async move { app.order().await })
        })
        .collect();
    sleep(ms(1)).await;
    assert!(!app.order().await, "three seconds");
    waiting[1].abort();
    sleep(ms(1)).await;
    assert!(app.order().await);
}

#[tokio::test(start_paused = true)]
async fn a_hold_holds_everybody_and_moves_the_turns() {
    let server = InProcess::new();
    let [one, other]: [Limiter; 2] =
        [(); 2].map(|()| server.limiter(Limit::per_second(1).burst(1)).heed_holds(true));
    assert!(one.acquire("k").await.unwrap().is_granted());
    let start = Instant::now();
    let turn = tokio::spawn(async move {
        assert!(other.acquire("k").await.unwrap().is_granted());
        start.elapsed()
    });
    sleep(ms(500)).await;
    assert_eq!(one.hold("k", ms(10_000)).await.unwrap(), ms(10_000));
    assert_eq!(one.try_acquire("k").await.unwrap().retry_after(), Some(ms(11_500)));
    assert_eq!(turn.await.unwrap(), ms(11_000), "a second after the first, and ten for the hold");
}

#[tokio::test(start_paused = true)]
async fn a_strict_window_lets_never_more_through_than_it_says() {
    let limiter = Limiter::in_process(Limit::per_second(10).strict());
    let mut times = Vec::new();
    let start = Instant::now();
    while start.elapsed() < ms(5000) {
        while limiter.try_acquire("k").await.unwrap().is_granted() {
            times.push(start.elapsed());
        }
        sleep(ms(37)).await;
    }
    assert!(times.len() >= 40, "{}", times.len());
    assert!(times.windows(11).all(|acts| acts[10] - acts[0] >= ms(1000)), "{times:?}");
}

#[tokio::test(start_paused = true)]
async fn a_calendar_is_that_of_the_server() {
    // Ten seconds before midnight.
    let server = InProcess::starting_at(UNIX_EPOCH + Duration::from_secs(20_000 * 86_400 - 10));
    let day = Limit::per(2, Duration::from_secs(86_400)).aligned(Duration::ZERO);
    let limiter = Limiter::with_in_process(&server, day);
    for granted in [true, true, false] {
        assert_eq!(limiter.try_acquire("k").await.unwrap().is_granted(), granted);
    }
    sleep(Duration::from_secs(10)).await;
    assert!(limiter.try_acquire("k").await.unwrap().is_granted());
    server.set_clock_forward(Duration::from_secs(86_400));
    assert_eq!(limiter.try_acquire("k").await.unwrap().remaining(), Some(1));
}

#[tokio::test(start_paused = true)]
async fn one_server_is_shared_and_another_is_another() {
    let (server, limit) = (InProcess::new(), Limit::per_hour(1));
    let (one, two): (Limiter, Limiter) = (server.limiter(limit), server.limiter(limit));
    assert!(one.try_acquire("k").await.unwrap().is_granted());
    assert!(!two.try_acquire("k").await.unwrap().is_granted());
    assert!(Limiter::in_process(limit).try_acquire("k").await.unwrap().is_granted());
    let by_hand = Limiter::new(server, limit, Outage::Closed);
    assert!(!by_hand.try_acquire("k").await.unwrap().is_granted());
}

/// A loop that only asks lets others run: they would never, if an answer took nothing.
#[tokio::test(start_paused = true)]
async fn whoever_asks_without_end_does_not_keep_a_runtime_to_itself() {
    let limiter = Limiter::in_process(Limit::per_hour(1));
    let asking = tokio::spawn(async move {
        loop {
            let _ = limiter.try_acquire("k").await.unwrap().is_granted();
        }
    });
    timeout(ms(60_000), async {
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    asking.abort();
}

/// Whoever wants no deadline writes the longest time there is.
#[tokio::test(start_paused = true)]
async fn a_deadline_may_be_of_any_length() {
    for cost in [1, 2] {
        let limiter = Limiter::in_process(Limit::per_hour(2).cost(cost)).deadline(Duration::MAX);
        assert!(limiter.try_acquire("k").await.unwrap().is_granted());
        assert!(limiter.reset("k").await.unwrap());
        assert!(limiter.max_wait(Duration::from_secs(1)).acquire("k").await.unwrap().is_granted());
    }
}
