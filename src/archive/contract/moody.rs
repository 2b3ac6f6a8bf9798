//! A server in front of the real one, for what the real one cannot be made to do.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::{env, thread};

/// What becomes of a request.
pub(super) enum Mood {
    /// The real server answers.
    Pass,
    /// The real server answers, without having seen the condition.
    ForgetCondition,
    /// This status and code.
    Answer(u16, &'static str),
    /// The connection breaks off; the server has not heard of it.
    Cut,
    /// The server has done it, but the connection breaks off before its answer.
    CutAfter,
}

/// Decides from the head of a request, in lower case, and how many came before.
pub(super) type Rule = Box<dyn Fn(&str, usize) -> Mood + Send>;

/// The server's address and the heads of what it was asked.
pub(super) struct Moody {
    pub(super) endpoint: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Moody {
    /// A server in front of the one that tests have; `None` if there is none.
    pub(super) fn start(rule: Rule) -> Option<Self> {
        let real = env::var("KIGEN_TEST_S3_ENDPOINT").ok()?;
        let real = real.trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        thread::spawn(move || {
            for (turn, connection) in listener.incoming().enumerate() {
                exchange(connection.unwrap(), &real, turn, &rule, &seen);
            }
        });
        Some(Self { endpoint, requests })
    }

    /// How many requests had all of `words` in their head.
    pub(super) fn asked(&self, words: &[&str]) -> usize {
        let requests = self.requests.lock().unwrap();
        let has_all = |head: &&String| words.iter().all(|word| head.contains(word));
        requests.iter().filter(has_all).count()
    }
}

/// Takes a request down before it is answered: whoever has the answer finds the request.
fn exchange(
    connection: TcpStream,
    real: &str,
    turn: usize,
    rule: &Rule,
    seen: &Mutex<Vec<String>>,
) {
    let mut reader = BufReader::new(connection);
    let mut lines = Vec::new();
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap();
        }
        lines.push(line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let head = lines.concat().to_ascii_lowercase();
    seen.lock().unwrap().push(head.clone());
    let mut client = reader.into_inner();
    match rule(&head, turn) {
        Mood::Pass => client.write_all(&forward(real, &lines, &body)).unwrap(),
        Mood::ForgetCondition => {
            let is_condition = |line: &String| line.to_ascii_lowercase().starts_with("if-none-");
            lines.retain(|line| !is_condition(line));
            client.write_all(&forward(real, &lines, &body)).unwrap();
        }
        Mood::Answer(status, code) => {
            let body = format!("<Error><Code>{code}</Code></Error>");
            let reply = format!(
                "HTTP/1.1 {status} Moody\r\ndate: Sun, 22 Nov 2026 04:13:41 GMT\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
            client.write_all(reply.as_bytes()).unwrap();
        }
        Mood::Cut => {}
        Mood::CutAfter => drop(forward(real, &lines, &body)),
    }
}

/// The real server's whole answer.
fn forward(real: &str, lines: &[String], body: &[u8]) -> Vec<u8> {
    let mut server = TcpStream::connect(real).unwrap();
    let kept = |line: &&String| !line.to_ascii_lowercase().starts_with("connection:");
    let mut request: String = lines.iter().filter(kept).cloned().collect();
    request.push_str("connection: close\r\n\r\n");
    server.write_all(request.as_bytes()).unwrap();
    server.write_all(body).unwrap();
    let mut answer = Vec::new();
    server.read_to_end(&mut answer).unwrap();
    answer
}
