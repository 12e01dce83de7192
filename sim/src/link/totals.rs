//! What the byte-level runs saw.

use crate::tally::{kinds, totals};

totals! {
    /// Counts of everything.
    LinkTotals {
        sums: LinkSum, "byte level: totals", needed: false;
        faults: LinkFault, "byte level: what the network and the broker did", needed: true;
        ends: LinkEnd, "byte level: how requests end", needed: true;
    }
}

kinds! {
    /// Plain counts, of which none has to be reached.
    LinkSum in LinkTotals.sums {
        Seeds: "seeds",
        Steps: "steps",
        VirtualSeconds: "virtual seconds",
        Clients: "clients",
        Chunks: "chunks",
        Bytes: "bytes",
        Packets: "packets of clients",
        Messages: "messages sent to clients",
        Connects: "connections",
        Served: "requests served",
        Deltas: "deltas delivered",
        Documents: "documents delivered",
        Followed: "followed shadows in step at the end",
    }
}

kinds! {
    /// What goes wrong on purpose, and what it leads to.
    LinkFault in LinkTotals.faults {
        SplitToBroker: "chunk that ends inside a packet to the broker",
        SplitToClient: "chunk that ends inside a packet to the client",
        JoinedToClient: "chunk with several packets to the client",
        Cut: "connection cut",
        CutToBroker: "cut inside a packet to the broker",
        CutToClient: "cut inside a packet to the client",
        Stalled: "connection dead without a word",
        PingTimeout: "dead connection found by keep-alive",
        TakenOver: "session taken over by a new connection",
        ConnackWithheld: "CONNACK withheld",
        ConnackTimeout: "connect given up without a CONNACK",
        ConnectRefused: "connect refused",
        SessionResumed: "session resumed",
        SessionLost: "session lost",
        SessionExpired: "session expired (MQTT 5)",
        DoubtfulSession: "session resumed after a CONNECT that was not answered",
        Retransmitted: "publish of a client repeated with DUP",
        RepeatedUnknown: "publish repeated with DUP that never arrived before",
        Redelivered: "message repeated with DUP to a client",
        Queued: "queued message delivered after a resumed session",
        Lost: "QoS 0 message lost",
        PubackDelayed: "PUBACK delayed",
        PublishRefused: "publish refused (MQTT 5)",
        FilterRefused: "filter refused",
        SubackWithheld: "SUBACK withheld",
        WindowFull: "receive maximum of the broker used up (MQTT 5)",
        ClientWindowFull: "receive maximum of the client used up (MQTT 5)",
        Blocked: "client does not read before it has written",
        ServerDisconnect: "DISCONNECT of the broker (MQTT 5)",
        Nonsense: "nonsense of the broker",
        Restarted: "client restarted in a surviving session",
        V311: "connection over MQTT 3.1.1",
        V5: "connection over MQTT 5",
        Rejected: "request rejected with 429 or 500",
        Swallowed: "request without an answer",
        Deleted: "shadow deleted",
    }
}

kinds! {
    /// How requests and plain messages end.
    LinkEnd in LinkTotals.ends {
        Got: "document got",
        Accepted: "update or delete accepted",
        Rejected: "rejected",
        TimedOut: "timed out",
        Disconnected: "session lost",
        PublishRefused: "publish refused by the broker (MQTT 5)",
        SubscribeRefused: "subscribe refused",
        NotSent: "not sent",
        Dropped: "given up by the application",
        Stopped: "client stopped",
        PlainDone: "plain message acknowledged",
        PlainFailed: "plain message not acknowledged",
    }
}
