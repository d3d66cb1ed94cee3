//! One order (RFC 8555 §7.4): show that its names are ours, ask for the certificate, fetch it.

use crate::error::{IssueError, said};
use crate::responder::{Answer, Responder};
use crate::settings::Kind;
use edge::tls::{Challenge, Tls};
use instant_acme::{
    Account, AuthorizationHandle, AuthorizationState, AuthorizationStatus, CertificateIdentifier, ChallengeHandle,
    ChallengeType, Identifier, NewOrder, Order, OrderStatus, RetryPolicy,
};
use rcgen::{CertificateParams, DistinguishedName, KeyPair};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long to wait before the server is asked again, at first; each further time, half as long again.
const FIRST_POLL: Duration = Duration::from_millis(500);
/// How long to wait at most.
const LONGEST_POLL: Duration = Duration::from_secs(10);

/// What an order needs.
pub(crate) struct Orders<'a> {
    pub(crate) account: &'a Account,
    pub(crate) responder: &'a Responder,
    pub(crate) tls: &'a Tls,
    /// Those that can be answered, the preferred first.
    pub(crate) kinds: &'a [Kind],
    /// How long the server may take over each of its two steps.
    pub(crate) limit: Duration,
}

/// An order whose names were looked at.
pub(crate) struct Shown {
    order: Order,
    pub(crate) names: Vec<String>,
    /// Names that could not be shown to be ours, and why.
    pub(crate) refused: Vec<(String, String)>,
}

/// What stands ready to be seen, for as long as this lives.
struct Ready {
    _http: Option<Answer>,
    _tls: Option<Challenge>,
}

impl Orders<'_> {
    /// Orders a certificate and shows the server that its names are ours.
    pub(crate) async fn show(
        &self,
        names: &[String],
        replaces: Option<CertificateIdentifier<'_>>,
    ) -> Result<Shown, IssueError> {
        let identifiers: Vec<Identifier> = names.iter().map(|name| Identifier::Dns(name.clone())).collect();
        let mut new = NewOrder::new(&identifiers);
        if let Some(replaced) = replaces {
            new = new.replaces(replaced);
        }
        let mut order = self.account.new_order(&new).await?;
        let mut refused = Vec::new();
        // Dropped at the end: then nobody comes to see them any more.
        let mut ready = Vec::new();
        let mut authorizations = order.authorizations();
        while let Some(authorization) = authorizations.next().await {
            let authorization = authorization?;
            let name = authorization.identifier().to_string();
            match authorization.status {
                AuthorizationStatus::Pending => match self.begin(authorization).await? {
                    Ok(one) => ready.push(one),
                    Err(why) => refused.push((name, why)),
                },
                // From an earlier order.
                AuthorizationStatus::Valid => {}
                _ => refused.push((name, reason(&authorization))),
            }
        }
        self.settle(&mut order, &mut refused).await?;
        Ok(Shown { order, names: names.to_vec(), refused })
    }

    /// Puts an answer there and lets the server look; the inner error says why it will not.
    async fn begin(&self, authorization: AuthorizationHandle<'_>) -> Result<Result<Ready, String>, IssueError> {
        // A binding of its own, whose lifetime may be as short as the borrow.
        let mut authorization = authorization;
        let offers =
            |kind: &Kind| authorization.challenges.iter().any(|challenge| challenge.r#type == kind.challenge());
        let kind = self.kinds.iter().copied().find(offers);
        let Some((kind, mut challenge)) =
            kind.and_then(|kind| Some((kind, authorization.challenge(kind.challenge())?)))
        else {
            return Ok(Err("the server offers no challenge that can be answered here".to_owned()));
        };
        let ready = self.ready(kind, &challenge)?;
        match challenge.set_ready().await {
            Ok(()) => Ok(Ok(ready)),
            Err(instant_acme::Error::Api(problem)) => match IssueError::from(instant_acme::Error::Api(problem.clone()))
            {
                limited @ IssueError::Limited(_) => Err(limited),
                _ => Ok(Err(said(&problem))),
            },
            Err(error) => Err(error.into()),
        }
    }

    fn ready(&self, kind: Kind, challenge: &ChallengeHandle<'_>) -> Result<Ready, IssueError> {
        let authorization = challenge.key_authorization();
        match kind {
            Kind::Http01 => {
                let answer = self.responder.answer(&challenge.token, authorization.as_str());
                Ok(Ready { _http: Some(answer), _tls: None })
            }
            Kind::TlsAlpn01 => {
                let digest = authorization.digest();
                let digest = digest.as_ref().try_into().expect("SHA-256 has 32 octets");
                let name = challenge.identifier().to_string();
                let answer = self.tls.challenge(&name, digest).map_err(IssueError::Answer)?;
                Ok(Ready { _http: None, _tls: Some(answer) })
            }
        }
    }

    /// Waits until the server has looked at every name that was not refused, and adds those that are.
    async fn settle(&self, order: &mut Order, refused: &mut Vec<(String, String)>) -> Result<(), IssueError> {
        let patient_until = Instant::now() + self.limit;
        let mut pause = FIRST_POLL;
        loop {
            let is_late = Instant::now() > patient_until;
            let mut waits = false;
            let mut authorizations = order.authorizations();
            while let Some(authorization) = authorizations.next().await {
                let mut authorization = authorization?;
                let name = authorization.identifier().to_string();
                if authorization.status != AuthorizationStatus::Pending || refused.iter().any(|(no, _)| *no == name) {
                    continue;
                }
                match authorization.refresh().await?.status {
                    AuthorizationStatus::Pending if is_late => {
                        refused.push((name, "the server did not look in time".to_owned()));
                    }
                    AuthorizationStatus::Pending => waits = true,
                    AuthorizationStatus::Valid => {}
                    _ => {
                        let why = reason(&authorization);
                        refused.push((name, why));
                    }
                }
            }
            if !waits {
                return Ok(());
            }
            sleep(pause).await;
            pause = (pause * 3 / 2).min(LONGEST_POLL);
        }
    }
}

impl Shown {
    /// Asks for the certificate and fetches it; yields a new key and the chain, in PEM.
    pub(crate) async fn finish(mut self, limit: Duration) -> Result<String, IssueError> {
        let retries = RetryPolicy::new().initial_delay(FIRST_POLL).backoff(1.5).timeout(limit);
        match self.order.poll_ready(&retries).await? {
            OrderStatus::Ready => {}
            other => return Err(IssueError::Order(other)),
        }
        let mut params = CertificateParams::new(self.names).map_err(IssueError::Key)?;
        params.distinguished_name = DistinguishedName::new();
        let key = KeyPair::generate().map_err(IssueError::Key)?;
        let request = params.serialize_request(&key).map_err(IssueError::Key)?;
        self.order.finalize_csr(request.der()).await?;
        let chain = self.order.poll_certificate(&retries).await?;
        Ok(format!("{}{}\n", key.serialize_pem(), chain.trim_end()))
    }
}

/// Why a name was refused.
fn reason(authorization: &AuthorizationState) -> String {
    let problem = authorization.challenges.iter().find_map(|challenge| challenge.error.as_ref());
    problem.map_or_else(|| format!("its authorization is {:?}", authorization.status), said)
}

impl Kind {
    fn challenge(self) -> ChallengeType {
        match self {
            Kind::Http01 => ChallengeType::Http01,
            Kind::TlsAlpn01 => ChallengeType::TlsAlpn01,
        }
    }
}
