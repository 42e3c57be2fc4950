"""The cluster's name server: services have names, as CoreDNS would give them, and nothing else has one.

python nameserver.py ADDRESS API_SERVER PKI_FOLDER

Answers A questions for `SERVICE.NAMESPACE.svc.cluster.local` (the API server is `kubernetes.default.svc.cluster.local`)
with the service's cluster address, which the API server knows. Runs in the control plane's namespace; UDP only.
"""

import http.client
import json
import socket
import ssl
import sys
from pathlib import Path
from urllib.parse import urlsplit

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

_ZONE = ("svc", "cluster", "local")
_TTL_S = 5
_PATIENCE_S = 1.0


class Services:
    """Cluster addresses of services, read from the API server at each question."""

    def __init__(self, server: str, pki: Path) -> None:
        self._host = urlsplit(server).netloc
        self._context = ssl.create_default_context(cafile=str(pki / "ca.crt"))
        self._context.load_cert_chain(pki / "admin.crt", pki / "admin.key")

    def address(self, namespace: str, name: str) -> str | None:
        """None when there is no such service or it has no address of its own. Raises OSError without an API server."""
        connection = http.client.HTTPSConnection(self._host, timeout=_PATIENCE_S, context=self._context)
        try:
            connection.request("GET", f"/api/v1/namespaces/{namespace}/services/{name}")
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        address = json.loads(text)["spec"].get("clusterIP") if answer.status == 200 else None
        return str(address) if address and address != "None" else None


def answer(query: dns.message.Message, services: Services) -> dns.message.Message:
    """The response to one query: an address, a name without addresses of that type, NXDOMAIN, or SERVFAIL."""
    response = dns.message.make_response(query)
    response.flags |= dns.flags.AA | dns.flags.RA
    question = query.question[0]
    labels = tuple(label.decode("ascii", "replace").lower() for label in question.name.labels[:-1])
    if len(labels) != 5 or labels[2:] != _ZONE:
        response.set_rcode(dns.rcode.NXDOMAIN)
        return response
    try:
        address = services.address(labels[1], labels[0])
    except (OSError, http.client.HTTPException):
        response.set_rcode(dns.rcode.SERVFAIL)
        return response
    if address is None:
        response.set_rcode(dns.rcode.NXDOMAIN)
    elif question.rdtype == dns.rdatatype.A:
        response.answer.append(dns.rrset.from_text(question.name, _TTL_S, "IN", "A", address))
    return response


def serve(address: str, services: Services) -> None:
    """Answers until the process is ended. A packet that is no query is ignored."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind((address, 53))
        while True:
            packet, client = listening.recvfrom(4096)
            try:
                query = dns.message.from_wire(packet)
            except dns.exception.DNSException:
                continue
            if query.question and not query.flags & dns.flags.QR:
                listening.sendto(answer(query, services).to_wire(), client)


if __name__ == "__main__":
    own_address, api_server, pki_folder = sys.argv[1:]
    serve(own_address, Services(api_server, Path(pki_folder)))
