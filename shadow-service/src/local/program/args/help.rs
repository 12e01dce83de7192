//! What `--help` prints.

use super::BROKER;
use crate::settings::Assumption;
use std::{borrow::ToOwned as _, format, string::String, vec::Vec};
use transport_tokio::flags;

pub(crate) fn help() -> String {
    let mut text = HELP.to_owned();
    text.push_str(ASSUMPTIONS);
    for assumption in Assumption::ALL {
        let values: Vec<_> = assumption.values().collect();
        let switch = format!("{}={}", assumption.name(), values.join("|"));
        let about = assumption.about();
        text.push_str(&format!("  {switch}\n                    {about}\n"));
    }
    text.push_str(CONNECT);
    text + &flags::help(BROKER)
}

const HELP: &str = "\
The Device Shadow service of AWS IoT on this machine, for tests, demos and sites without AWS.

Usage: shadow-local [OPTIONS]

  --listen ADDR     serve MQTT 3.1.1 and 5 on an embedded broker there; port 0 takes a free one
                    [default: 127.0.0.1:1883, unless --tls-listen, --ws-listen or --wss-listen]
  --tls-listen ADDR the same over TLS
  --ws-listen ADDR  the same over WebSocket, on the path /mqtt
  --wss-listen ADDR the same over WebSocket and TLS
  --broker HOST     serve as a client of a broker that is running, instead: a URL such as
                    mqtts://broker:8883, or a host; one service for each broker. A last will on a
                    shadow topic is served there, which AWS does not: a broker passes it on as it
                    does any publish. Put wills on ordinary topics, see --republish
  --republish FILTER=TOPIC
                    make shadow requests of messages on other topics, as a rule does on AWS:
                    a last will on presence/lamp updates the shadow of lamp, with
                    --republish 'presence/+=$aws/things/+/shadow/update'; repeatable.
                    A will may come after its device is back: let it remove a member of its own
                    session, {\"state\":{\"reported\":{\"sessions\":{\"ID\":null}}}}, which the device
                    has set to true on connecting; connected is who has a session
  --http ADDR       serve the REST data plane (AWS SDKs: iot-data) there
  --https ADDR      the same over TLS
  --data DIR        keep documents there; without it they end with the process
  --verbose, -v     print one line for each request
  --help, -h        print this
  --version, -V     print the version

Certificates for TLS, files in PEM form; with --broker the first three are those of the connection
to it (see below), and --https-cert, --https-key and --https-ca those of --https:
  --cert FILE       the server's certificate
  --key FILE        its private key
  --ca FILE         let in only clients with a certificate that this authority has signed
  --dev-certs DIR   in place of these three: make an authority, a server and a client there, or use
                    what is there; by itself it means --tls-listen 127.0.0.1:8883 too
  --dev-name NAME   a host name or address by which clients reach this machine, for the
                    certificate that --dev-certs makes; repeatable

How the service behaves:
  --prefix PREFIX           what stands before /things/… in topics [default: $aws]
  --max-document-bytes N    size of desired and reported together [default: 8192]
  --max-depth N             levels in a section [default: 8]
  --rate N                  requests a second for each thing, else 429 [default: no limit;
                            AWS has 20]
  --in-flight N             requests of a thing that came and whose answers are not published yet,
                            else 429 [default: no limit; AWS has 10]
  --shuffle SEED            publish the messages of an update in varying order, as AWS may
  --assume NAME=VALUE       what AWS does not say, see below; repeatable

What goes wrong, to test devices with:
  --fault WHAT[,WHAT...][@THING]    for one thing, or for all; repeatable, the first that fits holds
                    swallow          a request is neither served nor answered
                    answer=CODE      a request is not served, and answered with this code
                    lose-answer      a request is served, and not answered
                    fail-applied     a request is served, and answered with 500
                    drop, duplicate, reorder        what becomes of a message of the service
                    delay=200ms, delay=0ms..2s      how long a message waits
                    no-token         answers of 429 carry no client token
                    each but delay with how often: swallow=5%, answer=503:5% [default: 100%]
  --fault-seed N    equal seeds let the same things go wrong [default: 0]
";

const ASSUMPTIONS: &str = "
What AWS does not say, as --assume takes it; the first value is the default:
";

const CONNECT: &str = "
ADDR is HOST:PORT, or a port alone for 127.0.0.1.

How to connect to the --broker, with the names of the AWS samples; dashes and underscores are alike:
";
