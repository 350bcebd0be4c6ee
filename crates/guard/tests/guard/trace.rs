//! How requests are called.

use fairway_guard::{TRACEPARENT, TRACESTATE, Trace, X_REQUEST_ID, request_id};
use http::{HeaderMap, HeaderValue};
use proptest::prelude::*;

use crate::headers;

#[test]
fn request_ids() {
    let made = "00000000000000000000000000000abc";
    let check = |trusted: bool, lines: &str, kept: bool| {
        let found = request_id(trusted, &headers(lines), 0xabc);
        let expect = (!kept).then(|| HeaderValue::from_static(made));
        assert_eq!(found, expect, "{trusted} {lines}");
    };
    check(true, "", false);
    check(true, "x-request-id: 6ba7b810-9dad-11d1-80b4-00c04fd430c8", true);
    check(true, "x-request-id: Root=1-67891233-abcdef012345678912345678", true);
    check(true, &format!("x-request-id: {}", "a".repeat(128)), true);
    check(true, &format!("x-request-id: {}", "a".repeat(129)), false);
    for odd in ["", "a b", "a\"b", "a{b}", "a,b", "<script>", "a\tb"] {
        check(true, &format!("x-request-id: {odd}"), false);
    }
    check(true, "x-request-id: a\nx-request-id: b", false);
    check(false, "x-request-id: 6ba7b810-9dad-11d1-80b4-00c04fd430c8", false);
    assert_eq!(request_id(false, &HeaderMap::new(), u128::MAX).unwrap(), "f".repeat(32));
}

const TRACE: u128 = 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c;

#[test]
fn traces() {
    let check = |trusted: bool, lines: &str, expect: &str| {
        let mut found = headers(lines);
        let trace = Trace::new(trusted, &found, 0xabc, 0xdef, false);
        trace.put(&mut found);
        assert_eq!(crate::text(&found), expect, "{trusted} {lines}");
        assert_eq!(trace.parent_id.is_some(), trace.trace_id == TRACE, "{lines}");
    };
    let fresh = "traceparent: 00-00000000000000000000000000000abc-0000000000000def-02\n";
    let kept = "traceparent: 00-0af7651916cd43dd8448eb211c80319c-0000000000000def-";
    let came = "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-";
    check(true, "", fresh);
    check(true, &format!("{came}01"), &format!("{kept}01\n"));
    check(true, &format!("{came}00"), &format!("{kept}00\n"));
    check(true, &format!("{came}03"), &format!("{kept}03\n"));
    // Flags that are not known are not passed on.
    check(true, &format!("{came}ff"), &format!("{kept}03\n"));
    check(
        true,
        &format!("tracestate: a=1\n{came}01\ntracestate: b=2"),
        &format!("{kept}01\ntracestate: a=1\ntracestate: b=2\n"),
    );
    // A later version may have more, and is answered in ours.
    check(true, &format!("{}01-more", came.replace(" 00-", " cc-")), &format!("{kept}01\n"));
    check(true, &format!("{}01", came.replace(" 00-", " 01-")), &format!("{kept}01\n"));
    check(false, &format!("{came}01\ntracestate: a=1"), fresh);
    for odd in [
        "",
        "00",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01.",
        "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01.",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "0g-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333é-01",
    ] {
        check(true, &format!("traceparent: {odd}\ntracestate: a=1"), fresh);
    }
    check(true, &format!("{came}01\n{came}01\ntracestate: a=1"), fresh);
}

#[test]
fn a_trace_that_begins_here() {
    let trace = Trace::new(true, &HeaderMap::new(), 5, 6, true);
    assert!(trace.sampled());
    assert_eq!((trace.trace_id, trace.span_id, trace.parent_id), (5, 6, None));
    let zeros = Trace::new(true, &HeaderMap::new(), 0, 0, false);
    assert!(!zeros.sampled());
    assert_eq!((zeros.trace_id, zeros.span_id), (1, 1), "zeros would mean that there is none");
}

proptest! {
    #[test]
    fn what_one_edge_sends_the_next_continues(trace_id in 1..=u128::MAX, span_id in 1..=u64::MAX, sampled: bool) {
        let mut headers = HeaderMap::new();
        let first = Trace::new(false, &headers, trace_id, span_id, sampled);
        first.put(&mut headers);
        let second = Trace::new(true, &headers, 1, 2, !sampled);
        prop_assert_eq!(second.trace_id, trace_id);
        prop_assert_eq!(second.parent_id, Some(span_id));
        prop_assert_eq!(second.sampled(), sampled);
    }

    #[test]
    fn nothing_that_comes_panics(value in prop::collection::vec(any::<u8>(), 0..80), text in "[0-9a-f-]{50,60}") {
        for value in [value, text.into_bytes()] {
            let Ok(value) = HeaderValue::from_bytes(&value) else { continue };
            let mut headers = HeaderMap::new();
            headers.insert(TRACEPARENT, value.clone());
            headers.insert(X_REQUEST_ID, value);
            headers.insert(TRACESTATE, HeaderValue::from_static("a=1"));
            let trace = Trace::new(true, &headers, 3, 4, false);
            trace.put(&mut headers);
            prop_assert_eq!(headers.contains_key(TRACESTATE), trace.parent_id.is_some());
            let _ = request_id(true, &headers, 1);
        }
    }
}
