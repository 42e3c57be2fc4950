"""The notice about what is accepted and not built: it names no option that acts."""

from tests.support.configuration import loaded

ACTING = """
    Gateway = "smart.test" Blackhole = internal Transform_8BitMime_Content = strict Max_Received_Headers = 50
    Migrate_Connections_Between_Sibling_Domains = false Inbound_Throttle_Messages = 5 Drain_Queue_Timeout = 9
    RFC2821_Pedantic_Address_Rules = false Min_DNS_TTL = 5 Max_DNS_TTL = 86400
    inbound_audit { Monitors = ( "300,6" "1800,4" ) maintenance_interval = 60 }
    Binding b { Bind_Address = "192.0.2.9" Enable_Duravip = true }
    ESMTP_Listener { Context = [ a = "b" ] Listen "192.0.2.8:25" { Duravip_Follow = b } }
    Cluster {
        Mmove_Max_Connections = 3 Mmove_Throttle_Messages = 5 unconditional_rebind = false
        Topology "192.0.2.0/24" { Interface = eth0 }
    }
"""


def test_options_that_act_are_in_no_notice() -> None:
    assert [one for one in loaded(ACTING).node.notices if "not built" in one] == []


def test_others_are() -> None:
    (notice,) = loaded("Delayed_Binding_Domain_Fuzz = 3").node.notices
    assert notice.endswith("accepted, but not built yet: Delayed_Binding_Domain_Fuzz")
