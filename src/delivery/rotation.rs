//! Which secret signs where there is room for one signature, while a secret is rotated.
//!
//! A receiver knows the old secret, the new one, or both, and nobody tells the gateway when that changes. So
//! the attempts of a push take both in turns, beginning with the one that the target last accepted.

use super::verdict::Cause;
use super::webhook::Webhook;
use crate::sign::{Scheme, Secret};

/// One of the two live secrets of a rotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signer {
    /// The new one; the only one if no secret is rotated.
    New,
    /// The one before.
    Old,
}

impl Signer {
    pub(super) fn other(self) -> Self {
        match self {
            Signer::New => Signer::Old,
            Signer::Old => Signer::New,
        }
    }

    /// The secret itself, of those of a webhook.
    pub(super) fn of(self, secrets: &[Secret]) -> Option<&Secret> {
        secrets.get(match self {
            Signer::New => 0,
            Signer::Old => 1,
        })
    }
}

/// Whether pushes to this webhook have a signature by one of two secrets.
pub(super) fn is_rotating(webhook: &Webhook) -> bool {
    webhook.secrets.len() > 1 && webhook.signing.contains(&Scheme::Jodoo)
}

/// Whether a push that failed so may have been refused for the secret that signed it. Of the statuses that is
/// any 4xx that does not say something else. A receiver may also fail in another way at a signature that it
/// does not expect; then the next attempt has the other secret, and if there is none, it counts, too.
pub(super) fn may_refuse_signer(cause: &Cause, is_last_attempt: bool) -> bool {
    match cause {
        Cause::Status(408 | 410 | 413 | 425 | 429 | 503) => false,
        Cause::Status(400..=499) => true,
        Cause::Status(_) | Cause::ConnectionClosed | Cause::BrokenAnswer => is_last_attempt,
        _ => false,
    }
}

/// What is known of the receiver of one webhook.
///
/// It is kept by each worker in its heap: who does not know it begins with the old secret, which costs one
/// request at most.
#[derive(Debug, Default)]
pub(super) struct Rotation {
    /// The secret that the target accepted last, if that was the newest at the time.
    accepted: Option<Secret>,
}

impl Rotation {
    /// Who signs the first attempt of a push. A new secret that no push was accepted with is taken for one
    /// that the receiver does not have yet.
    pub(super) fn first(&self, webhook: &Webhook) -> Signer {
        let is_known = || self.accepted.as_ref() == webhook.secrets.first();
        if !is_rotating(webhook) || is_known() { Signer::New } else { Signer::Old }
    }

    /// The target accepted a push.
    pub(super) fn accepted(&mut self, webhook: &Webhook, signer: Signer) {
        if is_rotating(webhook) {
            self.accepted = signer.of(&webhook.secrets).filter(|_| signer == Signer::New).cloned();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse_webhook;

    fn with_secrets(secrets: &[&str]) -> Webhook {
        let webhook = parse_webhook(br#"{"id":"crm","url":"http://a.b/"}"#, &|_| None).unwrap();
        let secrets = secrets.iter().map(|secret| Secret::parse(secret).unwrap()).collect();
        Webhook { secrets, ..webhook }
    }

    #[test]
    fn a_rotation_begins_with_the_secret_that_the_target_accepted_last() {
        let mut rotation = Rotation::default();
        let one = with_secrets(&["a"]);
        assert_eq!(rotation.first(&one), Signer::New);
        rotation.accepted(&one, Signer::New);
        let two = with_secrets(&["b", "a"]);
        assert_eq!(rotation.first(&two), Signer::Old);
        rotation.accepted(&two, Signer::Old);
        assert_eq!(rotation.first(&two), Signer::Old);
        rotation.accepted(&two, Signer::New);
        assert_eq!(rotation.first(&two), Signer::New);
        // The receiver was set back.
        rotation.accepted(&two, Signer::Old);
        assert_eq!(rotation.first(&two), Signer::Old);
        rotation.accepted(&two, Signer::New);
        // What was new is old in the next rotation.
        assert_eq!(rotation.first(&with_secrets(&["c", "b"])), Signer::Old);
        assert_eq!(rotation.first(&with_secrets(&["b"])), Signer::New);
    }

    #[test]
    fn where_all_secrets_sign_there_are_no_turns() {
        let two = Webhook { signing: vec![Scheme::Standard], ..with_secrets(&["b", "a"]) };
        assert!(!is_rotating(&two));
        assert_eq!(Rotation::default().first(&two), Signer::New);
    }

    #[test]
    fn a_refusal_that_may_be_for_the_signature_is_told_from_others() {
        for status in [400, 401, 403, 404, 422] {
            assert!(may_refuse_signer(&Cause::Status(status), false), "{status}");
        }
        for cause in [Cause::Status(302), Cause::Status(500), Cause::ConnectionClosed] {
            assert!(!may_refuse_signer(&cause, false) && may_refuse_signer(&cause, true));
        }
        for cause in [
            Cause::Status(410),
            Cause::Status(429),
            Cause::Status(503),
            Cause::Forbidden,
            Cause::ConnectionRefused,
            Cause::Timeout(std::time::Duration::ZERO),
        ] {
            assert!(!may_refuse_signer(&cause, true), "{cause}");
        }
    }
}
