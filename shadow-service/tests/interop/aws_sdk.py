"""The unmodified AWS SDKs against the local service: boto3's iot-data client over HTTP, and
both generations of awsiotsdk's shadow client over MQTT 3.1.1 and MQTT 5.

Usage: aws_sdk.py plain HOST MQTT_PORT HTTP_PORT
       aws_sdk.py tls HOST MQTT_PORT HTTPS_PORT CA CERTIFICATE KEY

Over TLS the clients are made as AWS's own samples make them (`awsiot.mqtt_connection_builder`,
`awsiot.mqtt5_client_builder`), with mutual TLS.
"""

import json
import os
import queue
import sys
import threading

import boto3
from awscrt import io, mqtt, mqtt5
from awscrt.mqtt_request_response import ClientOptions as RequestResponseOptions
from awsiot import (
    ServiceStreamOptions,
    V2ServiceException,
    iotshadow,
    mqtt5_client_builder,
    mqtt_connection_builder,
)
from botocore.config import Config

LIMIT = 20
QOS = mqtt.QoS.AT_LEAST_ONCE
MODE, HOST, PORT, HTTP = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
CA, CERTIFICATE, KEY = sys.argv[5:] if MODE == "tls" else (None, None, None)


def rest():
    tls = {}
    if MODE == "tls":
        tls = {"verify": CA, "config": Config(client_cert=(CERTIFICATE, KEY))}
    client = boto3.client(
        "iot-data",
        endpoint_url=f"{'https' if tls else 'http'}://{HOST}:{HTTP}",
        **tls,
        region_name="eu-west-1",
        aws_access_key_id="any",
        aws_secret_access_key="any",
    )
    errors = client.exceptions
    named = {"thingName": "la:mp", "shadowName": "$cfg"}

    def refused(expected, call, **arguments):
        try:
            call(**arguments)
        except expected as error:
            return error.response["Error"]["Message"]
        raise AssertionError(f"{expected} did not come")

    def read(answer):
        return json.loads(answer["payload"].read())

    update = client.update_thing_shadow
    message = refused(errors.ResourceNotFoundException, client.get_thing_shadow, **named)
    assert message == "No shadow exists with name: 'la:mp~$cfg'", message
    refused(errors.ResourceNotFoundException, client.delete_thing_shadow, thingName="lamp")
    request = json.dumps({"state": {"desired": {"a": 1}}, "clientToken": "t"})
    answer = read(update(**named, payload=request))
    assert (answer["version"], answer["clientToken"]) == (1, "t"), answer
    answer = read(client.get_thing_shadow(**named))
    assert answer["state"] == {"desired": {"a": 1}, "delta": {"a": 1}}, answer

    refused(errors.ConflictException, update, **named, payload='{"state":{},"version":9}')
    refused(errors.InvalidRequestException, update, **named, payload="{")
    refused(errors.UnsupportedDocumentEncodingException, update, **named, payload=b"\xff")
    large = json.dumps({"state": {"desired": {"a": "x" * 9000}}})
    refused(errors.RequestEntityTooLargeException, update, **named, payload=large)
    # The parameter checks of the SDK itself let this one through.
    refused(errors.InvalidRequestException, client.list_named_shadows_for_thing,
            thingName="la:mp", nextToken="no such token")

    for name in "abc":
        update(thingName="la:mp", shadowName=name, payload='{"state":{}}')
    names, token = [], {}
    while True:
        page = client.list_named_shadows_for_thing(thingName="la:mp", pageSize=2, **token)
        names += page["results"]
        if "nextToken" not in page:
            break
        token = {"nextToken": page["nextToken"]}
    assert names == ["$cfg", "a", "b", "c"], names
    assert read(client.delete_thing_shadow(**named))["version"] == 1


class Kind:
    """The SDK's names for what is done to a classic or to a named shadow."""

    def __init__(self, thing, shadow):
        self.of = {"thing_name": thing}
        self.word, self.infix = "", ""
        if shadow:
            self.of["shadow_name"] = shadow
            self.word, self.infix = "Named", "named_"

    def request(self, form, **arguments):
        return getattr(iotshadow, form.format(self.word))(**self.of, **arguments)

    def call(self, client, form):
        return getattr(client, form.format(self.infix))


def first_generation(connection, thing):
    client = iotshadow.IotShadowClient(connection)
    for shadow in (None, "cfg"):
        kind = Kind(thing, shadow)
        heard = queue.Queue()

        def subscribe(method, request, what):
            future, _ = kind.call(client, method)(
                kind.request(request), QOS, lambda message: heard.put((what, message))
            )
            future.result(LIMIT)

        for operation in ("get", "update", "delete"):
            for answer in ("accepted", "rejected"):
                subscribe(
                    f"subscribe_to_{operation}_{{}}shadow_{answer}",
                    f"{operation.capitalize()}{{}}ShadowSubscriptionRequest",
                    f"{operation}/{answer}",
                )
        subscribe("subscribe_to_{}shadow_delta_updated_events",
                  "{}ShadowDeltaUpdatedSubscriptionRequest", "delta")
        subscribe("subscribe_to_{}shadow_updated_events",
                  "{}ShadowUpdatedSubscriptionRequest", "documents")

        def ask(operation, *expected, **arguments):
            request = kind.request(f"{operation.capitalize()}{{}}ShadowRequest", **arguments)
            kind.call(client, f"publish_{operation}_{{}}shadow")(request, QOS).result(LIMIT)
            answers = dict(heard.get(timeout=LIMIT) for _ in expected)
            assert sorted(answers) == sorted(expected), answers
            return answers

        answer = ask("get", "get/rejected", client_token="g")["get/rejected"]
        assert (answer.code, answer.client_token) == (404, "g"), answer
        state = iotshadow.ShadowState(desired={"color": "red"}, reported={"color": "off"})
        answers = ask("update", "update/accepted", "delta", "documents",
                      client_token="u", state=state)
        assert answers["delta"].state == {"color": "red"}, answers
        assert answers["documents"].previous is None, answers
        assert answers["documents"].current.state.reported == {"color": "off"}, answers
        answer = ask("get", "get/accepted")["get/accepted"]
        assert answer.state.delta == {"color": "red"} and answer.version == 1, answer
        assert ask("update", "update/rejected", state=state, version=7)[
            "update/rejected"].code == 409
        assert ask("delete", "delete/accepted", client_token="d")["delete/accepted"].version == 1


def second_generation(protocol, thing):
    options = RequestResponseOptions(
        max_request_response_subscriptions=10,
        max_streaming_subscriptions=10,
        operation_timeout_in_seconds=LIMIT,
    )
    client = iotshadow.IotShadowClientV2(protocol, options)
    for shadow in (None, "cfg"):
        kind = Kind(thing, shadow)
        heard, streams = queue.Queue(), []
        for what in ("Delta", ""):
            established = threading.Event()
            stream = kind.call(client, "create_{}shadow_" + ("delta_" if what else "")
                               + "updated_stream")(
                kind.request("{}Shadow" + what + "UpdatedSubscriptionRequest"),
                ServiceStreamOptions(
                    incoming_event_listener=heard.put,
                    subscription_status_listener=lambda _, e=established: e.set(),
                ),
            )
            stream.open()
            assert established.wait(LIMIT)
            streams.append(stream)

        def ask(operation, **arguments):
            request = kind.request(f"{operation.capitalize()}{{}}ShadowRequest", **arguments)
            return kind.call(client, f"{operation}_{{}}shadow")(request).result(LIMIT)

        try:
            ask("get")
            raise AssertionError("there is no shadow yet")
        except V2ServiceException as error:
            assert error.modeled_error.code == 404, error
        state = iotshadow.ShadowState(desired={"color": "red"})
        assert ask("update", state=state).version == 1
        events = sorted(type(heard.get(timeout=LIMIT)).__name__ for _ in range(2))
        assert events == ["ShadowDeltaUpdatedEvent", "ShadowUpdatedEvent"], events
        assert ask("get").state.delta == {"color": "red"}
        assert ask("delete").version == 1
        del streams


def main():
    rest()
    bootstrap = io.ClientBootstrap(
        (group := io.EventLoopGroup(1)), io.DefaultHostResolver(group)
    )
    connected, stopped = threading.Event(), threading.Event()
    if MODE == "tls":
        files = {"cert_filepath": CERTIFICATE, "pri_key_filepath": KEY, "ca_filepath": CA}
        where = {"endpoint": HOST, "port": PORT, "client_bootstrap": bootstrap}
        old = mqtt_connection_builder.mtls_from_path(
            **where, **files, client_id="sdk-3", clean_session=True
        )
        new = mqtt5_client_builder.mtls_from_path(
            **where,
            **files,
            client_id="sdk-5",
            on_lifecycle_connection_success=lambda _: connected.set(),
            on_lifecycle_stopped=lambda _: stopped.set(),
        )
    else:
        old = mqtt.Connection(
            mqtt.Client(bootstrap, None),
            host_name=HOST,
            port=PORT,
            client_id="sdk-3",
            clean_session=True,
        )
        new = mqtt5.Client(mqtt5.ClientOptions(
            host_name=HOST,
            port=PORT,
            bootstrap=bootstrap,
            connect_options=mqtt5.ConnectPacket(client_id="sdk-5"),
            on_lifecycle_event_connection_success_fn=lambda _: connected.set(),
            on_lifecycle_event_stopped_fn=lambda _: stopped.set(),
        ))
    old.connect().result(LIMIT)
    new.start()
    assert connected.wait(LIMIT)
    first_generation(old, "first-3")
    first_generation(new.new_connection(), "first-5")
    second_generation(old, "second-3")
    second_generation(new, "second-5")
    old.disconnect().result(LIMIT)
    new.stop()
    assert stopped.wait(LIMIT)
    print("all of it works", flush=True)


main()
# The SDK's native threads abort when the interpreter is taken down around them.
os._exit(0)
