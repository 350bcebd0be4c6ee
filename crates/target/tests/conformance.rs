//! The simulator passes the suite that every target has to pass.

#![expect(clippy::unwrap_used, reason = "helpers of tests stop at what cannot be")]

mod fixture;

use fixture::SimFixture;

async fn simulator() -> Result<SimFixture, String> {
    Ok(SimFixture::new(None))
}

fairway_target::conformance_suite!(simulator);
