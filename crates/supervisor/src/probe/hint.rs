//! What usually helps when a probe fails.

use super::{ProbeKind, http::Failed, listening};
use std::{io, net::SocketAddr};

/// A hint for an answer that is not a success.
pub(super) fn for_status(
    status: u16,
    location: Option<&str>,
    kind: &ProbeKind,
    in_tls: bool,
) -> Option<String> {
    let path = match kind {
        ProbeKind::Http { path, .. } => path.as_str(),
        ProbeKind::Tcp => return None,
    };
    let to = location.unwrap_or("another address");
    Some(match status {
        200..=299 => return None,
        301 | 302 | 307 | 308 if to.starts_with("https:") && !in_tls => {
            format!(
                "it redirects to {to}; probes use plain HTTP, so let the program answer {path} without insisting on HTTPS"
            )
        }
        301 | 302 | 303 | 307 | 308 => {
            format!(
                "it redirects to {to}, and redirects are not followed; probe that path, or set the host that the program expects"
            )
        }
        401 | 403 => format!("{path} asks for a login; probe a path that is open to everyone"),
        404 => format!("there is nothing at {path}; check the path of the probe"),
        405 => format!("{path} does not answer GET; probe a path that does"),
        421 => "it does not know this host; set the probe's host".to_owned(),
        503 => "it says itself that it is not ready; its own log says why".to_owned(),
        500..=599 => "it failed while answering; its own log says why".to_owned(),
        _ => return None,
    })
}

/// A hint for a question without an answer.
pub(super) fn for_error(failed: &Failed, address: SocketAddr, pid: Option<u32>) -> Option<String> {
    match failed {
        Failed::Connect(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            Some(for_refused(address, &listening(pid?)))
        }
        Failed::Connect(_) | Failed::Question(_) => None,
        Failed::Tls(error) => for_tls(error).map(str::to_owned),
        Failed::Exchange(error) if error.is_parse() => Some(
            "what listens there does not speak HTTP/1.1; it may expect TLS or be another program".to_owned(),
        ),
        Failed::Exchange(_) => {
            Some("it closed the connection without an answer; its own log may say why".to_owned())
        }
    }
}

fn for_tls(error: &io::Error) -> Option<&'static str> {
    match error.get_ref()?.downcast_ref()? {
        rustls::Error::InvalidCertificate(_) => {
            Some("its certificate must be for the `server_name` of `traffic.tls`, and signed by its `roots`")
        }
        rustls::Error::InvalidMessage(_) => {
            Some("what listens there does not speak TLS; `traffic.protocol` says that it does")
        }
        _ => None,
    }
}

fn for_refused(wanted: SocketAddr, open: &[SocketAddr]) -> String {
    if open.is_empty() {
        return "the process listens on no TCP port yet".to_owned();
    }
    let list: Vec<String> = open.iter().map(SocketAddr::to_string).collect();
    let list = list.join(", ");
    if open.iter().any(|address| address.port() == wanted.port()) {
        return format!(
            "the process listens on {list}, which {} does not reach; let it listen on {wanted}",
            wanted.ip()
        );
    }
    format!(
        "the process listens on {list} instead; let it listen on {wanted}, which it is given in its environment"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(status: u16, location: Option<&str>) -> String {
        let kind = ProbeKind::Http { path: "/ready".into(), host: None };
        for_status(status, location, &kind, false).unwrap_or_default()
    }

    #[test]
    fn statuses() {
        for (code, location, expect) in [
            (200, None, ""),
            (418, None, ""),
            (301, Some("https://shop.example/ready"), "plain HTTP"),
            (302, Some("/login"), "redirects to /login"),
            (404, None, "check the path"),
            (401, None, "open to everyone"),
            (503, None, "not ready"),
        ] {
            let hint = status(code, location);
            assert!(hint.contains(expect) && hint.is_empty() == expect.is_empty(), "{code}: {hint}");
        }
        assert_eq!(for_status(404, None, &ProbeKind::Tcp, false), None);
    }

    #[test]
    fn refused() {
        let wanted: SocketAddr = "127.0.0.1:3000".parse().unwrap();
        let hint = |open: &[&str]| {
            for_refused(wanted, &open.iter().map(|text| text.parse().unwrap()).collect::<Vec<_>>())
        };
        assert_eq!(hint(&[]), "the process listens on no TCP port yet");
        assert!(
            hint(&["0.0.0.0:8080", "[::1]:9"])
                .starts_with("the process listens on 0.0.0.0:8080, [::1]:9 instead")
        );
        assert!(hint(&["[::1]:3000"]).contains("127.0.0.1 does not reach"));
    }
}
