//! How an input is cut: a few bytes that say what to do, and then texts with zeros between them, so that a
//! seed can be written by hand and a dictionary helps.

/// The texts of an input, as many as are asked for; those that are not there are empty.
pub fn texts<const N: usize>(input: &[u8]) -> [&[u8]; N] {
    let mut texts = input.splitn(N, |byte| *byte == 0);
    std::array::from_fn(|_| texts.next().unwrap_or_default())
}

/// A body in pieces, as a network makes them: of these sizes, again and again; whole if there are none.
pub fn chunks<'b>(body: &'b [u8], sizes: &[u8]) -> Vec<&'b [u8]> {
    let mut sizes = sizes.iter().cycle();
    let mut left = body;
    let mut chunks = Vec::new();
    while !left.is_empty() {
        let size = sizes.next().map_or(left.len(), |size| usize::from(*size) + 1);
        let (chunk, after) = left.split_at(size.min(left.len()));
        chunks.push(chunk);
        left = after;
    }
    chunks
}
