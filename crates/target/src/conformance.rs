//! What every target must do, as cases that run against any of them.
//!
//! A target's author writes a [`Fixture`]: a fresh target, small programs with known behaviours, a way to kill the
//! target's daemon, and a way to ask a service who it is. Then, in a test file:
//!
//! ```text
//! async fn fixture() -> Result<MyFixture, String> { … } // Err("needs PostgreSQL") skips
//! fairway_target::conformance_suite!(fixture);
//! ```
//!
//! Each case gets its own fixture, looks only at what [`crate::Target`] and the fixture show, and says as a
//! [`Violation`] what is wrong. That the cases can fail is proven on the simulator's deliberate defects
//! ([`crate::sim::Bug`]).

mod abort;
mod destroy;
mod failing;
mod fixture;
mod happy;
mod order;
mod releases;
mod resume;
mod stage;

pub use fixture::{Behaviour, Fixture, Made, Timing, Wanted};
pub use releases::assignment;
pub use stage::{Stage, Violation};

use futures::future::BoxFuture;

/// One case of the suite.
#[derive(Clone, Copy)]
pub struct Case {
    /// Its name, a sentence without spaces.
    pub name: &'static str,
    /// Runs it.
    pub run: for<'a> fn(&'a dyn Fixture) -> BoxFuture<'a, Result<(), Violation>>,
}

/// Calls a macro with the path of each case.
#[doc(hidden)]
#[macro_export]
macro_rules! __with_conformance_cases {
    ([$($call:tt)*] $($argument:tt)*) => {
        $($call)*! {
            $($argument)*;
            happy: a_first_release_goes_through_all_phases;
            happy: only_what_changed_is_started;
            happy: a_removed_service_loses_its_route;
            happy: replicas_are_started;
            happy: observation_is_true_in_each_phase;
            happy: events_come_once_and_in_order;
            happy: artifacts_are_what_their_digest_says;
            failing: a_service_that_is_never_ready_costs_nothing;
            failing: a_service_that_exits_fails_at_once_with_its_log;
            failing: a_failing_migration_fails_before_any_start;
            failing: trouble_after_the_switch_goes_back;
            failing: trouble_in_a_first_release_needs_a_person;
            failing: what_has_not_arrived_is_refused;
            abort: a_prepared_release_can_be_aborted;
            abort: aborting_twice_is_fine;
            abort: a_lost_caller_is_aborted_by_its_lease;
            abort: a_release_that_switched_cannot_be_aborted;
            order: every_call_twice_is_as_once;
            order: calls_out_of_order_are_refused;
            order: the_past_is_refused;
            order: one_generation_has_one_content;
            order: a_second_executor_waits_its_turn;
            order: two_executors_at_once_never_mix;
            order: a_newer_release_supersedes_one_that_bakes;
            order: a_revert_in_the_bake_starts_nothing;
            resume: a_restart_after_each_call_changes_nothing;
            resume: a_restart_while_preparing_can_be_resumed;
            resume: a_restart_after_trouble_still_goes_back;
            destroy: destroying_stops_everything_and_twice_is_fine;
            destroy: purging_forgets_databases;
        }
    };
}

/// Every case of the suite.
#[must_use]
pub fn cases() -> Vec<Case> {
    macro_rules! list {
        (; $($module:ident: $case:ident;)*) => {
            vec![$(Case { name: stringify!($case), run: |fixture| Box::pin($module::$case(Stage::new(fixture))) }),*]
        };
    }
    __with_conformance_cases!([list])
}

/// Runs one case by its name; panics with what is wrong.
///
/// # Panics
/// When the target violates the case, or there is no case of this name.
pub async fn run<F: Fixture>(name: &str, fixture: Result<F, String>) {
    let fixture = match fixture {
        Ok(fixture) => fixture,
        Err(needs) => {
            println!("skipped: {needs}");
            return;
        }
    };
    let cases = cases();
    let case =
        cases.iter().find(|case| case.name == name).expect("the macro names only cases that there are");
    if let Err(violation) = (case.run)(&fixture).await {
        panic!("{name}: {violation}");
    }
}

/// Makes a `#[tokio::test]` of every case. Takes the path of an `async fn() -> Result<impl Fixture, String>`; an error
/// says what the machine lacks and skips the case.
#[macro_export]
macro_rules! conformance_suite {
    ($fixture:path) => {
        $crate::__with_conformance_cases!([$crate::__conformance_tests] $fixture);
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_tests {
    ($fixture:path; $($module:ident: $case:ident;)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                $crate::conformance::run(stringify!($case), $fixture().await).await;
            }
        )*
    };
}
