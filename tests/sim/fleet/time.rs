//! What happens in which order of time.

use super::{Event, Fleet, Owner};
use crate::call::list_fields;
use formhook::host::{Answer, Reply};
use std::rc::Rc;

impl Fleet {
    pub(super) fn after(&mut self, millis: u64, event: Event) {
        self.next_number += 1;
        self.events.insert((self.now + millis, self.next_number), event);
    }

    /// Plays wakes, events and timers in the order of time.
    pub(super) fn run_until(&mut self, end: u64) {
        loop {
            self.play_wakes();
            let event = self.events.first_key_value().map(|((at, _), _)| *at);
            let mut next = event.map(|at| (at, None));
            for (index, gateway) in self.gateways.iter().enumerate() {
                for (vm, owner) in gateway.vms.iter().enumerate() {
                    let timer = owner.as_ref().and_then(|owner| owner.host.timer.get());
                    if let Some(at) = timer
                        && next.is_none_or(|(first, _)| at < first)
                    {
                        next = Some((at, Some((index, vm))));
                    }
                }
            }
            let Some((at, what)) = next.filter(|(at, _)| *at <= end) else { break };
            self.advance_to(at.max(self.now));
            match what {
                Some((gateway, vm)) => self.with(gateway, vm, |owner| {
                    owner.host.timer.set(None);
                    owner.pipeline.timer_fired(&*owner.host);
                }),
                None => self.play_event(),
            }
        }
        self.advance_to(end);
    }

    pub(super) fn advance_to(&mut self, now: u64) {
        self.now = now;
        self.gateways.iter().for_each(|gateway| self.set_clock(gateway));
    }

    pub(super) fn play_wakes(&mut self) {
        loop {
            let wakes: Vec<u32> =
                self.gateways.iter().flat_map(|gateway| gateway.process.wakes.take()).collect();
            if wakes.is_empty() {
                return;
            }
            for queue in wakes {
                if let Some((gateway, vm)) = self.find(queue) {
                    self.with(gateway, vm, |owner| owner.pipeline.woken(&*owner.host));
                }
            }
        }
    }

    pub(super) fn play_event(&mut self) {
        match self.events.pop_first() {
            Some((_, Event::Reply(number, id, reply, body))) => {
                let Some((gateway, vm)) = self.find(number) else { return };
                self.with(gateway, vm, |owner| {
                    owner.host.body.replace(body);
                    owner.pipeline.reply(&*owner.host, id, &reply);
                });
            }
            Some((_, Event::Listed(gateway, vm, version, began))) => {
                let config = Rc::clone(&self.config);
                if self.gateways[gateway].vms.len() > vm {
                    self.with(gateway, vm, |owner| {
                        list_fields(&config, &owner.host, &mut owner.pipeline, began, version);
                        owner.pipeline.pump(&*owner.host);
                    });
                }
            }
            Some((_, Event::Command(to, sent))) => {
                let (status, body) = self.run_in_redis(&sent);
                let taken_over = String::from_utf8_lossy(&sent.body).contains("\"reclaim\"");
                self.seen.taken_over += u64::from(taken_over);
                if let Some((number, id)) = to {
                    let reply = Reply::Answer(Answer { status, ..Answer::default() });
                    self.after(1, Event::Reply(number, id, reply, body));
                }
            }
            None => {}
        }
    }

    pub(super) fn find(&self, number: u32) -> Option<(usize, usize)> {
        self.gateways.iter().enumerate().find_map(|(index, gateway)| {
            let is_it = |vm: &Option<Owner>| vm.as_ref().is_some_and(|vm| vm.number == number);
            Some((index, gateway.vms.iter().position(is_it)?))
        })
    }
}
