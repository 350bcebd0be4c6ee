//! The formats of texts that the schemas name, each with the type that reads it.

use crate::{Cpu, Duration, Memory, Size, Target, interpolate, sources::escape, suggest, walk::FormatError};
use fairway_model::{EnvironmentName, ServiceName, SystemName, VariableName, traffic::Network};
use std::net::{IpAddr, SocketAddr};

/// Checks a text; formats of other standards, such as `uint32`, are of no concern.
pub(crate) fn check(format: &str, text: &str) -> Result<(), FormatError> {
    match format {
        "system-name" => name(text, SystemName::new(text)),
        "service-name" => name(text, ServiceName::new(text)),
        "environment-name" => match EnvironmentName::new(text) {
            Ok(name) if name.base() != text => {
                let message = format!("`{text}` names an instance; the manifest names the environment");
                wrong(message, format!("write `{}` with `per: pull-request`", name.base()))
            }
            result => name(text, result),
        },
        "variable-name" => name(text, VariableName::new(text)),
        "duration-text" => match text.parse::<Duration>() {
            Ok(_) => Ok(()),
            Err(error) => plain(error.to_string()),
        },
        "memory" => positive(text, text.parse::<Memory>().map(|memory| memory.0), "memory"),
        "size" => match text.parse::<Size>() {
            Ok(_) => Ok(()),
            Err(error) => plain(error.to_string()),
        },
        "network" => network(text),
        "tls-version" => tls_version(text),
        "absolute-path" => absolute_path(text),
        "host-name" => host(text, &[], false),
        "server-name" if text.parse::<IpAddr>().is_ok() => Ok(()),
        "server-name" => server_name(text),
        "https-url" => https_url(text),
        "mail-address" => mail_address(text),
        "token" => token(text),
        "user-name" => user_name(text),
        "password-hash" => password_hash(text),
        "cpu" => positive(text, text.parse::<Cpu>().map(|cpu| u64::from(cpu.0)), "CPU"),
        "target" => target(text),
        "socket-address" => socket_address(text),
        "postgres-version" => postgres_version(text),
        "probe" if text == "none" => Ok(()),
        "probe" | "probe-path" => probe_path(text),
        "route-path" => route_path(text),
        "host-template" => host(text, &["environment.domain", "environment.name", "number"], true),
        "domain-template" => host(text, &["environment.name", "number"], false),
        "file" | "directory" | "relative-path" => match escape(text) {
            Some(reason) => plain(format!("`{text}` is not a path in this repository: {reason}")),
            None => Ok(()),
        },
        "variable-text" => match interpolate::parse(text) {
            Ok(_) => Ok(()),
            Err(error) => Err(FormatError { message: error.to_string(), help: Some(error.help()) }),
        },
        _ => Ok(()),
    }
}

fn plain(message: String) -> Result<(), FormatError> {
    Err(FormatError { message, help: None })
}

fn wrong(message: String, help: String) -> Result<(), FormatError> {
    Err(FormatError { message, help: Some(help) })
}

fn name<T>(text: &str, result: Result<T, fairway_model::NameError>) -> Result<(), FormatError> {
    let Err(error) = result else { return Ok(()) };
    let label = error.what != "environment variable name";
    let repaired: String = text
        .chars()
        .map(|c| match c {
            'A'..='Z' if label => c.to_ascii_lowercase(),
            '_' | ' ' | '.' if label => '-',
            '-' | ' ' | '.' if !label => '_',
            c => c,
        })
        .collect();
    let fits = if label {
        ServiceName::new(repaired.as_str()).is_ok()
    } else {
        VariableName::new(repaired.as_str()).is_ok()
    };
    Err(FormatError {
        message: error.to_string(),
        help: (fits && repaired != text).then(|| format!("write `{repaired}`")),
    })
}

fn positive<E: std::fmt::Display>(text: &str, parsed: Result<u64, E>, what: &str) -> Result<(), FormatError> {
    match parsed {
        Ok(0) => wrong(format!("`{text}` is no {what} at all"), "leave it out for no limit".to_owned()),
        Ok(_) => Ok(()),
        Err(error) => plain(error.to_string()),
    }
}

fn target(text: &str) -> Result<(), FormatError> {
    let Err(error) = text.parse::<Target>() else { return Ok(()) };
    match suggest::nearest(text, ["local"]) {
        Some(near) => wrong(error.to_string(), format!("did you mean `{near}`?")),
        None => plain(error.to_string()),
    }
}

fn socket_address(text: &str) -> Result<(), FormatError> {
    if text.parse::<SocketAddr>().is_ok() {
        return Ok(());
    }
    let message = format!("`{text}` is not an address and a port");
    let port = text.rsplit(':').next().filter(|port| port.parse::<u16>().is_ok());
    match (text.rsplit_once(':').map(|(host, _)| host), port) {
        (Some("" | "*"), Some(port)) => wrong(message, format!("write `0.0.0.0:{port}` for every interface")),
        (Some("localhost") | None, Some(port)) => wrong(message, format!("write `127.0.0.1:{port}`")),
        _ => wrong(message, "write for example `127.0.0.1:8080`".to_owned()),
    }
}

fn postgres_version(text: &str) -> Result<(), FormatError> {
    match text.parse::<u32>() {
        Ok(10..=99) => Ok(()),
        _ => wrong(
            format!("`{text}` is not a major version of PostgreSQL"),
            "write for example `\"15\"`".to_owned(),
        ),
    }
}

fn network(text: &str) -> Result<(), FormatError> {
    let Err(error) = text.parse::<Network>() else { return Ok(()) };
    let message = error.to_string();
    match message.split_once("; ") {
        Some((what, help)) => wrong(what.to_owned(), help.to_owned()),
        None => plain(message),
    }
}

fn tls_version(text: &str) -> Result<(), FormatError> {
    match text {
        "1.2" | "1.3" => Ok(()),
        _ => {
            let help = "write `\"1.2\"` or `\"1.3\"`; older versions are broken".to_owned();
            wrong(format!("`{text}` is not a version of TLS that is spoken here"), help)
        }
    }
}

/// A path on a host, which has no directory that everybody means.
fn absolute_path(text: &str) -> Result<(), FormatError> {
    if !text.starts_with('/') {
        let help = "write the whole path on the host that the environment runs on, from `/` on".to_owned();
        return wrong(format!("`{text}` is not an absolute path"), help);
    }
    if text.contains(char::is_control) {
        return plain(format!("`{text}` is not a path"));
    }
    Ok(())
}

fn https_url(text: &str) -> Result<(), FormatError> {
    let host = text.strip_prefix("https://").map(|rest| rest.split('/').next().unwrap_or_default());
    match host {
        Some(host) if !host.is_empty() && !text.contains(|c: char| c.is_whitespace() || c.is_control()) => {
            Ok(())
        }
        _ => wrong(format!("`{text}` is not a URL with `https://`"), "write the whole URL".to_owned()),
    }
}

fn mail_address(text: &str) -> Result<(), FormatError> {
    let parts = text.strip_prefix("mailto:").unwrap_or(text).split_once('@');
    let word = |part: &str| {
        !part.is_empty()
            && !part.contains(|c: char| c.is_whitespace() || c.is_control() || "@,<>".contains(c))
    };
    match parts {
        Some((name, host)) if word(name) && word(host) => Ok(()),
        _ => {
            wrong(format!("`{text}` is not a mail address"), "write for example `ops@example.com`".to_owned())
        }
    }
}

/// What names of cookies are made of (RFC 9110, 5.6.2).
fn token(text: &str) -> Result<(), FormatError> {
    let good = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if text.bytes().all(good) {
        return Ok(());
    }
    wrong(format!("`{text}` cannot be the name of a cookie"), "write letters, digits, `-` and `_`".to_owned())
}

fn user_name(text: &str) -> Result<(), FormatError> {
    if text.is_empty() || text.contains(|c: char| c == ':' || c.is_control()) {
        return plain(format!("`{text}` cannot be the name of a user: it is empty or has a `:`"));
    }
    Ok(())
}

/// The text is not repeated: it may be the password.
fn password_hash(text: &str) -> Result<(), FormatError> {
    if interpolate::parse(text).is_err() || interpolate::is_literal(text) || text.is_empty() {
        let hash = text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
        if !hash {
            let help = "write `{ password: \"${NAME}\" }`, or the 64 digits of the SHA-256 of `name:password`; never \
                the password itself";
            return wrong("this is not the hash of a password".to_owned(), help.to_owned());
        }
    }
    Ok(())
}

fn probe_path(text: &str) -> Result<(), FormatError> {
    if text.contains("://") {
        let help = "Fairway knows the address of the instance; write the path alone".to_owned();
        return wrong(format!("`{text}` is a URL, not a path"), help);
    }
    if !text.starts_with('/') {
        return wrong(
            format!("`{text}` is not a path: it must begin with `/`"),
            format!("write `/{text}`, or `none`"),
        );
    }
    if text.contains(|c: char| c.is_whitespace() || c.is_control() || c == '#') {
        return plain(format!("`{text}` is not a path: it has a blank or a `#`"));
    }
    Ok(())
}

fn route_path(text: &str) -> Result<(), FormatError> {
    if !text.starts_with('/') {
        return wrong(format!("`{text}` is not a path: it must begin with `/`"), format!("write `/{text}`"));
    }
    if let Some(bad) = text.chars().find(|c| c.is_whitespace() || c.is_control() || "?#*{}".contains(*c)) {
        let help = "a route matches its path and everything below it; no pattern is needed".to_owned();
        return wrong(format!("the path of a route cannot contain `{bad}`"), help);
    }
    if text.contains("//") {
        return plain(format!("`{text}` is not a path: it has an empty part"));
    }
    Ok(())
}

/// What a certificate of an instance is for.
fn server_name(text: &str) -> Result<(), FormatError> {
    if text.starts_with("*.") {
        let help = "write one name that the certificate covers".to_owned();
        return wrong(format!("`{text}` is a pattern, and one name is asked for"), help);
    }
    if text.contains(':') && !text.contains('/') {
        return wrong(format!("`{text}` has a port"), "write the name alone".to_owned());
    }
    host(text, &[], false)
}

/// A host name in which placeholders stand for whole parts or pieces of parts.
fn host(text: &str, placeholders: &[&str], wildcard: bool) -> Result<(), FormatError> {
    let mut rest = text;
    let mut filled = String::new();
    while let Some((before, after)) = rest.split_once('{') {
        let Some((placeholder, after)) = after.split_once('}') else {
            return plain(format!("`{text}` has a `{{` without `}}`"));
        };
        if !placeholders.contains(&placeholder) {
            let known: Vec<String> = placeholders.iter().map(|name| format!("{{{name}}}")).collect();
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            let help = suggest::did_you_mean(&format!("{{{placeholder}}}"), known.iter().copied());
            return Err(FormatError {
                message: format!("`{{{placeholder}}}` stands for nothing here"),
                help,
            });
        }
        filled.push_str(before);
        filled.push('x');
        rest = after;
    }
    filled.push_str(rest);
    let name = if wildcard { filled.strip_prefix("*.").unwrap_or(&filled) } else { &filled };
    if filled.contains("://") || filled.contains('/') {
        return wrong(
            format!("`{text}` is a URL, not a host"),
            "write the name of the host alone".to_owned(),
        );
    }
    if name.contains(':') {
        return wrong(
            format!("`{text}` has a port"),
            "the port is the environment's `listen`; write the name alone".to_owned(),
        );
    }
    let label = |part: &str| {
        (1..=63).contains(&part.len())
            && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !part.starts_with('-')
            && !part.ends_with('-')
    };
    if name.len() > 253 || !name.split('.').all(label) {
        let help = "write lower-case letters, digits and hyphens between dots, such as `shop.example.com`"
            .to_owned();
        return wrong(format!("`{text}` is not the name of a host"), help);
    }
    Ok(())
}
