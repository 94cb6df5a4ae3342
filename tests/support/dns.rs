//! A name server with a few names, which may answer differently each time. It speaks as much of RFC 1035 as a
//! resolver needs that asks for addresses.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use tokio::net::UdpSocket;

/// For how many seconds an answer holds.
const TTL: u32 = 1;

const A: u16 = 1;
const AAAA: u16 = 28;

type Names = Arc<Mutex<Vec<(String, Vec<Vec<IpAddr>>, usize)>>>;

/// A running name server. It ends when this is dropped.
pub struct NameServer {
    pub address: SocketAddr,
    task: tokio::task::JoinHandle<()>,
}

impl NameServer {
    /// Knows each of these names by its addresses.
    pub async fn start(names: &[(&str, &[&str])]) -> Self {
        let names: Vec<_> =
            names.iter().map(|(name, addresses)| (*name, vec![*addresses])).collect();
        Self::taking_turns(&names).await
    }

    /// Knows each of these names by lists of addresses, and answers with one after the other.
    pub async fn taking_turns(names: &[(&str, Vec<&[&str]>)]) -> Self {
        let parsed = |addresses: &&[&str]| -> Vec<IpAddr> {
            addresses.iter().map(|address| address.parse().unwrap()).collect()
        };
        let names = names.iter().map(|(name, turns)| {
            ((*name).to_owned(), turns.iter().map(parsed).collect::<Vec<_>>(), 0)
        });
        let names: Names = Arc::new(Mutex::new(names.collect()));
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let task = tokio::spawn(async move {
            let mut question = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut question).await {
                let answer = answer(&question[..length], &names);
                socket.send_to(&answer, from).await.unwrap();
            }
        });
        NameServer { address, task }
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn answer(question: &[u8], names: &Names) -> Vec<u8> {
    let (mut labels, mut at) = (Vec::new(), 12);
    while question[at] != 0 {
        let end = at + 1 + usize::from(question[at]);
        labels.push(String::from_utf8_lossy(&question[at + 1..end]).to_lowercase());
        at = end;
    }
    let kind = u16::from_be_bytes([question[at + 1], question[at + 2]]);
    let asked = &question[12..at + 5];
    let mut names = names.lock().unwrap();
    let known = names.iter_mut().find(|(name, ..)| *name == labels.join("."));
    let is_known = known.is_some();
    let addresses = known.map(|(_, turns, turn)| {
        let addresses = turns[*turn % turns.len()].clone();
        *turn += usize::from(kind == A);
        addresses
    });
    let octets = addresses.into_iter().flatten().filter_map(|address| match (address, kind) {
        (IpAddr::V4(address), A) => Some(address.octets().to_vec()),
        (IpAddr::V6(address), AAAA) => Some(address.octets().to_vec()),
        _ => None,
    });
    let records: Vec<Vec<u8>> = octets
        .map(|octets| {
            // The name that was asked for, of the Internet.
            let mut record = vec![0xc0, 12];
            record.extend(kind.to_be_bytes());
            record.extend([0, 1]);
            record.extend(TTL.to_be_bytes());
            record.extend(u16::try_from(octets.len()).unwrap().to_be_bytes());
            record.extend(octets);
            record
        })
        .collect();
    // An answer, with recursion; 3 is a name that does not exist.
    let flags: u16 = if is_known { 0x8180 } else { 0x8183 };
    let mut out = question[..2].to_vec();
    let count = u16::try_from(records.len()).unwrap();
    [flags, 1, count, 0, 0].iter().for_each(|number| out.extend(number.to_be_bytes()));
    out.extend(asked);
    out.extend(records.concat());
    out
}
