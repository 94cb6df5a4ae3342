//! HTTP/1 messages as they are on the wire.

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// Names in lower case, with their values, in the order in which they came.
pub type Headers = Vec<(String, Vec<u8>)>;

/// A message that was read.
#[derive(Clone, Debug, Default)]
pub struct Message {
    /// The request line or the status line.
    pub first_line: String,
    pub headers: Headers,
    pub body: Vec<u8>,
    pub trailers: Headers,
    /// Whether it came to its end.
    pub is_whole: bool,
}

/// How long the body of a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Length {
    Bytes(usize),
    Chunked,
    UntilClose,
}

pub fn value<'m>(headers: &'m Headers, name: &str) -> Option<&'m [u8]> {
    headers.iter().find(|(known, _)| known == name).map(|(_, value)| &value[..])
}

/// Reads from a connection.
pub struct Reader<R> {
    from: R,
    buffer: Vec<u8>,
}

impl<R: AsyncRead + Unpin> Reader<R> {
    pub fn new(from: R) -> Self {
        Reader { from, buffer: Vec::new() }
    }

    /// Reads more; false at the end.
    async fn fill(&mut self) -> bool {
        self.buffer.reserve(1 << 16);
        matches!(self.from.read_buf(&mut self.buffer).await, Ok(1..))
    }

    async fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\r\n") {
                let line: Vec<u8> = self.buffer.drain(..end + 2).take(end).collect();
                return Some(line.into_iter().map(char::from).collect());
            }
            if !self.fill().await {
                return None;
            }
        }
    }

    async fn fields(&mut self) -> Option<Headers> {
        let mut headers = Headers::new();
        loop {
            let line = self.line().await?;
            if line.is_empty() {
                return Some(headers);
            }
            let (name, value) = line.split_once(':').unwrap_or((&line, ""));
            // Each character was one byte.
            let value = value.trim().chars().map(|char| char as u8).collect();
            headers.push((name.to_ascii_lowercase(), value));
        }
    }

    /// The head of a message.
    pub async fn head(&mut self) -> Option<Message> {
        let first_line = self.line().await?;
        let headers = self.fields().await?;
        Some(Message { first_line, headers, ..Message::default() })
    }

    /// Reads the body of a request, if it has one.
    pub async fn request_body(&mut self, message: &mut Message) {
        self.body(message, Length::Bytes(0)).await;
    }

    /// Reads the body of an answer, if it has one.
    pub async fn answer_body(&mut self, message: &mut Message, to_head: bool) {
        let status = message.status();
        if to_head || status == 204 || status == 304 {
            message.is_whole = true;
            return;
        }
        self.body(message, Length::UntilClose).await;
    }

    async fn body(&mut self, message: &mut Message, untold: Length) {
        let is_chunked = value(&message.headers, "transfer-encoding").is_some();
        let length = value(&message.headers, "content-length");
        let length = match length.map(|text| std::str::from_utf8(text).unwrap().parse().unwrap()) {
            _ if is_chunked => Length::Chunked,
            Some(bytes) => Length::Bytes(bytes),
            None => untold,
        };
        message.is_whole = match length {
            Length::Bytes(bytes) => self.take(message, bytes).await,
            Length::Chunked => self.chunks(message).await.is_some(),
            Length::UntilClose => {
                while self.fill().await {}
                message.body = std::mem::take(&mut self.buffer);
                true
            }
        };
    }

    async fn take(&mut self, message: &mut Message, bytes: usize) -> bool {
        while self.buffer.len() < bytes {
            if !self.fill().await {
                message.body.append(&mut self.buffer);
                return false;
            }
        }
        message.body.extend(self.buffer.drain(..bytes));
        true
    }

    async fn chunks(&mut self, message: &mut Message) -> Option<()> {
        loop {
            let size = self.line().await?;
            let size = usize::from_str_radix(size.split(';').next()?.trim(), 16).ok()?;
            if size == 0 {
                message.trailers = self.fields().await?;
                return Some(());
            }
            if !self.take(message, size).await {
                return None;
            }
            self.line().await?;
        }
    }
}

impl Message {
    /// The status of an answer; zero if it is none.
    pub fn status(&self) -> u16 {
        self.first_line.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default()
    }
}
