//! The words that can stand on a record. They are an API: each is written down, with what it
//! means, in `docs/reference/logs.md`, and a test compares that page with these lists.

/// An enum whose variants have a spelling.
macro_rules! words {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$doc])* $variant,)+
        }

        impl $name {
            /// Every one of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// Its spelling. Stable.
            pub const fn word(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }
    };
}

words! {
    /// Where an answer came from, or what ended it: `response-code-details`.
    Details {
        /// The upstream answered.
        ViaUpstream = "via_upstream",
        /// We answered: a page of ours, a redirect or a response of the route.
        DirectResponse = "direct_response",
        /// The policy said no, or asks for a sign-in.
        Denied = "ext_authz_denied",
        /// No route takes host and path.
        RouteNotFound = "route_not_found",
        /// The request can be read in more than one way, or in none.
        BadRequest = "bad_request",
        /// The connection was opened for another host.
        Misdirected = "misdirected_request",
        /// More header fields than we take.
        HeadersTooLarge = "request_headers_too_large",
        /// A longer body than one of our own pages takes, or an app that has to read it.
        PayloadTooLarge = "request_payload_too_large",
        /// The rest of the request did not come in time.
        RequestTimeout = "request_timeout",
        /// An upgrade that is not open here.
        UpgradeFailed = "upgrade_failed",
        /// An invariant of ours was broken, so nothing was forwarded.
        InternalError = "internal_error",
        /// A part of usher panicked; an event of that name says where.
        InternalPanic = "internal_panic",
        /// The client's share, or the process's budget, is full.
        Overload = "overload",
        /// A log can't be written, and no request is served without a record.
        Unrecorded = "unrecorded",
        /// This machine's clock is not set, so nobody is let in.
        ClockUnset = "clock_unset",
        /// The store of sessions could not say who is asking.
        SessionStore = "session_store",
        /// The client left before the end.
        ClientGone = "downstream_remote_disconnect",
        /// The upstream's name does not resolve.
        NameUnresolved = "upstream_name_unresolved",
        /// As much is under way as the route may have (`circuit_breaker_thresholds`).
        UpstreamOverflow = "upstream_reset_before_response_started{overflow}",
        /// No upstream is well (`healthy_panic_threshold: 0`).
        NoneWell = "no_healthy_upstream",
        /// No connection to the upstream.
        ConnectFailed = "upstream_connect_failed",
        /// No connection to the upstream in time.
        ConnectTimeout = "upstream_connect_timeout",
        /// The upstream's TLS is not acceptable.
        TlsFailed = "upstream_tls_failed",
        /// The route's TLS settings can't be used.
        TlsSettings = "upstream_tls_settings",
        /// The upstream closed the connection instead of answering.
        UpstreamClosed = "upstream_closed",
        /// The upstream refused the request before it looked at it (RFC 9113 §8.7).
        RefusedStream = "upstream_refused_stream",
        /// What the upstream said is not HTTP.
        ProtocolError = "upstream_protocol_error",
        /// The upstream broke off in the middle of its answer.
        UpstreamReset = "upstream_reset_after_response_started",
        /// An app has to see the answer before it is passed on, and can't.
        AnswerUnreadable = "upstream_answer_unreadable",
        /// The upstream's answer to an upgrade is not one.
        NotWebSocket = "upstream_not_websocket",
        /// `timeout` ran out.
        ResponseTimeout = "response_timeout",
        /// `idle_timeout` ran out.
        IdleTimeout = "stream_idle_timeout",
        /// The session was ended by sign-out or revocation while the stream ran.
        SessionEnded = "permit_ended_session",
        /// The session ran out while a socket was open.
        SessionExpired = "permit_ended_expiry",
        /// By the config in force now, no route takes what the stream was opened for.
        RouteGone = "permit_ended_route",
        /// The client's certificate has ended, was taken back, or is not asked for any more.
        CertificateOver = "permit_ended_certificate",
        /// The policy in force now says no.
        PolicyChanged = "permit_ended_policy",
        /// A socket ended by itself.
        SocketClosed = "closed",
        /// A socket was reset by one of its sides.
        SocketReset = "reset",
    }
}

words! {
    /// What decided where no policy was asked: `rule`.
    PathRule {
        /// It is one of our own pages.
        OwnPage = "own-page",
        /// No route takes host and path.
        NoRoute = "no-route",
        /// The request can be read in more than one way, or in none.
        BadRequest = "bad-request",
        /// The connection was opened for another host.
        OtherHost = "other-host",
        /// The route does not open WebSockets.
        NoWebSockets = "no-websockets",
        /// A service worker that could rule the page on which people sign in.
        ServiceWorker = "service-worker",
        /// A page of another site opened the socket.
        ForeignOrigin = "foreign-origin",
        /// The client's share, or the process's budget, is full.
        Overload = "overload",
        /// A log can't be written, and no request is served without a record.
        Unrecorded = "unrecorded",
        /// The store of sessions could not say who is asking.
        SessionStore = "session-store",
        /// This machine's clock is not set, so nobody is let in.
        ClockUnset = "clock-unset",
        /// The client showed a certificate that can't be read, and the route wants a good one.
        ClientCertificate = "client-certificate",
        /// It ended before anything was decided: the client left, or a mistake of ours.
        Internal = "internal",
    }
}

words! {
    /// What runs for as long as the process serves: `task` of a `panic` event, and of
    /// `usher_task_restarts_total`.
    Chore {
        /// Takes new connections.
        Accept = "accept",
        /// Closes connections to upstreams that nobody uses.
        UpstreamPool = "upstream-pool",
        /// Asks upstreams whether they are well (`health_checks`).
        HealthChecks = "health-checks",
        /// Asks the Jellyfins behind routes how they stand.
        Jellyfin = "jellyfin",
        /// Has the server examined when an admin asks for it.
        Doctor = "doctor",
        /// Follows what other processes change in the store.
        StoreFollow = "store-follow",
        /// Forgets what has expired, and looks whether the disk works.
        StoreSweep = "store-sweep",
        /// Asks the provider at the start, so that a mistake is told before somebody signs in.
        Provider = "provider",
        /// Asks providers again about those who are signed in.
        Sessions = "sessions",
        /// Tells apps of `openid_clients` that a session ended.
        Logouts = "logouts",
        /// Sends mail to people (`smtp`).
        Mail = "mail",
        /// Tells the certificates the time, and the operator which of them end.
        Certificates = "certificates",
        /// Orders certificates.
        Orders = "orders",
        /// Tells what was refused or left out, once for many.
        Tally = "tally",
        /// Sees what becomes of this machine's clock.
        Clock = "clock",
        /// Sends visitors of the plain port to https.
        Redirect = "redirect",
        /// Takes readers of figures.
        Metrics = "metrics",
        /// Takes those who ask how usher is (`health_check_addr`).
        Probes = "probes",
        /// Waits for signals and for changes of files.
        Watch = "watch",
    }
}

words! {
    /// What happened beside requests: `message` of an event.
    #[expect(missing_docs, reason = "docs/reference/logs.md says of each when it is written")]
    EventName {
        Serving = "serving",
        Reload = "reload",
        Stopping = "stopping",
        Stopped = "stopped",
        Mount = "mount",
        SignIn = "sign-in",
        SignInFailed = "sign-in-failed",
        Account = "account",
        People = "people",
        Mail = "mail",
        MailFailed = "mail-failed",
        SignOut = "sign-out",
        SessionEnded = "session-ended",
        SignInHost = "sign-in-host",
        Provider = "provider",
        OpenId = "openid",
        OpenIdLogout = "openid-logout",
        Upstream = "upstream",
        Tunnel = "tunnel",
        Certificate = "certificate",
        CertificateEnds = "certificate-ends",
        Metrics = "metrics",
        Overload = "overload",
        TakenBack = "taken-back",
        HandshakeRefused = "handshake-refused",
        Unreadable = "unreadable",
        Forwarded = "forwarded",
        Identity = "identity",
        Clock = "clock",
        Store = "store",
        Panic = "panic",
        RecordsDropped = "records-dropped",
        LogStuck = "log-stuck",
    }
}

words! {
    /// What a field of an event holds.
    #[expect(missing_docs, reason = "docs/reference/logs.md says of each what it holds")]
    EventField {
        Address = "address",
        Authority = "authority",
        Cause = "cause",
        ClientAuthentication = "client-authentication",
        Config = "config",
        Connection = "connection",
        Connections = "connections",
        ConnectionsEnded = "connections-ended",
        ConnectionsRefused = "connections-refused",
        DataDir = "data-dir",
        Effect = "effect",
        Email = "email",
        Ends = "ends",
        From = "from",
        Hint = "hint",
        Host = "host",
        Ip = "ip",
        Issuer = "issuer",
        MetricsAddress = "metrics-address",
        NextOrder = "next-order",
        Octets = "octets",
        Part = "part",
        Place = "place",
        Plan = "plan",
        Problem = "problem",
        Provider = "provider",
        Records = "records",
        RedirectAddress = "redirect-address",
        RequestId = "request-id",
        Requests = "requests",
        RequestsRefused = "requests-refused",
        Route = "route",
        Routes = "routes",
        Status = "status",
        Task = "task",
        To = "to",
        Upstream = "upstream",
        UserId = "user-id",
        Version = "version",
        Warnings = "warnings",
        What = "what",
    }
}

words! {
    /// A part that answers for itself: `part` of a `panic` event.
    Part {
        /// The database.
        Store = "store",
        /// The reload of the config.
        Reload = "reload",
    }
}
