//! What may happen to an order. Pure.
//!
//! An order has two states: where it is, and how it is paid. An event moves both or is refused; what is not in
//! [`State::after`] can't happen.

pub use shop_wire::commerce::{OrderPaymentStatus as PaymentStatus, OrderStatus};
use sqlx::FromRow;
use thiserror::Error;

/// Both states of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromRow)]
pub struct State {
    /// Where it is. Nothing here gives an order up or closes it; that is in the contract.
    #[sqlx(rename = "status")]
    pub order: OrderStatus,
    /// How it is paid.
    #[sqlx(rename = "payment_status")]
    pub payment: PaymentStatus,
}

/// What happens to an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// Payment tells what has become of a payment; `Unpaid` is no report.
    Reported(PaymentStatus),
    /// A member of the staff takes it on; `paid_offline` says that the money has come another way.
    Taken {
        /// Whether the money has come another way.
        paid_offline: bool,
    },
    /// It is handed to a carrier.
    HandedOver,
    /// The customer has it.
    Received,
}

/// An event that can't happen to an order in its state; nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{reason}")]
pub struct Refused {
    /// Why not, for whoever wanted it.
    pub reason: &'static str,
}

const fn refused(reason: &'static str) -> Result<State, Refused> {
    Err(Refused { reason })
}

impl State {
    /// A new order.
    pub const NEW: Self = Self { order: OrderStatus::Submitted, payment: PaymentStatus::Unpaid };

    /// Whether the money is there.
    pub fn is_paid(self) -> bool {
        self.order == OrderStatus::Paid || self.payment == PaymentStatus::Paid
    }

    /// The states after an event.
    ///
    /// # Errors
    /// When the event can't happen now.
    pub fn after(self, event: Event) -> Result<Self, Refused> {
        use OrderStatus::{Cancelled, Closed, Confirmed, Delivered, PayFailed, PayPending, Shipped};
        let gone = matches!(self.order, Shipped | Delivered | Cancelled | Closed);
        match event {
            Event::Reported(PaymentStatus::Unpaid) => refused("a payment can't become unpaid"),
            // A report that comes late or twice changes nothing: what is paid stays paid, what is gone stays gone.
            Event::Reported(_) if self.is_paid() => Ok(self),
            Event::Reported(payment) if gone => Ok(Self { payment, ..self }),
            Event::Reported(payment) => {
                let order = match payment {
                    PaymentStatus::PayPending => PayPending,
                    PaymentStatus::Paid => OrderStatus::Paid,
                    PaymentStatus::PayFailed | PaymentStatus::Cancelled | PaymentStatus::Unpaid => PayFailed,
                };
                Ok(Self { order, payment })
            }
            Event::Taken { paid_offline: true } => match (gone, self.is_paid()) {
                (true, _) => refused("the order has left already"),
                (_, true) => refused("the order is paid already"),
                _ => Ok(Self { order: Confirmed, payment: PaymentStatus::Paid }),
            },
            Event::Taken { paid_offline: false } => {
                let taken_again = self.order == Confirmed && self.payment == PaymentStatus::Paid;
                if self.order == OrderStatus::Paid || taken_again {
                    Ok(Self { order: Confirmed, payment: PaymentStatus::Paid })
                } else if gone {
                    refused("the order has left already")
                } else {
                    refused("the order is not paid")
                }
            }
            Event::HandedOver => {
                if self.order == Confirmed && self.payment == PaymentStatus::Paid {
                    Ok(Self { order: Shipped, ..self })
                } else {
                    refused("only a confirmed and paid order can be shipped")
                }
            }
            Event::Received => {
                if self.order == Shipped {
                    Ok(Self { order: Delivered, ..self })
                } else {
                    refused("only a shipped order can be received")
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use OrderStatus as O;
    use PaymentStatus as P;

    fn state(order: O, payment: P) -> State {
        State { order, payment }
    }

    #[test]
    fn transitions() {
        let check = |from: (O, P), event: Event, expect: Result<(O, P), &str>| {
            let got = state(from.0, from.1).after(event).map(|s| (s.order, s.payment)).map_err(|e| e.reason);
            assert_eq!(got, expect, "{from:?} {event:?}");
        };
        let report = Event::Reported;
        let offline = Event::Taken { paid_offline: true };
        let taken = Event::Taken { paid_offline: false };
        check((O::Submitted, P::Unpaid), report(P::PayPending), Ok((O::PayPending, P::PayPending)));
        check((O::PayPending, P::PayPending), report(P::Paid), Ok((O::Paid, P::Paid)));
        check((O::PayPending, P::PayPending), report(P::PayFailed), Ok((O::PayFailed, P::PayFailed)));
        check((O::PayPending, P::PayPending), report(P::Cancelled), Ok((O::PayFailed, P::Cancelled)));
        check((O::PayFailed, P::Cancelled), report(P::Paid), Ok((O::Paid, P::Paid)));
        check((O::Paid, P::Paid), report(P::PayFailed), Ok((O::Paid, P::Paid)));
        check((O::Shipped, P::Paid), report(P::PayPending), Ok((O::Shipped, P::Paid)));
        check((O::Submitted, P::Unpaid), report(P::Unpaid), Err("a payment can't become unpaid"));
        check((O::Cancelled, P::Unpaid), report(P::Paid), Ok((O::Cancelled, P::Paid)));

        check((O::Submitted, P::Unpaid), offline, Ok((O::Confirmed, P::Paid)));
        check((O::PayFailed, P::PayFailed), offline, Ok((O::Confirmed, P::Paid)));
        check((O::Paid, P::Paid), offline, Err("the order is paid already"));
        check((O::Shipped, P::Paid), offline, Err("the order has left already"));
        check((O::Closed, P::Unpaid), offline, Err("the order has left already"));
        check((O::Paid, P::Paid), taken, Ok((O::Confirmed, P::Paid)));
        check((O::Confirmed, P::Paid), taken, Ok((O::Confirmed, P::Paid)));
        check((O::Submitted, P::Unpaid), taken, Err("the order is not paid"));
        check((O::Delivered, P::Paid), taken, Err("the order has left already"));

        let unready = "only a confirmed and paid order can be shipped";
        check((O::Confirmed, P::Paid), Event::HandedOver, Ok((O::Shipped, P::Paid)));
        check((O::Paid, P::Paid), Event::HandedOver, Err(unready));
        check((O::Confirmed, P::Unpaid), Event::HandedOver, Err(unready));
        check((O::Shipped, P::Paid), Event::HandedOver, Err(unready));
        check((O::Shipped, P::Paid), Event::Received, Ok((O::Delivered, P::Paid)));
        check((O::Delivered, P::Paid), Event::Received, Err("only a shipped order can be received"));
    }

    fn any_event() -> impl Strategy<Value = Event> {
        prop_oneof![
            proptest::sample::select(P::ALL).prop_map(Event::Reported),
            any::<bool>().prop_map(|paid_offline| Event::Taken { paid_offline }),
            Just(Event::HandedOver),
            Just(Event::Received),
        ]
    }

    proptest! {
        /// Whatever is tried, in whatever order: what is paid stays paid, nothing leaves unpaid, nothing comes back.
        #[test]
        fn lives_of_orders(events in proptest::collection::vec(any_event(), 0..40)) {
            let mut now = State::NEW;
            for event in events {
                let before = now;
                now = before.after(event).unwrap_or(before);
                prop_assert!(!before.is_paid() || now.is_paid(), "{before:?} {event:?} {now:?}");
                let left = |s: State| matches!(s.order, O::Shipped | O::Delivered);
                prop_assert!(!left(now) || now.payment == P::Paid);
                prop_assert!(!left(before) || left(now), "{before:?} {event:?} {now:?}");
                prop_assert!(before.order != O::Delivered || now.order == O::Delivered);
                prop_assert!(!matches!(now.order, O::Cancelled | O::Closed), "nothing does that");
            }
        }
    }
}
