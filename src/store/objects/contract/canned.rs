//! A server that gives prepared answers, for what a real server cannot be made to do.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::{BehaviorVersion, Builder, Credentials, Region};

use crate::store::objects::{S3Objects, S3Options};

/// An HTTP status and a body.
pub(super) type Answer = (u16, String);

/// The server's address and what it was asked.
pub(super) struct Canned {
    endpoint: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Canned {
    /// Starts a server that gives `answers` in turn, and the last one for ever.
    pub(super) fn start(answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        thread::spawn(move || {
            for (turn, connection) in listener.incoming().enumerate() {
                let answer = &answers[turn.min(answers.len() - 1)];
                exchange(connection.unwrap(), answer, &seen);
            }
        });
        Self { endpoint, requests }
    }

    /// A store on this server that tries each call once.
    pub(super) fn store(&self) -> S3Objects {
        store_at(&self.endpoint)
    }

    /// The requests so far: head and body, header names in lower case.
    pub(super) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

/// A store at `endpoint` that tries each call once.
pub(super) fn store_at(endpoint: &str) -> S3Objects {
    let config = Builder::new()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("us-east-1"))
        .credentials_provider(Credentials::for_tests())
        .retry_config(RetryConfig::disabled());
    let options = S3Options {
        bucket: String::from("bucket"),
        prefix: String::from("kept/"),
        region: None,
        endpoint: Some(String::from(endpoint)),
        path_style: true,
    };
    S3Objects::for_tests(config, options)
}

/// Takes a request down before it is answered: whoever has the answer finds the request.
fn exchange(connection: TcpStream, answer: &Answer, seen: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(connection);
    let mut request = String::new();
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap();
        }
        let is_end_of_head = line.trim().is_empty();
        request.push_str(&line.to_ascii_lowercase());
        if is_end_of_head {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    request.push_str(&String::from_utf8(body).unwrap());
    seen.lock().unwrap().push(request);
    let (status, body) = answer;
    let reply = format!(
        "HTTP/1.1 {status} Canned\r\ndate: Sun, 22 Nov 2026 04:13:41 GMT\r\ncontent-type: application/xml\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len(),
    );
    reader.into_inner().write_all(reply.as_bytes()).unwrap();
}
