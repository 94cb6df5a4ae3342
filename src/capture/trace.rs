//! Headers of an API call that go on with its push, so that traces and logs can be joined.
//!
//! The caller chooses what is in them, and the push of somebody else's webhook carries it. So nothing goes
//! on that is malformed or long: a receiver could refuse the push for it.

/// Lengths of the version, the trace id, the parent id and the flags of a `traceparent`, in hex digits.
const TRACEPARENT_PARTS: [usize; 4] = [2, 32, 16, 2];

/// The length of a `traceparent` of version 00, in bytes.
const TRACEPARENT_BYTES: usize = 55;

/// The longest `tracestate` that goes on, in bytes: so much has to be propagated at least.
const MAX_TRACESTATE_BYTES: usize = 512;

/// The most members of a `tracestate`.
const MAX_TRACESTATE_MEMBERS: usize = 32;

/// The longest `x-request-id` that goes on, in bytes.
const MAX_REQUEST_ID_BYTES: usize = 128;

/// The headers that go on, of those that `header` reads: `traceparent` and `tracestate` as W3C Trace
/// Context (<https://www.w3.org/TR/trace-context/>) has them, and `x-request-id`. At most 728 bytes of names
/// and values.
pub(super) fn carried(
    header: impl Fn(&'static str) -> Option<Box<str>>,
) -> Vec<(&'static str, Box<str>)> {
    let mut carried = Vec::new();
    if let Some(parent) = header("traceparent").and_then(|parent| traceparent(&parent)) {
        carried.push(("traceparent", parent));
        let state = header("tracestate").filter(|state| is_tracestate(state));
        carried.extend(state.map(|state| ("tracestate", state)));
    }
    let id = header("x-request-id").filter(|id| is_request_id(id));
    carried.extend(id.map(|id| ("x-request-id", id)));
    carried
}

/// A `traceparent` in version 00; `None` if it is malformed. Of a higher version only what version 00 knows
/// may be taken over: the ids, and the flag for a sampled trace (section 4 of the specification).
fn traceparent(text: &str) -> Option<Box<str>> {
    let mut parts = text.splitn(5, '-');
    let mut known = [""; 4];
    for (part, length) in known.iter_mut().zip(TRACEPARENT_PARTS) {
        *part = parts.next()?;
        if part.len() != length || !part.bytes().all(is_lower_hex) {
            return None;
        }
    }
    let [version, trace, parent, flags] = known;
    let is_zero = |id: &str| id.bytes().all(|digit| digit == b'0');
    if version == "ff" || is_zero(trace) || is_zero(parent) {
        return None;
    }
    if version == "00" {
        return (text.len() == TRACEPARENT_BYTES).then(|| text.into());
    }
    let flags = u8::from_str_radix(flags, 16).ok()? & 1;
    Some(format!("00-{trace}-{parent}-0{flags}").into())
}

fn is_lower_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

/// Whether it is a list of at most 32 members `key=value`, each key once, in at most 512 bytes. Members may be
/// empty, as in any list in a header.
fn is_tracestate(text: &str) -> bool {
    let members = || text.split(',').map(|member| member.trim_matches([' ', '\t']));
    let keys = || members().filter(|member| !member.is_empty()).map(key_of_member);
    let count = keys().count();
    let is_once = |(at, key): (usize, Option<&str>)| {
        key.is_some() && keys().take(at).all(|before| before != key)
    };
    text.len() <= MAX_TRACESTATE_BYTES
        && (1..=MAX_TRACESTATE_MEMBERS).contains(&count)
        && keys().enumerate().all(is_once)
}

/// The key of a member of a `tracestate`; `None` if the member is malformed.
fn key_of_member(member: &str) -> Option<&str> {
    let (key, value) = member.split_once('=')?;
    let is_value = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'=' && byte != b',';
    let has_value = (1..=256).contains(&value.len()) && value.bytes().all(is_value);
    (has_value && is_key(key)).then_some(key)
}

/// Whether it is a key: up to 256 characters, or up to 241 of a tenant, `@`, and up to 14 of a system.
fn is_key(key: &str) -> bool {
    let is_of_key =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-*/".contains(&byte);
    let is_part =
        |part: &str, most: usize| (1..=most).contains(&part.len()) && part.bytes().all(is_of_key);
    let begins_with_letter =
        |part: &str| part.starts_with(|first: char| first.is_ascii_lowercase());
    match key.split_once('@') {
        None => is_part(key, 256) && begins_with_letter(key),
        Some((tenant, system)) => {
            is_part(tenant, 241)
                && tenant.starts_with(|first: char| first.is_ascii_alphanumeric())
                && is_part(system, 14)
                && begins_with_letter(system)
        }
    }
}

fn is_request_id(text: &str) -> bool {
    (1..=MAX_REQUEST_ID_BYTES).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    // Values of the specification's own examples.
    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    const STATE: &str = "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE";

    fn carried_of(parent: &str, state: &str, id: &str) -> Vec<(&'static str, Box<str>)> {
        carried(|name| {
            let value = match name {
                "traceparent" => parent,
                "tracestate" => state,
                _ => id,
            };
            (!value.is_empty()).then(|| value.into())
        })
    }

    #[test]
    fn what_is_well_formed_goes_along_as_it_came() {
        assert_eq!(
            carried_of(PARENT, STATE, "request-1"),
            [
                ("traceparent", PARENT.into()),
                ("tracestate", STATE.into()),
                ("x-request-id", "request-1".into()),
            ]
        );
        let unsampled = PARENT.replace("-01", "-00");
        assert_eq!(carried_of(&unsampled, "", ""), [("traceparent", unsampled.as_str().into())]);
    }

    #[test]
    fn a_traceparent_of_a_later_version_goes_along_as_version_00() {
        let ids = "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7";
        for (text, expected) in [
            (format!("cc-{ids}-01"), "01"),
            (format!("cc-{ids}-00"), "00"),
            (format!("01-{ids}-ff-what-the-future-will-be-like"), "01"),
            (format!("fe-{ids}-02-"), "00"),
            (format!("cc-{ids}-01-{}", "x".repeat(4000)), "01"),
        ] {
            let expected = format!("00-{ids}-{expected}");
            assert_eq!(
                carried_of(&text, "", ""),
                [("traceparent", expected.as_str().into())],
                "{text}"
            );
        }
    }

    #[test]
    fn a_malformed_traceparent_stays_and_so_does_its_tracestate() {
        for text in [
            "",
            "00",
            "00-1-2-01",
            &PARENT.replace("00-", "ff-"),
            &PARENT.replace("00-", "0-"),
            &PARENT.replace("00-", "000-"),
            &PARENT.replace("00-", "0g-"),
            &PARENT.to_uppercase(),
            &PARENT.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            &PARENT.replace("00f067aa0ba902b7", &"0".repeat(16)),
            &PARENT.replace("4bf9", "4bf"),
            &PARENT.replace("4bf9", "4bf99"),
            &PARENT.replace("-01", "-1"),
            &PARENT.replace("-01", "-001"),
            &PARENT.replace("-01", "-0x"),
            &PARENT.replace('-', "_"),
            &format!("{PARENT}-"),
            &format!("{PARENT}-extra"),
            &format!("{PARENT},{PARENT}"),
            &PARENT.replace("00-", "cc-").replace("-01", "-01.x"),
            "\u{ff10}0-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            &"0".repeat(4096),
        ] {
            assert_eq!(carried_of(text, STATE, ""), [], "{text}");
        }
    }

    #[test]
    fn only_a_short_and_well_formed_tracestate_goes_along() {
        let many = |count: usize| {
            (0..count).map(|number| format!("k{number}=v")).collect::<Vec<_>>().join(",")
        };
        let of_length = |length: usize| {
            let members = format!("a={},b=", "x".repeat(255));
            let rest = length - members.len();
            members + "y".repeat(rest).as_str()
        };
        for state in [
            "a=b",
            "a=b ,\tc=d,,e=f,",
            "a=b c!~",
            "0tenant@system=x",
            "fw529a3039@dt=FfffffffF",
            "a_-*/9=1",
            &format!("{}=x", "k".repeat(256)),
            &format!("{}@{}=x", "t".repeat(241), "s".repeat(14)),
            &many(32),
            &of_length(512),
        ] {
            assert_eq!(carried_of(PARENT, state, "").len(), 2, "{state}");
        }
        for state in [
            ",",
            " ",
            "a",
            "a=",
            "=b",
            "A=b",
            "a =b",
            "0a=b",
            "a@=b",
            "@a=b",
            "a@0b=c",
            "a@b@c=d",
            "a=b=c",
            "a=\u{e9}",
            "a=b\u{7f}",
            "a=b,a=c",
            &format!("{}=x", "k".repeat(257)),
            &format!("{}@s=x", "t".repeat(242)),
            &format!("t@{}=x", "s".repeat(15)),
            &format!("a={}", "x".repeat(257)),
            &many(33),
            &of_length(513),
        ] {
            assert_eq!(carried_of(PARENT, state, "").len(), 1, "{state}");
        }
    }

    #[test]
    fn only_a_short_and_visible_request_id_goes_along() {
        for id in ["1", "a/b=c;d", &"x".repeat(128)] {
            assert_eq!(carried_of("", "", id), [("x-request-id", id.into())]);
        }
        for id in ["a b", "a\tb", "\u{e9}", "a\u{7f}", &"x".repeat(129)] {
            assert_eq!(carried_of("", "", id), [], "{id:?}");
        }
    }

    proptest! {
        #[test]
        fn no_caller_adds_more_than_728_bytes_or_what_no_header_may_have(
            parent in "(00|cc|ff|[0-9a-f]{2})-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-.{0,600})?|.{0,80}",
            state in "([a-z0-9@]{1,20}=[ -~]{0,300},?){0,40}|.{0,600}",
            id in "[!-~]{0,140}|.{0,200}",
        ) {
            let carried = carried_of(&parent, &state, &id);
            let bytes: usize = carried.iter().map(|(name, value)| name.len() + value.len()).sum();
            prop_assert!(bytes <= 728);
            let is_plain = |byte: u8| (b' '..=b'~').contains(&byte) || byte == b'\t';
            prop_assert!(carried.iter().all(|(_, value)| value.bytes().all(is_plain)));
            // What goes along would go along again.
            let find = |name| carried.iter().find(|known| known.0 == name).map(|known| known.1.clone());
            prop_assert_eq!(&super::carried(find), &carried);
        }
    }
}
