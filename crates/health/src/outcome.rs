//! How an exchange went, and what follows from it.

use std::fmt;

/// How an exchange with an instance went, as far as its health is concerned. Report it when it is known: an answer when
/// its head is there, a failure when it happens. An exchange that ended because of its client says nothing about the
/// instance and is not reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The instance answered.
    Answered {
        /// With this status.
        status: u16,
    },
    /// Nothing accepted the connection.
    Refused,
    /// No connection or no answer in time.
    Timeout,
    /// The connection ended before the answer, or the answer before its end.
    Broken,
}

impl Outcome {
    /// Whether the service failed and not its transport: 500, 502, 503 or 504. Others, such as 501, are what a service
    /// means.
    pub(crate) fn is_server_error(self) -> bool {
        matches!(self, Self::Answered { status: 500 | 502 | 503 | 504 })
    }

    /// Whether there was no answer.
    pub(crate) fn is_failure(self) -> bool {
        !matches!(self, Self::Answered { .. })
    }
}

/// Something about an instance became different. Worth a line in the log, which it words as the rest of a sentence
/// that begins with the instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It was taken out.
    Ejected {
        /// Why.
        reason: Reason,
        /// For so many milliseconds; then one request tries it.
        for_ms: u64,
    },
    /// The trial succeeded: it is in again.
    Readmitted,
    /// Probes took it out.
    ProbedDown {
        /// So many bad answers in a row.
        after: u32,
    },
    /// Probes brought it back.
    ProbedUp {
        /// So many good answers in a row.
        after: u32,
    },
}

/// Why an instance was taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// So many exchanges in a row without an answer.
    Failures(u32),
    /// So many answers 500, 502, 503 or 504 in a row.
    ServerErrors(u32),
    /// The request that tried it after an earlier ejection failed, too.
    Trial,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ejected { reason, for_ms } => {
                write!(f, "gets no requests for {for_ms} ms: {reason}; one request will then try it")
            }
            Self::Readmitted => f.write_str("answered the request that tried it and gets requests again"),
            Self::ProbedDown { after } => {
                write!(f, "gets no requests until its probes succeed: {after} of them failed in a row")
            }
            Self::ProbedUp { after } => {
                write!(f, "may get requests again: {after} of its probes succeeded in a row")
            }
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failures(1) => f.write_str("an exchange failed without an answer"),
            Self::Failures(count) => write!(f, "{count} exchanges in a row failed without an answer"),
            Self::ServerErrors(1) => f.write_str("an answer was 500, 502, 503 or 504"),
            Self::ServerErrors(count) => write!(f, "{count} answers in a row were 500, 502, 503 or 504"),
            Self::Trial => f.write_str("the request that tried it failed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_service_means_is_not_an_error() {
        let check = |status: u16, expect: bool| {
            assert_eq!(Outcome::Answered { status }.is_server_error(), expect, "{status}");
        };
        for status in [500, 502, 503, 504] {
            check(status, true);
        }
        for status in [101, 200, 301, 404, 499, 501, 505, 507, 511, 599] {
            check(status, false);
        }
        assert!(Outcome::Refused.is_failure() && !Outcome::Refused.is_server_error());
    }

    #[test]
    fn words_for_the_log() {
        let check = |change: Change, expect: &str| assert_eq!(format!("web-7-0 {change}"), expect);
        check(
            Change::Ejected { reason: Reason::Failures(5), for_ms: 5_000 },
            "web-7-0 gets no requests for 5000 ms: 5 exchanges in a row failed without an answer; one request will then try it",
        );
        check(
            Change::Ejected { reason: Reason::Trial, for_ms: 10_000 },
            "web-7-0 gets no requests for 10000 ms: the request that tried it failed; one request will then try it",
        );
        check(
            Change::ProbedDown { after: 3 },
            "web-7-0 gets no requests until its probes succeed: 3 of them failed in a row",
        );
    }
}
