//! Answers that are not the file.

use std::io::Write as _;
use std::net::TcpListener;
use std::thread;

use super::server::{Request, Served, Server, send, status};
use super::*;

/// Fetches from the bad server alone, then with a good one behind it; returns what was said of the bad one.
fn refused(bad: &Server, options: &Options) -> String {
    let bytes = noise(9, 10_000);
    let good = Server::of(&bytes);
    let folder = tempfile::tempdir().unwrap();
    let alone = manifest(&[bad.url("a.bin")], &bytes, Origin::Verified);
    let text = outcome(&alone, folder.path(), options, &bytes).unwrap_err();
    assert!(text.contains(&bad.url("a.bin")) && text.contains("by hand: draw it yourself"), "{text}");
    let both = manifest(&[bad.url("a.bin"), good.url("a.bin")], &bytes, Origin::Verified);
    outcome(&both, folder.path(), options, &bytes).unwrap();
    text
}

fn says(bad: &Server, options: &Options, words: &[&str]) {
    let text = refused(bad, options);
    assert!(words.iter().all(|word| text.contains(word)), "{text}");
}

#[test]
fn a_wrong_file_is_refused_and_the_next_mirror_asked() {
    says(&Server::of(&noise(10, 10_000)), &quick(), &["sha256"]);
    says(&Server::of(&noise(10, 9_000)), &quick(), &["9000 bytes where 10000 are expected"]);
}

#[test]
fn a_web_page_instead_of_the_file_is_said_to_be_one() {
    let by_type = Served { content_type: "text/html; charset=utf-8", ..Served::new(b"moved") };
    says(&Server::start(move |request, stream| by_type.send(request, stream)), &quick(), &["web page"]);
    let by_looks = Served { announced: false, ..Served::new(b"\n <!DOCTYPE html><title>Log in</title>") };
    says(&Server::start(move |request, stream| by_looks.send(request, stream)), &quick(), &["web page"]);
}

#[test]
fn a_length_that_is_not_kept_ends_in_no_file() {
    for announced in [9_000, 11_000] {
        let bytes = noise(9, 10_000);
        let server = Server::start(move |_, stream| {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {announced}\r\nConnection: close\r\n\r\n");
            let _ = send(stream, &[head.as_bytes(), &bytes].concat());
        });
        let folder = tempfile::tempdir().unwrap();
        let right = noise(9, 10_000);
        // Once with a binding size, once with none: the checksum then has to notice.
        for origin in [Origin::Verified, Origin::Recalled] {
            let manifest = manifest(&[server.url("a.bin")], &right, origin);
            outcome(&manifest, folder.path(), &quick(), &right).unwrap_err();
        }
    }
}

#[test]
fn an_endless_body_is_stopped() {
    for chunked in [false, true] {
        let server = Server::start(move |_, stream| {
            let head = if chunked { "Transfer-Encoding: chunked\r\n" } else { "Connection: close\r\n" };
            let _ = send(stream, format!("HTTP/1.1 200 OK\r\n{head}\r\n").as_bytes());
            let block = [&b"2000\r\n"[..], &[7; 0x2000], b"\r\n"].concat();
            let body = if chunked { &block[..] } else { &block[6..] };
            while send(stream, body).is_ok() {}
        });
        says(&server, &quick(), &["more than 10000 bytes"]);
    }
    // Of a file whose size nobody knows, the limit of the options stops it.
    let server = Server::start(move |_, stream| {
        let _ = send(stream, b"HTTP/1.1 200 OK\r\n\r\n");
        while send(stream, &[7; 4096]).is_ok() {}
    });
    let folder = tempfile::tempdir().unwrap();
    let (unknown, options) = folders::on_the_hub(&server, "a.safetensors");
    let options = Options { most: 100_000, ..options };
    let text = fetch(&unknown, folder.path(), &options, &mut ()).unwrap_err().to_string();
    assert!(text.contains("more than 100000 bytes"), "{text}");
    assert!(visible(folder.path()).is_empty());
    let part = folder.path().join("toy/.a.safetensors.part");
    assert!(fs::metadata(part).unwrap().len() == 0, "nothing of it is kept");
}

#[test]
fn redirects_are_followed_but_not_in_a_circle() {
    let circle = Server::start(|request, stream| {
        let next = if request.path == "/a.bin" { "/b.bin" } else { "/a.bin" };
        status(stream, "302 Found", &format!("Location: {next}\r\n"));
    });
    says(&circle, &Options { redirects: 5, ..quick() }, &["again and again"]);
    assert!(circle.requests().len() >= 6);

    let bytes = noise(11, 40_000);
    let target = Served { cut: Some(30_000), ..Served::new(&bytes) };
    let rest = Served::new(&bytes);
    let server = Server::start(move |request, stream| match request.path.as_str() {
        "/a.bin" => status(stream, "301 Moved Permanently", "Location: deep/b.bin\r\n"),
        "/deep/b.bin" => status(stream, "307 Temporary Redirect", "Location: /c.bin\r\n"),
        _ if request.offset() == 0 => target.send(request, stream),
        _ => rest.send(request, stream),
    });
    let folder = tempfile::tempdir().unwrap();
    let manifest = manifest(&[server.url("a.bin")], &bytes, Origin::Verified);
    outcome(&manifest, folder.path(), &quick(), &bytes).unwrap();
    let last = server.requests().pop().unwrap();
    assert!(last.path == "/c.bin" && last.offset() > 0, "the range goes along: {last:?}");
}

#[test]
fn a_silent_server_is_left_after_a_while() {
    let pause = Duration::from_secs(3);
    // Before the head, and in the middle of the body.
    let dumb = Server::start(move |_, _| thread::sleep(pause));
    let once = Options { attempts: 1, ..impatient() };
    says(&dumb, &once, &["no answer within the time allowed"]);
    let bytes = noise(9, 10_000);
    let stuck = Server::start(move |request, stream| {
        Served { cut: Some(5_000), ..Served::new(&bytes) }.send(request, stream);
        thread::sleep(pause);
    });
    says(&stuck, &Options { attempts_in_all: 2, ..impatient() }, &["stopped sending"]);
}

#[test]
fn a_dripping_server_is_left_after_a_while() {
    let drip = Server::start(|_, stream| {
        let _ = send(stream, b"HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n");
        for _ in 0..100 {
            if send(stream, b"x").is_err() {
                break;
            }
            thread::sleep(Duration::from_millis(20));
        }
    });
    let options = Options { window: Duration::from_millis(200), attempts_in_all: 2, ..quick() };
    says(&drip, &options, &["next to nothing"]);
    // Slow, but not too slow.
    let bytes = noise(12, 10_000);
    let answer = Served::new(&bytes).answer(&Request::default());
    let slow = Server::start(move |_, stream| {
        for block in answer.chunks(1000) {
            let _ = send(stream, block);
            thread::sleep(Duration::from_millis(20));
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let options = Options { window: Duration::from_millis(100), least: 1, ..quick() };
    outcome(&manifest(&[slow.url("a.bin")], &bytes, Origin::Verified), folder.path(), &options, &bytes)
        .unwrap();
    assert_eq!(slow.requests().len(), 1);
}

#[test]
fn a_missing_file_is_asked_for_once_and_a_busy_server_again() {
    let gone = Server::start(|_, stream| status(stream, "404 Not Found", ""));
    says(&gone, &quick(), &["no longer there (status 404)"]);
    assert_eq!(gone.requests().len(), 2, "once alone and once before the good one");
    let forbidden = Server::start(|_, stream| status(stream, "403 Forbidden", ""));
    says(&forbidden, &quick(), &["refuses (status 403)"]);
    let bytes = noise(13, 10_000);
    let served = Served::new(&bytes);
    let busy = Server::start(move |request, stream| match request.number {
        0 => status(stream, "503 Service Unavailable", "Retry-After: 0\r\n"),
        1 => status(stream, "429 Too Many Requests", "Retry-After: 3600\r\n"),
        _ => served.send(request, stream),
    });
    let folder = tempfile::tempdir().unwrap();
    outcome(&manifest(&[busy.url("a.bin")], &bytes, Origin::Verified), folder.path(), &quick(), &bytes)
        .unwrap();
    assert_eq!(busy.requests().len(), 3, "the hour is cut short by the options' own limit");
}

#[test]
fn nonsense_and_nobody_are_told_apart() {
    let nonsense = Server::start(|_, stream| {
        let _ = send(stream, b"220 ready for FTP\r\n");
    });
    refused(&nonsense, &quick());
    let empty = Server::start(|_, stream| status(stream, "200 OK", ""));
    refused(&empty, &quick());
    // A port that nobody listens on: it was free a moment ago.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let folder = tempfile::tempdir().unwrap();
    let url = format!("http://127.0.0.1:{port}/a.bin");
    let text = outcome(&manifest(&[url], b"x", Origin::Verified), folder.path(), &quick(), b"x").unwrap_err();
    assert!(text.contains("refused") && text.contains("tried 2 times"), "{text}");
    // A server that speaks no TLS.
    let plain = Server::of(b"x");
    let url = format!("https://{}/a.bin", plain.address());
    outcome(&manifest(&[url], b"x", Origin::Verified), folder.path(), &impatient(), b"x").unwrap_err();
}

#[test]
fn a_proxy_carries_everything() {
    let bytes = noise(14, 30_000);
    let served = Served::new(&bytes);
    let proxy = Server::start(move |request, stream| {
        if request.method != "CONNECT" {
            return;
        }
        let _ = stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n");
        let inner = Request::read(stream).unwrap();
        served.send(&inner, stream);
    });
    let folder = tempfile::tempdir().unwrap();
    let proxied =
        Options { proxy: Some(Proxy::new(&format!("http://{}", proxy.address())).unwrap()), ..quick() };
    // The name exists nowhere: only the proxy could know it.
    let manifest = manifest(&["http://data.invalid/a.bin".to_owned()], &bytes, Origin::Verified);
    outcome(&manifest, folder.path(), &proxied, &bytes).unwrap();
    assert_eq!(proxy.requests()[0].path, "data.invalid:80");
    assert!(Proxy::new("not a proxy").is_err());
    // A proxy that is not there is named, so that nobody looks for the fault elsewhere.
    let address = proxy.address();
    drop(proxy);
    let folder = tempfile::tempdir().unwrap();
    let text = outcome(&manifest, folder.path(), &proxied, &bytes).unwrap_err();
    assert!(text.contains("refused") && text.contains(&format!("(by way of the proxy {address})")), "{text}");
}

#[test]
fn the_hub_may_be_another_one() {
    let options = Options { hub: Some("http://127.0.0.1:1/".to_owned()), ..quick() };
    let url = "https://huggingface.co/timm/x/resolve/main/model.safetensors";
    assert_eq!(options.address(url), "http://127.0.0.1:1/timm/x/resolve/main/model.safetensors");
    assert_eq!(options.address("https://huggingface.com/x"), "https://huggingface.com/x");
    assert_eq!(quick().address(url), url);
    // A slip of the person who named it, and certificates that are not there.
    let (manifest, _) = folders::on_the_hub(&Server::of(b"x"), "w.safetensors");
    let folder = tempfile::tempdir().unwrap();
    let say = |options: &Options| fetch(&manifest, folder.path(), options, &mut ()).unwrap_err().to_string();
    let text = say(&Options { hub: Some("hub.example".to_owned()), ..quick() });
    assert!(
        text.contains("HF_ENDPOINT, has to begin with https://") && text.contains("tried once"),
        "{text}"
    );
    let text = say(&Options { certificates: Some("/no/such.pem".into()), ..quick() });
    assert!(text.contains("/no/such.pem") && text.contains("correct SSL_CERT_FILE"), "{text}");
}
