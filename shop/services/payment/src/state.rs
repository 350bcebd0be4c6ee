//! What may become of a payment. Pure.
//!
//! Money that has arrived stays arrived: nothing leads away from PAID. A failure may still be followed by success,
//! because a customer can try again in the provider's own window after it has reported a failed attempt, and because
//! a session may be paid in the moment that it ends. Everything else that comes late changes nothing.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use shop_wire::payment::PaymentStatus;

/// How a payment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// A session is open; the customer may pay.
    Pending,
    /// The money has arrived.
    Paid,
    /// The provider says that it did not work.
    Failed,
    /// Given up before anything was paid.
    Cancelled,
}

impl From<Status> for PaymentStatus {
    fn from(status: Status) -> Self {
        match status {
            Status::Pending => Self::PayPending,
            Status::Paid => Self::Paid,
            Status::Failed => Self::PayFailed,
            Status::Cancelled => Self::Cancelled,
        }
    }
}

/// What a provider reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reported {
    /// The customer has not paid yet.
    Waiting,
    /// The money has arrived.
    Paid,
    /// It did not work.
    Failed,
    /// The session was closed.
    Cancelled,
}

/// What a report does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The payment moves on.
    To(Status),
    /// Known already.
    Same,
    /// It came after something that it can't undo.
    TooLate,
}

impl Status {
    /// Every status.
    pub const ALL: [Self; 4] = [Self::Pending, Self::Paid, Self::Failed, Self::Cancelled];

    /// The name on the wire and in the database.
    pub fn name(self) -> &'static str {
        PaymentStatus::from(self).as_str()
    }

    /// What becomes of a payment that stands like this when `reported` comes.
    pub fn after(self, reported: Reported) -> Step {
        match (self, reported) {
            (Self::Pending, Reported::Waiting)
            | (Self::Paid, Reported::Paid)
            | (Self::Failed, Reported::Failed)
            | (Self::Cancelled, Reported::Cancelled) => Step::Same,
            (Self::Pending | Self::Failed | Self::Cancelled, Reported::Paid) => Step::To(Self::Paid),
            (Self::Pending, Reported::Failed) => Step::To(Self::Failed),
            (Self::Pending, Reported::Cancelled) => Step::To(Self::Cancelled),
            (Self::Paid, Reported::Waiting | Reported::Failed | Reported::Cancelled)
            | (Self::Failed, Reported::Waiting | Reported::Cancelled)
            | (Self::Cancelled, Reported::Waiting | Reported::Failed) => Step::TooLate,
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A text that names no status.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the status of a payment")]
pub struct UnknownStatus(pub String);

impl FromStr for Status {
    type Err = UnknownStatus;

    fn from_str(text: &str) -> Result<Self, UnknownStatus> {
        Self::ALL
            .into_iter()
            .find(|status| status.name() == text)
            .ok_or_else(|| UnknownStatus(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const REPORTS: [Reported; 4] = [Reported::Waiting, Reported::Paid, Reported::Failed, Reported::Cancelled];

    #[test]
    fn every_step() {
        let table = Status::ALL.map(|from| {
            let steps = REPORTS.map(|reported| match from.after(reported) {
                Step::To(status) => status.name(),
                Step::Same => "same",
                Step::TooLate => "too late",
            });
            format!("{from}: {}", steps.join(", "))
        });
        assert_eq!(
            table,
            [
                "PAY_PENDING: same, PAID, PAY_FAILED, CANCELLED",
                "PAID: too late, same, too late, too late",
                "PAY_FAILED: too late, PAID, same, too late",
                "CANCELLED: too late, PAID, too late, same",
            ]
        );
    }

    proptest! {
        /// Whatever is reported, in whatever order and however often: once paid, always paid; and paid exactly if
        /// it was ever reported.
        #[test]
        fn money_that_has_arrived_stays(reports in prop::collection::vec(prop::sample::select(REPORTS.to_vec()), 0..20)) {
            let mut status = Status::Pending;
            for reported in &reports {
                if let Step::To(next) = status.after(*reported) {
                    status = next;
                }
            }
            prop_assert_eq!(status == Status::Paid, reports.contains(&Reported::Paid));
        }
    }
}
