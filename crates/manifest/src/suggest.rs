//! Near misses.

/// The candidate that was probably meant, if one is near enough.
pub(crate) fn nearest<'a>(text: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = plain(text);
    // A third of the letters may be wrong; more than that is another word.
    let allowed = (wanted.chars().count().max(3)) / 3;
    candidates
        .into_iter()
        .filter(|candidate| *candidate != text)
        .map(|candidate| (strsim::damerau_levenshtein(&wanted, &plain(candidate)), candidate))
        .filter(|(distance, candidate)| *distance <= allowed && *distance < candidate.chars().count())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// `did you mean …?`, or the whole choice when it is short enough to read.
pub(crate) fn did_you_mean<'a>(text: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let candidates: Vec<&str> = candidates.into_iter().collect();
    match nearest(text, candidates.iter().copied()) {
        Some(candidate) => Some(format!("did you mean `{candidate}`?")),
        None => match candidates.as_slice() {
            [] => None,
            [only] => Some(format!("there is only `{only}`")),
            several => Some(format!("there are {}", list(several, "and"))),
        },
    }
}

/// What other tools call the things that have keys here.
const SYNONYMS: &[(&str, &str)] = &[
    ("cmd", "run"),
    ("command", "run"),
    ("entrypoint", "run"),
    ("exec", "run"),
    ("start_command", "run"),
    ("image", "build"),
    ("dockerfile", "build"),
    ("environment", "env"),
    ("variables", "env"),
    ("vars", "env"),
    ("depends_on", "needs"),
    ("dependencies", "needs"),
    ("links", "needs"),
    ("upstreams", "needs"),
    ("port", "listen"),
    ("ports", "listen"),
    ("address", "listen"),
    ("bind", "listen"),
    ("healthcheck", "health"),
    ("liveness", "health"),
    ("live", "health"),
    ("readiness", "ready"),
    ("resources", "limits"),
    ("mem", "memory"),
    ("ram", "memory"),
    ("cpus", "cpu"),
    ("scale", "replicas"),
    ("instances", "replicas"),
    ("count", "replicas"),
    ("routes", "expose"),
    ("ingress", "expose"),
    ("domains", "expose"),
    ("hostname", "host"),
    ("prefix", "path"),
    ("url", "path"),
    ("openapi", "contract"),
    ("db", "database"),
    ("postgresql", "postgres"),
    ("period", "interval"),
    ("retries", "fall"),
    ("type", "target"),
    ("ssl", "tls"),
    ("https", "tls"),
    ("letsencrypt", "acme"),
    ("email", "contact"),
    ("domains", "names"),
    ("hosts", "names"),
    ("cert", "chain"),
    ("middlewares", "guard"),
    ("auth", "basic_auth"),
    ("whitelist", "allow"),
    ("allowlist", "allow"),
    ("ip_allow_list", "allow"),
    ("gzip", "compression"),
    ("encode", "compression"),
    ("client_max_body_size", "body"),
    ("max_body_size", "body"),
    ("period", "per"),
    ("average", "requests"),
    ("circuit_breaker", "outliers"),
    ("outlier_detection", "outliers"),
    ("max_connections", "exchanges"),
    ("session_affinity", "sticky"),
    ("trusted_proxies", "trusted"),
    ("log", "access_log"),
];

/// What a key of other tools is called here, of those that may stand here.
pub(crate) fn synonym(text: &str, known: &[&str]) -> Option<&'static str> {
    let wanted = text.to_lowercase().replace('-', "_");
    let meant = SYNONYMS.iter().find(|(theirs, ours)| *theirs == wanted && known.contains(ours));
    meant.map(|(_, ours)| *ours)
}

/// `a`, `b` and `c`.
pub(crate) fn list(items: &[&str], and: &str) -> String {
    match items {
        [] => String::new(),
        [one] => format!("`{one}`"),
        [first @ .., last] => {
            let first: Vec<String> = first.iter().map(|item| format!("`{item}`")).collect();
            format!("{} {and} `{last}`", first.join(", "))
        }
    }
}

/// Case and the choice between `-` and `_` are the usual slips.
fn plain(text: &str) -> String {
    text.to_lowercase().replace('_', "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_misses() {
        let keys = ["ready", "health", "replicas", "run", "env", "needs", "listen"];
        for (text, expect) in [
            ("redy", Some("ready")),
            ("Ready", Some("ready")),
            ("helath", Some("health")),
            ("replica", Some("replicas")),
            ("enviroment", None),
            ("x", None),
            ("rum", Some("run")),
            ("zzz", None),
        ] {
            assert_eq!(nearest(text, keys), expect, "{text}");
        }
    }
}
