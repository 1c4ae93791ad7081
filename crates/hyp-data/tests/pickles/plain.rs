//! Pickles as Python writes them are read, as data; damaged and hostile ones end in a sentence.

use crate::golden;
use hyp_data::pickle::{
    PLAIN, Pickle, Value,
    numpy::{Array, Kind, NUMPY, integer},
};

fn ints(value: Value<'_>) -> Vec<i64> {
    value.items().unwrap().map(|item| item.as_i64().unwrap()).collect()
}

#[test]
fn plain_values_of_every_protocol_are_read() {
    let golden = golden();
    for protocol in 2..=5 {
        let bytes = &golden[&format!("plain_{protocol}")];
        let pickle = Pickle::parse(bytes, PLAIN).unwrap();
        assert_eq!(pickle.byte_len(), bytes.len());
        let root = pickle.root();
        let get = |key| root.get(key).unwrap();
        assert!(get("none").is_none());
        assert_eq!((get("yes").as_bool(), get("no").as_bool()), (Some(true), Some(false)));
        let wanted = [
            ("small", 7),
            ("byte", 200),
            ("word", 60000),
            ("negative", -5),
            ("int", i64::from(i32::MAX)),
            ("long", 1 << 40),
            ("most", i64::MIN),
        ];
        for (key, value) in wanted {
            assert_eq!(get(key).as_i64(), Some(value), "{key}, protocol {protocol}");
        }
        assert_eq!(get("wide").as_long(), Some(&[0, 0, 0, 0, 0, 0, 0, 0, 64][..]));
        assert_eq!(get("float").as_f64(), Some(-0.125));
        assert_eq!(get("text").as_str(), Some("Åß"));
        assert_eq!(get("bytes").as_bytes().unwrap()[..], [250, 251, 252, 253, 254, 255, 0, 10]);
        assert!(get("empty").as_bytes().unwrap().is_empty(), "protocol {protocol}");
        let [one, pair] = get("list").array().unwrap();
        assert_eq!(one.as_i64(), Some(1));
        assert_eq!(pair.array::<2>().unwrap()[1].as_str(), Some("two"));
        assert_eq!(ints(get("tuple")), [1, 2, 3, 4]);
        assert_eq!(get("nested").get("a").unwrap().get("b").unwrap().items().unwrap().len(), 0);
        let (five, text) = root.entries().unwrap().last().unwrap();
        assert_eq!((five.as_i64(), text.as_str()), (Some(5), Some("five")));
    }
    let ordered = Pickle::parse(&golden["ordered"], PLAIN).unwrap();
    let keys: Vec<_> = ordered.root().entries().unwrap().filter_map(|(key, _)| key.as_str()).collect();
    assert_eq!(keys, ["b", "a"]);
}

#[test]
fn python_2_writes_texts_as_bytes() {
    // {'ab': 'c'} by cPickle, protocol 2.
    let pickle = Pickle::parse(b"\x80\x02}q\x01U\x02abq\x02U\x01cq\x03s.", PLAIN).unwrap();
    assert_eq!(pickle.root().get("ab").unwrap().as_str(), Some("c"));
}

#[test]
fn arrays_of_every_protocol_are_read() {
    let golden = golden();
    for protocol in 2..=5 {
        let pickle = Pickle::parse(&golden[&format!("arrays_{protocol}")], NUMPY).unwrap();
        let array = |key| Array::of(pickle.root().get(key).unwrap()).unwrap();
        let u8s = array("u8");
        assert_eq!(u8s.shape, [2, 3, 4], "protocol {protocol}");
        assert_eq!(u8s.bytes[..], (0..24).map(|i| i * 10).collect::<Vec<u8>>());
        assert_eq!(array("i64").integers().unwrap(), [-1, 0, 1 << 40]);
        assert_eq!(array("big").integers().unwrap(), [1, -2]);
        assert_eq!(array("bool").integers().unwrap(), [1, 0]);
        let floats = array("f32");
        assert_eq!((floats.dtype.kind, floats.dtype.size), (Kind::Float, 4));
        assert_eq!(floats.bytes[4..], (-1.5_f32).to_le_bytes());
        assert_eq!(floats.integers(), None);
        assert_eq!(array("empty").shape, [0, 3]);
        assert_eq!(integer(pickle.root().get("scalar").unwrap()), Some(-9));

        let mini = Pickle::parse(&golden[&format!("mini_imagenet_{protocol}")], NUMPY).unwrap();
        let images = Array::of(mini.root().get("image_data").unwrap()).unwrap();
        assert_eq!((images.shape.as_slice(), images.bytes.len()), (&[4, 2, 2, 3][..], 48));
        assert!(images.bytes.iter().enumerate().all(|(i, byte)| usize::from(*byte) == 5 * i % 256));
        assert_eq!(ints(mini.root().get("class_dict").unwrap().get("n02").unwrap()), [2, 3]);
    }
}

#[test]
fn what_is_no_plain_array_says_why() {
    let golden = golden();
    let pickle = Pickle::parse(&golden["fortran"], NUMPY).unwrap();
    let message = Array::of(pickle.root()).unwrap_err();
    assert!(message.contains("column by column"), "{message}");
    let pickle = Pickle::parse(&golden["objects"], NUMPY).unwrap();
    let message = Array::of(pickle.root()).unwrap_err();
    assert!(message.contains("not plain numbers"), "{message}");
    let pickle = Pickle::parse(b"\x80\x02K\x01.", NUMPY).unwrap();
    let message = Array::of(pickle.root()).unwrap_err();
    assert!(message.starts_with("an integer is no array"), "{message}");
}

#[test]
fn shared_and_circular_values_stay_as_they_are() {
    let golden = golden();
    let pickle = Pickle::parse(&golden["shared"], PLAIN).unwrap();
    assert_eq!(ints(pickle.root().get("first").unwrap()), ints(pickle.root().get("second").unwrap()));
    let mut circle = pickle.root().get("circle").unwrap();
    for _ in 0..1000 {
        [circle] = circle.array().unwrap();
    }
}

#[test]
fn nothing_that_a_pickle_asks_for_is_run() {
    let golden = golden();
    for name in ["evil_2", "evil_4"] {
        for allowed in [PLAIN, NUMPY] {
            let message = Pickle::parse(&golden[name], allowed).unwrap_err().to_string();
            assert!(message.contains("`posix.system`"), "{message}");
        }
    }
    // A name that only starts or ends like an allowed one.
    for line in ["numpy\nndarrayx", "numpy.\nndarray", "xnumpy\nndarray", "num\npy.ndarray"] {
        let bytes = [b"\x80\x02c", line.as_bytes(), b"\n."].concat();
        assert!(Pickle::parse(&bytes, NUMPY).is_err(), "{line}");
    }
}

#[test]
fn hostile_bytes_end_in_a_sentence() {
    let golden = golden();
    let message = |bytes: &[u8]| Pickle::parse(bytes, PLAIN).unwrap_err().to_string();
    assert!(message(b"").contains("ends 1 bytes too early"));
    assert!(message(&golden["protocol_0"]).contains("is not one that data need"));
    assert!(message(b"\x80\x02X\xff\xff\xff\xffab").contains("too early"));
    assert!(message(b"\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\xff").contains("too early"));
    assert!(message(b"\x80\x02.").contains("the stack is empty"));
    assert!(message(b"\x80\x02N(.").contains("the stack is empty"));
    assert!(message(b"\x80\x02K\x01t.").contains("no mark"));
    assert!(message(b"\x80\x02(K\x01d.").contains("a key without a value"));
    assert!(message(b"\x80\x02h\x00.").contains("memo 0 was never set"));
    assert!(message(b"\x80\x02NNb.").contains("takes none"));
    assert!(message(b"\x80\x02N)R.").contains("no callable"));
    assert!(message(b"\x80\x02K\x01K\x02a.").contains("neither a list nor a dict"));
    assert!(message(b"\x80\x01.").contains("protocol 1"));
    let many = [b"\x80\x02(".as_slice(), &vec![b']'; 5_000_000], b"l."].concat();
    assert!(message(&many).contains("more than 4194304 values"));
    let long = [b"\x80\x02N".as_slice(), &vec![b'2'; 9_000_000], b"."].concat();
    assert!(message(&long).contains("more than 8388608 steps"));
    // One list of a thousand pairs, from which ordered dict after ordered dict is made: 5 bytes would copy 8,000.
    let (pair, list) = (b"K\x01K\x02\x86q\x00".as_slice(), b"]q\x01(".as_slice());
    let pairs = [list, &b"h\x00".repeat(1_000), b"eq\x01"].concat();
    let callable = b"ccollections\nOrderedDict\nq\x02".as_slice();
    let many =
        [b"\x80\x02".as_slice(), pair, &pairs, callable, &b"h\x02h\x01\x85R".repeat(50_000), b"."].concat();
    assert!(message(&many).contains("ordered dicts hold more than 4194304 values"));
    // Lists within lists a million deep: nothing recurses, not even the release of the memory.
    let deep = [b"\x80\x02".as_slice(), &vec![b']'; 1_000_000], &vec![b'a'; 999_999], b"."].concat();
    assert_eq!(Pickle::parse(&deep, PLAIN).unwrap().root().items().unwrap().len(), 1);
    for cut in 0..golden["plain_4"].len() {
        assert!(Pickle::parse(&golden["plain_4"][..cut], PLAIN).is_err(), "cut at {cut}");
    }
}
