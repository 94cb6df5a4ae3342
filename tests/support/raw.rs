//! A server below HTTP: it reads one request and writes what it is told, byte by byte. For peers
//! that no HTTP library would play.

use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// What to do after a request was read.
#[derive(Clone, Debug)]
pub enum Step {
    Send(Vec<u8>),
    /// The same bytes so many times.
    Repeat(Vec<u8>, usize),
    /// Say nothing more and keep the connection, reading what else comes.
    Hang,
}

impl Step {
    pub fn send(text: &str) -> Self {
        Step::Send(text.into())
    }
}

/// A running server; after its steps it closes the connection. It ends when this is dropped.
pub struct Server {
    pub address: SocketAddr,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    pub async fn start(steps: Vec<Step>) -> Self {
        Self::serving(steps, usize::MAX).await
    }

    /// One that plays its steps before it has read a body larger than this, and takes smaller requests.
    pub async fn refusing_above(most: usize, steps: Vec<Step>) -> Self {
        Self::serving(steps, most).await
    }

    async fn serving(steps: Vec<Step>, most: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let steps = Arc::new(steps);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let steps = Arc::clone(&steps);
                // A peer that goes away before the last step is an expected end.
                tokio::spawn(async move { play(stream, &steps, most).await.ok() });
            }
        });
        Server { address, task }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn play(mut stream: TcpStream, steps: &[Step], most: usize) -> std::io::Result<()> {
    while read_request(&mut stream, most).await? && most < usize::MAX {
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await?;
    }
    for step in steps {
        match step {
            Step::Send(bytes) => stream.write_all(bytes).await?,
            Step::Repeat(bytes, times) => {
                for _ in 0..*times {
                    stream.write_all(bytes).await?;
                }
            }
            // Until the peer gives up.
            Step::Hang => while stream.read(&mut [0; 65_536]).await? > 0 {},
        }
    }
    stream.shutdown().await
}

/// Reads a request with a `content-length`, in chunks without trailers, or with no body; of a body whose length is
/// said to be more than `most`, nothing. Whether it was read.
async fn read_request(stream: &mut TcpStream, most: usize) -> std::io::Result<bool> {
    let head = read_through(stream, b"\r\n\r\n").await?.to_lowercase();
    if head.contains("\r\ntransfer-encoding: chunked\r\n") {
        loop {
            let size = read_through(stream, b"\r\n").await?;
            let size = usize::from_str_radix(size.trim(), 16).unwrap();
            stream.read_exact(&mut vec![0; size + 2]).await?;
            if size == 0 {
                return Ok(true);
            }
        }
    }
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    let length = length.map_or(0, |length| length.trim().parse().unwrap());
    let is_read = length <= most;
    if is_read {
        stream.read_exact(&mut vec![0; length]).await?;
    }
    Ok(is_read)
}

/// Reads until these bytes have come.
async fn read_through(stream: &mut TcpStream, end: &[u8]) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(end) {
        bytes.push(stream.read_u8().await?);
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// A port where nobody listens, nor ever will.
pub async fn refusing_address() -> SocketAddr {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap();
    // Were it closed, the kernel could give its port to a server of another test.
    std::mem::forget(socket);
    address
}

/// Sends a request piece by piece, and reads until the server closes the connection.
pub async fn exchange(address: SocketAddr, pieces: &[String]) -> String {
    String::from_utf8_lossy(&exchange_bytes(address, pieces).await).into_owned()
}

/// The same for what is no text.
pub async fn exchange_bytes(address: SocketAddr, pieces: &[impl AsRef<[u8]>]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    for piece in pieces {
        stream.write_all(piece.as_ref()).await.unwrap();
        stream.flush().await.unwrap();
        tokio::task::yield_now().await;
    }
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    answer
}
