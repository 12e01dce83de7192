use super::*;

const A: Owner = Owner::new(1);
const B: Owner = Owner::new(2);

fn filter(text: &str) -> TopicFilter {
    TopicFilter::new(text).unwrap()
}

fn granted(qos: Qos) -> (Subscriptions, TopicFilter) {
    let mut table = Subscriptions::default();
    let filter = filter("a/b");
    assert_eq!(
        table.hold(A, &filter, qos, Restore::ByOwner),
        Hold::Unanswered
    );
    let ask = table.next_ask(&filter).unwrap();
    assert_eq!(ask.qos, qos);
    let answers = answered(&mut table, &filter, ask, SubackCode::from(qos));
    assert_eq!(answers, [(A, SubackCode::from(qos))]);
    (table, filter)
}

fn answered(
    table: &mut Subscriptions,
    filter: &TopicFilter,
    ask: Ask,
    code: SubackCode,
) -> Vec<(Owner, SubackCode)> {
    let answers = table.answered(filter, ask.ticket, code);
    answers.iter().map(|it| (it.owner, it.code)).collect()
}

#[test]
fn a_second_owner_joins_a_subscribe_underway() {
    let mut table = Subscriptions::default();
    let filter = filter("a/b");
    let _ = table.hold(A, &filter, Qos::AtLeastOnce, Restore::ByOwner);
    let ask = table.next_ask(&filter).unwrap();
    let _ = table.hold(B, &filter, Qos::AtMostOnce, Restore::BySession);
    assert_eq!(table.next_ask(&filter), None);
    let answers = answered(&mut table, &filter, ask, SubackCode::GRANTED_QOS_1);
    assert_eq!(
        answers,
        [
            (A, SubackCode::GRANTED_QOS_1),
            (B, SubackCode::GRANTED_QOS_0)
        ]
    );
}

#[test]
fn a_higher_quality_is_asked_for_and_its_refusal_keeps_the_lower() {
    let (mut table, filter) = granted(Qos::AtMostOnce);
    let hold = table.hold(B, &filter, Qos::AtLeastOnce, Restore::BySession);
    assert_eq!(hold, Hold::Unanswered);
    let ask = table.next_ask(&filter).unwrap();
    assert_eq!(ask.qos, Qos::AtLeastOnce);
    let answers = answered(&mut table, &filter, ask, SubackCode::NOT_AUTHORIZED);
    assert_eq!(answers, [(B, SubackCode::NOT_AUTHORIZED)]);
    assert_eq!(table.owners("a/b"), [A]);
    assert_eq!(table.holds(), 1);
    assert_eq!(
        table.hold(B, &filter, Qos::AtMostOnce, Restore::BySession),
        Hold::Granted(SubackCode::GRANTED_QOS_0)
    );
}

#[test]
fn an_owner_refused_more_keeps_what_it_had() {
    let (mut table, filter) = granted(Qos::AtMostOnce);
    let _ = table.hold(A, &filter, Qos::AtLeastOnce, Restore::ByOwner);
    let ask = table.next_ask(&filter).unwrap();
    table.answered(&filter, ask.ticket, SubackCode::UNSPECIFIED_ERROR);
    assert_eq!(
        table.status(A, &filter),
        Some(Hold::Granted(SubackCode::GRANTED_QOS_0))
    );
    assert_eq!(table.next_ask(&filter), None);
}

#[test]
fn only_the_last_release_is_told_to_the_server() {
    let (mut table, filter) = granted(Qos::AtLeastOnce);
    let _ = table.hold(B, &filter, Qos::AtLeastOnce, Restore::BySession);
    assert_eq!(table.release(A, &filter), Release::HeldByOthers);
    assert_eq!(table.release(A, &filter), Release::NotHeld);
    assert_eq!(
        table.release(B, &filter),
        Release::Last { tell_server: true }
    );
    assert!(!table.is_held(&filter));
    assert_eq!(table.holds(), 0);
}

#[test]
fn a_filter_never_asked_for_is_not_told_when_released() {
    let mut table = Subscriptions::default();
    let filter = filter("a/b");
    let _ = table.hold(A, &filter, Qos::AtLeastOnce, Restore::BySession);
    assert_eq!(
        table.release(A, &filter),
        Release::Last { tell_server: false }
    );
}

#[test]
fn an_answer_to_an_earlier_subscribe_settles_only_who_waited_for_it() {
    let mut table = Subscriptions::default();
    let filter = filter("a/b");
    let _ = table.hold(A, &filter, Qos::AtLeastOnce, Restore::ByOwner);
    let first = table.next_ask(&filter).unwrap();
    let _ = table.release(A, &filter);
    let _ = table.hold(A, &filter, Qos::AtLeastOnce, Restore::ByOwner);
    let second = table.next_ask(&filter).unwrap();
    assert_eq!(
        table.answered(&filter, first.ticket, SubackCode::GRANTED_QOS_1),
        []
    );
    assert_eq!(
        table.hold(B, &filter, Qos::AtLeastOnce, Restore::ByOwner),
        Hold::Unanswered
    );
    let answers = table.answered(&filter, second.ticket, SubackCode::GRANTED_QOS_1);
    assert_eq!(answers.len(), 2);
}

#[test]
fn a_lost_session_is_restored_for_those_who_want_it() {
    let (mut table, filter) = granted(Qos::AtLeastOnce);
    let _ = table.hold(B, &filter, Qos::AtMostOnce, Restore::BySession);
    table.handle_disconnected();
    assert_eq!(table.owners("a/b"), [A, B]);
    table.handle_session_lost();
    assert_eq!(table.owners("a/b"), [B]);
    assert_eq!(table.unanswered().collect::<Vec<_>>(), [&filter]);
    assert_eq!(table.next_ask(&filter).unwrap().qos, Qos::AtMostOnce);
}

#[test]
fn an_interrupted_subscribe_is_repeated_or_forgotten() {
    let mut table = Subscriptions::default();
    let (ours, theirs) = (filter("a/#"), filter("b"));
    let _ = table.hold(A, &theirs, Qos::AtLeastOnce, Restore::ByOwner);
    let _ = table.hold(B, &ours, Qos::AtLeastOnce, Restore::BySession);
    let _ = (table.next_ask(&ours), table.next_ask(&theirs));
    table.handle_disconnected();
    assert!(!table.is_held(&theirs));
    assert_eq!(table.unanswered().collect::<Vec<_>>(), [&ours]);
    assert!(table.next_ask(&ours).is_some());
    assert_eq!(table.holds(), 1);
}

#[test]
fn a_message_goes_once_to_each_owner_that_matches() {
    let mut table = Subscriptions::default();
    for (owner, text) in [
        (A, "a/#"),
        (A, "a/b"),
        (B, "a/+"),
        (B, "$share/g/a/b"),
        (Owner::new(3), "c"),
    ] {
        let _ = table.hold(owner, &filter(text), Qos::AtLeastOnce, Restore::BySession);
    }
    assert_eq!(table.owners("a/b"), [A, B]);
    assert_eq!(table.owners("a/b/c"), [A]);
    assert_eq!(table.owners("c"), [Owner::new(3)]);
    assert_eq!(table.owners("$aws/a"), []);
}
