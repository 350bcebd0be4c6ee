//! A router made of a contract's operations: handlers are bound by `operationId`, path and method come from the
//! contract. So there is no route that no contract promises, and what has no handler is known by name.

use axum::Router;
use axum::handler::Handler;
use axum::routing::{MethodFilter, on};
use http::Method;

use crate::contract::{ContractError, Unbuilt};

/// Operations of a boundary and the handlers they have so far.
#[derive(Debug)]
pub struct Routes<S> {
    promised: Unbuilt,
    bound: Vec<String>,
    unpromised: Option<String>,
    router: Router<S>,
}

impl<S: Clone + Send + Sync + 'static> Routes<S> {
    /// No handlers yet for what the contracts (given by name and text) promise of a boundary.
    ///
    /// # Errors
    /// When a contract can't be read.
    pub fn of(boundary: &'static str, contracts: &[(&str, &str)]) -> Result<Self, ContractError> {
        let promised = Unbuilt::of(boundary, contracts)?;
        Ok(Self { promised, bound: Vec::new(), unpromised: None, router: Router::new() })
    }

    /// Binds a handler to an operation. An id that is not promised is an error of [`Routes::finish`].
    #[must_use]
    pub fn on<H, T>(mut self, operation_id: &str, handler: H) -> Self
    where
        H: Handler<T, S>,
        T: 'static,
    {
        let found = self.promised.operations().iter().find(|o| o.id == operation_id);
        let filter =
            found.and_then(|o| MethodFilter::try_from(Method::from_bytes(o.method.as_bytes()).ok()?).ok());
        match (found, filter) {
            (Some(operation), Some(filter)) => {
                self.router = self.router.route(&operation.path, on(filter, handler));
                self.bound.push(operation.id.clone());
            }
            _ => self.unpromised = Some(operation_id.to_owned()),
        }
        self
    }

    /// Ids of the operations that have no handler.
    pub fn missing(&self) -> Vec<&str> {
        let ids = self.promised.operations().iter().map(|o| o.id.as_str());
        ids.filter(|id| !self.bound.iter().any(|bound| bound == id)).collect()
    }

    /// The router; operations without a handler answer 501, other paths 404, other methods 405.
    ///
    /// # Errors
    /// When a handler was bound to something that no contract promises of this boundary.
    pub fn finish(self, state: S) -> Result<Router, ContractError> {
        let promised = self.promised.clone();
        Ok(promised.attach(self.alone()?.with_state(state)))
    }

    /// The handlers alone, for a service that has its own answer to everything else.
    ///
    /// # Errors
    /// When a handler was bound to something that no contract promises of this boundary.
    pub fn alone(self) -> Result<Router<S>, ContractError> {
        match self.unpromised {
            Some(operation) => {
                Err(ContractError::Unpromised { boundary: self.promised.boundary(), operation })
            }
            None => Ok(self.router),
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::extract::{Path, State};
    use http::Request;
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use super::*;

    const CONTRACT: &str = "
paths:
  /a/{id}: { get: { operationId: getA }, post: { operationId: postA } }
  /b: { get: { operationId: getB, x-served-by: other } }
";

    fn routes() -> Routes<&'static str> {
        let show =
            async |State(greeting): State<&'static str>, Path(id): Path<String>| format!("{greeting} {id}");
        Routes::of("mine", &[("mine", CONTRACT)]).unwrap().on("getA", show)
    }

    #[tokio::test]
    async fn paths_and_methods_come_from_the_contract() {
        assert_eq!(routes().missing(), ["postA"]);
        let router = routes().finish("hello").unwrap();
        let request = Request::get("/a/you").body(Body::empty()).unwrap();
        let answer = router.oneshot(request).await.unwrap().into_body().collect().await.unwrap();
        assert_eq!(answer.to_bytes(), "hello you");
    }

    #[test]
    fn what_is_not_promised_can_not_be_served() {
        for id in ["getB", "getNothing"] {
            let error = routes().on(id, async || "never").finish("").unwrap_err();
            assert_eq!(
                error.to_string(),
                format!(
                    "mine has a handler for {id}, which no contract promises of it; the service was not started"
                )
            );
        }
    }
}
