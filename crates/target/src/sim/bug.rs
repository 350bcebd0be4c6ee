//! Deliberate defects. A conformance suite that does not catch them proves nothing.

/// A deliberate defect of the simulator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Bug {
    /// Requests about older generations are answered as if they were done.
    AcceptsStale,
    /// Every release starts every service anew.
    RestartsUnchanged,
    /// An instance counts as ready as soon as it was started.
    DoesNotProbe,
    /// The routes of services move one after the other, and the last one is forgotten.
    MovesRoutesPartly,
    /// Instances are started before the migration has run.
    StartsBeforeMigration,
    /// Trouble in the bake is reported as reverted, but the routes stay.
    DoesNotGoBack,
    /// A release waits for its caller for ever.
    ForgetsLease,
    /// Old instances are stopped right after the switch.
    RetiresAtSwitch,
    /// A restart of the daemon loses the release that was on its way.
    ForgetsAtRestart,
    /// What was started for a release that ended stays.
    LeavesGarbage,
    /// A repeated call to prepare starts another set of instances.
    PreparesTwice,
    /// The reason of a failed start comes without the program's last lines.
    HidesLog,
    /// Destroying an environment leaves its routes.
    DestroyKeepsRoutes,
    /// A second release is let in while the first one's caller is alive.
    LetsTwoIn,
    /// What was observed once is reported for ever.
    ObservesThePast,
    /// Aborting is reported and nothing is stopped.
    AbortDoesNothing,
    /// The routes move when the release is prepared.
    SwitchesAtPrepare,
    /// A file that does not hash to its digest is taken.
    TakesAnyBytes,
    /// The routes of services that are no longer part of the release stay.
    KeepsRemovedRoutes,
    /// Events are delivered twice.
    RepeatsEvents,
    /// Calls that do not fit the phase are answered as if they did.
    IgnoresPhases,
    /// A release is prepared although an artifact is missing.
    IgnoresMissing,
    /// One instance is started, however many are wanted.
    StartsOne,
    /// Nobody watches the bake.
    IgnoresTrouble,
    /// A number is given to a second plan.
    ReusesNumbers,
    /// Nothing is accepted while a release bakes.
    RefusesDuringBake,
    /// Purging leaves the databases.
    PurgeKeepsDatabases,
}

impl Bug {
    /// All of them.
    pub const ALL: [Self; 27] = [
        Self::AcceptsStale,
        Self::RestartsUnchanged,
        Self::DoesNotProbe,
        Self::MovesRoutesPartly,
        Self::StartsBeforeMigration,
        Self::DoesNotGoBack,
        Self::ForgetsLease,
        Self::RetiresAtSwitch,
        Self::ForgetsAtRestart,
        Self::LeavesGarbage,
        Self::PreparesTwice,
        Self::HidesLog,
        Self::DestroyKeepsRoutes,
        Self::LetsTwoIn,
        Self::ObservesThePast,
        Self::AbortDoesNothing,
        Self::SwitchesAtPrepare,
        Self::TakesAnyBytes,
        Self::KeepsRemovedRoutes,
        Self::RepeatsEvents,
        Self::IgnoresPhases,
        Self::IgnoresMissing,
        Self::StartsOne,
        Self::IgnoresTrouble,
        Self::ReusesNumbers,
        Self::RefusesDuringBake,
        Self::PurgeKeepsDatabases,
    ];
}
