//! Disks that are full, and folders that cannot be written.

use std::path::PathBuf;
use std::process::Command;

use super::server::Server;
use super::*;
use crate::disk::testing::SmallDisk;

#[test]
fn a_disk_that_fills_up_leaves_nothing_half_and_the_rest_comes_later() {
    let bytes = noise(20, 200_000);
    let server = Server::of(&bytes);
    let folder = tempfile::tempdir().unwrap();
    let manifest = manifest(&[server.url("a.bin")], &bytes, Origin::Verified);
    let error = fetch_on(&SmallDisk::new(150_000), &manifest, folder.path(), &quick(), &mut ()).unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, DataError::NoRoom { .. }), "{text}");
    assert!(text.contains("run the same command again") && text.contains("a.bin"), "{text}");
    assert!(visible(folder.path()).is_empty());
    outcome(&manifest, folder.path(), &quick(), &bytes).unwrap();
    let offset = server.requests()[1].offset();
    assert!((100_000..=150_000).contains(&offset), "what had arrived is kept: {offset}");
}

#[test]
fn a_disk_that_is_too_small_is_noticed_before_the_first_byte() {
    let bytes = noise(21, 200_000);
    let server = Server::of(&bytes);
    let folder = tempfile::tempdir().unwrap();
    let manifest = manifest(&[server.url("a.bin")], &bytes, Origin::Verified);
    let mut disk = SmallDisk::new(u64::MAX);
    disk.claims = 100_000;
    let text = fetch_on(&disk, &manifest, folder.path(), &quick(), &mut ()).unwrap_err().to_string();
    assert!(text.contains("200 kB are needed, 100 kB are free"), "{text}");
    assert!(!folder.path().join("toy/.a.bin.part").exists());
}

#[test]
fn a_disk_that_fills_up_while_unpacking_leaves_the_archive_and_no_folder() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = folders::zip_of(&[("top/a", &noise(22, 50_000)), ("top/b", &noise(23, 50_000))]);
    let server = Server::of(&bytes);
    let manifest = folders::archive_manifest(&server, "a.zip", &bytes);
    let room = bytes.len() as u64 + 70_000;
    let error = fetch_on(&SmallDisk::new(room), &manifest, folder.path(), &quick(), &mut ()).unwrap_err();
    assert!(matches!(error, DataError::NoRoom { .. }), "{error}");
    assert_eq!(visible(folder.path()), ["a.zip"]);
    fetch(&manifest, folder.path(), &quick(), &mut ()).unwrap();
    assert_eq!(visible(folder.path()), ["a.zip", "top"]);
    assert_eq!(server.requests().len(), 1, "the archive was not fetched again");
}

#[test]
fn a_real_small_file_system_fills_up_in_the_same_way() {
    let folder = tempfile::tempdir().unwrap();
    let Some(small) = SmallFileSystem::mount(folder.path(), "256k") else {
        println!("nothing checked: this user may not mount a tmpfs");
        return;
    };
    let bytes = noise(24, 400_000);
    // The length is not announced, so that the disk itself has to say that it is full.
    let silent = server::Served { announced: false, ..server::Served::new(&bytes) };
    let silent = Server::start(move |request, stream| silent.send(request, stream));
    let open = manifest(&[silent.url("a.bin")], &bytes, Origin::Recalled);
    let error = fetch(&open, small.0.as_path(), &quick(), &mut ()).unwrap_err();
    assert!(matches!(error, DataError::NoRoom { .. }), "{error}");
    assert!(visible(&small.0).is_empty());
    // With the length known, nothing is written at all.
    fs::remove_dir_all(small.0.join("toy")).unwrap();
    let honest = Server::of(&bytes);
    let closed = manifest(&[honest.url("a.bin")], &bytes, Origin::Verified);
    let text = fetch(&closed, small.0.as_path(), &quick(), &mut ()).unwrap_err().to_string();
    assert!(text.contains("are needed") && !small.0.join("toy/.a.bin.part").exists(), "{text}");
    // Elsewhere there is room.
    outcome(&closed, folder.path(), &quick(), &bytes).unwrap();
}

#[test]
fn a_read_only_file_system_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let Some(small) = SmallFileSystem::mount(folder.path(), "256k,ro") else {
        println!("nothing checked: this user may not mount a tmpfs");
        return;
    };
    let text =
        fetch(&manifest(&[], b"x", Origin::Verified), &small.0, &quick(), &mut ()).unwrap_err().to_string();
    assert!(text.contains("toy") && text.contains("ead-only"), "{text}");
}

#[test]
fn a_target_below_a_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), b"x").unwrap();
    let root = folder.path().join("file/below");
    let text =
        fetch(&manifest(&[], b"x", Origin::Verified), &root, &quick(), &mut ()).unwrap_err().to_string();
    assert!(text.contains("file/below") && text.contains("a part of this path is a file"), "{text}");
    fs::write(folder.path().join("toy"), b"x").unwrap();
    let text = fetch(&manifest(&[], b"x", Origin::Verified), folder.path(), &quick(), &mut ())
        .unwrap_err()
        .to_string();
    assert!(text.contains("toy") && text.contains("is in the way; move it away"), "{text}");
}

/// A tmpfs of its own that goes when the test does.
struct SmallFileSystem(PathBuf);

impl SmallFileSystem {
    fn mount(below: &Path, options: &str) -> Option<Self> {
        let place = below.join("small");
        fs::create_dir(&place).unwrap();
        let size = format!("size={options}");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(&place).output();
        mounted.is_ok_and(|output| output.status.success()).then_some(Self(place))
    }
}

impl Drop for SmallFileSystem {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).output();
    }
}
