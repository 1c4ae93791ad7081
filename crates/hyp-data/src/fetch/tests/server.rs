//! A server on the loopback interface that behaves as badly as a test wants.

use std::collections::BTreeMap;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

/// A request as it came in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    /// How many came before it.
    pub(crate) number: usize,
    /// `GET`, or `CONNECT` for a proxy.
    pub(crate) method: String,
    /// The path, or the address for a proxy.
    pub(crate) path: String,
    /// Header fields by their names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
}

impl Request {
    /// The first byte that is asked for.
    pub(crate) fn offset(&self) -> usize {
        let range = self.headers.get("range").and_then(|text| text.strip_prefix("bytes=")?.strip_suffix('-'));
        range.and_then(|text| text.parse().ok()).unwrap_or(0)
    }

    /// Reads the head of a request; none if the client has gone.
    pub(crate) fn read(stream: &TcpStream) -> Option<Self> {
        let mut lines = BufReader::new(stream).lines();
        let first = lines.next()?.ok()?;
        let mut words = first.split(' ');
        let mut request =
            Self { method: words.next()?.to_owned(), path: words.next()?.to_owned(), ..Self::default() };
        loop {
            let line = lines.next()?.ok()?;
            if line.is_empty() {
                return Some(request);
            }
            let (name, value) = line.split_once(':')?;
            request.headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
    }
}

/// A running server; it stops when it is dropped.
pub(crate) struct Server {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    log: Arc<Mutex<Vec<Request>>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Listens on a free port and gives every request to `answer`, each on a thread of its own; the connection ends
    /// with the answer.
    pub(crate) fn start(answer: impl Fn(&Request, &mut TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let log = Arc::new(Mutex::new(Vec::new()));
        let (flag, requests, answer) = (Arc::clone(&stop), Arc::clone(&log), Arc::new(answer));
        let thread = thread::spawn(move || {
            for stream in listener.incoming() {
                if flag.load(Ordering::SeqCst) {
                    break;
                }
                let Ok(mut stream) = stream else { continue };
                let (requests, answer) = (Arc::clone(&requests), Arc::clone(&answer));
                thread::spawn(move || {
                    let Some(mut request) = Request::read(&stream) else { return };
                    {
                        let mut requests = requests.lock().unwrap();
                        request.number = requests.len();
                        requests.push(request.clone());
                    }
                    answer(&request, &mut stream);
                    let _ = stream.shutdown(Shutdown::Both);
                });
            }
        });
        Self { address, stop, log, thread: Some(thread) }
    }

    /// A server that offers one file, honestly.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let served = Served::new(bytes);
        Self::start(move |request, stream| served.send(request, stream))
    }

    /// The address of a file on it.
    pub(crate) fn url(&self, name: &str) -> String {
        format!("http://{}/{name}", self.address)
    }

    /// The requests so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.log.lock().unwrap().clone()
    }

    /// Host and port.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // Wakes the listener, so that it sees the flag.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A file as a server offers it.
#[derive(Clone, Debug)]
pub(crate) struct Served {
    pub(crate) bytes: Vec<u8>,
    pub(crate) etag: Option<String>,
    /// Whether ranges are honoured.
    pub(crate) ranges: bool,
    /// Whether `If-Range` is looked at.
    pub(crate) if_range: bool,
    /// Whether the length is announced; otherwise the end of the connection is the end of the file.
    pub(crate) announced: bool,
    pub(crate) content_type: &'static str,
    /// After how many bytes, head included, the connection is cut.
    pub(crate) cut: Option<usize>,
}

impl Served {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        Self {
            bytes: bytes.to_vec(),
            etag: Some("\"one\"".to_owned()),
            ranges: true,
            if_range: true,
            announced: true,
            content_type: "application/octet-stream",
            cut: None,
        }
    }

    /// The whole answer to a request.
    pub(crate) fn answer(&self, request: &Request) -> Vec<u8> {
        let mut from = if self.ranges { request.offset() } else { 0 };
        if self.if_range && request.headers.get("if-range").is_some_and(|tag| Some(tag) != self.etag.as_ref())
        {
            from = 0;
        }
        let total = self.bytes.len();
        let first = match (from, request.headers.contains_key("range")) {
            (from, true) if from >= total => {
                format!("HTTP/1.1 416 Range Not Satisfiable\r\nContent-Range: bytes */{total}\r\n")
            }
            (1.., _) => format!(
                "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {from}-{}/{total}\r\n",
                total - 1
            ),
            _ => "HTTP/1.1 200 OK\r\n".to_owned(),
        };
        let body = self.bytes.get(from..).unwrap_or_default();
        let etag = self.etag.as_ref().map_or(String::new(), |etag| format!("ETag: {etag}\r\n"));
        let length =
            if self.announced { format!("Content-Length: {}\r\n", body.len()) } else { String::new() };
        let rest = format!("{etag}{length}Content-Type: {}\r\nConnection: close\r\n\r\n", self.content_type);
        [first.as_bytes(), rest.as_bytes(), body].concat()
    }

    /// Answers, up to the cut.
    pub(crate) fn send(&self, request: &Request, stream: &mut TcpStream) {
        let answer = self.answer(request);
        let end = self.cut.map_or(answer.len(), |cut| cut.min(answer.len()));
        let _ = send(stream, &answer[..end]);
    }
}

/// Writes bytes; a client that has gone is nothing to a server.
pub(crate) fn send(stream: &mut TcpStream, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes)?;
    stream.flush()
}

/// An answer without a body that matters.
pub(crate) fn status(stream: &mut TcpStream, line: &str, headers: &str) {
    let _ = send(
        stream,
        format!("HTTP/1.1 {line}\r\n{headers}Content-Length: 0\r\nConnection: close\r\n\r\n").as_bytes(),
    );
}
