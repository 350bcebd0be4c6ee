//! The simulator passes the suite that every target has to pass.

mod fixture;

use fixture::SimFixture;

#[expect(clippy::unused_async, reason = "the suite awaits its fixtures")]
async fn simulator() -> Result<SimFixture, String> {
    Ok(SimFixture::new(None))
}

fairway_target::conformance_suite!(simulator);
