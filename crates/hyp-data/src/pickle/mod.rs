//! Pickles read as data: a machine of the opcodes that data need, which never runs what a pickle asks for.
//!
//! A pickle is a program for a small stack machine, and Python's own reader lets it import and call anything.
//! This reader builds the values and nothing else:
//!
//! - a callable must stand in the caller's list, and a call of one is kept as an inert [`Call`];
//! - opcodes beyond numbers, texts, bytes, lists, tuples, dicts and such calls are refused;
//! - values lie in a table and refer to each other by number, so shared and even circular ones cost nothing, and no
//!   step of reading, walking or dropping recurses;
//! - bytes and texts are borrowed from the input; no length that the input states is allocated before it is there.
//!
//! [`numpy`] understands the calls that make arrays.
//!
//! # Examples
//! ```
//! use hyp_data::pickle::{self, Pickle};
//! // {"a": [1, 2]} as Python's protocol 2 writes it
//! let bytes = b"\x80\x02}q\0X\x01\0\0\0aq\x01]q\x02(K\x01K\x02es.";
//! let pickle = Pickle::parse(bytes, pickle::PLAIN)?;
//! let list = pickle.root().get("a").and_then(|value| value.items()).unwrap();
//! assert_eq!(list.map(|value| value.as_i64()).collect::<Vec<_>>(), [Some(1), Some(2)]);
//! // os.system("ls") is not read
//! let hostile = b"\x80\x02cos\nsystem\nX\x02\0\0\0ls\x85R.";
//! assert!(Pickle::parse(hostile, pickle::PLAIN).unwrap_err().to_string().contains("os.system"));
//! # Ok::<(), pickle::PickleError>(())
//! ```

mod machine;
pub mod numpy;
mod value;

pub use value::{Call, Value};

/// The callables of plain data: ordered dicts, and the forms in which protocol 2 writes bytes.
pub const PLAIN: &[&str] = &[
    "collections.OrderedDict",
    "_codecs.encode",
    "__builtin__.bytes",
    "builtins.bytes",
    "__builtin__.bytearray",
    "builtins.bytearray",
];

/// The most values that a pickle may hold; a data set or a model has thousands.
const MAX_VALUES: usize = 1 << 22;
/// The most steps that a pickle may take.
const MAX_STEPS: usize = 1 << 23;

/// Number of a value in its pickle's table.
type Id = u32;

/// A value; those inside it by number.
#[derive(Debug)]
enum Node<'a> {
    None,
    Bool(bool),
    Int(i64),
    /// An integer beyond 64 bits, as Python writes it: little-endian, two's complement.
    Long(&'a [u8]),
    Float(f64),
    Str(&'a str),
    Bytes(&'a [u8]),
    List(Vec<Id>),
    Tuple(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    Global(&'static str),
    Call {
        global: &'static str,
        args: Id,
        state: Option<Id>,
    },
    Persistent(Id),
}

/// The values of one pickle.
#[derive(Debug)]
pub struct Pickle<'a> {
    nodes: Vec<Node<'a>>,
    root: Id,
    bytes: usize,
}

impl<'a> Pickle<'a> {
    /// Reads the pickle at the start of `bytes`; `allowed` lists the callables that it may name, as `module.name`.
    ///
    /// # Errors
    /// [`PickleError`] if the input ends early, is no pickle of protocol 2 to 5, names another callable, or is larger than
    /// any data set or model needs.
    pub fn parse(bytes: &'a [u8], allowed: &'static [&'static str]) -> Result<Self, PickleError> {
        machine::Machine::new(bytes, allowed).run()
    }

    /// The value that the pickle stands for.
    pub fn root(&self) -> Value<'_> {
        Value::new(self, self.root)
    }

    /// Everything that refers out of the pickle.
    pub fn persistent(&self) -> impl Iterator<Item = Value<'_>> {
        let refers = |(id, node): (usize, &Node<'_>)| {
            matches!(node, Node::Persistent(_)).then(|| Value::new(self, id as Id))
        };
        self.nodes.iter().enumerate().filter_map(refers)
    }

    /// Bytes of the input that belong to the pickle; another may follow.
    pub fn byte_len(&self) -> usize {
        self.bytes
    }
}

/// Why a pickle cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason} (byte {at} of the pickle)")]
pub struct PickleError {
    /// Where in the input.
    pub at: usize,
    /// What was found.
    pub reason: String,
}
