//! The guards for what goes out, and for our own topics and filters (G12, G14, G15, G18).

use mqtt_session::{
    Options, OptionsError, Owner, Publish, PublishError, Qos, Restore, Session, TopicError,
    TopicFilter, Version, Will, check_topic,
};

use crate::peer::{BOTH, Peer, assert_hex, hex, options};

#[test]
fn g12_a_connect_behind_other_output_is_whole() {
    for version in BOTH {
        let mut options = options(version);
        options.will = Some(Will::new("w", ""));
        options.user_name = Some("u".into());
        let mut session = Session::new(options).unwrap();
        let now = mqtt_session::Instant::ORIGIN;
        session.handle_opened(now);
        // A proxy's or WebSocket's bytes of the driver may be ahead of it.
        let mut output = mqtt_session::BytesMut::from(&[1, 2][..]);
        session.write_output(&mut output, now);
        let level = if version == Version::V5 { "05" } else { "04" };
        let text = hex(&output);
        assert!(text.starts_with("010210"), "{text}");
        assert!(
            text.contains(&format!("00044d515454{level}8e003c")),
            "{text}"
        );
    }
}

#[test]
fn g14_texts_that_do_not_fit_are_refused_where_they_are_given() {
    let long = "a".repeat(70_000);
    let mut peer = Peer::connected(Version::V5);
    let too_long = TopicError::TooLong { length: 70_000 };
    assert_eq!(
        peer.session
            .publish(Publish::new(long.as_str(), ""), peer.now),
        Err(PublishError::Topic(too_long))
    );
    let mut publish = Publish::new("t", "").with_expiry(core::time::Duration::from_secs(1));
    publish.properties.as_deref_mut().unwrap().content_type = Some(long.clone());
    assert!(matches!(
        peer.session.publish(publish, peer.now),
        Err(PublishError::Property(_))
    ));
    assert_eq!(TopicFilter::new(long.as_str()), Err(too_long));
    assert_eq!(peer.output(), "");

    let refused = |change: &dyn Fn(&mut Options)| {
        let mut options = options(Version::V5);
        change(&mut options);
        Session::new(options).err()
    };
    for (field, error) in [
        ("client id", refused(&|o| o.client_id.clone_from(&long))),
        ("user name", refused(&|o| o.user_name = Some(long.clone()))),
        ("password", refused(&|o| o.password = Some(long.clone()))),
        (
            "will payload",
            refused(&|o| o.will = Some(Will::new("w", long.clone()))),
        ),
        (
            "user property",
            refused(&|o| o.user_properties = vec![("k".into(), long.clone())]),
        ),
    ] {
        let length = 70_000;
        assert_eq!(error, Some(OptionsError::TooLong { field, length }));
    }
    assert_eq!(
        refused(&|o| o.will = Some(Will::new(long.clone(), ""))),
        Some(OptionsError::WillTopic(too_long))
    );
}

#[test]
fn g15_empty_user_names_and_passwords_are_refused() {
    for version in BOTH {
        let mut with_name = options(version);
        with_name.user_name = Some(String::new());
        assert_eq!(
            Session::new(with_name).err(),
            Some(OptionsError::Empty { field: "user name" })
        );
        let mut with_password = options(version);
        with_password.user_name = Some("u".into());
        with_password.password = Some(String::new());
        assert_eq!(
            Session::new(with_password).err(),
            Some(OptionsError::Empty { field: "password" })
        );
    }
}

#[test]
fn g18_filters_and_topics_of_our_own() {
    let matches = |filter: &str, topic: &str| TopicFilter::new(filter).unwrap().matches(topic);
    // mqttbytes says no to every topic with `$`, and panics at a first character of two bytes.
    assert!(matches(
        "$aws/things/+/shadow/#",
        "$aws/things/t/shadow/get"
    ));
    assert!(matches("$aws/a", "$aws/a"));
    assert!(matches("#", "é"));
    assert!(!matches("#", "$aws/a"));
    assert_eq!(TopicFilter::new("a+/b"), Err(TopicError::PlusInLevel));
    assert_eq!(check_topic(""), Err(TopicError::Empty));
    assert_eq!(check_topic("a\0"), Err(TopicError::Nul));

    let mut peer = Peer::connected(Version::V3_1_1);
    let filter = TopicFilter::new("#").unwrap();
    peer.session
        .subscribe(
            Owner::new(1),
            &[(filter, Qos::AtMostOnce)],
            Restore::ByOwner,
            peer.now,
        )
        .unwrap();
    assert_hex(&peer.output(), "82 06 0001 0001 23 00");
    assert_eq!(peer.session.subscribers("é/x").count(), 1);
    assert_eq!(peer.session.subscribers("$SYS/x").count(), 0);
}
