"""Where messages are queued when the configuration is another one than when they came."""

from structlog.testing import capture_logs

from momentum_node.spool.message import Envelope, Message, Place, Stored
from momentum_node.spool.routing import Routing
from momentum_node.spool.schedule import Key
from tests.support.configuration import loaded


def message(binding: str) -> Message:
    stored = Stored(Place(0, 0, 0, 0), None, {"1"}, 1)
    return Message("1", Envelope(0.0, "a@x.test", 1), "b@y.test", binding, "y.test", stored, 0)


def test_mail_of_a_binding_that_is_gone_goes_to_default_and_an_administrator_hears_of_it_once() -> None:
    routing = Routing({})
    routing.configure(loaded("Binding here { }"))
    left, other, kept = message("gone"), message("gone"), message("here")
    with capture_logs() as lines:
        for one in (left, other, kept):
            routing.route(one)
    assert [one.binding for one in (left, other, kept)] == ["default", "default", "here"]
    assert [(line["log_level"], line["binding"]) for line in lines] == [("error", "gone")]

    routing.configure(loaded(""))
    with capture_logs() as lines:
        routing.route(kept)
    assert [line["binding"] for line in lines] == ["here"]


def test_mail_is_queued_for_the_gateway_of_now() -> None:
    routing, one = Routing({}), message("default")
    routing.configure(loaded('Domain y.test { Gateway = "smart.test" }'))
    routing.route(one)
    assert (one.gateway, routing.domain(one)) == ("smart.test", "smart.test")
    assert routing.key("default", "y.test") == Key("default", "smart.test", is_gateway=True)
    routing.configure(loaded(""))
    routing.route(one)
    assert (one.gateway, routing.domain(one)) == (None, "y.test")
    assert routing.key("default", "y.test") == Key("default", "y.test")
