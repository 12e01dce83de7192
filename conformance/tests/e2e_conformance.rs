//! All adapters on all scenarios, and the table of it.

use std::{fs, path::Path, sync::Arc};

use conformance::{Adapter, Connecting, Report, run};
use testkit::skip_or_fail;
use transport_core::ConnectOptions;

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
            connect: |options| Box::pin(transport_paho::connect(options)),
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
    ]
}

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
    if std::env::var_os("SHADOW_SCENARIO").is_some() {
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
