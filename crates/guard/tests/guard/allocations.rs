//! What guards cost a request that is not refused.
#![expect(unsafe_code, reason = "an allocator that counts can't be written without")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use fairway_guard::{Encoder, Encoding, client_address, client_https, find_unambiguous};
use http::{HeaderMap, StatusCode};

use crate::{compiled, headers, request};

struct Counting;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
    static LIVE: Cell<isize> = const { Cell::new(0) };
}

// SAFETY: everything is handed to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        LIVE.set(LIVE.get() + size(layout));
        // SAFETY: the caller's promises are the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.set(LIVE.get() - size(layout));
        // SAFETY: the caller's promises are the same.
        unsafe { System.dealloc(pointer, layout) }
    }
}

fn size(layout: Layout) -> isize {
    isize::try_from(layout.size()).expect("no layout is larger")
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations<T>(act: impl FnOnce() -> T) -> (T, u64) {
    let before = COUNT.get();
    let result = act();
    (result, COUNT.get() - before)
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| Box::new(1)).1, 1);
}

#[test]
fn what_passes_every_guard_allocates_nothing() {
    let digest = |credentials: &[u8]| hex::encode(<sha2::Sha256 as sha2::Digest>::digest(credentials));
    let json = format!(
        r#"{{"redirect_https":true,"allow":["192.0.2.0/24"],"body_bytes":1000,
            "maintenance":{{"message":"closed","except":["192.0.2.0/24"]}},"rate_limit":{{"requests":1000}},
            "cors":{{"origins":["https://a.example","https://b.example"]}},"compression":{{}},"hsts":{{}},
            "basic_auth":{{"users":{{"ann":"{}","bob":"{}"}}}},"security_headers":true}}"#,
        digest(b"ann:a"),
        digest(b"bob:b"),
    );
    let guard = compiled(&json);
    let request = request(
        "origin: https://b.example\ncontent-length: 10\naccept-encoding: br, gzip;q=0.5\nauthorization: Basic Ym9iOmI=",
    );
    // The first client of its part of the table makes room for it.
    request.passes(&guard);
    let (passed, count) = allocations(|| request.passes(&guard));
    assert_eq!(count, 0);
    assert_eq!(guard.user(passed), Some("bob"));
}

#[test]
fn an_answer_costs_room_for_its_headers_at_most() {
    let guard = compiled(
        r#"{"cors":{"origins":["https://a.example"]},"hsts":{},"security_headers":true,"compression":{}}"#,
    );
    let request = request("origin: https://a.example\naccept-encoding: gzip");
    let passed = request.passes(&guard);
    let answer = || {
        let mut head = HeaderMap::with_capacity(24);
        head.extend(headers("content-type: text/html\ncontent-length: 5000"));
        allocations(|| guard.after(passed, StatusCode::OK, &mut head))
    };
    // The first use of a value that is shared makes it countable.
    answer();
    let (encoding, count) = answer();
    assert!(encoding.is_some());
    // The second `Vary` begins the map's list of further values.
    assert!(count <= 1, "{count}");
}

#[test]
fn what_every_request_is_asked_allocates_nothing() {
    let trusted = ["127.0.0.0/8".parse().unwrap()];
    let headers = headers("x-forwarded-for: 198.51.100.1, 127.0.0.2\nx-forwarded-proto: https");
    let check = |what: &str, act: &dyn Fn() -> bool| {
        assert_eq!(allocations(act), (true, 0), "{what}");
    };
    check("client", &|| {
        client_address([127, 0, 0, 1].into(), &headers, &trusted) == std::net::IpAddr::from([198, 51, 100, 1])
    });
    check("https", &|| client_https(false, &headers, true));
    check("path", &|| find_unambiguous("/api/v1/orders/42.json", str::len, |a, b| a == b) == Ok(22));
}

#[test]
fn an_encoder_is_not_larger_than_it_says() {
    let before = LIVE.get();
    let mut encoder = Encoder::new(Encoding::Gzip);
    encoder.push(&[b'x'; 65_536]);
    let bytes = LIVE.get() - before;
    assert!((100_000..=420_000).contains(&bytes), "{bytes}");
}

#[test]
fn a_rate_limit_that_nobody_asks_for_is_small_and_a_flooded_one_is_bounded() {
    let before = LIVE.get();
    let guard = compiled(r#"{"rate_limit":{"requests":1,"per_ms":3600000}}"#);
    let idle = LIVE.get() - before;
    assert!(idle < 20_000, "{idle}");
    let mut request = request("");
    for number in 0..300_000u128 {
        request.client = std::net::Ipv6Addr::from_bits(0x2001_0db8 << 96 | number << 64).into();
        request.verdict(&guard);
    }
    assert_eq!(request.verdict(&guard), "429 rate_limited");
    let flooded = LIVE.get() - before;
    assert!(flooded < 2_200_000, "{flooded}");
}
