//! What the runs saw: printed at the end, and the proof that they tested something.

use crate::tally::{kinds, totals};

totals! {
    /// Counts of everything.
    Totals {
        sums: Sum, "totals", needed: false;
        faults: Fault, "faults", needed: true;
        outcomes: Outcome, "outcomes", needed: true;
        stages: Reached, "stages of failed requests", needed: true;
        events: Happened, "events", needed: true;
    }
}

kinds! {
    /// What goes wrong on purpose.
    Fault in Totals.faults {
        Delayed: "message delayed by more than a second",
        Reordered: "messages of different topics reordered",
        Overtaken: "messages of one topic reordered",
        Duplicated: "QoS 1 message delivered twice",
        Lost: "QoS 0 message lost",
        Cut: "connection cut",
        LongOutage: "connection cut for long",
        SessionLost: "session lost",
        SessionResumed: "session resumed",
        DoubtfulSession: "session resumed after a CONNECT that was not answered",
        QueuedDelivery: "queued message delivered after a resumed session",
        Redelivered: "unacknowledged message delivered again",
        Retransmitted: "publish repeated after a resumed session",
        Stubborn: "publish repeated after a lost session",
        SecondConnect: "connected twice without a disconnect between",
        FilterRefused: "filter refused",
        SubackWithheld: "SUBACK withheld",
        UnsubackWithheld: "UNSUBACK withheld",
        PubackLost: "PUBACK lost",
        PublishRefused: "publish refused by the broker",
        SubscribeFailed: "SUBSCRIBE or UNSUBSCRIBE not sent by the driver",
        SendFailed: "publish not sent by the driver",
        Stalled: "driver does not poll for a while",
        LateWake: "driver wakes late",
        ClientRestart: "client restarted in a surviving session",
        ClientRestored: "client restarted from a snapshot",
        ClientReplaced: "client restarted without its session",
        InjectedThrottle: "429 injected",
        NamelessThrottle: "429 injected without token",
        InjectedFailure: "500 injected, not applied",
        FailedAfterApply: "500 injected, applied",
        StoreFailure: "500 because the store failed",
        RateEnforced: "429 for the rate",
        WindowEnforced: "429 for more than 10 in flight",
        Swallowed: "request swallowed by the service",
        AnswerLost: "answer lost, request applied",
        ServiceRestart: "service restarted",
        ServiceBacklog: "request waited for the service to be back",
        Expired: "request expired before the service was back",
        SkewedClock: "request served by a host with another clock",
        Foreign: "request of a foreign client",
        ForeignNameless: "request of a foreign client without token",
        ForeignMalformed: "unreadable request of a foreign client",
        ForeignLookalike: "foreign token that looks like one of ours",
        Poison: "unreadable message on a response topic",
        Deleted: "shadow deleted",
        Recreated: "shadow made anew after a delete",
        CountedAnew: "shadow made anew with version 1 after its tombstone was forgotten",
    }
}

kinds! {
    /// How requests end.
    Outcome in Totals.outcomes {
        AcceptedGet: "accepted get",
        AcceptedUpdate: "accepted update",
        AcceptedDelete: "accepted delete",
        Published: "published",
        Rejected400: "rejected 400",
        Rejected404: "rejected 404",
        Rejected409: "rejected 409",
        Rejected413: "rejected 413",
        Rejected429: "rejected 429",
        Rejected500: "rejected 500",
        PublishRefused: "publish refused",
        TimedOut: "timed out",
        TimedOutWithHint: "timed out with a hint",
        Disconnected: "disconnected",
        SubscribeRefused: "subscribe refused",
        Offline: "not sent: offline",
        NotSent: "not sent: refused by the driver",
        Cancelled: "cancelled",
        Removed: "removed",
    }
}

kinds! {
    /// How far a request got that failed.
    Reached in Totals.stages {
        Queued: "queued",
        Subscribing: "subscribing",
        Sent: "sent",
        Acknowledged: "acknowledged",
    }
}

kinds! {
    /// What the clients did besides answering requests.
    Happened in Totals.events {
        Retry: "retry after a rejection",
        Merged: "update merged into a newer one",
        LateAnswer: "late answer",
        Delta: "delta delivered",
        Documents: "documents delivered",
        Ready: "ready with a document",
        ReadyWithout: "ready without a shadow",
        ReadyUnfetched: "ready without a get",
        ResyncFailed: "resync failed",
        Deleted: "delete seen",
        ForeignAnswer: "foreign answer seen",
        Unattributed: "rejection without token",
        Undecodable: "message undecodable",
        Refused: "refusal told",
        Lagged: "events dropped for a slow application",
        DuplicateDropped: "duplicate dropped",
        OldDropped: "old message dropped",
        QueueFull: "call refused: queue full",
        Budget: "call refused: subscription budget",
        TokenInUse: "call refused: token in use",
        TokenPrefixed: "call refused: token with our prefix",
        TooLarge: "call refused: too large",
    }
}

kinds! {
    /// Plain counts, of which none has to be reached.
    Sum in Totals.sums {
        Seeds: "seeds",
        Steps: "steps",
        VirtualSeconds: "virtual seconds",
        Clients: "clients",
        Requests: "requests",
        Published: "publishes of clients",
        Messages: "messages delivered to clients",
        Served: "requests served",
        Reconnects: "connections",
        Resyncs: "resyncs",
        Deltas: "deltas",
        Followed: "followed shadows in step at the end",
    }
}
