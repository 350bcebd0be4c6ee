//! Certificates from files that somebody else keeps.

use fairway_model::traffic::{Certificate, CertificateSource};
use fairway_protocol::edge::CertificateOrigin;

use crate::support::{Site, make, put};

#[tokio::test]
async fn a_new_pair_serves_without_being_told() {
    let site = Site::new().await;
    let wanted = put(site.home.path(), "web", &make(&["old.test", "127.0.0.1"], |_| {}));
    assert_eq!(
        site.certificates.apply("prod", std::slice::from_ref(&wanted), None).await,
        Vec::<String>::new()
    );
    let status = site.certificates.status();
    assert_eq!(status[0].source, CertificateOrigin::Files);
    assert_eq!(status[0].names, ["old.test", "127.0.0.1"]);
    assert_eq!(status[0].issuer.as_deref(), Some("Test authority, Example"));
    assert_eq!(status[0].next_attempt, None);
    let days = (status[0].not_after.unwrap()
        - u64::try_from(time::OffsetDateTime::now_utc().unix_timestamp()).unwrap())
        / (24 * 60 * 60);
    assert!((88..=89).contains(&days), "{days}");

    put(site.home.path(), "web", &make(&["new.test"], |_| {}));
    site.wait("the new names", |status| status[0].names == ["new.test"] && status[0].problem.is_none()).await;
    assert_eq!(site.serves("new.test").await.unwrap().names, ["DNSName(new.test)"]);
    // The names are the certificate's: the old one is gone with it.
    assert!(site.serves("old.test").await.is_err());
    // Wanting the same again reads nothing anew and changes nothing.
    assert_eq!(site.certificates.apply("prod", &[wanted], None).await, Vec::<String>::new());
    assert_eq!(site.certificates.status()[0].names, ["new.test"]);
}

#[tokio::test]
async fn a_write_of_the_same_size_in_the_same_moment_is_seen() {
    let site = Site::new().await;
    let pairs = [make(&["one.test"], |_| {}), make(&["two.test"], |_| {})];
    let wanted = put(site.home.path(), "web", &pairs[0]);
    let CertificateSource::Files { chain, key } = &wanted.source else { panic!("{wanted:?}") };
    let change = |pair: &(String, String)| {
        // In place, as careless tools do, and within one step of the file system's clock.
        std::fs::write(chain, &pair.0).unwrap();
        std::fs::write(key, &pair.1).unwrap();
    };
    site.certificates.apply("prod", std::slice::from_ref(&wanted), None).await;
    for round in 0..6 {
        let pair = &pairs[(round + 1) % 2];
        change(pair);
        let expect = ["two.test", "one.test"][round % 2];
        site.wait(expect, |status| status[0].names == [expect] && status[0].problem.is_none()).await;
    }
}

#[tokio::test]
async fn what_is_broken_is_reported_and_what_served_serves_on() {
    let site = Site::new().await;
    let good = make(&["example.com"], |_| {});
    let wanted = put(site.home.path(), "web", &good);
    let CertificateSource::Files { chain, key } = wanted.source.clone() else { panic!("{wanted:?}") };
    site.certificates.apply("prod", std::slice::from_ref(&wanted), None).await;
    let before = site.serves("example.com").await.unwrap();
    let both = format!("{} (certificate) and {} (key)", chain.display(), key.display());
    let other = make(&["example.com"], |_| {});
    let truncated = good.0[..good.0.len() / 2].to_owned();
    for (pair, expect) in [
        (
            (other.0.clone(), good.1.clone()),
            format!("{both}: the private key does not belong to the first certificate"),
        ),
        (
            (good.0.clone(), other.1.clone()),
            format!("{both}: the private key does not belong to the first certificate"),
        ),
        ((String::new(), good.1.clone()), format!("{both}: there is no certificate in PEM form")),
        ((good.0.clone(), String::new()), format!("{both}: there is no private key in PEM form")),
        ((truncated, good.1.clone()), format!("{both}: ")),
        ((good.1.clone(), good.0.clone()), format!("{both}: there is no certificate in PEM form")),
        (
            ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_owned(), good.1.clone()),
            format!("{both}: certificate 1 of the chain is not X.509"),
        ),
        (
            (
                good.0.clone() + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
                good.1.clone(),
            ),
            format!("{both}: certificate 3 of the chain is not X.509"),
        ),
    ] {
        put(site.home.path(), "web", &pair);
        let status = site
            .wait(&expect, |status| status[0].problem.as_ref().is_some_and(|p| p.starts_with(&expect)))
            .await;
        let problem = status[0].problem.clone().unwrap();
        assert!(problem.contains("; the certificate from before, valid until 20"), "{problem}");
        assert!(problem.ends_with("serves on; the files are read again as soon as they change"), "{problem}");
        assert!(status[0].serving);
        assert_eq!(site.serves("example.com").await.unwrap(), before);
    }
    std::fs::remove_file(&chain).unwrap();
    let gone = format!("{} could not be read: No such file", chain.display());
    site.wait(&gone, |status| status[0].problem.as_ref().is_some_and(|p| p.starts_with(&gone))).await;
    assert_eq!(site.serves("example.com").await.unwrap(), before);
    // Applying again does not lose what serves either.
    let problems = site.certificates.apply("prod", &[wanted], None).await;
    assert!(problems[0].starts_with(&format!("example.com: {gone}")), "{problems:?}");
    assert_eq!(site.serves("example.com").await.unwrap(), before);
    put(site.home.path(), "web", &other);
    site.wait("mended", |status| status[0].problem.is_none()).await;
    assert_ne!(site.serves("example.com").await.unwrap(), before);
}

#[tokio::test]
async fn a_pair_that_comes_later_serves() {
    let site = Site::new().await;
    let wanted = Certificate {
        names: vec!["example.com".to_owned()],
        source: CertificateSource::Files { chain: site.path("web.pem"), key: site.path("web.key") },
    };
    let problems = site.certificates.apply("prod", &[wanted], None).await;
    assert!(
        problems[0].contains("handshakes for its names fail, other certificates are not affected"),
        "{problems:?}"
    );
    put(site.home.path(), "web", &make(&["example.com"], |_| {}));
    site.wait("it serves", |status| status[0].serving && status[0].problem.is_none()).await;
    assert!(site.serves("example.com").await.is_ok());
}

/// Kubernetes mounts secrets as links into a directory that is itself a link, and swaps that one.
#[tokio::test]
async fn links_are_followed() {
    let site = Site::new().await;
    let home = site.home.path();
    for (directory, name) in [("v1", "one.test"), ("v2", "two.test")] {
        std::fs::create_dir(home.join(directory)).unwrap();
        put(&home.join(directory), "tls", &make(&[name], |_| {}));
    }
    std::os::unix::fs::symlink("v1", home.join("data")).unwrap();
    std::os::unix::fs::symlink("data/tls.pem", home.join("tls.pem")).unwrap();
    std::os::unix::fs::symlink("data/tls.key", home.join("tls.key")).unwrap();
    let wanted = Certificate {
        names: Vec::new(),
        source: CertificateSource::Files { chain: home.join("tls.pem"), key: home.join("tls.key") },
    };
    assert_eq!(site.certificates.apply("prod", &[wanted], None).await, Vec::<String>::new());
    assert!(site.serves("one.test").await.is_ok());
    std::os::unix::fs::symlink("v2", home.join("new")).unwrap();
    std::fs::rename(home.join("new"), home.join("data")).unwrap();
    site.wait("the second", |status| status[0].names == ["two.test"]).await;
}

#[tokio::test]
async fn dates_and_names_that_clients_would_refuse_are_told() {
    let site = Site::new().await;
    let now = time::OffsetDateTime::now_utc();
    let expired = make(&["expired.test"], |p| p.not_after = now - time::Duration::hours(1));
    let early = make(&["early.test"], |p| p.not_before = now + time::Duration::hours(1));
    let nameless = make(&[], |_| {});
    let good = make(&["*.example.com"], |_| {});
    for (name, pair, names, expect) in [
        ("expired", &expired, &[][..], "expired.test: it expired on 20"),
        ("early", &early, &[], "early.test: it is not valid before 20"),
        ("nameless", &nameless, &[], "certificate: the certificate names no host"),
        (
            "good",
            &good,
            &["www.example.com", "example.com"],
            "www.example.com, example.com: the certificate is not for example.com (it is for *.example.com)",
        ),
        ("good", &good, &["www.example.com"], ""),
        (
            "good",
            &good,
            &["www_example.com:443"],
            "www_example.com:443: `www_example.com:443` is not a host name",
        ),
    ] {
        let mut wanted = put(site.home.path(), name, pair);
        wanted.names = names.iter().map(|n| (*n).to_owned()).collect();
        let problems = site.certificates.apply("prod", &[wanted], None).await.join("\n");
        assert!(
            problems.starts_with(expect) && problems.is_empty() == expect.is_empty(),
            "{name}: {problems}"
        );
    }
    // Of two certificates for a name the one in force serves, whichever comes first.
    let wanted = [
        put(site.home.path(), "a", &make(&["both.test"], |p| p.not_after = now - time::Duration::hours(1))),
        put(site.home.path(), "b", &make(&["both.test"], |_| {})),
    ];
    site.certificates.apply("prod", &wanted, None).await;
    let serving: Vec<_> = site.certificates.status().iter().map(|s| s.serving).collect();
    assert_eq!(serving, [false, true]);
}

#[tokio::test]
async fn one_that_expires_gives_way_to_another() {
    let site = Site::new().await;
    let soon = time::OffsetDateTime::now_utc() + time::Duration::seconds(4);
    let wanted = [
        put(site.home.path(), "a", &make(&["both.test"], |p| p.not_after = soon)),
        put(site.home.path(), "b", &make(&["both.test"], |_| {})),
    ];
    let problems = site.certificates.apply("prod", &wanted, None).await;
    assert_eq!(problems.len(), 1, "{problems:?}");
    let first = site.serves("both.test").await.unwrap();
    let status = site.wait("the other serves", |status| status[1].serving && !status[0].serving).await;
    assert!(status[0].problem.as_ref().unwrap().starts_with("it expired on 20"), "{status:?}");
    assert_eq!(status[1].problem, None);
    assert_ne!(site.serves("both.test").await.unwrap(), first);
}
