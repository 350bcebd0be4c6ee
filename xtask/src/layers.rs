//! The floors of the house. A crate may depend on crates of its own floor that stand before it in this list, and on
//! everything below.

/// A floor: whether its crates are pure, and the crates on it in the order in which they may know each other.
pub(crate) struct Floor {
    pub(crate) pure: bool,
    pub(crate) crates: &'static [&'static str],
}

/// From the ground up.
pub(crate) const FLOORS: &[Floor] = &[
    // words and reasoning
    Floor {
        pure: true,
        crates: &[
            "fairway-model",
            "fairway-protocol",
            "fairway-route",
            "fairway-http1",
            "fairway-health",
            "fairway-guard",
            "fairway-contract",
            "fairway-manifest",
            "fairway-oplog",
            "fairway-plan",
        ],
    },
    // effects
    Floor {
        pure: false,
        crates: &[
            "fairway-test-authority",
            "fairway-supervisor",
            "fairway-postgres",
            "fairway-store",
            "fairway-forward",
            "fairway-tls",
            "fairway-edge",
            "fairway-target",
            "fairway-host",
            "fairway-agent",
        ],
    },
    // use cases
    Floor { pure: false, crates: &["fairway-delivery"] },
    // roof
    Floor { pure: false, crates: &["fairway", "xtask", "fairway-stories"] },
];

/// Arrows that the floors would allow and the rooms forbid, each with its reason.
pub(crate) const FORBIDDEN: &[(&str, &str, &str)] = &[
    ("fairway-agent", "fairway-plan", "the agent executes decisions; it does not make them"),
    ("fairway-agent", "fairway-manifest", "the agent knows releases, not what people write"),
    ("fairway-host", "fairway-plan", "a target executes decisions; it does not make them"),
    ("fairway-target", "fairway-plan", "a target executes decisions; it does not make them"),
    ("fairway-target", "fairway-host", "the trait does not know its implementations"),
    ("fairway-store", "fairway-plan", "the store keeps documents; it does not make them"),
    (
        "fairway-forward",
        "fairway-route",
        "forwarding an exchange is independent of how its upstream was chosen",
    ),
    ("fairway-edge", "fairway-delivery", "the data plane serves on without the control plane"),
    ("fairway-delivery", "fairway-agent", "the verbs reach a host through its client"),
    ("fairway-delivery", "fairway-edge", "the verbs reach the edge through the agent"),
];

/// Crates that a pure crate must not depend on.
pub(crate) const IMPURE_CRATES: &[&str] = &[
    "tokio",
    "hyper",
    "hyper-util",
    "axum",
    "tower",
    "tower-http",
    "sqlx",
    "reqwest",
    "object_store",
    "tokio-postgres",
    "nix",
    "rustix",
    "libc",
    "rand",
    "notify",
    "tempfile",
    "walkdir",
    "tracing-subscriber",
];

/// Paths that a pure crate's sources must not name outside of tests.
pub(crate) const IMPURE_PATHS: &[&str] = &[
    "std::fs",
    "std::process",
    "std::thread",
    "std::time::SystemTime",
    "std::time::Instant",
    "SystemTime::now",
    "Instant::now",
    "std::env",
    "TcpStream",
    "TcpListener",
    "UnixStream",
    "UdpSocket",
    "tokio::",
    "hyper::",
];

/// The place of a crate: (floor, position on it).
pub(crate) fn place(name: &str) -> Option<(usize, usize)> {
    FLOORS
        .iter()
        .enumerate()
        .find_map(|(floor, f)| f.crates.iter().position(|c| *c == name).map(|position| (floor, position)))
}

/// Whether the crate stands on a pure floor.
pub(crate) fn is_pure(name: &str) -> bool {
    place(name).is_some_and(|(floor, _)| FLOORS[floor].pure)
}
