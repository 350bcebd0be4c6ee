//! Answers that ACME servers come for.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use rcgen::{CertificateParams, CustomExtension, KeyPair};
use rustls::sign::CertifiedKey;

use crate::local;
use crate::pair::Pair;

/// Answers by what they are asked with. Few, short-lived and never on the path of a usual request: a mutex does.
#[derive(Debug, Default)]
pub(crate) struct Challenges {
    http: Mutex<HashMap<String, String>>,
    tls: Mutex<HashMap<String, Arc<CertifiedKey>>>,
}

impl Challenges {
    /// The key authorization for a token (RFC 8555, 8.3).
    pub(crate) fn http(&self, token: &str) -> Option<String> {
        self.http.lock().unwrap_or_else(PoisonError::into_inner).get(token).cloned()
    }

    /// The certificate that answers for a name (RFC 8737).
    pub(crate) fn tls_alpn(&self, name: &str) -> Option<Arc<CertifiedKey>> {
        self.tls.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// Answers until the value is dropped.
    pub(crate) fn offer_http(self: &Arc<Self>, token: &str, authorization: &str) -> Offered {
        self.http
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(token.to_owned(), authorization.to_owned());
        Offered { challenges: self.clone(), what: What::Http(token.to_owned()) }
    }

    /// Answers until the value is dropped. The digest is that of the key authorization.
    pub(crate) fn offer_tls(
        self: &Arc<Self>,
        name: &str,
        digest: &[u8],
    ) -> Result<Offered, local::LocalError> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new([name.to_owned()])?;
        params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
        let certificate = params.self_signed(&key)?;
        let pair = Pair::new(vec![certificate.der().clone()], local::private(&key))?;
        self.tls.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), pair.key.clone());
        Ok(Offered { challenges: self.clone(), what: What::Tls(name.to_owned(), pair.key) })
    }
}

/// An answer that is given while this is alive.
#[derive(Debug)]
pub(crate) struct Offered {
    challenges: Arc<Challenges>,
    what: What,
}

#[derive(Debug)]
enum What {
    Http(String),
    Tls(String, Arc<CertifiedKey>),
}

impl Drop for Offered {
    fn drop(&mut self) {
        match &self.what {
            What::Http(token) => {
                self.challenges.http.lock().unwrap_or_else(PoisonError::into_inner).remove(token);
            }
            What::Tls(name, ours) => {
                let mut all = self.challenges.tls.lock().unwrap_or_else(PoisonError::into_inner);
                // A later attempt for the same name may have put its own there.
                if all.get(name).is_some_and(|theirs| Arc::ptr_eq(theirs, ours)) {
                    all.remove(name);
                }
            }
        }
    }
}
