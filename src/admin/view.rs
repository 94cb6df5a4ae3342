//! What the gateway is configured to do at the moment, as the admin sees it.

use super::answer::Problem;
use crate::config::{Config, InForce};
use crate::host::Host;
use crate::store::{Additions, Store as _, Tiers};
use std::rc::Rc;

/// The configuration, what was set at run time, and both together.
#[derive(Debug)]
pub(super) struct View {
    /// What the filter that watches published.
    published: Vec<u8>,
    /// Of the additions, and of what is learned.
    marks: [u64; 2],
    pub(super) config: Config,
    pub(super) additions: Additions,
    pub(super) in_force: InForce,
}

/// What a look at the store brought.
pub(super) enum Look {
    /// What was known already.
    Same(Rc<View>),
    /// Something changed.
    New(Box<View>),
}

impl View {
    /// What there is at the moment, given what was known.
    pub(super) fn refreshed(
        host: &impl Host,
        store: &Tiers,
        known: Option<Rc<View>>,
    ) -> Result<Look, Problem> {
        let published = store.published(host).ok_or_else(|| {
            Problem::new(
                503,
                "No filter with `role: watch` runs in this gateway under the same `root_id` and `vm_id`; give both filters the same.",
            )
        })?;
        let marks = store.marks(host);
        if let Some(known) = known
            && known.marks == marks
            && known.published == published
        {
            return Ok(Look::Same(known));
        }
        let config = Config::parse(&published, &|name| host.env(name)).map_err(|faults| {
            let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
            Problem::new(
                503,
                format!(
                    "The configuration of the filter that watches cannot be read here ({}); give both filters the same `vm_config`.",
                    faults.join("; ")
                ),
            )
        })?;
        let additions = store.additions(host);
        // What could not be put into force was logged by the filter that watches.
        let (in_force, _) = config.with(&additions, &store.learned(host), &|name| host.env(name));
        Ok(Look::New(Box::new(View { published, marks, config, additions, in_force })))
    }
}
