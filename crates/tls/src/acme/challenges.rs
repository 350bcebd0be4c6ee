//! Answers that ACME servers come for.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use rcgen::{CertificateParams, CustomExtension, KeyPair};
use rustls::sign::CertifiedKey;
use sha2::{Digest, Sha256};

use super::record::Answer;
use crate::local;
use crate::pair::Pair;

/// Answers by what they are asked with. Few, short-lived and never on the path of a usual request: a mutex does.
///
/// One answer serves both kinds of challenges: what asks by HTTP has the token, what asks in a handshake has the name.
#[derive(Debug, Default)]
pub(crate) struct Challenges {
    http: Mutex<HashMap<String, String>>,
    tls: Mutex<HashMap<String, Arc<CertifiedKey>>>,
    /// Those of other edges, by the record that they are in.
    others: Mutex<HashMap<String, Borrowed>>,
}

impl Challenges {
    /// The key authorization for a token (RFC 8555, 8.3).
    pub(crate) fn http(&self, token: &str) -> Option<String> {
        lock(&self.http).get(token).cloned()
    }

    /// The certificate that answers for a name (RFC 8737).
    pub(crate) fn tls_alpn(&self, name: &str) -> Option<Arc<CertifiedKey>> {
        lock(&self.tls).get(name).cloned()
    }

    /// Answers until the value is dropped.
    pub(crate) fn offer(self: &Arc<Self>, answer: &Answer) -> Result<Offered, local::LocalError> {
        let Answer { name, token, authorization } = answer;
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new([name.clone()])?;
        params.custom_extensions =
            vec![CustomExtension::new_acme_identifier(&Sha256::digest(authorization.as_bytes()))];
        let certificate = params.self_signed(&key)?;
        let pair = Pair::new(vec![certificate.der().clone()], local::private(&key))?;
        lock(&self.http).insert(token.clone(), authorization.clone());
        lock(&self.tls).insert(name.clone(), pair.key.clone());
        Ok(Offered {
            challenges: Arc::downgrade(self),
            token: token.clone(),
            name: name.clone(),
            certificate: pair.key,
        })
    }

    /// Answers what this record of another edge says, and no more what it said before.
    pub(crate) fn answer_for_others(self: &Arc<Self>, record: &str, answers: &[Answer]) {
        let mut others = lock(&self.others);
        if others.get(record).map_or(&[][..], |known| &known.answers) == answers {
            return;
        }
        // Before the new ones come: they may have the same names.
        drop(others.remove(record));
        if answers.is_empty() {
            return;
        }
        let offered = answers.iter().filter_map(|answer| match self.offer(answer) {
            Ok(offered) => Some(offered),
            Err(error) => {
                tracing::warn!(name = answer.name, %error, "a challenge of another edge is not answered here");
                None
            }
        });
        let _offered = offered.collect();
        others.insert(record.to_owned(), Borrowed { answers: answers.to_vec(), _offered });
    }
}

/// What another edge answers, and is answered here as long as this is alive.
#[derive(Debug)]
struct Borrowed {
    answers: Vec<Answer>,
    _offered: Vec<Offered>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An answer that is given while this is alive.
#[derive(Debug)]
pub(crate) struct Offered {
    challenges: Weak<Challenges>,
    token: String,
    name: String,
    certificate: Arc<CertifiedKey>,
}

impl Drop for Offered {
    fn drop(&mut self) {
        let Some(challenges) = self.challenges.upgrade() else { return };
        lock(&challenges.http).remove(&self.token);
        let mut all = lock(&challenges.tls);
        // A later attempt for the same name may have put its own there.
        if all.get(&self.name).is_some_and(|theirs| Arc::ptr_eq(theirs, &self.certificate)) {
            all.remove(&self.name);
        }
    }
}
