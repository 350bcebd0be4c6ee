//! Route tables as they come from the control socket and the disk, and requests that look for their way in them.
//!
//! The input is a document, and behind a NUL a host and a path.
#![no_main]

use fairway_guard::{find_unambiguous, path_problem};
use fairway_route::{Compiled, admit, decode, diff};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut parts = data.splitn(3, |it| *it == 0);
    let document = parts.next().unwrap_or_default();
    let host = parts.next().and_then(|it| std::str::from_utf8(it).ok());
    let path = parts.next().and_then(|it| std::str::from_utf8(it).ok()).unwrap_or("/");
    let Ok(decoded) = decode(document) else { return };
    let table = decoded.table;
    // What is stored is read again as what it was.
    let stored = serde_json::to_vec(&table).expect("a table is JSON");
    let again = decode(&stored).expect("what was written can be read");
    assert!(again.problems.is_empty(), "{:?}", again.problems);
    assert_eq!(again.table, table);
    assert!(diff(&table, &again.table).is_empty());
    let _ = admit(Some(&table), &again.table);
    // A sound table is used as a whole; of any other the rest.
    let wrong = table.check();
    let compiled = Compiled::new(&table);
    assert_eq!(wrong.is_empty(), compiled.problems.is_empty(), "{wrong:?} {:?}", compiled.problems);
    if wrong.is_empty() {
        assert_eq!((compiled.routes.len(), compiled.services.len()), (table.routes.len(), table.services.len()));
    }
    for listener in table.listeners.keys() {
        let matcher = compiled.matcher(listener);
        if let Ok(service) = matcher.find(host, path) {
            assert!(compiled.services.contains_key(service));
            assert!(compiled.routes.iter().any(|it| it.listener == *listener && it.service == *service));
        }
        // A path that is read alike by everybody, or refused.
        if let Ok(found) = find_unambiguous(path, |path| matcher.find(host, path).ok(), |a, b| a == b) {
            assert_eq!(path_problem(path), None);
            assert_eq!(found, matcher.find(host, path).ok());
        }
    }
});
