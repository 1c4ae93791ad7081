//! Connections that end too early.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::server::{Served, Server};
use super::*;

#[test]
fn a_hundred_random_cuts_end_in_the_same_bytes() {
    for seed in 0..100 {
        let bytes = noise(seed, 20_000 + 700 * seed as usize);
        let folder = tempfile::tempdir().unwrap();
        let served = Served::new(&bytes);
        // Four connections are cut anywhere, also within the head; the fifth is not.
        let server = Server::start(move |request, stream| {
            let mut random = ChaCha8Rng::seed_from_u64(seed * 1000 + request.number as u64);
            let answer = served.answer(request).len();
            let cut = (request.number < 4).then(|| random.random_range(0..answer));
            Served { cut, ..served.clone() }.send(request, stream);
        });
        let manifest = manifest(&[server.url("a.bin")], &bytes, Origin::Verified);
        let options = Options { attempts: 6, ..quick() };
        outcome(&manifest, folder.path(), &options, &bytes).unwrap();
        assert!(server.requests().len() <= 5, "seed {seed}");
    }
}

#[test]
fn one_download_survives_a_hundred_cuts() {
    let bytes = noise(7, 101 * 600);
    let folder = tempfile::tempdir().unwrap();
    let served = Served::new(&bytes);
    let server = Server::start(move |request, stream| {
        let head = served.answer(request).len() - (served.bytes.len() - request.offset());
        Served { cut: Some(head + 600), ..served.clone() }.send(request, stream);
    });
    let manifest = manifest(&[server.url("a.bin")], &bytes, Origin::Verified);
    outcome(&manifest, folder.path(), &quick(), &bytes).unwrap();
    let offsets: Vec<usize> = server.requests().iter().map(server::Request::offset).collect();
    assert_eq!(offsets, (0..101).map(|n| 600 * n).collect::<Vec<_>>());
}

#[test]
fn an_interrupted_run_goes_on_where_it_stopped() {
    let bytes = noise(1, 50_000);
    let folder = tempfile::tempdir().unwrap();
    let served = Served::new(&bytes);
    let healthy = Arc::new(AtomicUsize::new(0));
    let flag = Arc::clone(&healthy);
    let server = Server::start(move |request, stream| {
        let cut = (flag.load(Ordering::SeqCst) == 0).then_some(30_000);
        Served { cut, ..served.clone() }.send(request, stream);
    });
    let manifest = manifest(&[server.url("a.bin")], &bytes, Origin::Verified);
    let once = Options { attempts_in_all: 1, ..quick() };
    let text = outcome(&manifest, folder.path(), &once, &bytes).unwrap_err();
    assert!(text.contains("cut") && text.contains("draw it yourself"), "{text}");
    let steps = plan(&manifest, folder.path()).unwrap();
    assert!(
        matches!(steps[0].state, State::Partial(count) if (20_000..30_000).contains(&count)),
        "{steps:?}"
    );
    healthy.store(1, Ordering::SeqCst);
    outcome(&manifest, folder.path(), &once, &bytes).unwrap();
    assert!(server.requests()[1].offset() > 20_000);
    assert_eq!(server.requests()[1].headers["if-range"], "\"one\"");
}

#[test]
fn a_server_without_ranges_starts_over() {
    let bytes = noise(2, 40_000);
    let folder = tempfile::tempdir().unwrap();
    let served = Served { ranges: false, ..Served::new(&bytes) };
    let server = Server::start(move |request, stream| {
        let cut = (request.number < 2).then_some(30_000 + 1000 * request.number);
        Served { cut, ..served.clone() }.send(request, stream);
    });
    let manifest = manifest(&[server.url("a.bin")], &bytes, Origin::Verified);
    outcome(&manifest, folder.path(), &quick(), &bytes).unwrap();
    assert_eq!(server.requests().len(), 3);
}

#[test]
fn a_file_that_changes_between_two_attempts_is_the_new_one_throughout() {
    let (old, new) = (noise(3, 30_000), noise(4, 31_000));
    // How the server shows the change: by `If-Range`, by another tag or length in the part, or not at all.
    for (etags, if_range, same_length) in [
        (Some(["\"old\"", "\"new\""]), true, false),
        (Some(["\"old\"", "\"new\""]), false, true),
        (None, false, false),
        (None, false, true),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let new = if same_length { new[..30_000].to_vec() } else { new.clone() };
        let version = |bytes: &[u8], n: usize, cut| Served {
            etag: etags.map(|tags| tags[n].to_owned()),
            if_range,
            cut,
            ..Served::new(bytes)
        };
        let versions = [version(&old, 0, Some(20_000)), version(&new, 1, None)];
        let server =
            Server::start(move |request, stream| versions[request.number.min(1)].send(request, stream));
        let manifest = manifest(&[server.url("a.bin")], &new, Origin::Recalled);
        outcome(&manifest, folder.path(), &quick(), &new).unwrap();
        assert!(server.requests().len() >= 2);
    }
}

#[test]
fn a_resumed_file_without_checksum_is_never_mixed() {
    let [old, new] = [5, 6].map(|seed| folders::safetensors(&noise(seed, 30_000)));
    let folder = tempfile::tempdir().unwrap();
    let versions = [
        Served { etag: None, cut: Some(20_000), ..Served::new(&old) },
        Served { etag: None, ..Served::new(&new) },
    ];
    let server = Server::start(move |request, stream| versions[request.number.min(1)].send(request, stream));
    let (manifest, options) = folders::on_the_hub(&server, "a.safetensors");
    let data = fetch(&manifest, folder.path(), &options, &mut ()).unwrap();
    assert!(fs::read(data.join("a.safetensors")).unwrap() == new);
    assert_eq!(server.requests()[1].offset(), 0, "nothing could tell the two apart");
}

#[test]
fn another_mirror_goes_on_where_the_first_stopped() {
    let bytes = noise(8, 60_000);
    let folder = tempfile::tempdir().unwrap();
    let broken = Served { cut: Some(40_000), ..Served::new(&bytes) };
    let first = Server::start(move |request, stream| match request.number {
        0 => broken.send(request, stream),
        _ => server::status(stream, "404 Not Found", ""),
    });
    let second = Server::of(&bytes);
    let manifest = manifest(&[first.url("a.bin"), second.url("b.bin")], &bytes, Origin::Verified);
    outcome(&manifest, folder.path(), &quick(), &bytes).unwrap();
    assert!(second.requests()[0].offset() > 39_000);
    assert!(
        !second.requests()[0].headers.contains_key("if-range"),
        "the first server's tag means nothing here"
    );
}

#[test]
fn whatever_a_server_does_the_file_is_whole_or_absent() {
    let mut arrived = 0;
    for seed in 0..150 {
        let bytes = noise(seed, 5_000);
        let folder = tempfile::tempdir().unwrap();
        let right = Served::new(&bytes);
        let server = Server::start(move |request, stream| {
            let mut random = ChaCha8Rng::seed_from_u64(seed * 1000 + request.number as u64);
            let mut served = right.clone();
            served.ranges = random.random_bool(0.7);
            served.if_range = random.random_bool(0.5);
            served.announced = random.random_bool(0.8);
            if random.random_bool(0.2) {
                served.bytes[100] ^= 1;
            }
            if random.random_bool(0.2) {
                served.bytes.truncate(random.random_range(1..5_000));
            }
            if random.random_bool(0.1) {
                served.bytes = b"<html>sorry</html>".to_vec();
            }
            if random.random_bool(0.3) {
                served.etag = Some(format!("\"{}\"", random.random_range(0..3)));
            }
            let mut answer = served.answer(request);
            if random.random_bool(0.5) {
                answer.truncate(random.random_range(0..answer.len()));
            }
            if random.random_bool(0.1) {
                let at = random.random_range(0..answer.len().max(1)).min(answer.len());
                answer.splice(at..at, [b'x'; 3]);
            }
            let _ = server::send(stream, &answer);
        });
        let mirrors = [server.url("1"), server.url("2"), server.url("3")];
        let options = Options { attempts: 8, ..quick() };
        arrived += u32::from(
            outcome(&manifest(&mirrors, &bytes, Origin::Verified), folder.path(), &options, &bytes).is_ok(),
        );
    }
    assert!(
        (20..150).contains(&arrived),
        "{arrived} of 150 arrived: the servers are too kind or too cruel to show anything"
    );
}
