use std::sync::atomic::AtomicUsize;

use arc_swap::ArcSwap;

use super::*;

fn instance(id: &str) -> Arc<Instance> {
    let backend = Backend { id: id.into(), address: ([127, 0, 0, 1], 1).into(), weight: 1, release: 1 };
    let instance = Instance::new("dev".into(), "web".into(), &backend);
    instance.welcome(&backend, 0);
    Arc::new(instance)
}

/// Two requests and a swap, one step at a time.
struct Steps {
    /// The instance of the old table and the one of the new table.
    instances: [Arc<Instance>; 2],
    /// Which table serves.
    serves: usize,
    old_is_stopped: bool,
    requests: [Request; 2],
    /// What the swap does next: move the pointer, mark the old instance, stop it once nobody is counted.
    swap: usize,
}

#[derive(Clone, Copy)]
enum Request {
    Looks,
    Found(usize),
    Counted(usize),
    Inside(usize),
    Done,
}

impl Steps {
    fn new() -> Self {
        let instances = [instance("old"), instance("new")];
        Self { instances, serves: 0, old_is_stopped: false, requests: [Request::Looks; 2], swap: 0 }
    }

    fn can(&self, who: usize) -> bool {
        match self.requests.get(who) {
            Some(request) => !matches!(request, Request::Done),
            None => self.swap < 2 || self.swap == 2 && self.instances[0].in_flight() == 0,
        }
    }

    fn step(&mut self, who: usize) {
        let Some(request) = self.requests.get_mut(who) else {
            match self.swap {
                0 => self.serves = 1,
                1 => assert!(self.instances[0].drain(false)),
                _ => self.old_is_stopped = true,
            }
            self.swap += 1;
            return;
        };
        *request = match *request {
            Request::Looks => Request::Found(self.serves),
            Request::Found(which) => {
                self.instances[which].arrive();
                Request::Counted(which)
            }
            Request::Counted(which) if self.instances[which].is_draining() => {
                self.instances[which].leave();
                Request::Looks
            }
            Request::Counted(which) => Request::Inside(which),
            Request::Inside(which) => {
                self.instances[which].leave();
                Request::Done
            }
            Request::Done => Request::Done,
        };
    }

    fn is_sound(&self) -> bool {
        let inside_old = self.requests.iter().any(|request| matches!(request, Request::Inside(0)));
        !(inside_old && self.old_is_stopped)
    }
}

/// Every order in which the steps of two requests and a swap can happen. In none of them a request is inside an
/// instance that was stopped because its count was 0, and in all of them everybody gets to an end.
#[test]
fn no_order_of_steps_loses_a_request() {
    fn explore(schedule: &mut Vec<usize>, ends: &mut usize) {
        let mut steps = Steps::new();
        for who in schedule.iter() {
            steps.step(*who);
        }
        assert!(steps.is_sound(), "lost a request after {schedule:?}");
        let able: Vec<usize> = (0..3).filter(|who| steps.can(*who)).collect();
        if able.is_empty() {
            assert!(steps.old_is_stopped, "stuck after {schedule:?}");
            *ends += 1;
        }
        for who in able {
            schedule.push(who);
            explore(schedule, ends);
            schedule.pop();
        }
    }
    let mut ends = 0;
    explore(&mut Vec::new(), &mut ends);
    assert!(ends > 10_000, "{ends} orders");
}

/// The same with threads: they enter whatever instance they find behind the pointer; one thread swaps the pointer,
/// drains the old instance, waits until its count is 0 and stops it. Nobody is ever inside a stopped instance.
#[test]
fn nobody_is_inside_when_the_count_is_zero() {
    const SWAPS: usize = 2_000;
    struct Place {
        instance: Arc<Instance>,
        stopped: AtomicBool,
    }
    let place = || Arc::new(Place { instance: instance("web"), stopped: AtomicBool::new(false) });
    let pointer = ArcSwap::new(place());
    let (ended, entered) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|threads| {
        for _ in 0..2 {
            threads.spawn(|| {
                while !ended.load(Ordering::Relaxed) {
                    let found = pointer.load();
                    let Ok(passage) = found.instance.enter(0, Instant::now()) else { continue };
                    for _ in 0..20 {
                        assert!(!found.stopped.load(Ordering::SeqCst), "inside a stopped instance");
                        std::hint::spin_loop();
                    }
                    let number = entered.fetch_add(1, Ordering::Relaxed);
                    drop(passage);
                    if number % 8 == 0 {
                        std::thread::yield_now();
                    }
                }
            });
        }
        // Ends the others also when an assertion in here fails.
        struct End<'a>(&'a AtomicBool);
        impl Drop for End<'_> {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        let _end = End(&ended);
        for swap in 0..SWAPS {
            // Somebody is always on the way in.
            while entered.load(Ordering::Relaxed) < swap * 5 {
                std::thread::yield_now();
            }
            let old = pointer.swap(place());
            old.instance.drain(false);
            while old.instance.in_flight() > 0 {
                std::thread::yield_now();
            }
            old.stopped.store(true, Ordering::SeqCst);
        }
    });
}

#[test]
fn a_welcome_takes_back_a_goodbye() {
    let it = instance("web");
    let backend = Backend { id: "web".into(), address: ([127, 0, 0, 1], 2).into(), weight: 3, release: 2 };
    assert!(it.drain(false) && !it.drain(false));
    assert!(it.enter(0, Instant::now()).is_err() && it.in_flight() == 0);
    it.close(Duration::ZERO);
    it.cut();
    assert!(it.cutting().is_cancelled());
    it.welcome(&backend, 0);
    assert!(!it.cutting().is_cancelled());
    // A cut that was on its way when the instance came back finds nothing to cut.
    it.cut();
    assert!(!it.cutting().is_cancelled());
    assert!(it.enter(0, Instant::now()).is_ok());
    assert_eq!((it.stats().weight, it.stats().release, it.address()), (3, 2, backend.address));
    assert!(!it.is_forgettable(Duration::ZERO));
    it.drain(false);
    assert!(it.is_forgettable(Duration::ZERO) && !it.is_forgettable(Duration::from_secs(600)));
}
