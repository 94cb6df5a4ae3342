//! The id of a push.

use crate::host::Host;
use crate::text::push_hex;
use sha1::{Digest as _, Sha1};
use std::fmt;
use std::rc::Rc;

/// Bytes of a UUID's text.
const TEXT_LENGTH: usize = 36;

/// A push's id, a random UUID. It stays the same over all attempts, so that a receiver can tell a
/// repeated push from a new one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PushId(Rc<str>);

impl PushId {
    /// A new id.
    pub fn random(host: &impl Host) -> Self {
        let mut bytes = [0; 16];
        host.random(&mut bytes);
        PushId(uuid(4, u128::from_be_bytes(bytes)).into())
    }

    /// The id of what follows from the push with this id and is called so: whoever does it again gives it
    /// the same.
    pub fn derived(&self, name: &str) -> Self {
        let hash = Sha1::new().chain_update(&*self.0).chain_update(name).finalize();
        let bytes = hash.first_chunk().copied().unwrap_or_default();
        PushId(uuid(8, u128::from_be_bytes(bytes)).into())
    }

    /// An id that was kept; `None` for what cannot be one. An id goes into headers as it is.
    pub fn kept(text: &str) -> Option<Self> {
        let is_plain = |byte: u8| byte.is_ascii_hexdigit() || byte == b'-';
        (text.len() == TEXT_LENGTH && text.bytes().all(is_plain)).then(|| PushId(text.into()))
    }

    /// The id as it is sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// RFC 9562 sections 5.4 and 5.8: version 4 is of random bits, version 8 of any that are unique.
fn uuid(version: u8, bits: u128) -> String {
    const VARIANT: u128 = 0b10 << 62;
    let bits = bits & !(0xf << 76) & !(0b11 << 62) | u128::from(version) << 76 | VARIANT;
    let mut text = String::with_capacity(TEXT_LENGTH);
    for (position, byte) in bits.to_be_bytes().into_iter().enumerate() {
        if matches!(position, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        push_hex(&mut text, byte);
    }
    text
}

impl fmt::Display for PushId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_an_id_is_none() {
        let id = "4d1d1504-b885-439e-b79e-f10032ce3eed";
        assert_eq!(PushId::kept(id).unwrap().as_str(), id);
        for odd in
            ["", "4d1d1504", &id.replace('d', "\n"), &id.replace('d', "é"), &[id, "0"].concat()]
        {
            assert_eq!(PushId::kept(odd), None, "{odd:?}");
        }
    }

    #[test]
    fn an_id_is_a_uuid() {
        assert_eq!(uuid(4, 0), "00000000-0000-4000-8000-000000000000");
        assert_eq!(uuid(4, u128::MAX), "ffffffff-ffff-4fff-bfff-ffffffffffff");
        assert_eq!(uuid(8, u128::MAX), "ffffffff-ffff-8fff-bfff-ffffffffffff");
        assert_eq!(
            uuid(4, 0x4d1d1504_b885_439e_b79e_f10032ce3eed),
            "4d1d1504-b885-439e-b79e-f10032ce3eed"
        );
    }

    #[test]
    fn what_follows_from_a_push_has_always_the_same_id_and_another_one_each() {
        let id = PushId::kept("4d1d1504-b885-439e-b79e-f10032ce3eed").unwrap();
        let [crm, erp] = ["crm", "erp"].map(|name| id.derived(name));
        assert_eq!(crm, id.derived("crm"));
        assert!(crm != erp && crm != id && crm != erp.derived("crm"));
        assert_eq!(PushId::kept(crm.as_str()), Some(crm));
    }
}
