//! Any bodies of any watched call, in any pieces, to any end.

#![no_main]

use formhook::capture::{
    Body, Budget, Captured, Exchange, Head, Lookup, Miss, Operations, Outcome, jodoo_operations,
};
use formhook::form::Forms;
use formhook::host::UnixMillis;
use formhook::payload::payload;
use libfuzzer_sys::fuzz_target;
use std::time::Duration;

/// The largest body that is read, and what all of them may take.
const LIMIT: usize = 4096;
const BUDGET: usize = 6000;

#[derive(Debug)]
struct Call<'d> {
    /// Which of the preset's operations.
    operation: u8,
    status: u16,
    is_local: bool,
    is_encoded: bool,
    is_aborted: bool,
    request: &'d [u8],
    response: &'d [u8],
    /// Sizes of the pieces that bodies come in, again and again.
    pieces: [usize; 2],
}

/// A byte for the operation, one for what goes wrong and in what pieces bodies come, both as letters in the
/// seeds; then the bodies, with a zero between them.
fn call(input: &[u8]) -> Option<Call<'_>> {
    let [operation, how, bodies @ ..] = input else { return None };
    let mut bodies = bodies.splitn(2, |byte| *byte == 0);
    let (status, is_local, is_encoded, is_aborted) = match how % 8 {
        0 => (404, false, false, false),
        1 => (200, true, false, false),
        2 => (200, false, true, false),
        3 => (200, false, false, true),
        _ => (200, false, false, false),
    };
    Some(Call {
        operation: *operation,
        status,
        is_local,
        is_encoded,
        is_aborted,
        request: bodies.next()?,
        response: bodies.next()?,
        pieces: [usize::from(how / 8), usize::from(how % 7)],
    })
}

fn feed(body: &mut Body, bytes: &[u8], pieces: &[usize]) {
    let mut rest = bytes;
    let mut sizes = pieces.iter().cycle();
    while !rest.is_empty() {
        let size = sizes.next().map_or(rest.len(), |size| (*size).clamp(1, rest.len()));
        let (piece, after) = rest.split_at(size);
        if body.make_room(piece.len()) {
            body.append(piece.to_vec());
        }
        rest = after;
    }
}

/// What comes of the call, as pushes' bodies or the reason why there are none.
fn outcome(call: &Call<'_>, pieces: &[usize]) -> Result<Vec<Vec<u8>>, Option<Miss>> {
    let mut operations = Operations::default();
    let known = jodoo_operations("/api", &Lookup::default());
    let (template, operation) = &known[usize::from(call.operation) % known.len()];
    operations.add("POST", template, operation.clone()).unwrap();
    let path = template.replace(['{', '}'], "");
    let matched = operations.find(b"POST", path.as_bytes()).unwrap();
    let budget = Budget::new(BUDGET);
    let result = {
        let mut exchange = Exchange::begin(matched, LIMIT, &budget, Duration::ZERO, |_| None);
        let Call { status, is_local, is_encoded, .. } = *call;
        feed(exchange.request(), call.request, pieces);
        exchange.response_head(Head { status: Some(status), is_local, is_encoded });
        feed(exchange.response(), call.response, pieces);
        assert!(budget.used() <= BUDGET);
        match call.is_aborted {
            true => Err(exchange.abort()),
            false => exchange.finish(UnixMillis(1_778_575_509_018)).map(|call| pushes(&call)),
        }
    };
    assert_eq!(budget.used(), 0, "what was used is given back");
    result
}

fn pushes(call: &Captured) -> Vec<Vec<u8>> {
    match call.documents().outcome() {
        Outcome::Event(event) => vec![payload(&event, Forms::default().get(&event.form), None)],
        _ => Vec::new(),
    }
}

fuzz_target!(|input: &[u8]| {
    let Some(call) = call(input) else { return };
    let result = outcome(&call, &call.pieces);
    // Bodies come in whatever pieces the network makes of them.
    assert_eq!(result, outcome(&call, &[]), "pieces make no difference");
    if call.is_aborted || call.is_local || !(200..300).contains(&call.status) {
        assert!(result.is_err(), "nothing was changed: {result:?}");
    }
    for push in result.iter().flatten() {
        assert!(serde_json::from_slice::<serde_json::Value>(push).is_ok(), "{push:?}");
    }
});
