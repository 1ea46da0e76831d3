//! HTTP/1.1: one request a connection, few routes, few clients.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Bytes, Frame, Incoming as Unread};
use hyper::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;

use super::auth::{Authorize, Verdict};
use super::hub::Hub;
use super::lines::{About, Allowed};
use super::listen::{Incoming, Listener};
use super::places::{Eviction, Held, Places};
use super::queue::{Queue, Wanted};
use super::rate::Bucket;
use super::reply::{self, Body};
use super::request::{FILTER_MAX, Refusal, Route, StreamRequest};
use super::{CONTENT_TYPE, GRACE, TOKEN_HEADER, lines, stream};

/// A request's head is no longer, in bytes.
const HEAD_MAX: usize = 16 << 10;
/// How long a client may take to send it.
const HEAD_WITHIN: Duration = Duration::from_secs(5);
/// How long a connection lasts that is no stream, whatever it waits for.
const WITHOUT_STREAM: Duration = Duration::from_secs(30);
/// How long to wait when there are no more descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves one hub.
pub(super) struct Server {
    hub: Arc<Hub>,
    authorize: Arc<dyn Authorize>,
    clients: Arc<Semaphore>,
    limits: Allowed,
    recheck: Duration,
}

impl Server {
    pub(super) fn new(
        hub: Arc<Hub>,
        authorize: Arc<dyn Authorize>,
        clients: usize,
        recheck: Duration,
    ) -> Self {
        Self {
            hub,
            authorize,
            clients: Arc::new(Semaphore::new(clients)),
            limits: Allowed {
                clients,
                filter: FILTER_MAX,
            },
            recheck,
        }
    }

    /// Accepts until it is over; then those who are there have a while to hear the last words.
    pub(super) async fn run(self, listeners: Vec<Listener>, over: watch::Receiver<bool>) {
        let server = Arc::new(self);
        let places = Arc::new(Places::new(server.hub.metrics.evicted.clone()));
        let mut accepting = JoinSet::new();
        for listener in listeners {
            let (server, places, over) = (Arc::clone(&server), Arc::clone(&places), over.clone());
            accepting.spawn(accept(server, listener, places, over));
        }
        while accepting.join_next().await.is_some() {}
    }

    async fn answer(&self, request: &Request<Unread>, guest: &Guest) -> Response<Body> {
        let response = self.route(request, guest).await;
        let status = response.status();
        if !status.is_success() {
            self.hub.metrics.refuse(status.as_u16());
        }
        response
    }

    async fn route(&self, request: &Request<Unread>, guest: &Guest) -> Response<Body> {
        let route = Route::of(request.uri().path());
        // What there is here and what not is for those who may ask.
        if !route.as_ref().is_some_and(Route::is_public) {
            guest.place.asks();
            if let Err(refusal) = self.admit(request.headers()).await {
                return refusal.into();
            }
        }
        guest.place.proven();
        if request.method() != Method::GET {
            return reply::error(StatusCode::METHOD_NOT_ALLOWED, "only GET is answered here");
        }
        match route {
            None => reply::error(StatusCode::NOT_FOUND, "there is nothing here"),
            Some(Route::Health) => reply::text(StatusCode::OK, "ok\n"),
            Some(Route::Ready) if self.hub.is_live() => reply::text(StatusCode::OK, "ok\n"),
            // As the API server's own; 503 would make clients of Kubernetes try again and again.
            Some(Route::Ready) => {
                reply::text(StatusCode::INTERNAL_SERVER_ERROR, "no events arrive\n")
            }
            Some(Route::Metrics) => reply::metrics(self.hub.metrics.text()),
            Some(Route::Hello) => {
                let (instance, hello) = self.hub.instance();
                let node = hello.map(|hello| hello.node).unwrap_or_default();
                let about = About::new(&instance, self.limits);
                reply::json(lines::about(&about, &node))
            }
            Some(Route::Stream) => {
                let token = token(request.headers()).unwrap_or_default();
                let query = request.uri().query().unwrap_or_default();
                let response = self.stream(query, token);
                guest.streams(response.status().is_success());
                response
            }
        }
    }

    /// Lets those through who may see the node's events.
    async fn admit(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let refuse = |status, why| Err(Refusal { status, why });
        let Some(token) = token(headers) else {
            let why = format!("a token is needed, in {TOKEN_HEADER} or as Authorization: Bearer");
            return refuse(StatusCode::UNAUTHORIZED, why);
        };
        match self.authorize.decide(token).await {
            Verdict::Allowed => Ok(()),
            Verdict::Unknown => {
                let why = "this token is not accepted";
                refuse(StatusCode::UNAUTHORIZED, why.to_owned())
            }
            Verdict::Forbidden(why) => refuse(StatusCode::FORBIDDEN, why),
            Verdict::Undecided(why) => refuse(StatusCode::INTERNAL_SERVER_ERROR, why),
        }
    }

    fn stream(&self, query: &str, token: &str) -> Response<Body> {
        let request = match StreamRequest::read(query) {
            Ok(request) => request,
            Err(refusal) => return refusal.into(),
        };
        let Ok(permit) = Arc::clone(&self.clients).try_acquire_owned() else {
            let why = format!("{} clients are being served already", self.limits.clients);
            return reply::error(StatusCode::TOO_MANY_REQUESTS, &why);
        };
        let now = std::time::Instant::now();
        let wanted = Wanted {
            filter: request.filter,
            bucket: request.max_rate.map(|rate| Bucket::new(rate, now)),
        };
        let Some((beginning, queue)) = self.hub.subscribe(request.since.as_ref(), wanted) else {
            let why = "the source has not begun yet";
            return reply::error(StatusCode::INTERNAL_SERVER_ERROR, why);
        };
        let client = Client {
            hub: Arc::clone(&self.hub),
            queue,
            _permit: permit,
        };
        self.hub.metrics.streams.inc();
        let (instance, _) = self.hub.instance();
        let about = About::new(&instance, self.limits);
        // One chunk waits while one is written: what a client does not take waits in its queue.
        let (chunks, body) = mpsc::channel::<Bytes>(1);
        let refused = refused(Arc::clone(&self.authorize), token.to_owned(), self.recheck);
        tokio::spawn(async move {
            let (hub, queue) = (Arc::clone(&client.hub), Arc::clone(&client.queue));
            let writing = stream::write(beginning, about, hub, queue, chunks);
            let mut writing = std::pin::pin!(writing);
            tokio::select! {
                () = writing.as_mut() => {}
                why = refused => {
                    client.queue.close(super::farewell(why));
                    // A client that does not read is not waited for.
                    let _ = timeout(GRACE, writing).await;
                }
            }
            drop(client);
        });
        let frames = ReceiverStream::new(body).map(|bytes| Ok::<_, Infallible>(Frame::data(bytes)));
        let kind = HeaderValue::from_static(CONTENT_TYPE);
        reply::reply(StatusCode::OK, kind, StreamBody::new(frames).boxed())
    }
}

/// Waits until a token is not accepted any more: it is over, or its owner may no longer. What can't
/// be decided at the moment is as before.
async fn refused(authorize: Arc<dyn Authorize>, token: String, every: Duration) -> String {
    loop {
        sleep(every).await;
        match authorize.decide(&token).await {
            Verdict::Allowed | Verdict::Undecided(_) => {}
            Verdict::Unknown => return "the token is over".to_owned(),
            Verdict::Forbidden(why) => return why,
        }
    }
}

/// A client's place, given back when it goes.
struct Client {
    hub: Arc<Hub>,
    queue: Arc<Queue>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Client {
    fn drop(&mut self) {
        self.hub.leave(&self.queue);
    }
}

/// Whoever a connection is from.
struct Guest {
    place: Held,
    streams: AtomicBool,
}

impl Guest {
    fn new(place: Held) -> Self {
        Self {
            place,
            streams: AtomicBool::new(false),
        }
    }

    fn streams(&self, streams: bool) {
        self.streams.store(streams, Ordering::Relaxed);
    }

    /// Waits until a connection that is no stream should be over.
    async fn overstays(&self) {
        sleep(WITHOUT_STREAM).await;
        if self.streams.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
    }
}

fn token(headers: &HeaderMap) -> Option<&str> {
    let ours = headers.get(TOKEN_HEADER).map(|value| value.to_str().ok());
    ours.unwrap_or_else(|| {
        let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    })
}

async fn accept(
    server: Arc<Server>,
    listener: Listener,
    places: Arc<Places>,
    mut over: watch::Receiver<bool>,
) {
    let mut connections = JoinSet::new();
    loop {
        let incoming = tokio::select! {
            biased;
            _ = over.wait_for(|over| *over) => break,
            Some(_) = connections.join_next() => continue,
            incoming = listener.accept() => incoming,
        };
        let incoming = match incoming {
            Ok(incoming) => incoming,
            Err(error) => {
                tracing::warn!("a client could not be accepted: {error}");
                sleep(PAUSE).await;
                continue;
            }
        };
        // Who has to wait for a place has all the others wait outside: there they cost nothing.
        let (place, eviction) = tokio::select! {
            biased;
            _ = over.wait_for(|over| *over) => break,
            entered = places.enter(incoming.from) => entered,
        };
        let (server, over) = (Arc::clone(&server), over.clone());
        connections.spawn(async move {
            if let Err(error) = host(server, incoming, Guest::new(place), eviction, over).await {
                tracing::debug!("a client has gone: {error}");
            }
        });
    }
    let last_words = async { while connections.join_next().await.is_some() {} };
    let _ = timeout(GRACE, last_words).await;
}

/// A connection's end, if it is not a good one.
type End = Result<(), Box<dyn std::error::Error + Send + Sync>>;

/// Serves a connection until it ends, or has to.
async fn host(
    server: Arc<Server>,
    incoming: Incoming,
    guest: Guest,
    eviction: Eviction,
    over: watch::Receiver<bool>,
) -> End {
    tokio::select! {
        end = serve(&server, incoming, &guest, over) => end,
        () = eviction.told() => Err("others needed its place".into()),
        () = guest.overstays() => Err("it took too long".into()),
    }
}

async fn serve(
    server: &Server,
    incoming: Incoming,
    guest: &Guest,
    mut over: watch::Receiver<bool>,
) -> End {
    let io = TokioIo::new(incoming.shake_hands().await?);
    let service =
        service_fn(
            |request| async move { Ok::<_, Infallible>(server.answer(&request, guest).await) },
        );
    let mut connection = std::pin::pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_WITHIN)
            .max_buf_size(HEAD_MAX)
            .keep_alive(false)
            .serve_connection(io, service)
    );
    tokio::select! {
        done = connection.as_mut() => return Ok(done?),
        _ = over.wait_for(|over| *over) => connection.as_mut().graceful_shutdown(),
    }
    Ok(connection.await?)
}
