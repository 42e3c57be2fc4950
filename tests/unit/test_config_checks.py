"""What no single value can be blamed for: cross checks, the DuraVIP upgrade, the addresses that follow from them."""

from ipaddress import IPv4Address

import pytest

from tests.support.configuration import GOLDEN, loaded, refused, where

MANUAL = (GOLDEN / "valid" / "manual.conf").read_text()


def test_the_example_of_the_manual_drives_a_node() -> None:
    node = loaded(MANUAL).node

    assert [(str(one.address), one.port, one.backlog, one.duravip) for one in node.listeners] == [
        ("192.168.0.1", 25, 200, False),
        ("192.168.0.41", 25, 200, True),
    ]
    assert node.bindings["example"].duravip
    assert node.cluster is not None
    assert (node.cluster.cluster_group, node.cluster.control_group) == ("ec_cluster", "ec_console")
    (vip,) = node.vips
    assert str(vip.address) == "192.168.0.41"
    assert vip.services == {"esmtp", "multivip"}
    assert vip.bindings == ("example",)
    assert vip.topology is not None
    assert (vip.topology.interface, vip.topology.prefix_length) == ("bge0", 32)


def test_the_clients_of_the_manual_see_its_limits() -> None:
    configuration = loaded(MANUAL)
    plain, movable = configuration.node.listeners

    assert configuration.inbound(movable, IPv4Address("203.0.113.1")).banner_hostname == "r1.example.com"
    assert configuration.inbound(plain, IPv4Address("203.0.113.1")).banner_hostname is None


def test_what_is_not_built_yet_is_named_in_one_notice() -> None:
    (notice,) = [text for text in loaded(MANUAL).node.notices if "not built yet" in text]

    for name in ("ec_logger", "custom_logger", "mbus_daemon", "Replicate inbound_cidr"):
        assert name in notice
    for name in ("Capabilities", "Privileges"):  # the mail processes hold none: there is nothing to build
        assert name not in notice


CLUSTER = 'cluster { Topology "10.0.0.0/24" { interface = eth0 } Topology "10.0.0.0/28" { interface = eth1 } }\n'


def test_a_service_on_an_address_that_moves_moves_too() -> None:
    text = CLUSTER + "ESMTP_Listener = ( 10.0.0.20 ) Binding b <duravip=enabled> { Bind_Address = 10.0.0.20 }"
    text += "Binding c { Bind_Address = 10.0.0.20 }"
    node = loaded(text).node

    assert node.listeners[0].duravip
    assert node.bindings["c"].duravip
    assert node.vips[0].bindings == ("b", "c")
    assert sum("moves with it" in notice for notice in node.notices) == 2


def test_the_topology_with_the_longest_prefix_is_used() -> None:
    text = CLUSTER + "Binding a <duravip=enabled> { Bind_Address = 10.0.0.3 }"
    text += "Binding b <duravip=enabled> { Bind_Address = 10.0.0.33 }"

    assert [vip.topology and vip.topology.interface for vip in loaded(text).node.vips] == ["eth1", "eth0"]


def test_without_a_cluster_scope_an_address_does_not_move() -> None:
    configuration = loaded("Binding b { Enable_Duravip = true Bind_Address = 10.0.0.3 }")

    assert configuration.node.vips == ()
    assert not configuration.node.bindings["b"].duravip
    assert [message.code for message in configuration.warnings] == ["X005"]


def test_ipv6_addresses_move_too_and_come_last() -> None:
    text = 'cluster { Topology "2001:db8::/64" { interface = eth0 } }'
    text += 'ESMTP_Listener { Listen "[2001:db8::5]:25" { Enable_Duravip = on }'
    text += 'Listen "10.0.0.1:25" { Enable_Duravip = on } }'
    four, six = loaded(text).node.vips

    assert (str(four.address), four.topology) == ("10.0.0.1", None)
    assert six.topology is not None
    assert six.topology.prefix_length == 128


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Binding b { Enable_Duravip = true }", ["1:13 X001"]),
        ('ESMTP_Listener { Listen "[*]:25" { Enable_Duravip = on } }', ["1:36 X001"]),
        ("Binding default { Enable_Duravip = on Bind_Address = 10.0.0.1 }", ["1:19 X001"]),
        ("ESMTP_Listener = ( 10.0.0.1 <duravip_follow=nobody> )", ["1:30 X003"]),
        ("Binding b <duravip_follow=c> {}", ["1:12 X004"]),
        ("Binding b { Bind_Address = 10.0.0.2 } ESMTP_Listener = ( 10.0.0.1 <duravip_follow=b> )", ["1:68 X003"]),
        (
            "Binding b <duravip=enabled> { Bind_Address = 10.0.0.1 } ESMTP_Listener = ( 10.0.0.1 <duravip_follow=b> )",
            ["1:86 X009"],
        ),
        ("cluster { nodeaddr = 127.0.0.1 }", ["1:22 X010"]),
        ("cluster { nodeaddr = 10.0.0.1 } Binding b <duravip=enabled> { Bind_Address = 10.0.0.1 }", ["1:44 X010"]),
        ("cluster { replicate [ type = cache ] }", ["1:30 X007"]),
        ("cluster { partition_policy = quorum }", ["1:11 V002"]),
        ("cluster { Topology 10.0.0.0/24 { } }", ["1:20 V001"]),
        ("Local_Changes_Only = true", ["1:1 X015"]),
        (
            CLUSTER
            + "Binding b <duravip=enabled duravip_preference=n1> { Bind_Address = 10.0.0.2 }\n"
            + "ESMTP_Listener = ( 10.0.0.2 <duravip=enabled duravip_preference=n2> )",
            ["3:46 X011"],
        ),
    ],
)
def test_what_cannot_be_is_refused_at_its_place(text: str, expected: list[str]) -> None:
    errors = [message for message in refused(text).messages if message.severity == "error"]

    assert [where(message) for message in errors] == expected


def test_listeners_and_bindings_share_one_preference() -> None:
    text = CLUSTER + "Binding b <duravip=enabled> { Bind_Address = 10.0.0.2 }"
    text += "ESMTP_Listener = ( 10.0.0.2 <duravip_preference=n2> )"

    assert loaded(text).node.vips[0].preference == "n2"


def test_strict_refuses_what_is_only_warned_about() -> None:
    assert loaded("Relay_Hosts = 10.0.0.1").warnings[0].code == "W04"
    assert refused("Relay_Hosts = 10.0.0.1", strict=True).text.endswith("1 warning, configuration not loaded")


@pytest.mark.parametrize("name", ["main.conf", "part.conf"])
def test_changes_are_not_written_into_the_configuration_itself(name: str) -> None:
    text = f'include "part.conf"\nLocal_Changes_File = "{name}"'
    (message,) = refused(text, files={"part.conf": ""}).messages

    assert str(message) == (
        f"main.conf:2:22: error: Local_Changes_File '{name}' is already part of the configuration [X006]"
    )


def test_missing_capabilities_are_a_notice_because_the_supervisor_plumbs() -> None:
    text = 'Security { Capabilities = "cap_net_bind_service+ep" }\n' + CLUSTER
    text += "Binding b <duravip=enabled> { Bind_Address = 10.0.0.3 }"

    assert (
        "Capabilities lacks cap_net_admin, cap_net_raw: the supervisor does that work [X008]"
        in loaded(text).node.notices
    )
    assert not any(
        "X008" in notice
        for notice in loaded(text.replace("_bind_service", "_admin cap_net_raw cap_net_bind_service")).node.notices
    )


def test_a_preference_of_a_follower_is_ignored_with_a_warning() -> None:
    text = CLUSTER + "Binding b <duravip=enabled> { Bind_Address = 10.0.0.3 }\n"
    text += "ESMTP_Listener = ( 10.0.0.4 <duravip_follow=b duravip_preference=n1> )"

    assert [where(message) for message in loaded(text).warnings] == ["3:47 X014"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Security = { user = mta }", "1:10 W01"),
        ("Max_Retries = 5 Max_Retries = 6", "1:17 W02"),
        ("async_io_concurrency = 5", "1:1 W03"),
        ("Relay_Domains = a.test", "1:17 W04"),
        ("Relay_Hosts = ( 10.0.0.1/8 )", "1:17 W05"),
        ("Datasource d { }", "1:1 W06"),
        ("inbound_audit a { }", "1:15 W07"),
        ("Binding b { Binding_Group = g }", "1:13 W07"),
        ("Hostname = mx.test;", "1:12 W08"),
        ("cluster { duravip_addr_lifetime = 1 }", "1:35 V002"),
    ],
)
def test_what_is_accepted_with_a_warning(text: str, expected: str) -> None:
    assert [where(message) for message in loaded(text).warnings] == [expected]
    assert [where(message) for message in refused(text, strict=True).messages] == [expected]


def test_a_module_of_which_there_is_one_is_loaded_once() -> None:
    text = "Logger cluster/ec_cluster cluster { }\nLogger cluster/ec_cluster ec_cluster { }"

    assert [where(message) for message in refused(text).messages] == ["2:27 S006"]
