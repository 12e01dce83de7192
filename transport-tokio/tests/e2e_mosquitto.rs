//! Against a real broker: Mosquitto, plain TCP, both versions of MQTT.

use core::time::Duration;

use testkit::{Config, Mosquitto, skip_or_fail};
use transport_tokio::{
    ConnectOptions, Failure, MqttVersion, RequestFailure, ShadowClient, ShadowId, Stage, connect,
};

const VERSIONS: [MqttVersion; 2] = [MqttVersion::V3_1_1, MqttVersion::V5];

async fn client(broker: &Mosquitto, version: MqttVersion) -> ShadowClient {
    let mut options = ConnectOptions::from_url(&broker.url()).unwrap();
    options.version = version;
    connect(options).await.unwrap()
}

#[tokio::test]
async fn a_request_without_a_service_says_how_far_it_got() {
    let Ok(broker) = Mosquitto::start(Config::new()) else {
        return skip_or_fail("mosquitto");
    };
    for version in VERSIONS {
        let client = client(&broker, version).await;
        let shadow = client.shadow(ShadowId::classic("lamp").unwrap()).unwrap();
        let mut options = transport_tokio::RequestOptions::default();
        options.timeout = Some(Duration::from_millis(300));
        let failure = shadow.get_with_options(options).await.unwrap_err();
        let RequestFailure::Failure(Failure::TimedOut { stage, .. }) = failure else {
            panic!("{failure:?}");
        };
        assert_eq!(stage, Stage::Acknowledged, "{version}");
        client.shutdown(Duration::from_secs(5)).await.unwrap();
    }
}
