//! Paths that servers read differently can't walk around a guard.

use fairway_guard::{find_unambiguous, path_problem, readings};
use proptest::prelude::*;

#[test]
fn what_no_client_sends_is_refused() {
    let check = |path: &str, expect: Option<&str>| match (path_problem(path), expect) {
        (None, None) => {}
        (Some(found), Some(expect)) if found.contains(expect) => {}
        (found, expect) => panic!("{path}: {found:?} instead of {expect:?}"),
    };
    for path in [
        "/",
        "*",
        "/a/b/",
        "/.well-known/acme-challenge/x_y-z",
        "/...",
        "/a..b/..c/d..",
        "/a;v=1/b",
        "//a",
        "/a//b",
        "/./a",
        "/a/.",
        "/projects/group%2Fproject",
        "/rooms/%23room%3Aexample.com",
        "/users/CORP%5Cann",
        "/%E8%AE%A2%E5%8D%95",
        "/100%25",
        "/100%2525/x",
        "/a%20b",
        "/订单",
        "/%B6%A9",
        "/a%3Fb",
        "/a/..b%2F..c",
    ] {
        check(path, None);
    }
    for path in [
        "/..",
        "/../a",
        "/a/../b",
        "/a/..",
        "/%2e%2e/a",
        "/.%2E/a",
        "/%2e./a",
        "/%252e%252e/a",
        "/%25%32%65%2e/a",
        "/a/..%2Fb",
        "/a%2F..%2Fb",
        "/a%2f%2e%2e",
        "/a/..%5Cb",
        "/a%5C..%5Cb",
        "/a/..;/b",
        "/a/..;x=y/b",
        "/a/%2e%2e%3b/b",
        "/a/..%3Fx",
        "/a/..%23",
        "/%c0%ae%c0%ae/a",
        "/a/..%c0%af",
    ] {
        check(path, Some("`..`"));
    }
    check("/a\\b", Some("backslash"));
    check("/a\\..\\b", Some("backslash"));
    check("/a b", Some("blank"));
    check("/a\u{7f}", Some("control"));
    check("/a\0", Some("control"));
    check("/a%00", Some("NUL"));
    check("/a%2500", Some("NUL"));
    check("/a%c0%80", Some("NUL"));
    for path in ["/%", "/%2", "/%zz", "/100%", "/%u002e%u002e/", "/%%32%65"] {
        check(path, Some("without two hexadecimal digits"));
    }
    check("/%25252525", Some("more than three times"));
    check("", Some("does not begin"));
    check("a", Some("does not begin"));
    check("http://a/b", Some("does not begin"));
}

#[test]
fn the_most_lenient_reading() {
    let check = |path: &str, expect: Option<(&str, Option<&str>)>| {
        let found = readings(path);
        let found = found.as_ref().map(|it| it.each().collect::<Vec<_>>());
        let expect = expect.map(|(whole, cut)| [Some(whole), cut].into_iter().flatten().collect());
        assert_eq!(found, expect, "{path}");
    };
    check("/", None);
    check("//", Some(("/", None)));
    check("/.", Some(("/", None)));
    check("/a/.", Some(("/a/", None)));
    check("/.a/..b/...", None);
    check("/api/v1/orders/", None);
    check("/.well-known/x", None);
    check("/a/../b", None);
    check("//a", Some(("/a", None)));
    check("/a//b///", Some(("/a/b/", None)));
    check("/./a/./b/.", Some(("/a/b/", None)));
    check("/%61dmin", Some(("/admin", None)));
    check("/%2561dmin", Some(("/admin", None)));
    check("/admin%2Fusers", Some(("/admin/users", None)));
    check("/admin%5Cusers", Some(("/admin/users", None)));
    check("/%2Fadmin", Some(("/admin", None)));
    check("/admin;x=1/users", Some(("/admin/users", Some("/admin"))));
    check("/a/b;x/c;y/d", Some(("/a/b/c/d", Some("/a/b"))));
    check("/;/admin", Some(("/admin", Some("/"))));
    check("/admin%3Fx", Some(("/admin", Some("/admin"))));
    check("/.;/admin", Some(("/admin", Some("/"))));
    check("/%e8%ae%a2 ".trim(), Some(("/%E8%AE%A2", None)));
    check("/订", Some(("/%E8%AE%A2", None)));
    check("/a%20b%25", Some(("/a%20b%25", None)));
    check("/%c0%afadmin", Some(("/admin", None)));
    let more = readings("/;x%2F1%252F2/admin").unwrap();
    assert_eq!(more.each().collect::<Vec<_>>(), ["/1/2/admin", "/", "/admin"]);
}

/// The longest of these prefixes that the path is below, at a segment boundary, as routes are matched.
fn route(routes: &[&str], path: &str) -> usize {
    let below =
        |prefix: &str| path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let matching = (1..).zip(routes).filter(|(_, prefix)| below(prefix));
    matching.max_by_key(|(_, prefix)| prefix.len()).map_or(0, |(index, _)| index)
}

#[test]
fn only_what_makes_a_difference_is_refused() {
    let check = |routes: &[&str], path: &str, expect: Option<usize>| {
        let found = find_unambiguous(path, |path| route(routes, path), |a, b| a == b);
        assert_eq!(found.ok(), expect, "{path} among {routes:?}");
    };
    let one = [""];
    for path in ["/", "//admin", "/group%2Fproject", "/%61dmin", "/a;x/b", "/a/./b", "/.git", "/%2Fadmin"] {
        check(&one, path, Some(1));
    }
    check(&one, "/x/../admin", None);
    let guarded = ["", "/admin", "/api"];
    check(&guarded, "/admin/users", Some(2));
    check(&guarded, "/administrator", Some(1));
    check(&guarded, "/api/projects/group%2Fproject", Some(3));
    check(&guarded, "/api/x;v=1/y", Some(3));
    check(&guarded, "/api//x", Some(3));
    check(&guarded, "/shop//x", Some(1));
    check(&guarded, "/shop/admin%2Fx", Some(1));
    for path in [
        "//admin",
        "/./admin",
        "/%61dmin/users",
        "/admin%2Fusers",
        "/admin%2f",
        "/%2Fadmin",
        "/admin;x=1",
        "/admin;/users",
        "/;/admin",
        "/admin%3b",
        "/admin%3Fx",
        "/admin%5Cusers",
        "/%2561dmin",
        "/admin/..;/",
        "/public/../admin",
        "/api/..%2fadmin",
        "/api/%2e%2e/admin",
    ] {
        check(&guarded, path, None);
    }
}

/// What servers do to paths, in whatever order.
#[derive(Clone, Copy, Debug)]
enum Step {
    Decode,
    DecodeAllButSlashes,
    BackslashIsSlash,
    MergeSlashes,
    DropDots,
    CutSegments,
    CutPath,
    CutQuery,
}

const STEPS: [Step; 8] = [
    Step::Decode,
    Step::DecodeAllButSlashes,
    Step::BackslashIsSlash,
    Step::MergeSlashes,
    Step::DropDots,
    Step::CutSegments,
    Step::CutPath,
    Step::CutQuery,
];

impl Step {
    fn take(self, path: &str) -> String {
        let segments =
            |change: &dyn Fn(&str) -> String| path.split('/').map(change).collect::<Vec<_>>().join("/");
        let without = |what: &str| {
            let last = path.split('/').count() - 1;
            let kept = path
                .split('/')
                .enumerate()
                .filter(|(at, it)| *at == 0 || *at == last && *it != "." || *it != what);
            kept.map(|(_, segment)| segment).collect::<Vec<_>>().join("/")
        };
        match self {
            Self::Decode => decode(path, true),
            Self::DecodeAllButSlashes => decode(path, false),
            Self::BackslashIsSlash => path.replace('\\', "/"),
            Self::MergeSlashes => without(""),
            Self::DropDots => without("."),
            Self::CutSegments => {
                segments(&|segment| segment.split(';').next().unwrap_or_default().to_owned())
            }
            Self::CutPath => path.split(';').next().unwrap_or_default().to_owned(),
            Self::CutQuery => path.split(['?', '#']).next().unwrap_or_default().to_owned(),
        }
    }
}

fn decode(path: &str, slashes: bool) -> String {
    let mut out = String::new();
    let mut rest = path;
    while let Some(first) = rest.chars().next() {
        let code = rest.get(1..3).filter(|_| first == '%').and_then(|it| u8::from_str_radix(it, 16).ok());
        match code {
            Some(b'/') if !slashes => out += &rest[..3],
            Some(code) => out.push(char::from(code)),
            None => out.push(first),
        }
        rest = &rest[if code.is_some() { 3 } else { first.len_utf8() }..];
    }
    out
}

/// Paths that are mostly trouble.
fn paths() -> impl Strategy<Value = String> {
    let pieces = vec![
        "/", "/", "/", "a", "a", "b", "c", ".", "..", ";", "%2F", "%2f", "%5C", "%2e", "%61", "%62", "%25",
        "%2561", "%252F", "%3B", "%3b", "%253B", "%3F", "25", "61", "2F", "3B",
    ];
    prop::collection::vec(prop::sample::select(pieces), 0..12)
        .prop_map(|pieces| format!("/{}", pieces.concat()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn no_server_takes_for_another_route_what_passes(
        path in paths(),
        steps in prop::collection::vec(prop::sample::select(&STEPS[..]), 0..8),
    ) {
        let routes = ["", "/a", "/a/b", "/b", "/c/a"];
        if let Ok(found) = find_unambiguous(&path, |path| route(&routes, path), |a, b| a == b) {
            let read = steps.iter().fold(path.clone(), |path, step| step.take(&path));
            prop_assert_eq!(route(&routes, &read), found, "{} is read as {}", path, read);
        }
    }
}

proptest! {
    #[test]
    fn nothing_panics_and_a_reading_reads_like_itself(path in "(/|%|2|5|f|F|e|\\.|;|\\\\|a|é|\u{0}|c0|ae){0,20}") {
        let _ = path_problem(&path);
        if let Some(found) = readings(&path) {
            let again = readings(found.whole()).map_or(found.whole().to_owned(), |it| it.whole().to_owned());
            prop_assert_eq!(again, found.whole());
        }
    }

    #[test]
    fn ordinary_paths_are_plain(path in "(/[a-zA-Z0-9_~!$&'()*+,=:@-][a-zA-Z0-9._~!$&'()*+,=:@-]{0,8}){1,5}/?") {
        prop_assert_eq!(readings(&path), None);
        prop_assert_eq!(path_problem(&path), None);
    }
}
