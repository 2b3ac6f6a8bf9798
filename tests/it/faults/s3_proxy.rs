//! A server in front of the tests' S3 server that spoils some of its calls.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What becomes of a call.
#[derive(Clone, Copy)]
pub(crate) enum Spoil {
    /// It is carried out after this time.
    Late(Duration),
    /// The server answers with this status and code.
    Refused(u16, &'static str),
    /// The server takes the call and never answers.
    Silence,
}

/// Spoils the calls whose first line holds a text.
pub(crate) struct Proxy {
    pub(crate) endpoint: String,
    spoiled: Arc<AtomicU64>,
}

impl Proxy {
    pub(crate) fn start(upstream: &str, first_line_holds: &'static str, spoil: Spoil) -> Self {
        Self::start_after(0, upstream, first_line_holds, spoil)
    }

    /// Lets the first `calm` of these calls pass; they count all the same.
    pub(crate) fn start_after(
        calm: u64,
        upstream: &str,
        first_line_holds: &'static str,
        spoil: Spoil,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let spoiled = Arc::new(AtomicU64::new(0));
        let upstream = upstream.trim_start_matches("http://").to_owned();
        let counted = Arc::clone(&spoiled);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (upstream, counted) = (upstream.clone(), Arc::clone(&counted));
                std::thread::spawn(move || {
                    serve(client, &upstream, first_line_holds, calm, spoil, &counted)
                });
            }
        });
        Self { endpoint, spoiled }
    }

    /// How many of these calls came.
    pub(crate) fn spoiled(&self) -> u64 {
        self.spoiled.load(Ordering::SeqCst)
    }

    /// Waits until so many of the calls have come.
    pub(crate) fn wait_for(&self, calls: u64) {
        for _ in 0..6000 {
            if self.spoiled() >= calls {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("{calls} calls did not come");
    }
}

fn serve(
    mut client: TcpStream,
    upstream: &str,
    first_line_holds: &str,
    calm: u64,
    spoil: Spoil,
    spoiled: &AtomicU64,
) {
    let Some(request) = read_request(&mut client) else {
        return;
    };
    let line = request
        .split(|byte| *byte == b'\r')
        .next()
        .unwrap_or_default();
    if String::from_utf8_lossy(line).contains(first_line_holds)
        && spoiled.fetch_add(1, Ordering::SeqCst) >= calm
    {
        match spoil {
            Spoil::Late(time) => std::thread::sleep(time),
            Spoil::Refused(status, code) => {
                let body = format!("<Error><Code>{code}</Code><Message>no</Message></Error>");
                let answer = format!(
                    "HTTP/1.1 {status} No\r\ncontent-type: application/xml\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
                    body.len()
                );
                client.write_all(answer.as_bytes()).ok();
                return;
            }
            Spoil::Silence => {
                // Until the client gives up.
                client.read_to_end(&mut Vec::new()).ok();
                return;
            }
        }
    }
    let Ok(mut server) = TcpStream::connect(upstream) else {
        return;
    };
    server.write_all(&request).ok();
    let mut answer = Vec::new();
    server.read_to_end(&mut answer).ok();
    client.write_all(&answer).ok();
    client.shutdown(Shutdown::Both).ok();
}

/// The whole request, for a server that closes the connection behind it.
fn read_request(client: &mut TcpStream) -> Option<Vec<u8>> {
    let mut read = Vec::new();
    let mut buffer = [0; 4096];
    let end = loop {
        if let Some(at) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        let length = client.read(&mut buffer).ok().filter(|length| *length > 0)?;
        read.extend_from_slice(&buffer[..length]);
    };
    let head = String::from_utf8_lossy(&read[..end]).into_owned();
    let length = head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, length)| length.trim().parse::<usize>().ok())
        .unwrap_or_default();
    while read.len() < end + length {
        let more = client.read(&mut buffer).ok().filter(|more| *more > 0)?;
        read.extend_from_slice(&buffer[..more]);
    }
    let mut request: Vec<u8> = head
        .split("\r\n")
        .filter(|line| !line.to_ascii_lowercase().starts_with("connection:") && !line.is_empty())
        .flat_map(|line| format!("{line}\r\n").into_bytes())
        .collect();
    request.extend_from_slice(b"connection: close\r\n\r\n");
    request.extend_from_slice(&read[end..]);
    Some(request)
}
