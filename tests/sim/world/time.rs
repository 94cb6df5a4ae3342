//! What happens in which order of time.

use super::World;

impl World {
    /// Plays wakes, replies, timers and drains in the order of time.
    pub(super) fn run_until(&mut self, end: u64) {
        let mut events = 0u64;
        loop {
            self.play_wakes();
            let reply = self.replies.first_key_value().map(|((at, ..), _)| *at);
            let now = self.process.uptime.get();
            let mut next = reply.filter(|at| *at <= end).map(|at| (at, None));
            for (index, vm) in self.vms.iter().enumerate() {
                for (position, owner) in vm.iter().flat_map(|vm| &vm.owners).enumerate() {
                    for at in owner.host.timer.get().into_iter().chain(owner.leaves_at) {
                        if at <= end && next.is_none_or(|(first, _)| at < first) {
                            next = Some((at, Some((index, position))));
                        }
                    }
                }
            }
            let Some((at, what)) = next else { break };
            events += 1;
            assert!(events < 200_000, "the gateway never comes to rest");
            self.process.advance(at.saturating_sub(now));
            match what {
                Some((vm, position)) => self.play_timer(vm, position, at),
                None => self.play_reply(),
            }
        }
        if end != u64::MAX {
            self.process.advance(end - self.process.uptime.get());
        }
    }

    pub(super) fn play_wakes(&mut self) {
        loop {
            let wakes = self.process.wakes.take();
            if wakes.is_empty() {
                return;
            }
            for queue in wakes {
                if let Some((vm, position)) = self.find(queue) {
                    self.with(vm, position, |owner| owner.pipeline.woken(&*owner.host));
                }
            }
        }
    }

    pub(super) fn find(&self, number: u32) -> Option<(usize, usize)> {
        self.vms.iter().enumerate().find_map(|(index, vm)| {
            let owners = &vm.as_ref()?.owners;
            Some((index, owners.iter().position(|owner| owner.number == number)?))
        })
    }

    pub(super) fn play_timer(&mut self, vm: usize, position: usize, at: u64) {
        let owner = &mut self.vms[vm].as_mut().unwrap().owners[position];
        if owner.leaves_at == Some(at) {
            owner.leaves_at = None;
            owner.has_left = true;
            self.with(vm, position, |owner| {
                owner.pipeline.leave(&*owner.host);
            });
        } else {
            owner.host.timer.set(None);
            self.with(vm, position, |owner| owner.pipeline.timer_fired(&*owner.host));
        }
    }

    pub(super) fn play_reply(&mut self) {
        let Some((_, (number, id, reply))) = self.replies.pop_first() else { return };
        let Some((vm, position)) = self.find(number) else {
            return;
        };
        self.with(vm, position, |owner| {
            owner.in_flight.remove(&id);
            owner.pipeline.reply(&*owner.host, id, &reply);
        });
        // A replaced root that has given up everything is gone.
        if let Some(vm) = &mut self.vms[vm] {
            vm.owners.retain_mut(|owner| !owner.has_left || !owner.pipeline.leave(&*owner.host));
        }
    }
}
