//! The partner to play with refuses old fences.

use sluice_testing::{Kind, on_both_servers};

use crate::scene::{Pace, Scene};

on_both_servers!(the_partner_to_play_with_takes_new_fences_only);

async fn the_partner_to_play_with_takes_new_fences_only(kind: Kind) {
    let scene = Scene::new(kind, Pace { interval_ms: 50, lease_ms: 6000 }).await;
    scene.make_events(10).await;
    let partner = scene.start(&["partner", "--listen", "127.0.0.1:0"]);
    scene.until("the partner listens", |_| partner.log().contains("listening on")).await;
    let log = partner.log();
    let url = log.split_whitespace().find(|word| word.starts_with("http://")).unwrap();

    let ended = scene.job_with(&["--endpoint", url]).end().await;
    assert_eq!(ended.code, Some(0), "{}", ended.log);
    assert_eq!(scene.states(), [("done".to_owned(), 10)].into());

    let log = partner.log();
    assert_eq!(log.matches(r#""record":"customer-"#).count(), 2, "{log}");
    let call = || reqwest::Client::new().post(url).body("late");
    assert_eq!(call().header("x-fence", "1").send().await.unwrap().status(), 412);
    assert_eq!(call().send().await.unwrap().status(), 428);
    assert_eq!(call().header("x-fence", "9007199254740991").send().await.unwrap().status(), 200);
    assert!(partner.log().contains("with the fence 1, below"), "{}", partner.log());
}
