"""Which ways out of a node are proven by the hosts that answer there."""

from ipaddress import ip_address

from momentum_node.duravip.gateways import MISSES, Gateways, Way

WAY = Way("eth0", ip_address("192.0.2.1"))
OTHER = Way("eth1", ip_address("192.0.2.1"))


def silent(gateways: Gateways, times: int = MISSES) -> None:
    for _ in range(times):
        gateways.missed(WAY)


def test_three_silences_in_a_row_are_needed() -> None:
    gateways = Gateways()
    silent(gateways, MISSES - 1)
    gateways.heard(WAY, 3.0, 4.0)
    silent(gateways, MISSES - 1)
    assert not gateways.unproven()
    gateways.missed(WAY)
    assert gateways.unproven() == {WAY}
    assert str(WAY) == "192.0.2.1 does not answer on eth0"


def test_it_proves_itself_for_as_long_as_a_link_must() -> None:
    gateways = Gateways()
    silent(gateways)
    gateways.heard(WAY, 10.0, 4.0)
    gateways.heard(WAY, 13.0, 4.0)
    assert gateways.unproven()
    gateways.missed(WAY)  # it begins anew
    gateways.heard(WAY, 15.0, 4.0)
    gateways.heard(WAY, 18.0, 4.0)
    assert gateways.unproven()
    gateways.heard(WAY, 19.0, 4.0)
    assert not gateways.unproven()


def test_what_is_not_asked_any_more_is_not_in_doubt() -> None:
    gateways = Gateways()
    silent(gateways)
    gateways.keep([OTHER])
    assert not gateways.unproven()
    gateways.keep([WAY])
    gateways.missed(WAY)
    assert not gateways.unproven()
