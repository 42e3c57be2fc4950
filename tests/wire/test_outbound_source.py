"""From where a connection is made."""

import socket
from ipaddress import ip_address

import pytest

from momentum_node.smtp.outbound import IP_BIND_ADDRESS_NO_PORT, SourceMissing, source_socket
from momentum_node.smtp.routes import Target

IP_FREEBIND = 15  # linux/in.h


def test_a_port_is_chosen_when_it_is_known_where_to_and_the_address_has_to_be_here() -> None:
    with socket.create_server(("127.0.0.1", 0)) as hop:
        target = Target("127.0.0.1", hop.getsockname()[1], "mx", 0)
        with source_socket(ip_address("127.0.0.3"), target) as sock:
            assert sock.getsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT) == 1
            assert sock.getsockopt(socket.IPPROTO_IP, IP_FREEBIND) == 0
            assert sock.getsockname() == ("127.0.0.3", 0)  # a port taken now would be one less for every other peer
            sock.setblocking(True)
            sock.connect((target.address, target.port))
            assert sock.getsockname()[1] > 0
        with pytest.raises(SourceMissing):
            source_socket(ip_address("203.0.113.9"), target)
