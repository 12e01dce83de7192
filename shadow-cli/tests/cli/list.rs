//! `shadow list`: the named shadows of a thing, over the REST data plane.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    thread,
};

use testkit::{Process, TempDir, free_port};

use crate::site::{Site, bare, fails, finish};

/// A request over a connection of its own; the answer.
fn post(address: &str, path: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let length = body.len();
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn every_page_is_listed_and_nothing_else() {
    let site = Site::local();
    let lamp = site.thing();
    // The classic shadow has no name to be listed.
    site.ends(&["update", &lamp, "-d", "on=true"]);
    assert_eq!(
        site.ends(&["list", &lamp]),
        [format!("shadow: {lamp} has no named shadows")]
    );
    assert_eq!(site.ends(&["list", &lamp, "--json"]), [""; 0]);

    // A page holds a hundred at most.
    let names: Vec<String> = (0..=200).map(|number| format!("n-{number:03}")).collect();
    let address = site.rest_url().strip_prefix("http://").unwrap();
    for name in &names {
        let path = format!("/things/{lamp}/shadow?name={name}");
        let answer = post(address, &path, r#"{"state":{"desired":{"on":true}}}"#);
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
    let mut listed = site.ends(&["list", &lamp]);
    listed.sort();
    assert_eq!(listed, names);
    let json = site.ends(&["list", &lamp, "--json"]);
    assert_eq!(json.len(), names.len());
    let line = format!(r#"{{"event":"shadow","thing":"{lamp}","name":"n-200"}}"#);
    assert!(json.contains(&line), "{json:?}");
    // Of one thing, not of all.
    let other = site.thing();
    assert_eq!(site.ends(&["list", &other, "--json"]), [""; 0]);
}

fn run(args: &[&str]) -> (Option<i32>, Vec<String>) {
    let dir = TempDir::new();
    finish(Process::spawn(bare(&dir).args(args)), args)
}

#[test]
fn where_the_data_plane_is_has_to_be_known() {
    let port = free_port();
    // A broker alone: then REST is at its host, where nobody is.
    let args = ["list", "lamp", "--endpoint", "mqtt://127.0.0.1:1"];
    fails(run(&args), &args, 69, "--rest-url says where");
    let url = format!("http://127.0.0.1:{port}");
    let args = ["list", "lamp", "--rest-url", &url];
    fails(run(&args), &args, 69, &url);
    let args = ["list", "lamp", "--rest-url", "mqtt://127.0.0.1"];
    fails(run(&args), &args, 64, "use http:// or https://");
    let args = ["list", "a b", "--rest-url", &url];
    fails(run(&args), &args, 64, "the thing name holds ' '");
}

#[test]
fn what_the_data_plane_refuses_is_said() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    // Ends with the test.
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut stream = stream;
            let mut request = [0; 4096];
            let _ = stream.read(&mut request);
            let body = r#"{"message":"not yours","traceId":"1"}"#;
            let _ = write!(
                stream,
                "HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\nConnection: close\r\n\
                 Content-Length: {}\r\n\r\n{body}",
                body.len()
            );
        }
    });
    let args = ["list", "lamp", "--rest-url", &url];
    let right = "the policy lacks, probably, iot:ListNamedShadowsForThing on *";
    fails(run(&args), &args, 1, &format!("403 not yours; {right}"));
    let args = ["list", "lamp", "--rest-url", &url, "--json"];
    let line = r#"{"event":"rejected","code":403,"message":"not yours","hint":""#;
    fails(run(&args), &args, 1, &format!("{line}{right}\"}}"));
    let args = ["get", "lamp", "-n", "config", "--rest", "--rest-url", &url];
    let right =
        "403 not yours; the policy lacks, probably, iot:GetThingShadow on thing/lamp/config";
    fails(run(&args), &args, 1, right);
}
