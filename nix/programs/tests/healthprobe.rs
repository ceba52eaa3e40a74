//! `healthprobe` against real sockets.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // the helpers are tests, too

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Output};
use std::thread;
use std::time::{Duration, Instant};

fn probe(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_healthprobe")).args(args).output().unwrap()
}

fn says(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Accepts one connection and hands it to `serve`.
fn server(serve: impl FnOnce(TcpStream) + Send + 'static) -> SocketAddr {
    server_at("127.0.0.1:0", serve).unwrap()
}

fn server_at(
    at: &str,
    serve: impl FnOnce(TcpStream) + Send + 'static,
) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind(at)?;
    let address = listener.local_addr()?;
    thread::spawn(move || serve(listener.accept().unwrap().0));
    Ok(address)
}

fn request(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() == 1 {
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

fn answers(bytes: &'static [u8]) -> SocketAddr {
    server(move |mut stream| {
        request(&mut stream);
        stream.write_all(bytes).unwrap();
    })
}

#[test]
fn an_answer_of_2xx_is_healthy() {
    let at = answers(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    let output = probe(&[&format!("http://{at}/health")]);
    assert_eq!(output.status.code(), Some(0));
    assert!(says(&output).starts_with("healthy: 200 OK in "), "{}", says(&output));
    assert!(says(&output).ends_with(" ms\n") && output.stderr.is_empty());

    let at = answers(b"HTTP/1.0 204\r\n\r\n");
    assert_eq!(probe(&[&format!("http://{at}")]).status.code(), Some(0));
}

#[test]
fn variables_in_the_url_are_those_of_the_environment() {
    let at = answers(b"HTTP/1.1 200 OK\r\n\r\n");
    let run = |url: &str, port: Option<&str>| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_healthprobe"));
        command.env_clear().arg(url);
        if let Some(port) = port {
            command.env("PROBED_PORT", port);
        }
        command.output().unwrap()
    };
    let port = at.port().to_string();
    let output = run("http://127.0.0.1:$PROBED_PORT/", Some(&port));
    assert_eq!(output.status.code(), Some(0), "{}", says(&output));
    let at = answers(b"HTTP/1.1 200 OK\r\n\r\n");
    let output = run(&format!("http://127.0.0.1:${{PROBED_PORT:-{}}}/", at.port()), Some(""));
    assert_eq!(output.status.code(), Some(0), "{}", says(&output));
    for (port, why) in [(None, "PROBED_PORT is not set"), (Some(""), "PROBED_PORT is empty")] {
        let output = run("http://127.0.0.1:${PROBED_PORT}/", port);
        assert_eq!(output.status.code(), Some(1));
        assert!(
            says(&output).starts_with(&format!("unhealthy: the variable {why}")),
            "{}",
            says(&output)
        );
    }
}

#[test]
fn other_answers_are_unhealthy_and_shown() {
    let cases: [(&'static [u8], &str); 6] = [
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", "503 Service Unavailable\n"),
        (b"HTTP/1.1 404\r\n\r\n", "404\n"),
        (b"HTTP/1.1 302 Found\r\nLocation: /login\r\n\r\n", "302 Found: redirects are not"),
        (b"SSH-2.0-OpenSSH_9\r\n", "does not answer in HTTP"),
        (b"HTTP/1.1 2", "does not answer in HTTP"),
        (b"", "closed the connection without an answer"),
    ];
    for (bytes, why) in cases {
        let output = probe(&[&format!("http://{}/", answers(bytes))]);
        assert_eq!(output.status.code(), Some(1), "{why}");
        assert!(says(&output).starts_with("unhealthy: "), "{}", says(&output));
        assert!(says(&output).contains(why), "{}", says(&output));
    }
}

#[test]
fn the_request_names_path_query_and_host_and_closes() {
    let (send, received) = std::sync::mpsc::channel();
    let at = server(move |mut stream| {
        send.send(request(&mut stream)).unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
    });
    assert!(probe(&[&format!("http://{at}/v1/health?deep=1#part")]).status.success());
    let head = received.recv().unwrap();
    assert!(head.starts_with("GET /v1/health?deep=1 HTTP/1.1\r\n"), "{head}");
    assert!(head.contains(&format!("\r\nHost: {at}\r\n")), "{head}");
    assert!(head.contains("\r\nConnection: close\r\n"), "{head}");
}

#[test]
fn a_port_where_nobody_listens_is_refused_at_its_address() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for scheme in ["http", "tcp"] {
        let output = probe(&[&format!("{scheme}://{free}")]);
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(says(&output), format!("unhealthy: connection refused at {free}\n"));
    }
}

#[test]
fn a_tcp_target_is_healthy_when_it_accepts() {
    let at = server(drop);
    let output = probe(&[&format!("tcp://{at}")]);
    assert_eq!(output.status.code(), Some(0));
    assert!(says(&output).starts_with("healthy: connected in "), "{}", says(&output));
}

#[test]
fn localhost_finds_a_service_on_either_loopback_address() {
    let serve = |mut stream: TcpStream| {
        request(&mut stream);
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
    };
    let v4 = server(serve);
    let output = probe(&[&format!("http://localhost:{}/", v4.port())]);
    assert_eq!(output.status.code(), Some(0), "{}", says(&output));
    // A machine without IPv6 has no such address to bind.
    if let Ok(v6) = server_at("[::1]:0", serve) {
        let output = probe(&[&format!("http://[::1]:{}/", v6.port())]);
        assert_eq!(output.status.code(), Some(0), "{}", says(&output));
    }
}

#[test]
fn a_name_that_would_need_a_resolver_is_refused_with_advice() {
    let output = probe(&["http://no-such-host.invalid:8080/"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(says(&output).contains("cannot resolve `no-such-host.invalid`"), "{}", says(&output));
}

#[test]
fn the_timeout_bounds_a_service_that_is_silent_or_trickles() {
    let silent = server(|stream| {
        thread::sleep(Duration::from_secs(20));
        drop(stream);
    });
    let trickling = server(|mut stream| {
        request(&mut stream);
        // One byte inside of each second would defeat a timeout that starts over with each read.
        for byte in b"HTTP/1.1 200 OK and so on and so on and so on" {
            if stream.write_all(&[*byte]).is_err() {
                return;
            }
            thread::sleep(Duration::from_millis(200));
        }
    });
    for at in [silent, trickling] {
        let began = Instant::now();
        let output = probe(&["--timeout", "1", &format!("http://{at}/")]);
        assert_eq!(output.status.code(), Some(1));
        assert!(says(&output).contains("timed out after 1 s waiting"), "{}", says(&output));
        let took = began.elapsed();
        assert!(took >= Duration::from_millis(900) && took < Duration::from_secs(5), "{took:?}");
    }
}

#[test]
fn an_endless_answer_is_read_only_so_far() {
    let at = server(|mut stream| {
        request(&mut stream);
        let _ = stream.write_all(b"HTTP/1.1 ");
        while stream.write_all(&[b'2'; 4096]).is_ok() {}
    });
    let output = probe(&[&format!("http://{at}/")]);
    assert_eq!(output.status.code(), Some(1));
    assert!(says(&output).contains("does not answer in HTTP"), "{}", says(&output));
}

#[test]
fn wrong_use_exits_with_2_and_help_with_0() {
    for args in [&[][..], &["https://127.0.0.1/"], &["--retry", "http://127.0.0.1/"]] {
        let output = probe(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(output.stdout.is_empty());
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(message.starts_with("healthprobe: "), "{message}");
    }
    let output = probe(&["--help"]);
    assert!(output.status.success() && says(&output).contains("--timeout SECONDS"));
    assert!(says(&probe(&["--version"])).starts_with("healthprobe "));
}
