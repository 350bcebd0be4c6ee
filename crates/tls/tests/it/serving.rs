//! Which certificate a client gets, and how TLS is spoken.

use std::sync::Arc;

use fairway_model::traffic::{Certificate, CertificateSource, ListenerTls, TlsVersion};
use fairway_tls::{AcceptError, Certificates, Directory, Settings, Storage};
use rcgen::KeyPair;
use rustls::client::Resumption;
use rustls::version::{TLS12, TLS13};
use rustls::{HandshakeKind, ProtocolVersion, SignatureScheme};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{DEADLINE, Site, anyone, connect, connect_with, make, make_with, offering, put};

fn files(site: &Site, names: &[&[&str]]) -> Vec<Certificate> {
    names
        .iter()
        .enumerate()
        .map(|(number, names)| put(site.home.path(), &number.to_string(), &make(names, |_| {})))
        .collect()
}

#[tokio::test]
async fn the_name_decides() {
    let site = Site::new().await;
    let wanted = files(
        &site,
        &[
            &["example.com", "www.example.com"],
            &["*.example.com"],
            &["special.example.com"],
            &["other.test", "127.0.0.1"],
        ],
    );
    assert_eq!(site.certificates.apply("prod", &wanted, None).await, Vec::<String>::new());
    for (name, expect) in [
        ("example.com", Some("DNSName(example.com)")),
        ("www.example.com", Some("DNSName(example.com)")),
        ("WWW.EXAMPLE.com", Some("DNSName(example.com)")),
        ("special.example.com", Some("DNSName(special.example.com)")),
        ("any.example.com", Some("DNSName(*.example.com)")),
        ("a.b.example.com", None),
        ("com", None),
        ("other.test", Some("DNSName(other.test)")),
        ("example.org", None),
        // No name is asked for: the certificate that names an address.
        ("127.0.0.1", Some("DNSName(other.test)")),
    ] {
        let seen = site.serves(name).await;
        match expect {
            Some(expect) => assert_eq!(seen.unwrap().names[0], expect, "{name}"),
            None => assert!(seen.as_ref().unwrap_err().contains("UnrecognisedName"), "{name}: {seen:?}"),
        }
    }
}

#[tokio::test]
async fn without_a_name_the_first_serves_and_without_any_certificate_nothing_does() {
    let mut site = Site::new().await;
    assert!(site.serves("127.0.0.1").await.is_err());
    assert!(matches!(site.handshakes.recv().await, Some(Err(AcceptError::Handshake(_)))));
    assert!(site.serves("example.com").await.is_err());
    let refused = site.handshakes.recv().await;
    assert!(
        matches!(&refused, Some(Err(AcceptError::UnknownName(name))) if name == "example.com"),
        "{refused:?}"
    );
    let wanted = files(&site, &[&["one.test"], &["two.test"]]);
    site.certificates.apply("prod", &wanted, None).await;
    assert_eq!(site.serves("127.0.0.1").await.unwrap().names, ["DNSName(one.test)"]);
}

#[tokio::test]
async fn environments_do_not_touch_each_other() {
    let site = Site::new().await;
    let wanted = files(&site, &[&["shop.test"], &["shop.test", "api.test"], &["third.test"]]);
    site.certificates.apply("a", &wanted[..1], None).await;
    let shop = site.serves("shop.test").await.unwrap();
    // A second certificate for the name of another environment: the first stays, and the second is told.
    let problems = site.certificates.apply("b", &wanted[1..2], None).await;
    assert_eq!(
        problems,
        ["shop.test, api.test: shop.test is served with another certificate that comes first"]
    );
    assert_eq!(site.serves("shop.test").await.unwrap(), shop);
    assert!(site.serves("api.test").await.is_ok());
    // A broken entry is alone.
    let broken = Certificate {
        names: vec!["broken.test".to_owned()],
        source: CertificateSource::Files { chain: site.path("none.pem"), key: site.path("none.key") },
    };
    let problems = site.certificates.apply("c", &[broken.clone(), wanted[2].clone()], None).await;
    assert_eq!(problems.len(), 1);
    assert!(problems[0].starts_with(&format!("broken.test: {} could not be read:", broken_path(&broken))));
    assert!(site.serves("third.test").await.is_ok());
    assert!(site.serves("broken.test").await.is_err());
    let serving: Vec<_> = site
        .certificates
        .status()
        .into_iter()
        .map(|s| (s.environment, s.names.join(","), s.serving))
        .collect();
    let expect = [
        ("a", "shop.test", true),
        ("b", "shop.test,api.test", true),
        ("c", "broken.test", false),
        ("c", "third.test", true),
    ];
    assert_eq!(serving, expect.map(|(e, n, s)| (e.to_owned(), n.to_owned(), s)));
    // One goes, and what it hid comes out.
    site.certificates.remove("a").await;
    assert_eq!(site.serves("shop.test").await.unwrap().names.len(), 2);
    site.certificates.remove("never there").await;
    site.certificates.apply("b", &[], None).await;
    assert!(site.serves("shop.test").await.is_err());
    assert!(site.serves("third.test").await.is_ok());
}

fn broken_path(certificate: &Certificate) -> String {
    match &certificate.source {
        CertificateSource::Files { chain, .. } => chain.display().to_string(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_client_gets_the_key_that_it_can_check() {
    let site = Site::new().await;
    let p384 = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
    let ed25519 = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let wanted = [
        put(site.home.path(), "ed", &make_with(&["example.com"], &ed25519, |_| {})),
        put(site.home.path(), "ec", &make_with(&["example.com"], &p384, |_| {})),
    ];
    assert_eq!(site.certificates.apply("prod", &wanted, None).await, Vec::<String>::new());
    let mut leaves = Vec::new();
    for scheme in [SignatureScheme::ED25519, SignatureScheme::ECDSA_NISTP384_SHA384] {
        let stream = connect(site.tls, "example.com", offering(vec![scheme])).await.unwrap();
        leaves.push(stream.get_ref().1.peer_certificates().unwrap()[0].to_vec());
    }
    assert_ne!(leaves[0], leaves[1]);
    let both = offering(vec![SignatureScheme::ECDSA_NISTP384_SHA384, SignatureScheme::ED25519]);
    let stream = connect(site.tls, "example.com", both).await.unwrap();
    assert_eq!(stream.get_ref().1.peer_certificates().unwrap()[0].to_vec(), leaves[0], "the first that fits");
}

#[tokio::test]
async fn sessions_resume_on_every_worker_and_listener() {
    let site = Site::new().await;
    site.certificates.apply("prod", &files(&site, &[&["example.com"]]), None).await;
    for version in [&TLS13, &TLS12] {
        let client = Arc::new(anyone(&[version]));
        let first = connect_with(site.tls, "example.com", client.clone()).await.unwrap();
        assert_eq!(first.get_ref().1.handshake_kind(), Some(HandshakeKind::Full));
        let second = connect_with(site.tls, "example.com", client.clone()).await.unwrap();
        assert_eq!(second.get_ref().1.handshake_kind(), Some(HandshakeKind::Resumed), "{version:?}");
        assert_eq!(second.get_ref().1.protocol_version(), Some(version.version));

        // Another configuration of the same certificates, as another worker has it.
        let config = site.certificates.server_config(&ListenerTls::default());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let other = listener.local_addr().unwrap();
        let certificates = site.certificates.clone();
        let server = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let mut stream = certificates.accept(&config, stream).await.unwrap();
            stream.write_all(b"hello").await.unwrap();
            stream.shutdown().await.unwrap();
        });
        let third = connect_with(other, "example.com", client).await.unwrap();
        assert_eq!(third.get_ref().1.handshake_kind(), Some(HandshakeKind::Resumed), "{version:?}");
        server.await.unwrap();

        // A client that keeps nothing pays each time.
        let mut forgetful = anyone(&[version]);
        forgetful.resumption = Resumption::disabled();
        let forgetful = Arc::new(forgetful);
        for _ in 0..2 {
            let stream = connect_with(site.tls, "example.com", forgetful.clone()).await.unwrap();
            assert_eq!(stream.get_ref().1.handshake_kind(), Some(HandshakeKind::Full));
        }
    }
}

#[tokio::test]
async fn a_session_does_not_outlive_its_name() {
    let site = Site::new().await;
    site.certificates.apply("prod", &files(&site, &[&["example.com"]]), None).await;
    let client = Arc::new(anyone(&[&TLS13]));
    connect_with(site.tls, "example.com", client.clone()).await.unwrap();
    site.certificates.remove("prod").await;
    let refused = connect_with(site.tls, "example.com", client).await.unwrap_err();
    assert!(refused.contains("UnrecognisedName"), "{refused}");
}

#[tokio::test]
async fn the_oldest_version_is_the_listeners() {
    for (minimum, client, expect) in [
        (TlsVersion::V1_2, &TLS12, Ok(ProtocolVersion::TLSv1_2)),
        (TlsVersion::V1_2, &TLS13, Ok(ProtocolVersion::TLSv1_3)),
        (TlsVersion::V1_3, &TLS12, Err("ProtocolVersion")),
        (TlsVersion::V1_3, &TLS13, Ok(ProtocolVersion::TLSv1_3)),
    ] {
        let site = Site::with(|_| {}, ListenerTls { minimum }).await;
        site.certificates.apply("prod", &files(&site, &[&["example.com"]]), None).await;
        let got = connect(site.tls, "example.com", anyone(&[client])).await;
        match (got, expect) {
            (Ok(stream), Ok(version)) => assert_eq!(stream.get_ref().1.protocol_version(), Some(version)),
            (Err(error), Err(alert)) => assert!(error.contains(alert), "{error}"),
            (got, expect) => panic!("{minimum:?} {client:?}: {:?}, expected {expect:?}", got.err()),
        }
    }
}

#[tokio::test]
async fn tls_1_1_is_refused_by_its_alert() {
    let mut site = Site::new().await;
    site.certificates.apply("prod", &files(&site, &[&["example.com"]]), None).await;
    let mut hello = vec![3, 2];
    hello.extend([7; 32]);
    // no session; ECDHE-ECDSA-AES128-CBC-SHA, which was good then; no compression
    hello.extend([0, 0, 2, 0xc0, 0x09, 1, 0]);
    // extensions: groups and point formats as RFC 8422 has them, server name
    let name = b"example.com";
    let mut extensions = vec![0, 10, 0, 4, 0, 2, 0, 23, 0, 11, 0, 2, 1, 0];
    let length = u8::try_from(name.len()).unwrap();
    extensions.extend([0, 0, 0, length + 5, 0, length + 3, 0, 0, length]);
    extensions.extend(name);
    hello.extend([0, u8::try_from(extensions.len()).unwrap()]);
    hello.extend(extensions);
    let length = u8::try_from(hello.len()).unwrap();
    let record = [&[22, 3, 1, 0, length + 4, 1, 0, 0, length], &hello[..]].concat();
    let mut stream = TcpStream::connect(site.tls).await.unwrap();
    stream.write_all(&record).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert_eq!((answer[0], &answer[5..]), (21, &[2, 70][..]), "a fatal alert, protocol_version: {answer:?}");
    assert!(matches!(site.handshakes.recv().await, Some(Err(AcceptError::OldVersion))));
}

#[tokio::test]
async fn the_protocol_is_agreed_on() {
    let mut site = Site::new().await;
    site.certificates.apply("prod", &files(&site, &[&["example.com"]]), None).await;
    for (offered, expect) in [
        (&["h2", "http/1.1"][..], Ok("h2")),
        (&["http/1.1", "h2"], Ok("h2")),
        (&["http/1.1"], Ok("http/1.1")),
        (&["acme-tls/1", "http/1.1"], Ok("http/1.1")),
        (&[], Ok("")),
        (&["spdy/3"], Err("NoApplicationProtocol")),
        // Nobody has a challenge for this name.
        (&["acme-tls/1"], Err("UnrecognisedName")),
    ] {
        let mut client = anyone(&[&TLS13]);
        client.alpn_protocols = offered.iter().map(|p| p.as_bytes().to_vec()).collect();
        let got = connect(site.tls, "example.com", client).await;
        let ended = site.handshakes.recv().await.unwrap();
        match expect {
            Ok(expect) => assert_eq!((got.is_ok(), ended.unwrap().as_str()), (true, expect), "{offered:?}"),
            Err(expect) => {
                assert!(got.as_ref().unwrap_err().contains(expect), "{offered:?}: {:?}", got.err())
            }
        }
    }
}

#[tokio::test]
async fn plain_http_is_told_where_it_is() {
    let mut site = Site::new().await;
    for (sent, expect) in [
        (&b"GET / HTTP/1.1\r\nhost: example.com\r\n\r\n"[..], &b"HTTP/1.1 400 Bad Request\r\n"[..]),
        (&[b'P'; 50_000], b"HTTP/1.1 400 Bad Request\r\n"),
        (b"\x05\x01\x00", b""),
    ] {
        let mut stream = TcpStream::connect(site.tls).await.unwrap();
        stream.write_all(sent).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        drop(stream);
        assert!(answer.starts_with(expect), "{}", String::from_utf8_lossy(&answer));
        let (head, body) = std::str::from_utf8(&answer).unwrap().split_once("\r\n\r\n").unwrap_or_default();
        assert!(expect.is_empty() || head.contains(&format!("content-length: {}\r\n", body.len())), "{head}");
        assert!(matches!(site.handshakes.recv().await, Some(Err(AcceptError::NotTls))));
    }
}

#[tokio::test]
async fn a_hello_may_come_in_pieces_and_a_client_may_leave_in_it() {
    let mut site = Site::new().await;
    site.certificates.apply("prod", &files(&site, &[&["example.com"]]), None).await;
    let name = "example.com".try_into().unwrap();
    let mut client = rustls::ClientConnection::new(Arc::new(anyone(&[&TLS13])), name).unwrap();
    let mut hello = Vec::new();
    client.write_tls(&mut hello).unwrap();
    let mut stream = TcpStream::connect(site.tls).await.unwrap();
    stream.set_nodelay(true).unwrap();
    for byte in &hello {
        stream.write_all(&[*byte]).await.unwrap();
    }
    let mut first = [0];
    stream.read_exact(&mut first).await.unwrap();
    assert_eq!(first, [22], "a handshake goes on");
    drop(stream);
    assert!(matches!(site.handshakes.recv().await, Some(Err(AcceptError::Handshake(_)))));
    let mut stream = TcpStream::connect(site.tls).await.unwrap();
    stream.write_all(&hello[..20]).await.unwrap();
    drop(stream);
    assert!(matches!(site.handshakes.recv().await, Some(Err(AcceptError::Handshake(_)))));
}

/// What is no hello, or was one, ends the handshake and nothing else.
#[tokio::test]
async fn nonsense_is_survived() {
    let site = Site::new().await;
    site.certificates.apply("prod", &files(&site, &[&["example.com"]]), None).await;
    let config = site.certificates.server_config(&ListenerTls::default());
    let name = "example.com".try_into().unwrap();
    let mut client = rustls::ClientConnection::new(Arc::new(anyone(&[&TLS13, &TLS12])), name).unwrap();
    let mut hello = Vec::new();
    client.write_tls(&mut hello).unwrap();
    // A small generator with a fixed start: the same nonsense each time.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % u64::try_from(below).unwrap()).unwrap()
    };
    for _ in 0..2_000 {
        let mut bytes = hello.clone();
        for _ in 0..=next(4) {
            let at = next(bytes.len());
            match next(4) {
                0 => bytes[at] = u8::try_from(next(256)).unwrap(),
                1 => bytes.truncate(at.max(1)),
                2 if bytes.len() > 1 => drop(bytes.remove(at)),
                _ => bytes.insert(at, u8::try_from(next(256)).unwrap()),
            }
        }
        let (mut theirs, ours) = tokio::io::duplex(64 * 1024);
        theirs.write_all(&bytes).await.unwrap();
        theirs.shutdown().await.unwrap();
        let ended = tokio::time::timeout(DEADLINE, site.certificates.accept(&config, ours)).await;
        assert!(ended.expect("it ends").is_err(), "{bytes:?}");
    }
    assert!(site.serves("example.com").await.is_ok());
}

/// A task that serves a connection is as large as the largest thing that it ever waits for.
#[tokio::test]
async fn a_handshake_leaves_little_room_behind() {
    let site = Site::new().await;
    let config = site.certificates.server_config(&ListenerTls::default());
    let stream = TcpStream::connect(site.plain).await.unwrap();
    let size = std::mem::size_of_val(&site.certificates.accept(&config, stream));
    assert!(size <= 256, "{size} bytes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_handshake_fails_while_certificates_are_replaced() {
    let site = Site::new().await;
    let wanted = files(&site, &[&["example.com"], &["example.com"]]);
    site.certificates.apply("prod", &wanted[..1], None).await;
    let replacing = tokio::spawn({
        let certificates = site.certificates.clone();
        async move {
            for round in 0.. {
                certificates.apply("prod", &wanted[round % 2..=round % 2], None).await;
                certificates.apply("other", &wanted[(round + 1) % 2..=(round + 1) % 2], None).await;
                certificates.remove("other").await;
                tokio::task::yield_now().await;
            }
        }
    });
    let mut leaves = std::collections::BTreeSet::new();
    for _ in 0..200 {
        leaves.insert(site.serves("example.com").await.unwrap().leaf);
    }
    replacing.abort();
    assert_eq!(leaves.len(), 2, "both were seen");
}

#[tokio::test]
async fn the_work_ends_with_the_last_owner() {
    let home = tempfile::tempdir().unwrap();
    let storage: Arc<dyn Storage> = Arc::new(Directory::new(home.path()));
    for graceful in [true, false] {
        let mut settings = Settings::new(home.path());
        settings.storage = storage.clone();
        let certificates = Certificates::start(settings).unwrap();
        let local = Certificate { names: vec!["a.test".to_owned()], source: CertificateSource::Local };
        assert_eq!(certificates.apply("dev", &[local], None).await, Vec::<String>::new());
        let config = certificates.server_config(&ListenerTls::default());
        if graceful {
            certificates.shutdown().await;
            certificates.shutdown().await;
        }
        drop(certificates);
        // The configuration of a listener that is still open does not keep the work alive.
        let gone = async {
            while Arc::strong_count(&storage) > 1 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(DEADLINE, gone).await.expect("the task and what it holds are gone");
        drop(config);
    }
}
