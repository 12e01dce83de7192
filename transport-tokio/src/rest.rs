//! The REST client: sends the requests of [`transport_core`] with hyper.

use alloc::sync::Arc;
use core::{error::Error, fmt, future::Future, time::Duration};
use std::{
    io,
    sync::{Mutex, PoisonError},
    time::SystemTime,
};

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{
    Request, Response,
    body::Incoming,
    client::conn::http1::{self, SendRequest},
};
use hyper_util::rt::TokioIo;
use tokio::time::timeout;
use transport_core::{
    Bytes, Deleted, Document, ListOptions, OpenError, RestError, RestOptions, RestRequest,
    ShadowId, ShadowPage, SignedRest, Update, Updated,
};

use crate::stream::open_prepared;

/// A client of the REST data plane. Cheap to clone; keeps up to four idle connections.
///
/// To be used within a tokio runtime, whose IO and time are enabled.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use transport_tokio::{RestClient, RestOptions, ShadowId};
///
/// let options = RestOptions::new("http://127.0.0.1:8080")?;
/// let client = RestClient::new(options);
/// let document = client.get(&ShadowId::classic("lamp")?).await?;
/// println!("version {}", document.version);
/// for name in client.list("lamp").await? {
///     println!("named shadow {name}");
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RestClient {
    shared: Arc<Shared>,
}

struct Shared {
    options: RestOptions,
    idle: Mutex<Vec<Sender>>,
}

type Sender = SendRequest<Full<Bytes>>;

impl RestClient {
    /// A client with these options. Connects with the first request.
    #[must_use]
    pub fn new(options: RestOptions) -> Self {
        let idle = Mutex::default();
        Self {
            shared: Arc::new(Shared { options, idle }),
        }
    }

    /// The whole document of a shadow.
    ///
    /// # Errors
    /// [`RestError`]; a shadow that does not exist is a rejection with the code 404.
    pub async fn get(&self, shadow: &ShadowId) -> Result<Document, RestError> {
        self.send(&RestRequest::get(shadow)).await
    }

    /// Updates a shadow. Of the update's options only the token counts.
    ///
    /// # Errors
    /// [`RestError`]; a version that is not the document's is a rejection with the code 409.
    pub async fn update(
        &self,
        shadow: &ShadowId,
        update: &Update<'_>,
    ) -> Result<Updated, RestError> {
        self.send(&RestRequest::update(shadow, update)).await
    }

    /// Deletes a shadow.
    ///
    /// # Errors
    /// [`RestError`]; a shadow that does not exist is a rejection with the code 404.
    pub async fn delete(&self, shadow: &ShadowId) -> Result<Deleted, RestError> {
        self.send(&RestRequest::delete(shadow)).await
    }

    /// A page of the names of a thing's named shadows.
    ///
    /// # Errors
    /// [`RestError`].
    pub async fn list_page(
        &self,
        thing: &str,
        options: &ListOptions,
    ) -> Result<ShadowPage, RestError> {
        self.send(&RestRequest::list(thing, options)?).await
    }

    /// The names of all named shadows of a thing, page by page.
    ///
    /// # Errors
    /// [`RestError`].
    pub async fn list(&self, thing: &str) -> Result<Vec<String>, RestError> {
        let mut options = ListOptions::default();
        options.page_size = Some(100);
        let mut names = Vec::new();
        loop {
            let page = self.list_page(thing, &options).await?;
            names.extend(page.names);
            // A page that leads back to itself would have no end.
            if page.next_token.is_none() || page.next_token == options.next_token {
                return Ok(names);
            }
            options.next_token = page.next_token;
        }
    }

    /// Sends a request and reads its answer.
    ///
    /// # Errors
    /// [`RestError`].
    pub async fn send<T>(&self, request: &RestRequest<T>) -> Result<T, RestError> {
        let options = &self.shared.options;
        let patience = options.connect_timeout;
        let signing = options.sign(request, SystemTime::now());
        let signed = in_time(patience, signing).await??;
        let (status, kind, body) = self
            .exchange(request.method(), &signed, request.body())
            .await?;
        request.answer(status, kind.as_deref(), &body)
    }

    /// Over an idle connection if there is one, which the service may have closed meanwhile: what
    /// surely was not received, or may be asked twice, is then sent over a new one.
    async fn exchange(
        &self,
        method: &str,
        signed: &SignedRest,
        body: &Bytes,
    ) -> Result<Answer, RestError> {
        while let Some(sender) = self.take_idle() {
            match self.attempt(sender, method, signed, body).await {
                Err(RestError::Broken { sent, .. }) if !sent || !changing(method) => {}
                Ok(answer) => return Ok(answer),
                Err(error) => return Err(error),
            }
        }
        let sender = in_time(self.shared.options.connect_timeout, self.open()).await??;
        self.attempt(sender, method, signed, body).await
    }

    async fn attempt(
        &self,
        mut sender: Sender,
        method: &str,
        signed: &SignedRest,
        body: &Bytes,
    ) -> Result<Answer, RestError> {
        let request = request(method, signed, body)?;
        let changing = changing(method);
        let exchange = async {
            let response = match sender.try_send_request(request).await {
                Ok(response) => response,
                Err(mut error) => {
                    let sent = error.take_message().is_none();
                    return Err(broken(&error.into_error(), sent, changing));
                }
            };
            read(response, changing).await
        };
        let answer = timeout(self.shared.options.operation_timeout, exchange)
            .await
            .map_err(|_| RestError::TimedOut { changing })??;
        let mut idle = self.idle();
        if idle.len() < MAX_IDLE {
            idle.push(sender);
        }
        Ok(answer)
    }

    async fn open(&self) -> Result<Sender, OpenError> {
        let opening = self.shared.options.prepare(SystemTime::now())?;
        let stream = open_prepared(opening).await?;
        let failed = |error: hyper::Error| OpenError::permanent("speak HTTP", error.to_string());
        let (sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(failed)?;
        // Its errors come out of the requests.
        tokio::spawn(async move { drop(connection.await) });
        Ok(sender)
    }

    fn take_idle(&self) -> Option<Sender> {
        let mut idle = self.idle();
        idle.retain(|sender| !sender.is_closed());
        let ready = idle.iter().position(SendRequest::is_ready)?;
        Some(idle.swap_remove(ready))
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Sender>> {
        let idle = &self.shared.idle;
        idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for RestClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RestClient")
            .field("options", &self.shared.options)
            .finish_non_exhaustive()
    }
}

/// Status, name of the error, body.
type Answer = (u16, Option<String>, Bytes);

fn request(
    method: &str,
    signed: &SignedRest,
    body: &Bytes,
) -> Result<Request<Full<Bytes>>, RestError> {
    let mut request = Request::builder()
        .method(method)
        .uri(signed.target.expose());
    for (name, value) in &signed.headers {
        request = request.header(&**name, value.expose());
    }
    let request = request.body(Full::new(body.clone()));
    // Checked before; the reason must not quote a header.
    request.map_err(|_| RestError::Broken {
        sent: false,
        changing: changing(method),
        message: "a header or the target cannot be sent".into(),
    })
}

/// Whether a request of this method may be carried out; a get leaves everything as it is.
fn changing(method: &str) -> bool {
    method != "GET"
}

async fn read(response: Response<Incoming>, changing: bool) -> Result<Answer, RestError> {
    let status = response.status().as_u16();
    let kind = response.headers().get("x-amzn-errortype");
    let kind = kind.and_then(|kind| kind.to_str().ok()).map(str::to_owned);
    let body = Limited::new(response.into_body(), BODY_LIMIT);
    let body = body
        .collect()
        .await
        .map_err(|error| broken(&*error, true, changing))?;
    Ok((status, kind, body.to_bytes()))
}

/// What broke a connection, if TLS or the proxy knows it better, in their words.
fn broken(error: &(dyn Error + 'static), sent: bool, changing: bool) -> RestError {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let inner = error.downcast_ref().and_then(io::Error::get_ref);
        if let Some(known) = inner.and_then(|inner| inner.downcast_ref::<OpenError>()) {
            if known.cause.is_some() {
                return RestError::Open(known.clone());
            }
        }
        cause = error.source();
    }
    RestError::Broken {
        sent,
        changing,
        message: error.to_string().into(),
    }
}

async fn in_time<F: Future>(patience: Duration, future: F) -> Result<F::Output, OpenError> {
    timeout(patience, future).await.map_err(|_| {
        let error = io::Error::new(io::ErrorKind::TimedOut, "it took too long");
        OpenError::new("connect", &error)
    })
}

/// Idle connections that are kept.
const MAX_IDLE: usize = 4;
/// Bytes of an answer that are read: far beyond any document.
const BODY_LIMIT: usize = 1024 * 1024;
