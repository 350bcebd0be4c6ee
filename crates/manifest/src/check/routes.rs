//! Public routes: every request has one answer.

use super::Check;
use crate::{Expose, resolve::route_path};
use std::collections::BTreeMap;

pub(super) fn check(check: &mut Check<'_>) {
    let mut claims: BTreeMap<(Option<String>, String), Vec<String>> = BTreeMap::new();
    for (name, service) in check.services() {
        for (index, route) in
            service.expose.as_ref().map(Expose::routes).unwrap_or_default().iter().enumerate()
        {
            let mut place = vec!["services".to_owned(), name.to_string(), "expose".to_owned()];
            if matches!(service.expose, Some(Expose::Many(_))) {
                place.push(index.to_string());
            }
            let path: Vec<&str> = place.iter().map(String::as_str).collect();
            let claim = (route.host.clone(), route_path(&route.path));
            if let Some(first) = claims.get(&claim) {
                let first: Vec<&str> = first.iter().map(String::as_str).collect();
                let (host, at) = (claim.0.as_deref().unwrap_or("any host"), &claim.1);
                let message = format!(
                    "`{}` claims `{at}` on {host}, which `{}` has claimed already",
                    path[1], first[1]
                );
                let help = Some(format!(
                    "the first claim is in {}; change the host or the path of one",
                    check.line(&first[..3])
                ));
                check.error(&path, "route-twice", message, help);
            } else {
                claims.insert(claim, place);
            }
        }
    }
    unheard(check);
}

/// Routes need a listener.
fn unheard(check: &mut Check<'_>) {
    let exposed =
        check.services().into_iter().find(|(_, service)| service.expose.is_some()).map(|(name, _)| name);
    let Some(exposed) = exposed else { return };
    for (name, environment) in check.environments() {
        let deaf = environment.listen.is_none() && environment.tls.is_none();
        if check.concerns(name) && deaf && environment.target == crate::Target::Local {
            let message = format!("`{name}` listens nowhere, so nobody can reach `{exposed}` there");
            let help = Some("write `listen: 127.0.0.1:8080`, or port 0 for any free port".to_owned());
            check.warn_at_key(&["environments", name], "no-listener", message, help);
        }
    }
}
