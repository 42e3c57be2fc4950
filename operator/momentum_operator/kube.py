"""The Kubernetes API as we use it: plain objects in, plain objects out. The only module that imports `kubernetes`."""

import json
import socket
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import urlencode

from aiohttp import ClientError, TCPConnector
from kubernetes.aio import config
from kubernetes.aio.client import ApiClient, Configuration
from kubernetes.aio.client.exceptions import ApiException
from kubernetes.aio.client.rest import RESTClientObject

from momentum_operator.names import API_VERSION, FIELD_MANAGER

Object = dict[str, Any]

_PLURALS: Final = {
    "ConfigMap": ("v1", "configmaps"),
    "Secret": ("v1", "secrets"),
    "Pod": ("v1", "pods"),
    "Node": ("v1", "nodes"),
    "Event": ("v1", "events"),
    "DaemonSet": ("apps/v1", "daemonsets"),
    "Job": ("batch/v1", "jobs"),
    "ServiceCIDR": ("networking.k8s.io/v1", "servicecidrs"),
    "Lease": ("coordination.k8s.io/v1", "leases"),
    "MomentumCluster": (API_VERSION, "momentumclusters"),
    "DuraVIP": (API_VERSION, "duravips"),
}
TIMEOUT_S: Final = 20.0
UNACKNOWLEDGED_S: Final = 4
"""The kernel forgets what it could not deliver for so long (tcp(7), TCP_USER_TIMEOUT). Without it a write that was sent
into a cut cable would arrive when the cable is whole again, after another replica has begun to work."""


class KubeError(Exception):
    """The API server said no; `status` is the HTTP status, 0 when it could not be reached."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Kube:
    """A connection to the API server."""

    def __init__(self, client: ApiClient, may_write: Callable[[], bool] = lambda: True) -> None:
        self._client = client
        self._may_write = may_write

    def fenced(self, may_write: Callable[[], bool]) -> "Kube":
        """The same connection; it refuses to write while `may_write()` is False. Not to be closed by itself."""
        return Kube(self._client, may_write)

    @staticmethod
    async def connect(kubeconfig: str | None = None) -> "Kube":
        """In a pod with its service account, else with the kubeconfig (`KUBECONFIG` or the default file)."""
        configuration = Configuration()
        try:
            if kubeconfig is not None:
                raise config.ConfigException  # noqa: TRY301 - the caller has named a file
            config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
        except config.ConfigException:
            await config.load_kube_config(kubeconfig, client_configuration=configuration)  # type: ignore[no-untyped-call]
        client = ApiClient(configuration)
        client.rest_client = _Rest(configuration)
        return Kube(client)

    async def close(self) -> None:
        """Release the connections."""
        await self._client.close()  # type: ignore[no-untyped-call]

    async def get(self, kind: str, name: str, namespace: str | None = None) -> Object | None:
        """One object, or None when there is none."""
        return await self._maybe("GET", _path(kind, namespace, name))

    async def list(self, kind: str, namespace: str | None = None, selector: str = "") -> list[Object]:
        """All objects of a kind, of one namespace or of all, with these labels."""
        query = {"labelSelector": selector} if selector else {}
        found = await self._call("GET", _path(kind, namespace), query)
        return list(found["items"])

    async def apply(self, value: Mapping[str, Any], *, subresource: str = "") -> Object:
        """Server-side apply; what others set in the same fields gives way."""
        metadata = value["metadata"]
        path = _path(value["kind"], metadata.get("namespace"), metadata["name"], subresource)
        query = {"fieldManager": FIELD_MANAGER, "force": "true"}
        return await self._call("PATCH", path, query, dict(value), "application/apply-patch+yaml")

    async def merge(self, kind: str, name: str, namespace: str | None, body: Mapping[str, Any]) -> Object | None:
        """JSON merge patch; None when the object is gone."""
        path = _path(kind, namespace, name)
        return await self._maybe("PATCH", path, {}, dict(body), "application/merge-patch+json")

    async def create(self, value: Mapping[str, Any]) -> Object:
        """Create an object. Raises `KubeError` 409 when it is there already."""
        path = _path(value["kind"], value["metadata"].get("namespace"))
        return await self._call("POST", path, {"fieldManager": FIELD_MANAGER}, dict(value))

    async def replace(self, value: Mapping[str, Any]) -> Object:
        """Replace an object of the same resourceVersion. Raises `KubeError` 409 when somebody was faster."""
        metadata = value["metadata"]
        return await self._call(
            "PUT", _path(value["kind"], metadata.get("namespace"), metadata["name"]), {}, dict(value)
        )

    async def delete(self, kind: str, name: str, namespace: str | None) -> None:
        """Delete an object and, after it, what it owns; that it is gone already is fine."""
        await self._maybe("DELETE", _path(kind, namespace, name), {"propagationPolicy": "Background"})

    async def _maybe(self, method: str, path: str, *rest: Any) -> Object | None:
        try:
            return await self._call(method, path, *rest)
        except KubeError as error:
            if error.status == 404:
                return None
            raise

    async def _call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Object | None = None,
        content_type: str = "application/json",
    ) -> Object:
        if method != "GET" and not self._may_write():
            raise KubeError(0, "this replica does not hold the lease: nothing is written")
        headers = {"Accept": "application/json", "Content-Type": content_type}
        await self._client.update_params_for_auth(headers, [], ["BearerToken"], path, method, body)
        url = self._client.configuration.host + path + (f"?{urlencode(query)}" if query else "")
        try:
            response = await self._client.call_api(method, url, headers, body, _request_timeout=TIMEOUT_S)
            data = await response.read()  # type: ignore[no-untyped-call]
        except ApiException as error:
            raise KubeError(error.status or 0, _message(error.body or b"") or str(error.reason)) from error
        except (OSError, TimeoutError, ClientError) as error:
            raise KubeError(0, f"the API server does not answer: {error!r}") from error
        if response.status >= 400:
            raise KubeError(response.status, _message(data) or f"HTTP {response.status} for {method} {path}")
        answer: Object = json.loads(data) if data else {}
        return answer


class _Rest(RESTClientObject):
    """The client's own connections, on sockets of ours."""

    def _create_connector(self) -> TCPConnector:
        return TCPConnector(limit=self.maxsize, ssl=self.ssl_context, socket_factory=_socket)


def _socket(info: tuple[Any, ...]) -> socket.socket:
    """A socket for aiohttp, which gives the first fields of `getaddrinfo`."""
    family, kind, protocol, *_ = info
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED_S * 1000)
    return made


def _path(kind: str, namespace: str | None, name: str = "", subresource: str = "") -> str:
    version, plural = _PLURALS[kind]
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    place = f"/namespaces/{namespace}" if namespace else ""
    return root + place + "/" + "/".join(part for part in (plural, name, subresource) if part)


def _message(body: bytes | str) -> str:
    try:
        return str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return ""
