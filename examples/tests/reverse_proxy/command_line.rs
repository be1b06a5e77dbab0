//! What is wrong on the command line is said so that it can be put right.

use tokio::time::timeout;

use crate::ms;
use crate::proxy::command;

async fn refused(words: &str) -> (i32, String) {
    let output = command().args(words.split_whitespace()).output();
    let output = timeout(ms(20_000), output).await.expect("it ends").unwrap();
    assert!(output.stdout.is_empty(), "{words}");
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

#[tokio::test]
async fn a_wrong_option_is_named_with_what_is_expected() {
    let sound = "--upstream http://127.0.0.1:1 --rate 2/1s";
    for (words, code, says) in [
        ("--rate 2/1s", 2, "--upstream <URL>"),
        ("--upstream http://127.0.0.1:1", 2, "--rate <COUNT/TIME[:BURST|:strict|:align=OFFSET]>"),
        ("--rate 2/1s --upstream ftp://a", 2, "expected http://HOST or https://HOST"),
        ("--rate 2/1s --upstream a:80", 2, "expected http://HOST or https://HOST"),
        ("--rate 2/1s --upstream http://a/?b", 2, "an upstream has no query"),
        ("--upstream http://a --rate 2", 2, "\"2\" lacks a time: a limit is written as 2/s, 100/min, 2/1s:5"),
        ("--upstream http://a --rate two/1s", 2, "\"two\" is no whole number: a limit is written as 2/s"),
        ("--upstream http://a --rate 2/1", 2, "\"1\" is no time such as 500ms, s, 1m"),
        ("--upstream http://a --rate 2/1s:fast", 2, "neither a burst such as 5, nor strict, nor align=0"),
        ("--upstream http://a --rate 0/1s", 2, "the count of a limit is from 1"),
        ("--upstream http://a --rate 2/1s:0", 2, "the burst of a limit is from 1"),
        ("--upstream http://a --rate 2/1s:align=0.5", 2, "\"0.5\" is no time such as"),
        (&format!("{sound} --burst 4"), 2, "unexpected argument '--burst'"),
        (&format!("{sound} --mode drop"), 2, "[possible values: wait, refuse]"),
        (&format!("{sound} --max-wait 30"), 2, "--max-wait <TIME>"),
        (&format!("{sound} --on-outage local:0"), 2, "local:N wants the number of replicas"),
        (&format!("{sound} --on-outage half"), 2, "expected closed, open, local or local:N"),
        (&format!("{sound} --exempt health"), 2, "expected a method such as OPTIONS, a path such as /health"),
        (&format!("{sound} --grace 30"), 2, "--grace <TIME>"),
        (&format!("{sound} --key cookie"), 2, "expected one, ip, path or header:NAME"),
        (&format!("{sound} --key header:a:b"), 2, "header:NAME wants the name of a header"),
        (&format!("{sound} --trusted-proxy 10.0.0.0/33"), 2, "such as 10.0.0.0/8"),
        (&format!("{sound} --trusted-proxy 10.0.0.1"), 1, "--trusted-proxy means nothing without --key ip"),
        (&format!("{sound} --redis http://a"), 1, "--redis http://a is no address of a server"),
        (&format!("{sound} --listen 192.0.2.1:1"), 1, "cannot listen on 192.0.2.1:1"),
    ] {
        let (status, error) = refused(words).await;
        assert_eq!(status, code, "{words}: {error}");
        assert!(error.contains(says), "{words}: {error}");
    }
}
