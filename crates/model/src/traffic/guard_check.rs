//! What is wrong with guards, as far as their words alone tell.

use super::guard::{BasicAuth, Compression, Cors, Guard, Hsts, RateKey, RateLimit};

/// One thing wrong with a guard. A route with such a guard must not be served without it: leave the route out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GuardProblem {
    /// The realm of basic auth can't be sent.
    #[error("basic_auth.realm: {0:?} can't be sent in a header; use visible ASCII characters and blanks")]
    Realm(char),
    /// Nobody could enter.
    #[error("basic_auth.users: there is no user, so nobody could enter; add one or remove basic_auth")]
    NoUsers,
    /// A name that no client can send.
    #[error(
        "basic_auth.users: `{0}` can't be a name; names are not empty, without `:` and control characters"
    )]
    UserName(String),
    /// What should be the hash of a password is not one. The value is not repeated: it may be a password.
    #[error(
        "basic_auth.users.{0}: not a SHA-256; write the 64 hexadecimal digits of the SHA-256 of `{0}:password`, \
         never the password itself"
    )]
    UserDigest(String),
    /// A rate of nothing.
    #[error(
        "rate_limit.requests: 0 would refuse everybody; write at least 1, or close the route with maintenance"
    )]
    RateRequests,
    /// A rate over no time.
    #[error(
        "rate_limit.per_ms: 0 is no time; write the milliseconds that `requests` is for, for example 1000"
    )]
    RatePeriod,
    /// A burst of nothing.
    #[error("rate_limit.burst: 0 would refuse everybody; write at least 1 or leave it out")]
    RateBurst,
    /// More than is counted.
    #[error("rate_limit: more than 1000 requests in a millisecond are not counted; remove the limit")]
    RateTooHigh,
    /// A burst that would take months to be forgotten.
    #[error(
        "rate_limit: `burst` requests at this rate are the share of more than {RATE_WINDOW_DAYS} days; lower `burst`"
    )]
    RateWindow,
    /// The header that makes a client is not a header.
    #[error("rate_limit.key.header: `{0}` is not the name of a header")]
    RateHeader(String),
    /// CORS without an origin.
    #[error("cors.origins: there is no origin; add one, or `*` for all, or remove cors")]
    NoOrigins,
    /// Not an origin as browsers write it.
    #[error(
        "cors.origins: `{origin}` {why}; write it as browsers do, for example `https://admin.example.com`"
    )]
    Origin {
        /// As written.
        origin: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// `*` and others.
    #[error("cors.origins: `*` stands for all origins; remove it or the others")]
    OriginStarAndOthers,
    /// Any page could act as the user.
    #[error(
        "cors: credentials together with the origin `*` would let every page act as the user; list the origins"
    )]
    OriginStarWithCredentials,
    /// Not a method.
    #[error("cors.methods: `{0}` is not a method; write for example `GET`, or leave the list empty for all")]
    Method(String),
    /// Not the name of a header.
    #[error("cors.{list}: `{name}` is not the name of a header{hint}")]
    Header {
        /// `headers` or `expose`.
        list: &'static str,
        /// As written.
        name: String,
        /// What to do about it, if that can be said.
        hint: &'static str,
    },
    /// Compression of nothing.
    #[error("compression.types: the list is empty, so nothing would be compressed; remove compression")]
    NoTypes,
    /// Not the beginning of a media type.
    #[error(
        "compression.types: `{0}` is not the beginning of a media type such as `text/` or `application/json`"
    )]
    Type(String),
    /// Browsers' lists would not take it.
    #[error(
        "hsts.preload: the lists of browsers take only hosts with include_subdomains and a max_age_s of at least \
         31536000"
    )]
    Preload,
}

/// For how long a rate limit remembers at most.
const RATE_WINDOW_DAYS: u64 = 30;
const RATE_WINDOW_MS: u128 = RATE_WINDOW_DAYS as u128 * 24 * 60 * 60 * 1_000;
const YEAR_S: u64 = 31_536_000;

impl Guard {
    /// Everything that is wrong with this guard, in the order of its fields. Empty: it can be used.
    pub fn check(&self) -> Vec<GuardProblem> {
        // Taken apart in full, so that a new field has to be thought of here.
        let Self {
            allow: _,
            basic_auth,
            rate_limit,
            maintenance: _,
            cors,
            compression,
            hsts,
            redirect_https: _,
            security_headers: _,
            body_bytes: _,
        } = self;
        let mut problems = Vec::new();
        basic_auth.iter().for_each(|it| users(it, &mut problems));
        rate_limit.iter().for_each(|it| rate(it, &mut problems));
        cors.iter().for_each(|it| origins(it, &mut problems));
        compression.iter().for_each(|it| types(it, &mut problems));
        problems.extend(hsts.as_ref().filter(|it| !preloadable(it)).map(|_| GuardProblem::Preload));
        problems
    }
}

fn users(auth: &BasicAuth, problems: &mut Vec<GuardProblem>) {
    let odd = |c: &char| !(c.is_ascii_graphic() || *c == ' ');
    problems.extend(auth.realm.chars().find(odd).map(GuardProblem::Realm));
    if auth.users.is_empty() {
        problems.push(GuardProblem::NoUsers);
    }
    for (name, digest) in &auth.users {
        if name.is_empty() || name.chars().any(|c| c == ':' || c.is_control()) {
            problems.push(GuardProblem::UserName(name.clone()));
        }
        if digest.len() != 64 || !digest.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            problems.push(GuardProblem::UserDigest(name.clone()));
        }
    }
}

fn rate(limit: &RateLimit, problems: &mut Vec<GuardProblem>) {
    let RateLimit { requests, per_ms, burst, key } = limit;
    if *requests == 0 {
        problems.push(GuardProblem::RateRequests);
    }
    if *per_ms == 0 {
        problems.push(GuardProblem::RatePeriod);
    }
    if *burst == Some(0) {
        problems.push(GuardProblem::RateBurst);
    }
    if *requests > 0 && *per_ms > 0 {
        if u64::from(*requests) / 1_000 > *per_ms {
            problems.push(GuardProblem::RateTooHigh);
        }
        let window = u128::from(burst.unwrap_or(*requests)) * u128::from(*per_ms) / u128::from(*requests);
        if window > RATE_WINDOW_MS || u128::from(*per_ms) > RATE_WINDOW_MS {
            problems.push(GuardProblem::RateWindow);
        }
    }
    if let RateKey::Header(name) = key
        && !is_token(name)
    {
        problems.push(GuardProblem::RateHeader(name.clone()));
    }
}

fn origins(cors: &Cors, problems: &mut Vec<GuardProblem>) {
    let Cors { origins, methods, headers, expose, credentials, max_age_s: _ } = cors;
    let star = origins.iter().any(|origin| origin == "*");
    if origins.is_empty() {
        problems.push(GuardProblem::NoOrigins);
    }
    if star && origins.len() > 1 {
        problems.push(GuardProblem::OriginStarAndOthers);
    }
    if star && *credentials {
        problems.push(GuardProblem::OriginStarWithCredentials);
    }
    for origin in origins.iter().filter(|origin| *origin != "*") {
        let problem = |why| GuardProblem::Origin { origin: origin.clone(), why };
        problems.extend(origin_fault(origin).map(problem));
    }
    let methods = methods.iter().filter(|method| !is_token(method) || *method == "*");
    problems.extend(methods.map(|method| GuardProblem::Method(method.clone())));
    for (list, names) in [("headers", headers), ("expose", expose)] {
        for name in names.iter().filter(|name| !is_token(name) || *name == "*") {
            let hint = match (list, name.as_str()) {
                ("headers", "*") => "; leave the list empty for all",
                _ => "",
            };
            problems.push(GuardProblem::Header { list, name: name.clone(), hint });
        }
    }
}

/// What keeps a text from being an origin in the only form in which browsers send it.
fn origin_fault(origin: &str) -> Option<&'static str> {
    if origin == "null" {
        return Some("is what every sandboxed page sends, so it names nobody");
    }
    let Some((scheme, authority)) = origin.split_once("://") else {
        return Some("is not an origin");
    };
    let scheme_like = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '+' | '-' | '.');
    if !scheme.starts_with(|c: char| c.is_ascii_lowercase()) || !scheme.chars().all(scheme_like) {
        return Some("has no scheme in lower case");
    }
    if authority.contains(['/', '?', '#']) {
        return Some("has a path");
    }
    if authority.contains('@') {
        return Some("has a user");
    }
    if authority.contains('*') {
        return Some("has a `*`; origins are listed one by one");
    }
    let (host, port) = match authority.rfind(':') {
        Some(at) if !authority.ends_with(']') => (&authority[..at], Some(&authority[at + 1..])),
        _ => (authority, None),
    };
    let literal = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    if let Some(address) = literal {
        if address.parse::<std::net::Ipv6Addr>().is_err() {
            return Some("has no address between its brackets");
        }
    } else if host.is_empty() || !host.chars().all(named) {
        return Some("has no host name (names in other scripts are written as `xn--…`)");
    }
    if host.chars().any(|c| c.is_ascii_uppercase()) {
        return Some("has upper-case letters");
    }
    match (scheme, port) {
        ("https", Some("443")) | ("http", Some("80")) => Some("names a port that browsers leave out"),
        (_, Some(port)) if port.parse::<u16>().is_err() || port.starts_with(['0', '+']) => {
            Some("has no number as its port")
        }
        _ => None,
    }
}

fn types(compression: &Compression, problems: &mut Vec<GuardProblem>) {
    if compression.types.is_empty() {
        problems.push(GuardProblem::NoTypes);
    }
    let media = |text: &str| match text.split_once('/') {
        Some((kind, rest)) => is_token(kind) && !text.contains('*') && (rest.is_empty() || is_token(rest)),
        None => false,
    };
    let odd = compression.types.iter().filter(|text| !media(text));
    problems.extend(odd.map(|text| GuardProblem::Type(text.clone())));
}

fn preloadable(hsts: &Hsts) -> bool {
    !hsts.preload || (hsts.include_subdomains && hsts.max_age_s >= YEAR_S)
}

/// RFC 9110, 5.6.2.
fn is_token(text: &str) -> bool {
    let tchar = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(tchar)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The problems of a guard as people write it.
    fn problems(json: &str) -> Vec<String> {
        let guard: Guard = serde_json::from_str(json).unwrap();
        guard.check().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_guard_that_can_be_used_has_no_problem() {
        let digest = "a".repeat(64);
        let check = |json: &str| assert_eq!(problems(json), [""; 0], "{json}");
        check("{}");
        check(&format!(r#"{{"basic_auth":{{"users":{{"ann":"{digest}","bob 2":"{digest}"}}}}}}"#));
        check(r#"{"rate_limit":{"requests":10}}"#);
        check(r#"{"rate_limit":{"requests":5,"per_ms":60000,"burst":1,"key":{"header":"x-api-key"}}}"#);
        check(r#"{"rate_limit":{"requests":1000000,"per_ms":1000}}"#);
        check(r#"{"rate_limit":{"requests":1000,"per_ms":2592000000}}"#);
        check(r#"{"cors":{"origins":["*"]}}"#);
        check(
            r#"{"cors":{"origins":["https://a.example.com","http://localhost:5173","http://[::1]:8080"]}}"#,
        );
        check(
            r#"{"cors":{"origins":["capacitor://localhost"],"credentials":true,"methods":["GET","PATCH"]}}"#,
        );
        check(r#"{"cors":{"origins":["*"],"headers":["x-a"],"expose":["etag"],"max_age_s":600}}"#);
        check(r#"{"compression":{}}"#);
        check(r#"{"compression":{"types":["text/","application/vnd.api+json"],"min_bytes":0}}"#);
        check(r#"{"hsts":{}}"#);
        check(r#"{"hsts":{"max_age_s":0}}"#);
        check(r#"{"hsts":{"preload":true,"include_subdomains":true}}"#);
        check(r#"{"maintenance":{"message":"back at noon"},"body_bytes":0,"redirect_https":true}"#);
    }

    #[test]
    fn every_wrong_value_is_named() {
        let check = |json: &str, expect: &[&str]| {
            let found = problems(json);
            assert_eq!(found.len(), expect.len(), "{json}: {found:?}");
            for (found, expect) in found.iter().zip(expect) {
                assert!(found.starts_with(expect), "{json}: {found} does not begin with {expect}");
            }
        };
        check(r#"{"basic_auth":{"users":{}}}"#, &["basic_auth.users: there is no user"]);
        check(
            r#"{"basic_auth":{"realm":"geschützt","users":{"a:b":"x"}}}"#,
            &[
                "basic_auth.realm: 'ü' can't be sent",
                "basic_auth.users: `a:b` can't be a name",
                "basic_auth.users.a:b: not a SHA-256",
            ],
        );
        check(
            r#"{"rate_limit":{"requests":0,"per_ms":0,"burst":0,"key":{"header":"x y"}}}"#,
            &[
                "rate_limit.requests: 0",
                "rate_limit.per_ms: 0",
                "rate_limit.burst: 0",
                "rate_limit.key.header: `x y`",
            ],
        );
        check(r#"{"rate_limit":{"requests":2000001,"per_ms":1000}}"#, &["rate_limit: more than 1000"]);
        check(r#"{"rate_limit":{"requests":1,"per_ms":86400000,"burst":31}}"#, &["rate_limit: `burst`"]);
        check(r#"{"rate_limit":{"requests":1,"per_ms":18446744073709551615}}"#, &["rate_limit: `burst`"]);
        check(r#"{"cors":{}}"#, &["cors.origins: there is no origin"]);
        check(
            r#"{"cors":{"origins":["*","https://a.example.com"],"credentials":true}}"#,
            &["cors.origins: `*` stands for all", "cors: credentials together"],
        );
        for (origin, why) in [
            ("null", "is what every sandboxed page sends"),
            ("admin.example.com", "is not an origin"),
            ("HTTPS://a.example.com", "has no scheme in lower case"),
            ("https://A.example.com", "has upper-case letters"),
            ("https://a.example.com/", "has a path"),
            ("https://a.example.com?x", "has a path"),
            ("https://u@a.example.com", "has a user"),
            ("https://*.example.com", "has a `*`"),
            ("https://", "has no host name"),
            ("https://bücher.example", "has no host name"),
            ("https://[x]", "has no address"),
            ("https://a.example.com:443", "names a port that browsers leave out"),
            ("http://a.example.com:80", "names a port that browsers leave out"),
            ("http://a.example.com:", "has no number as its port"),
            ("http://a.example.com:080", "has no number as its port"),
            ("http://a.example.com:70000", "has no number as its port"),
        ] {
            let json = format!(r#"{{"cors":{{"origins":["{origin}"]}}}}"#);
            check(&json, &[&format!("cors.origins: `{origin}` {why}")]);
        }
        check(
            r#"{"cors":{"origins":["*"],"methods":["G T","*"],"headers":["*","a b"],"expose":["é"]}}"#,
            &[
                "cors.methods: `G T`",
                "cors.methods: `*`",
                "cors.headers: `*` is not the name of a header; leave the list empty",
                "cors.headers: `a b`",
                "cors.expose: `é`",
            ],
        );
        check(r#"{"compression":{"types":[]}}"#, &["compression.types: the list is empty"]);
        check(
            r#"{"compression":{"types":["*/*","text","text/html; charset=utf-8"]}}"#,
            &["compression.types: `*/*`", "compression.types: `text`", "compression.types: `text/html;"],
        );
        check(r#"{"hsts":{"preload":true}}"#, &["hsts.preload"]);
        check(r#"{"hsts":{"preload":true,"include_subdomains":true,"max_age_s":86400}}"#, &["hsts.preload"]);
    }

    #[test]
    fn a_password_written_in_place_of_its_hash_is_not_repeated() {
        let found = problems(r#"{"basic_auth":{"users":{"ann":"hunter2"}}}"#);
        assert!(!found.concat().contains("hunter2"), "{found:?}");
    }
}
