//! What is in the folder already, what is unpacked into it, and who else works there.

use std::io::{Cursor, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::server::{Served, Server};
use super::*;

/// A zip archive with these files.
pub(super) fn zip_of(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// A data set of one archive whose folder `top` is unpacked.
pub(super) fn archive_manifest(server: &Server, name: &str, bytes: &[u8]) -> Manifest {
    let sha256 = Digests::of(bytes, |_| {}).unwrap().sha256;
    parse(&format!(
        "[[file]]\nname = \"{name}\"\nmirrors = [{:?}]\nsha256 = \"{sha256}\"\norigin = \"verified\"\n\
         unpack = {{ from = \"top\", to = \"top\", bytes = 1000000, entries = 100 }}\n",
        server.url(name)
    ))
}

/// Keeps what it hears as text.
#[derive(Default)]
struct Heard(Vec<String>);

impl Progress for Heard {
    fn note(&mut self, event: Event<'_>) {
        self.0.push(format!("{event:?}"));
    }
}

#[test]
fn an_archive_is_unpacked_checked_and_not_fetched_twice() {
    let bytes = zip_of(&[
        ("top/one/a.txt", b"first"),
        ("top/two/b.txt", b"second"),
        ("beside.txt", b"not asked for"),
    ]);
    let server = Server::of(&bytes);
    let manifest = archive_manifest(&server, "a.zip", &bytes);
    let folder = tempfile::tempdir().unwrap();
    let data = fetch(&manifest, folder.path(), &quick(), &mut ()).unwrap();
    assert_eq!(fs::read(data.join("top/one/a.txt")).unwrap(), b"first");
    assert_eq!(visible(folder.path()), ["a.zip", "top"]);
    let mut heard = Heard::default();
    fetch(&manifest, folder.path(), &quick(), &mut heard).unwrap();
    assert!(heard.0.iter().any(|event| event.contains("2 files are as they were unpacked")), "{:?}", heard.0);
    // The archive itself is not needed any more.
    fs::remove_file(data.join("a.zip")).unwrap();
    fetch(&manifest, folder.path(), &quick(), &mut ()).unwrap();
    assert_eq!(server.requests().len(), 1);
    // A file that has changed, and one that is gone.
    fs::write(data.join("top/one/a.txt"), b"fixed").unwrap();
    let text = fetch(&manifest, folder.path(), &quick(), &mut ()).unwrap_err().to_string();
    assert!(text.contains("a.txt") && text.contains("fetch it again"), "{text}");
    fs::remove_file(data.join("top/one/a.txt")).unwrap();
    assert!(fetch(&manifest, folder.path(), &quick(), &mut ()).unwrap_err().to_string().contains("a.txt"));
}

#[test]
fn what_an_interrupted_unpacking_left_is_done_again() {
    let bytes = zip_of(&[("top/a.txt", b"first")]);
    let server = Server::of(&bytes);
    let manifest = archive_manifest(&server, "a.zip", &bytes);
    let folder = tempfile::tempdir().unwrap();
    let left = folder.path().join("toy/.top.unpacking");
    fs::create_dir_all(&left).unwrap();
    fs::write(left.join("half.txt"), b"ha").unwrap();
    let data = fetch(&manifest, folder.path(), &quick(), &mut ()).unwrap();
    assert!(!left.exists() && !data.join("top/half.txt").exists() && data.join("top/a.txt").is_file());
}

#[test]
fn a_single_file_comes_out_of_an_archive_with_its_checksum() {
    let inside = noise(30, 5_000);
    let bytes = zip_of(&[("pkg/models/w.pth", &inside), ("pkg/__init__.py", b"pass")]);
    let server = Server::of(&bytes);
    let with = |sha256: &str| {
        parse(&format!(
            "[[file]]\nname = \"a.whl\"\nmirrors = [{:?}]\nmd5 = \"{}\"\n[file.unpack]\nfrom = \"pkg/models/w.pth\"\nto = \"w.pth\"\n\
             bytes = 10000\nentries = 5\ncontent = {{ bytes = 5000, sha256 = \"{sha256}\" }}\n",
            server.url("a.whl"),
            Digests::of(&bytes[..], |_| {}).unwrap().md5
        ))
    };
    let folder = tempfile::tempdir().unwrap();
    let text = fetch(&with(&"0".repeat(64)), folder.path(), &quick(), &mut ()).unwrap_err().to_string();
    assert!(text.contains("sha256"), "{text}");
    assert_eq!(visible(folder.path()), ["a.whl"]);
    let right = with(&Digests::of(&inside[..], |_| {}).unwrap().sha256);
    let data = fetch(&right, folder.path(), &quick(), &mut ()).unwrap();
    assert_eq!(fs::read(data.join("w.pth")).unwrap(), inside);
    fetch(&right, folder.path(), &quick(), &mut ()).unwrap();
}

#[test]
fn a_half_file_under_the_final_name_is_named_and_left_alone() {
    let bytes = noise(31, 10_000);
    let server = Server::of(&bytes);
    let manifest = manifest(&[server.url("a.bin")], &bytes, Origin::Verified);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("toy/a.bin");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, &bytes[..4_000]).unwrap();
    let text = fetch(&manifest, folder.path(), &quick(), &mut ()).unwrap_err().to_string();
    assert!(text.contains("4000 of 10000 bytes") && text.contains("delete it"), "{text}");
    assert_eq!(fs::read(&path).unwrap().len(), 4_000);
    assert!(server.requests().is_empty());
}

#[test]
fn a_recalled_checksum_that_differs_is_a_question() {
    let bytes = noise(32, 10_000);
    let server = Server::of(&bytes);
    let folder = tempfile::tempdir().unwrap();
    let manifest = manifest(&[server.url("a.bin")], b"other", Origin::Recalled);
    let text = outcome(&manifest, folder.path(), &quick(), &bytes).unwrap_err();
    let sha256 = Digests::of(&bytes[..], |_| {}).unwrap().sha256;
    assert!(text.contains("hearsay") && text.contains(&format!("--accept {sha256}")), "{text}");
    let accept = Options { accept: Some(sha256), ..quick() };
    outcome(&manifest, folder.path(), &accept, &bytes).unwrap();
    assert_eq!(server.requests().len(), 1, "what had arrived is taken");
    // Once a person has it, it is said again but not refused.
    let mut heard = Heard::default();
    fetch(&manifest, folder.path(), &quick(), &mut heard).unwrap();
    assert!(heard.0.iter().any(|event| event.contains("is recalled")), "{:?}", heard.0);
}

#[test]
fn contents_count_where_the_compression_differs() {
    use flate2::{Compression, write::GzEncoder};
    let inside = b"the same contents".repeat(100);
    let packed = |level| {
        let mut encoder = GzEncoder::new(Vec::new(), level);
        encoder.write_all(&inside).unwrap();
        encoder.finish().unwrap()
    };
    let server = Server::of(&packed(Compression::best()));
    let folder = tempfile::tempdir().unwrap();
    let text = format!(
        "[[file]]\nname = \"a.gz\"\nmirrors = [{:?}]\nmd5 = \"{}\"\ncontent = {{ bytes = 1700, sha256 = \"{}\" }}\n",
        server.url("a.gz"),
        Digests::of(&packed(Compression::none())[..], |_| {}).unwrap().md5,
        Digests::of(&inside[..], |_| {}).unwrap().sha256,
    );
    let data = fetch(&parse(&text), folder.path(), &quick(), &mut ()).unwrap();
    // What is there already may also be unpacked.
    fs::remove_file(data.join("a.gz")).unwrap();
    fs::write(data.join("a"), &inside).unwrap();
    fetch(&parse(&text), folder.path(), &quick(), &mut ()).unwrap();
    assert_eq!(server.requests().len(), 1);
    fs::write(data.join("a"), &inside[1..]).unwrap();
    let text = fetch(&parse(&text), folder.path(), &quick(), &mut ()).unwrap_err().to_string();
    assert!(text.contains("1699 bytes"), "{text}");
}

/// A safetensors file of one tensor of these bytes.
pub(super) fn safetensors(bytes: &[u8]) -> Vec<u8> {
    let length = bytes.len();
    let header = format!("{{\"w\":{{\"dtype\":\"U8\",\"shape\":[{length}],\"data_offsets\":[0,{length}]}}}}");
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), bytes].concat()
}

/// A file of the hub, of which no checksum is known, and the options that let a server stand in for the hub.
pub(super) fn on_the_hub(server: &Server, name: &str) -> (Manifest, Options) {
    let manifest =
        parse(&format!("[[file]]\nname = \"{name}\"\nmirrors = [\"https://huggingface.co/{name}\"]\n"));
    (manifest, Options { hub: Some(format!("http://{}", server.address())), ..quick() })
}

#[test]
fn the_hub_stands_in_and_its_file_is_followed_to_its_end() {
    let gone = Server::start(|_, stream| server::status(stream, "404 Not Found", ""));
    for (cut, arrives) in [(0, true), (10, false)] {
        let mut bytes = safetensors(&[1; 3_000]);
        bytes.truncate(bytes.len() - cut);
        let hub = Server::of(&bytes);
        let manifest = parse(&format!(
            "[[file]]\nname = \"w.pth\"\nmirrors = [{:?}]\nsha256_start = \"00000000\"\n\
             [[file]]\nname = \"w.safetensors\"\ninstead_of = \"w.pth\"\nmirrors = [\"https://huggingface.co/w\"]\n",
            gone.url("w.pth")
        ));
        let folder = tempfile::tempdir().unwrap();
        let options = Options { hub: Some(format!("http://{}", hub.address())), ..quick() };
        // The agent for plain HTTP, because the other hub is.
        let result = fetch(&manifest, folder.path(), &options, &mut ());
        assert_eq!(result.is_ok(), arrives);
        assert_eq!(visible(folder.path()), if arrives { vec!["w.safetensors"] } else { vec![] });
        if let Err(error) = result {
            let text = error.to_string();
            assert!(text.contains("404") && text.contains("do not end where it ends"), "{text}");
        }
    }
}

#[test]
fn a_file_of_the_hub_comes_from_its_store_and_goes_on_after_a_cut() {
    let bytes = safetensors(&noise(34, 60_000));
    let served = Served { etag: Some("\"content\"".to_owned()), ..Served::new(&bytes) };
    let store = Server::start(move |request, stream| {
        let cut = (request.number == 0).then_some(40_000);
        Served { cut, ..served.clone() }.send(request, stream);
    });
    // The hub answers with a new address for every request, which is signed and soon forgotten.
    let address = store.address();
    let hub = Server::start(move |request, stream| {
        let location = format!("http://{address}/blob?signature={}", request.number);
        let mark = "ETag: \"pointer\"\r\nX-Linked-Size: 1\r\n";
        server::status(stream, "302 Found", &format!("Location: {location}\r\n{mark}"));
    });
    let (manifest, options) = on_the_hub(&hub, "w.safetensors");
    let folder = tempfile::tempdir().unwrap();
    let data = fetch(&manifest, folder.path(), &options, &mut ()).unwrap();
    assert!(fs::read(data.join("w.safetensors")).unwrap() == bytes);
    assert_eq!(hub.requests().len(), 2, "the hub is asked anew");
    let last = store.requests().pop().unwrap();
    assert_eq!(last.path, "/blob?signature=1");
    assert!(last.offset() > 39_000 && last.headers["if-range"] == "\"content\"", "{last:?}");
}

#[test]
fn two_at_once_fetch_it_once() {
    let bytes = noise(33, 100_000);
    let served = Served::new(&bytes);
    let open = Arc::new(AtomicBool::new(false));
    let gate = Arc::clone(&open);
    let server = Server::start(move |request, stream| {
        while !gate.load(Ordering::SeqCst) {
            thread::sleep(Duration::from_millis(1));
        }
        served.send(request, stream);
    });
    let folder = tempfile::tempdir().unwrap();
    let manifest = manifest(&[server.url("a.bin")], &bytes, Origin::Verified);
    let options = Options { answer: Duration::from_secs(20), ..quick() };
    thread::scope(|scope| {
        let first = scope.spawn(|| fetch(&manifest, folder.path(), &options, &mut ()));
        while server.requests().is_empty() {
            thread::sleep(Duration::from_millis(1));
        }
        let second = scope.spawn(|| {
            let mut heard = Heard::default();
            fetch(&manifest, folder.path(), &options, &mut OpenOn { open: &open, heard: &mut heard })
                .map(|_| heard)
        });
        first.join().unwrap().unwrap();
        let heard = second.join().unwrap().unwrap();
        let waited = format!("Waiting {{ process: Some({}) }}", std::process::id());
        assert_eq!(heard.0[0], waited);
    });
    assert_eq!(server.requests().len(), 1);
    assert_eq!(fs::read(folder.path().join("toy/a.bin")).unwrap(), bytes);
}

/// Opens the gate as soon as the second one says that it waits.
struct OpenOn<'a> {
    open: &'a AtomicBool,
    heard: &'a mut Heard,
}

impl Progress for OpenOn<'_> {
    fn note(&mut self, event: Event<'_>) {
        self.open.store(true, Ordering::SeqCst);
        self.heard.note(event);
    }
}

#[test]
fn what_cannot_be_fetched_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let duke = Manifest::builtin("duke").unwrap();
    let text = fetch(&duke, folder.path(), &quick(), &mut ()).unwrap_err().to_string();
    assert!(text.contains("lawfully") && text.contains("nothing can be fetched"), "{text}");
    let text = fetch(&manifest(&[], b"x", Origin::Verified), folder.path(), &quick(), &mut ()).unwrap_err();
    assert!(text.to_string().contains("draw it yourself"), "{text}");
}
