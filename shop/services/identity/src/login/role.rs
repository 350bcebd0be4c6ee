//! Which of a user's roles a login is for. Pure.

use serde_json::json;
use shop_kit::{ApiError, ApiResult};

/// The roles that may use the mini-program.
const MINI: [&str; 4] = ["CUSTOMER", "SALES", "PROCUREMENT", "CS"];
/// The roles that may use the web.
const WEB: [&str; 4] = ["ADMIN", "BOSS", "CS", "MANAGER"];

/// A role as a client may write it; nothing when blank.
pub fn requested(text: Option<&str>) -> Option<String> {
    text.map(|role| role.trim().to_ascii_uppercase()).filter(|role| !role.is_empty())
}

/// Chooses among sorted `roles` for the mini-program.
///
/// A user with several roles is asked which one it wants, even when only one of them is allowed here: the
/// client then knows that there is a choice to remember.
///
/// # Errors
/// 400 when the role is not allowed or not assigned; 409 with `details.availableRoles` when one has to be
/// chosen.
pub fn for_mini(roles: &[String], requested: Option<&str>) -> ApiResult<String> {
    let allowed = |role: &str| MINI.contains(&role);
    if let Some(role) = requested {
        if !allowed(role) {
            return Err(ApiError::invalid("role not allowed"));
        }
        if !roles.iter().any(|r| r == role) {
            return Err(ApiError::invalid("role not assigned"));
        }
        return Ok(role.to_owned());
    }
    let available: Vec<&String> = roles.iter().filter(|r| allowed(r)).collect();
    match (roles.len(), available.as_slice()) {
        (_, []) => Err(ApiError::invalid("role not allowed")),
        (1, [only]) => Ok((*only).clone()),
        (_, several) => Err(must_choose(several)),
    }
}

/// Chooses among sorted `roles` for the web.
///
/// # Errors
/// 401 when the user has no web role; 400 when the requested one is not among them; 409 with
/// `details.availableRoles` when one has to be chosen.
pub fn for_web(roles: &[String], requested: Option<&str>) -> ApiResult<String> {
    let available: Vec<&String> = roles.iter().filter(|r| WEB.contains(&r.as_str())).collect();
    match (available.as_slice(), requested) {
        ([], _) => Err(ApiError::unauthorized("invalid credentials").because("no web role")),
        (some, Some(role)) if some.iter().any(|r| *r == role) => Ok(role.to_owned()),
        (_, Some(_)) => Err(ApiError::invalid("role not assigned")),
        ([only], None) => Ok((*only).clone()),
        (several, None) => Err(must_choose(several)),
    }
}

fn must_choose(available: &[&String]) -> ApiError {
    ApiError::conflict("role selection required").with_details(json!({ "availableRoles": available }))
}

#[cfg(test)]
mod tests {
    use super::*;

    type Chooser = fn(&[String], Option<&str>) -> ApiResult<String>;

    fn check(choose: Chooser, roles: &[&str], wish: Option<&str>, expect: &str) {
        let roles: Vec<String> = roles.iter().map(|r| (*r).to_owned()).collect();
        let got = match choose(&roles, wish) {
            Ok(role) => role,
            Err(e) => format!(
                "{} {}{}",
                e.status.as_u16(),
                e.message,
                e.details.as_ref().map_or(String::new(), |d| format!(" {d}"))
            ),
        };
        assert_eq!(got, expect, "{roles:?} {wish:?}");
    }

    #[test]
    fn mini() {
        let check = |roles: &[&str], wish, expect| check(for_mini, roles, wish, expect);
        check(&["CUSTOMER"], None, "CUSTOMER");
        check(&["CUSTOMER"], Some("CUSTOMER"), "CUSTOMER");
        check(&["CUSTOMER"], Some("SALES"), "400 role not assigned");
        check(&["CUSTOMER"], Some("ADMIN"), "400 role not allowed");
        check(&["ADMIN"], None, "400 role not allowed");
        check(&["ADMIN"], Some("ADMIN"), "400 role not allowed");
        check(&["ADMIN", "BOSS"], None, "400 role not allowed");
        let both = r#"409 role selection required {"availableRoles":["CUSTOMER","SALES"]}"#;
        check(&["CUSTOMER", "SALES"], None, both);
        check(&["ADMIN", "CUSTOMER", "SALES"], None, both);
        check(&["CUSTOMER", "SALES"], Some("SALES"), "SALES");
        // One allowed among several still has to be chosen.
        check(&["ADMIN", "CUSTOMER"], None, r#"409 role selection required {"availableRoles":["CUSTOMER"]}"#);
    }

    #[test]
    fn web() {
        let check = |roles: &[&str], wish, expect| check(for_web, roles, wish, expect);
        check(&["ADMIN"], None, "ADMIN");
        check(&["ADMIN", "CUSTOMER"], None, "ADMIN");
        check(&["SALES"], None, "401 invalid credentials");
        check(&["ADMIN"], Some("BOSS"), "400 role not assigned");
        check(&["ADMIN", "CS"], Some("CS"), "CS");
        check(&["ADMIN", "CS"], None, r#"409 role selection required {"availableRoles":["ADMIN","CS"]}"#);
    }

    #[test]
    fn wishes_are_read_generously() {
        assert_eq!(requested(Some(" sales ")), Some("SALES".to_owned()));
        assert_eq!(requested(Some(" ")), None);
        assert_eq!(requested(None), None);
    }
}
