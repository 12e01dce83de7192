//! All adapters on all scenarios, and the table of it.

#![allow(
    clippy::duplicate_mod,
    reason = "each example brings what the examples share"
)]

#[cfg(feature = "paho")]
#[path = "../../examples/attach_paho.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    reason = "its main is for those who run it"
)]
mod attach_paho;
#[path = "../../examples/attach_rumqttc.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    reason = "its main is for those who run it"
)]
mod attach_rumqttc;
#[path = "../../examples/attach_rumqttc_v5.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    reason = "its main is for those who run it"
)]
mod attach_rumqttc_v5;

use core::time::Duration;
use std::{fs, io::ErrorKind, path::Path, sync::Arc};

use conformance::{Adapter, Connecting, Report, Setting, Way, run};
use rumqttc::MqttOptions;
use testkit::skip_or_fail;
use tokio::time::sleep;
use transport_core::{
    ConnectError, ConnectOptions, HubOptions, MqttVersion, OpenError, ShadowClient,
};

/// An adapter that is a function.
struct Function {
    name: &'static str,
    connect: fn(ConnectOptions) -> Connecting,
}

impl Adapter for Function {
    fn name(&self) -> &'static str {
        self.name
    }

    fn connect(&self, options: ConnectOptions) -> Connecting {
        (self.connect)(options)
    }

    /// The C library keeps what it has read of a WebSocket in one place, whichever client it was
    /// for.
    fn is_alone(&self, setting: Setting) -> bool {
        self.name == "paho" && setting.way == Way::WebSocket
    }
}

/// Where clients come and go, the C library of Paho sometimes takes what became of one's socket for the end of another
/// one's that has the same number by then, and an attempt to connect fails; see "What cannot be mended from here" in
/// transport-paho's README. Nothing but the attempt is made again. The one WebSocket of a process may still be in the
/// hands of the client before, which is on its way out.
#[cfg(target_os = "linux")]
async fn with_paho<F>(connect: impl Fn() -> F + Send) -> Result<ShadowClient, ConnectError>
where
    F: Future<Output = Result<ShadowClient, ConnectError>> + Send,
{
    let mut left = 2;
    loop {
        match connect().await {
            Err(ConnectError::Open(error)) if error.kind == ErrorKind::ResourceBusy => {
                sleep(Duration::from_millis(20)).await;
            }
            Err(ConnectError::Open(error)) if !error.permanent && left > 0 => {
                left -= 1;
                println!("again: {error}");
            }
            result => return result,
        }
    }
}

fn adapters() -> Vec<Arc<dyn Adapter>> {
    vec![
        Arc::new(Function {
            name: "tokio",
            connect: |options| Box::pin(transport_tokio::connect(options)),
        }),
        Arc::new(Function {
            name: "async-std",
            connect: |options| Box::pin(transport_async_std::async_std::connect(options)),
        }),
        Arc::new(Function {
            name: "smol",
            connect: |options| Box::pin(transport_async_std::smol::connect(options)),
        }),
        #[cfg(target_os = "linux")]
        Arc::new(Function {
            name: "paho",
            connect: |options| {
                Box::pin(with_paho(move || transport_paho::connect(options.clone())))
            },
        }),
        // Served by a thread of the client's own instead of this test's runtime.
        Arc::new(Function {
            name: "blocking",
            connect: |options| {
                Box::pin(async {
                    let connect = || transport_tokio::connect_blocking(options);
                    let client = tokio::task::spawn_blocking(connect).await;
                    client.unwrap().map(|client| client.inner().clone())
                })
            },
        }),
        Arc::new(Rumqttc),
        #[cfg(feature = "paho")]
        Arc::new(Paho),
    ]
}

/// The example of attaching to rumqttc.
struct Rumqttc;

impl Adapter for Rumqttc {
    fn name(&self) -> &'static str {
        "attached to rumqttc"
    }

    fn connect(&self, options: ConnectOptions) -> Connecting {
        let (shadows, hub) = (options.shadow_config(), hub_options(&options));
        match options.version {
            MqttVersion::V5 => {
                let mqtt = rumqttc_v5(&options);
                Box::pin(async move {
                    let attached = attach_rumqttc_v5::attach(mqtt, shadows, hub).await;
                    attached.map_err(|error| failed(&error))
                })
            }
            _ => {
                let mqtt = rumqttc_v4(&options);
                Box::pin(async move {
                    let attached = attach_rumqttc::attach(mqtt, shadows, hub).await;
                    attached.map_err(|error| failed(&error))
                })
            }
        }
    }

    fn hole(&self, _: &str, setting: Setting) -> Option<&'static str> {
        (setting.way != Way::Tcp)
            .then_some("the examples' rumqttc is built without TLS and WebSocket; the way is rumqttc's business")
    }
}

fn rumqttc_v4(options: &ConnectOptions) -> MqttOptions {
    let endpoint = &options.endpoint;
    let mut mqtt = MqttOptions::new(&options.client_id, endpoint.host(), endpoint.port());
    mqtt.set_clean_session(options.clean_start);
    mqtt.set_max_packet_size(MIB, MIB);
    mqtt
}

fn rumqttc_v5(options: &ConnectOptions) -> rumqttc::v5::MqttOptions {
    let endpoint = &options.endpoint;
    let id = &options.client_id;
    let mut mqtt = rumqttc::v5::MqttOptions::new(id, endpoint.host(), endpoint.port());
    let expiry = options.session_expiry.unwrap_or_default().as_secs();
    mqtt.set_clean_start(options.clean_start);
    mqtt.set_session_expiry_interval(Some(expiry as u32));
    mqtt.set_max_packet_size(Some(MIB as u32));
    mqtt
}

/// The example of attaching to Paho.
#[cfg(feature = "paho")]
struct Paho;

#[cfg(feature = "paho")]
impl Adapter for Paho {
    fn name(&self) -> &'static str {
        "attached to Paho"
    }

    fn connect(&self, options: ConnectOptions) -> Connecting {
        use paho_mqtt::{ConnectOptionsBuilder, CreateOptionsBuilder, PropertyCode, properties};

        keep_paho();
        let (uri, client_id) = (options.endpoint.to_string(), options.client_id.clone());
        let version = match options.version {
            MqttVersion::V5 => paho_mqtt::MQTT_VERSION_5,
            _ => paho_mqtt::MQTT_VERSION_3_1_1,
        };
        let create = move || {
            let create = CreateOptionsBuilder::new()
                .server_uri(&uri)
                .client_id(&client_id);
            create.mqtt_version(version).persistence(None).finalize()
        };
        let connect = match options.version {
            MqttVersion::V5 => {
                let expiry = options.session_expiry.unwrap_or_default().as_secs();
                let mut connect = ConnectOptionsBuilder::new_v5();
                connect.clean_start(options.clean_start).properties(
                    properties! { PropertyCode::SessionExpiryInterval => expiry as u32 },
                );
                connect.finalize()
            }
            _ => {
                let mut connect = ConnectOptionsBuilder::new_v3();
                connect.clean_session(options.clean_start).finalize()
            }
        };
        let (shadows, hub) = (options.shadow_config(), hub_options(&options));
        Box::pin(with_paho(move || {
            let attached = attach_paho::attach(create(), connect.clone(), shadows.clone(), hub);
            async { attached.await.map_err(|error| failed(&error)) }
        }))
    }

    fn hole(&self, _: &str, setting: Setting) -> Option<&'static str> {
        match setting.way {
            Way::Tcp => None,
            Way::Tls => {
                Some("the example's Paho is built without OpenSSL; the way is Paho's business")
            }
            Way::WebSocket => Some(
                "the C library can have one WebSocket in a process, and of a client of one's own \
                 nobody is told when the library is through with it, as `transport-paho` is",
            ),
        }
    }
}

/// Has one client that never connects: with the last one of a process the C library takes down what all share, while
/// another one may be setting it up, which then waits for ever. A program with one client need not care.
#[cfg(feature = "paho")]
fn keep_paho() {
    use std::sync::OnceLock;

    static KEPT: OnceLock<paho_mqtt::AsyncClient> = OnceLock::new();
    KEPT.get_or_init(|| paho_mqtt::AsyncClient::new("mqtt://127.0.0.1:1").unwrap());
}

fn hub_options(options: &ConnectOptions) -> HubOptions {
    let mut hub = HubOptions::default();
    hub.operation_timeout = options.operation_timeout;
    hub.message_buffer = options.message_buffer;
    hub.reconnect = options.reconnect;
    hub
}

fn failed(error: &(dyn core::error::Error + Send + Sync)) -> ConnectError {
    let error = std::io::Error::other(error.to_string());
    ConnectError::Open(OpenError::new("connect", &error))
}

const MIB: usize = 1024 * 1024;

#[test]
fn every_scenario_on_every_adapter() {
    let Ok(report) = run(adapters()) else {
        return skip_or_fail("mosquitto");
    };
    println!("{:#?}", report.slowest(8));
    let failures = report.failures();
    assert!(failures.is_empty(), "\n{}\n", failures.join("\n"));
    check_table(&report);
}

/// The table in the documentation is that of this run.
fn check_table(report: &Report) {
    // A part is no table.
    if cfg!(not(feature = "paho")) {
        return;
    }
    let part = ["SHADOW_ADAPTER", "SHADOW_SCENARIO", "SHADOW_SETTING"];
    if part.iter().any(|it| std::env::var_os(it).is_some()) {
        return;
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/conformance.md");
    let table = report.table();
    if std::env::var_os("SHADOW_BLESS").is_some() {
        fs::write(&path, table).unwrap();
        return;
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == table,
        "docs/conformance.md is not what this run found; run it again with SHADOW_BLESS=1"
    );
}
