//! The protocol of Redis, as far as tests speak it (<https://redis.io/docs/latest/develop/reference/protocol-spec/>).

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// What Redis answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    Nil,
    Status(String),
    Error(String),
    Integer(i64),
    Bytes(Vec<u8>),
    List(Vec<Value>),
}

impl Value {
    /// As a text.
    ///
    /// # Panics
    /// If it is an error, a list or nil.
    pub fn text(&self) -> String {
        match self {
            Value::Status(text) => text.clone(),
            Value::Integer(number) => number.to_string(),
            Value::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            Value::Nil | Value::Error(_) | Value::List(_) => panic!("no text: {self:?}"),
        }
    }

    /// As texts.
    ///
    /// # Panics
    /// If it is no list of them.
    pub fn texts(&self) -> Vec<String> {
        match self {
            Value::List(values) => values.iter().map(Value::text).collect(),
            _ => panic!("no list: {self:?}"),
        }
    }

    /// The answer that a text of the Redis protocol begins with, and what follows it; `None` if it is
    /// not complete.
    fn read(text: &[u8]) -> Option<(Self, &[u8])> {
        let end = text.windows(2).position(|pair| pair == b"\r\n")?;
        let (line, rest) = (std::str::from_utf8(&text[..end]).unwrap(), &text[end + 2..]);
        let (kind, line) = line.split_at(1);
        Some(match kind {
            "+" => (Value::Status(line.to_owned()), rest),
            "-" => (Value::Error(line.to_owned()), rest),
            ":" => (Value::Integer(line.parse().unwrap()), rest),
            "$" | "*" if line == "-1" => (Value::Nil, rest),
            "$" => {
                let length: usize = line.parse().unwrap();
                let bytes = rest.get(..length)?.to_vec();
                (Value::Bytes(bytes), rest.get(length + 2..)?)
            }
            "*" => {
                let (mut values, mut rest) = (Vec::new(), rest);
                for _ in 0..line.parse().unwrap() {
                    let (value, after) = Value::read(rest)?;
                    values.push(value);
                    rest = after;
                }
                (Value::List(values), rest)
            }
            _ => panic!("Redis says {kind}{line}"),
        })
    }
}

pub(super) fn words(command: &[&str]) -> Vec<Vec<u8>> {
    command.iter().map(|word| word.as_bytes().to_vec()).collect()
}

/// Sends commands over a connection of their own; an answer for each.
pub(super) async fn ask(port: u16, commands: &[Vec<Vec<u8>>]) -> std::io::Result<Vec<Value>> {
    let mut request = Vec::new();
    for command in commands {
        request.extend_from_slice(format!("*{}\r\n", command.len()).as_bytes());
        for word in command {
            request.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
            request.extend_from_slice(word);
            request.extend_from_slice(b"\r\n");
        }
    }
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.write_all(&request).await?;
    let (mut answers, mut text) = (Vec::new(), Vec::new());
    while answers.len() < commands.len() {
        if stream.read_buf(&mut text).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        while let Some((value, rest)) = Value::read(&text) {
            answers.push(value);
            text = rest.to_vec();
        }
    }
    Ok(answers)
}
