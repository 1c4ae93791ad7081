//! The stack machine: one step an opcode, nothing is executed.

use std::collections::BTreeMap;

use super::{Id, MAX_STEPS, MAX_VALUES, Node, Pickle, PickleError};

/// The state of a pickle that is being read.
pub(super) struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    allowed: &'static [&'static str],
    nodes: Vec<Node<'a>>,
    stack: Vec<Id>,
    /// Heights of the stack at which the open marks stand.
    marks: Vec<usize>,
    memo: BTreeMap<u32, Id>,
    /// Entries that ordered dicts have copied so far: one list, named again and again, must not grow into many.
    copied: usize,
}

type Step<T> = Result<T, String>;

impl<'a> Machine<'a> {
    pub(super) fn new(bytes: &'a [u8], allowed: &'static [&'static str]) -> Self {
        let (nodes, stack, marks) = (Vec::new(), Vec::new(), Vec::new());
        Self { bytes, at: 0, allowed, nodes, stack, marks, memo: BTreeMap::new(), copied: 0 }
    }

    pub(super) fn run(mut self) -> Result<Pickle<'a>, PickleError> {
        for _ in 0..MAX_STEPS {
            let at = self.at;
            match self.step() {
                Ok(None) => {}
                Ok(Some(root)) => return Ok(Pickle { nodes: self.nodes, root, bytes: self.at }),
                Err(reason) => return Err(PickleError { at, reason }),
            }
        }
        Err(PickleError { at: self.at, reason: format!("it takes more than {MAX_STEPS} steps") })
    }

    /// One opcode; the root when it is the last.
    fn step(&mut self) -> Step<Option<Id>> {
        let opcode = self.take(1)?[0];
        match opcode {
            b'.' => return self.pop().map(Some),
            0x80 => {
                let protocol = self.take(1)?[0];
                if !(2..=5).contains(&protocol) {
                    return Err(format!("protocol {protocol}; 2 to 5 are read"));
                }
            }
            0x95 => {
                self.take(8)?; // the length of a frame is of use to streams alone
            }
            b'N' => self.push(Node::None)?,
            0x88 | 0x89 => self.push(Node::Bool(opcode == 0x88))?,
            b'K' | b'M' | b'J' | 0x8A | b'G' => self.number(opcode)?,
            b'X' | 0x8C | 0x8D => self.text(opcode)?,
            b'U' | b'T' | b'C' | b'B' | 0x8E | 0x96 => self.binary(opcode)?,
            b'(' => self.marks.push(self.stack.len()),
            b'0' => {
                self.pop()?;
            }
            b'1' => {
                self.pop_mark()?;
            }
            b'2' => {
                let top = self.top()?;
                self.stack.push(top);
            }
            b']' => self.push(Node::List(Vec::new()))?,
            b')' => self.push(Node::Tuple(Vec::new()))?,
            b'}' => self.push(Node::Dict(Vec::new()))?,
            b'l' | b't' | b'd' | 0x85..=0x87 => self.collect(opcode)?,
            b'a' | b'e' | b's' | b'u' => self.extend(opcode)?,
            b'q' | b'r' | b'h' | b'j' | 0x94 => self.remember(opcode)?,
            b'c' | 0x93 => self.global(opcode)?,
            b'R' | 0x81 => self.call()?,
            b'b' => self.build()?,
            b'Q' => {
                let id = self.pop()?;
                self.push(Node::Persistent(id))?;
            }
            0x98 => {} // read-only buffer: everything here is
            other => return Err(format!("opcode {other:#04x} is not one that data need")),
        }
        Ok(None)
    }

    fn number(&mut self, opcode: u8) -> Step<()> {
        let node = match opcode {
            b'K' => Node::Int(i64::from(self.take(1)?[0])),
            b'M' => Node::Int(i64::from(u16::from_le_bytes(self.array()?))),
            b'J' => Node::Int(i64::from(i32::from_le_bytes(self.array()?))),
            b'G' => Node::Float(f64::from_be_bytes(self.array()?)),
            _ => {
                let length = usize::from(self.take(1)?[0]);
                let bytes = self.take(length)?;
                if length > 8 {
                    Node::Long(bytes)
                } else {
                    let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
                    let mut wide = [if negative { 0xFF } else { 0 }; 8];
                    wide[..length].copy_from_slice(bytes);
                    Node::Int(i64::from_le_bytes(wide))
                }
            }
        };
        self.push(node)
    }

    fn text(&mut self, opcode: u8) -> Step<()> {
        let bytes = match opcode {
            0x8C => self.sized::<1>()?,
            b'X' => self.sized::<4>()?,
            _ => self.sized::<8>()?,
        };
        // Lone surrogates, which Python allows, have no place in a name.
        let text = std::str::from_utf8(bytes).map_err(|_| "a text is not UTF-8".to_owned())?;
        self.push(Node::Str(text))
    }

    fn binary(&mut self, opcode: u8) -> Step<()> {
        let bytes = match opcode {
            b'U' | b'C' => self.sized::<1>()?,
            b'T' | b'B' => self.sized::<4>()?,
            _ => self.sized::<8>()?,
        };
        self.push(Node::Bytes(bytes))
    }

    /// Makes a collection of what stands on the stack.
    fn collect(&mut self, opcode: u8) -> Step<()> {
        let node = match opcode {
            b'l' => Node::List(self.pop_mark()?),
            b't' => Node::Tuple(self.pop_mark()?),
            b'd' => Node::Dict(pairs(&self.pop_mark()?)?),
            _ => {
                let mut items = Vec::with_capacity(3);
                for _ in 0x84..opcode {
                    items.push(self.pop()?);
                }
                items.reverse();
                Node::Tuple(items)
            }
        };
        self.push(node)
    }

    /// Adds to the collection below what stands on the stack.
    fn extend(&mut self, opcode: u8) -> Step<()> {
        let new = match opcode {
            b'a' => vec![self.pop()?],
            b's' => {
                let value = self.pop()?;
                vec![self.pop()?, value]
            }
            _ => self.pop_mark()?,
        };
        let target = self.top()?;
        match (&mut self.nodes[target as usize], opcode) {
            (Node::List(items), b'a' | b'e') => items.extend(new),
            (Node::Dict(entries), b's' | b'u') => entries.extend(pairs(&new)?),
            _ => return Err("items are added to something that is neither a list nor a dict".to_owned()),
        }
        Ok(())
    }

    fn remember(&mut self, opcode: u8) -> Step<()> {
        let key = match opcode {
            b'q' | b'h' => u32::from(self.take(1)?[0]),
            b'r' | b'j' => u32::from_le_bytes(self.array()?),
            _ => self.memo.len() as u32,
        };
        if matches!(opcode, b'h' | b'j') {
            let id = *self.memo.get(&key).ok_or_else(|| format!("memo {key} was never set"))?;
            self.stack.push(id);
        } else {
            let top = self.top()?;
            self.memo.insert(key, top);
        }
        Ok(())
    }

    fn global(&mut self, opcode: u8) -> Step<()> {
        let (module, name) = if opcode == b'c' {
            (self.line()?, self.line()?)
        } else {
            let (name, module) = (self.pop()?, self.pop()?);
            match (&self.nodes[module as usize], &self.nodes[name as usize]) {
                (Node::Str(module), Node::Str(name)) => (*module, *name),
                _ => return Err("a callable is not named by two texts".to_owned()),
            }
        };
        let known = self.allowed.iter().find(|allowed| {
            allowed.strip_prefix(module).and_then(|rest| rest.strip_prefix('.')) == Some(name)
        });
        let Some(known) = known else {
            let name: String = format!("{module}.{name}").escape_debug().take(80).collect();
            return Err(format!("it asks for `{name}`, which this kind of file does not need"));
        };
        self.push(Node::Global(known))
    }

    /// Keeps a call as a value; an ordered dict becomes a dict.
    fn call(&mut self) -> Step<()> {
        let (args, callable) = (self.pop()?, self.pop()?);
        let Node::Global(global) = self.nodes[callable as usize] else {
            return Err("something that is no callable is called".to_owned());
        };
        let Node::Tuple(items) = &self.nodes[args as usize] else {
            return Err(format!("the arguments of `{global}` are no tuple"));
        };
        if global != "collections.OrderedDict" {
            return self.push(Node::Call { global, args, state: None });
        }
        let mut entries = Vec::new();
        if let Some(list) = items.first() {
            let Node::List(list) = &self.nodes[*list as usize] else {
                return Err("an ordered dict is not made from a list".to_owned());
            };
            self.copied = self.copied.saturating_add(list.len());
            if self.copied > MAX_VALUES {
                return Err(format!("its ordered dicts hold more than {MAX_VALUES} values"));
            }
            for pair in list {
                match &self.nodes[*pair as usize] {
                    Node::List(pair) | Node::Tuple(pair) if pair.len() == 2 => {
                        entries.push((pair[0], pair[1]));
                    }
                    _ => return Err("an ordered dict is not made from pairs".to_owned()),
                }
            }
        }
        self.push(Node::Dict(entries))
    }

    /// Gives an object its state; that of a dict, its attributes, is left out.
    fn build(&mut self) -> Step<()> {
        let new = self.pop()?;
        let target = self.top()?;
        match &mut self.nodes[target as usize] {
            Node::Dict(_) => Ok(()),
            Node::Call { state: state @ None, .. } => {
                *state = Some(new);
                Ok(())
            }
            _ => Err("a state is given to something that takes none".to_owned()),
        }
    }

    fn push(&mut self, node: Node<'a>) -> Step<()> {
        if self.nodes.len() >= MAX_VALUES {
            return Err(format!("it holds more than {MAX_VALUES} values"));
        }
        self.stack.push(self.nodes.len() as Id);
        self.nodes.push(node);
        Ok(())
    }

    fn top(&self) -> Step<Id> {
        let floor = self.marks.last().copied().unwrap_or(0);
        let above = self.stack.get(floor..).and_then(<[Id]>::last);
        above.copied().ok_or_else(|| "the stack is empty".to_owned())
    }

    fn pop(&mut self) -> Step<Id> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    /// What stands above the last mark.
    fn pop_mark(&mut self) -> Step<Vec<Id>> {
        let mark = self.marks.pop().ok_or_else(|| "there is no mark on the stack".to_owned())?;
        Ok(self.stack.split_off(mark))
    }

    fn take(&mut self, count: usize) -> Step<&'a [u8]> {
        let rest = &self.bytes[self.at..];
        let Some((bytes, _)) = rest.split_at_checked(count) else {
            return Err(format!("it ends {} bytes too early", count - rest.len()));
        };
        self.at += count;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Step<[u8; N]> {
        Ok(self.take(N)?.try_into().expect("invariant: as many bytes were taken"))
    }

    /// Bytes behind their length, which is an unsigned integer of `N` bytes.
    fn sized<const N: usize>(&mut self) -> Step<&'a [u8]> {
        let mut wide = [0; 8];
        wide[..N].copy_from_slice(&self.array::<N>()?);
        let length = usize::try_from(u64::from_le_bytes(wide)).unwrap_or(usize::MAX);
        self.take(length)
    }

    fn line(&mut self) -> Step<&'a str> {
        let rest = &self.bytes[self.at..];
        let end = rest.iter().take(256).position(|byte| *byte == b'\n');
        let line = end.and_then(|end| std::str::from_utf8(&rest[..end]).ok());
        let line = line.ok_or_else(|| "the name of a callable is not a line of text".to_owned())?;
        self.at += line.len() + 1;
        Ok(line)
    }
}

fn pairs(items: &[Id]) -> Step<Vec<(Id, Id)>> {
    let (pairs, rest) = items.as_chunks::<2>();
    if rest.is_empty() {
        Ok(pairs.iter().map(|[key, value]| (*key, *value)).collect())
    } else {
        Err("a dict has a key without a value".to_owned())
    }
}
