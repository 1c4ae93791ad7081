//! Values of a pickle as their reader sees them.

use std::borrow::Cow;

use super::{Id, Node, Pickle};

/// A value of a pickle, borrowed; each accessor gives `None` where the value is of another kind.
#[derive(Clone, Copy, Debug)]
pub struct Value<'p> {
    pickle: &'p Pickle<'p>,
    id: Id,
}

/// A call that the pickle asks for, which was not made.
#[derive(Clone, Copy, Debug)]
pub struct Call<'p> {
    /// The callable, as `module.name`.
    pub global: &'static str,
    /// The tuple of its arguments.
    pub args: Value<'p>,
    /// What the pickle then sets the object's state to.
    pub state: Option<Value<'p>>,
}

impl<'p> Value<'p> {
    pub(super) fn new(pickle: &'p Pickle<'p>, id: Id) -> Self {
        Self { pickle, id }
    }

    fn node(self) -> &'p Node<'p> {
        &self.pickle.nodes[self.id as usize]
    }

    fn other(self, id: Id) -> Self {
        Self { id, ..self }
    }

    /// Whether the value is `None`.
    pub fn is_none(self) -> bool {
        matches!(self.node(), Node::None)
    }

    /// A truth value.
    pub fn as_bool(self) -> Option<bool> {
        if let Node::Bool(value) = self.node() { Some(*value) } else { None }
    }

    /// An integer of at most 64 bits.
    pub fn as_i64(self) -> Option<i64> {
        if let Node::Int(value) = self.node() { Some(*value) } else { None }
    }

    /// A count or an offset.
    pub fn as_usize(self) -> Option<usize> {
        self.as_i64().and_then(|value| usize::try_from(value).ok())
    }

    /// The bytes of an integer beyond 64 bits, lowest first.
    pub fn as_long(self) -> Option<&'p [u8]> {
        if let Node::Long(bytes) = self.node() { Some(bytes) } else { None }
    }

    /// A float.
    pub fn as_f64(self) -> Option<f64> {
        if let Node::Float(value) = self.node() { Some(*value) } else { None }
    }

    /// A text; Python 2 wrote it as bytes.
    pub fn as_str(self) -> Option<&'p str> {
        match self.node() {
            Node::Str(text) => Some(text),
            Node::Bytes(bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }

    /// Bytes, also in the form that protocol 2 gives them (a text of Latin-1 letters, which is decoded here).
    pub fn as_bytes(self) -> Option<Cow<'p, [u8]>> {
        match self.node() {
            Node::Bytes(bytes) => Some(Cow::Borrowed(bytes)),
            Node::Call { global, args, .. } => {
                let mut args = self.other(*args).items()?;
                let (text, encoding) = (args.next(), args.next().and_then(Self::as_str));
                match (*global, text, encoding) {
                    ("__builtin__.bytes" | "builtins.bytes" | "builtins.bytearray", None, None) => {
                        Some(Cow::Borrowed(&[]))
                    }
                    (
                        "_codecs.encode" | "__builtin__.bytearray" | "builtins.bytearray",
                        Some(text),
                        Some("latin1" | "latin-1"),
                    ) => {
                        let Node::Str(text) = text.node() else { return None };
                        let bytes: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(c).ok()).collect();
                        bytes.map(Cow::Owned)
                    }
                    ("builtins.bytearray", Some(bytes), None) => match bytes.node() {
                        Node::Bytes(bytes) => Some(Cow::Borrowed(bytes)),
                        _ => None,
                    },
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// The items of a list or tuple.
    pub fn items(self) -> Option<impl ExactSizeIterator<Item = Self> + Clone> {
        match self.node() {
            Node::List(items) | Node::Tuple(items) => Some(items.iter().map(move |id| self.other(*id))),
            _ => None,
        }
    }

    /// The items of a list or tuple of exactly `N`.
    pub fn array<const N: usize>(self) -> Option<[Self; N]> {
        let items: Vec<Self> = self.items().filter(|items| items.len() == N)?.collect();
        items.try_into().ok()
    }

    /// The entries of a dict, in the order in which they were written.
    pub fn entries(self) -> Option<impl ExactSizeIterator<Item = (Self, Self)> + Clone> {
        match self.node() {
            Node::Dict(entries) => {
                Some(entries.iter().map(move |(key, value)| (self.other(*key), self.other(*value))))
            }
            _ => None,
        }
    }

    /// The value under a text key of a dict; the last one counts, as in Python.
    pub fn get(self, key: &str) -> Option<Self> {
        self.entries()?.filter(|(found, _)| found.as_str() == Some(key)).last().map(|(_, value)| value)
    }

    /// A call that was not made.
    pub fn call(self) -> Option<Call<'p>> {
        match self.node() {
            Node::Call { global, args, state } => {
                Some(Call { global, args: self.other(*args), state: state.map(|state| self.other(state)) })
            }
            _ => None,
        }
    }

    /// The name of a callable that stands for itself, such as an element type.
    pub fn as_global(self) -> Option<&'static str> {
        if let Node::Global(name) = self.node() { Some(name) } else { None }
    }

    /// The key of something that lies outside of the pickle.
    pub fn as_persistent(self) -> Option<Self> {
        if let Node::Persistent(id) = self.node() { Some(self.other(*id)) } else { None }
    }

    /// What the value is, in words, for a message.
    pub fn kind(self) -> String {
        match self.node() {
            Node::None => "None".to_owned(),
            Node::Bool(_) => "a truth value".to_owned(),
            Node::Int(_) | Node::Long(_) => "an integer".to_owned(),
            Node::Float(_) => "a float".to_owned(),
            Node::Str(_) => "a text".to_owned(),
            Node::Bytes(bytes) => format!("{} bytes", bytes.len()),
            Node::List(items) => format!("a list of {}", items.len()),
            Node::Tuple(items) => format!("a tuple of {}", items.len()),
            Node::Dict(entries) => format!("a dict of {}", entries.len()),
            Node::Global(name) => format!("the callable `{name}`"),
            Node::Call { global, .. } => format!("an object of `{global}`"),
            Node::Persistent(_) => "a reference out of the pickle".to_owned(),
        }
    }
}
