"""Every condition type, condition reason and event reason: one word each, for programs and for search engines."""

from typing import Final

# Condition types, in the order in which `kubectl describe` shows them.
READY: Final = "Ready"
CONFIG_ACCEPTED: Final = "ConfigAccepted"
NODES_AVAILABLE: Final = "NodesAvailable"
HOST_READY: Final = "HostReady"
MEMBERSHIP_AGREED: Final = "MembershipAgreed"
VIPS_ASSIGNED: Final = "VIPsAssigned"
TOO_MANY_NODES: Final = "TooManyNodes"  # only there when it holds
NODE_IN_USE: Final = "NodeInUse"  # only there when it holds
BUS_KEY_ROTATING: Final = "BusKeyRotating"  # only there when it holds

# Reasons of conditions.
AS_DECLARED: Final = "AsDeclared"
DELETING: Final = "Deleting"
INVALID: Final = "Invalid"
NOTHING_ACCEPTED: Final = "NothingAccepted"
REFUSED_BY_NODE: Final = "RefusedByNode"
LOADING: Final = "Loading"
ACCEPTED: Final = "Accepted"
NO_NODES: Final = "NoNodesSelected"
NODES_MISSING: Final = "NodesMissing"
WAITING_FOR_NODES: Final = "WaitingForNodes"
INTERFACE_MISSING: Final = "InterfaceMissing"
BUS_KEY_DIFFERS: Final = "BusKeyDiffers"
VIEWS_DIFFER: Final = "ViewsDiffer"
NO_QUORUM: Final = "NoQuorum"
VIP_WITHOUT_OWNER: Final = "VIPWithoutOwner"
VIP_NOT_SERVED: Final = "VIPNotServed"
VIP_HELD_TWICE: Final = "VIPHeldTwice"

# Reasons of events.
VIP_MOVED: Final = "VIPMoved"
VIPS_MOVED: Final = "VIPsMoved"
VIP_CONFLICT: Final = "VIPConflict"
CONFIG_REJECTED: Final = "ConfigRejected"
CONFIG_LOADED: Final = "ConfigLoaded"
POD_REPLACED: Final = "PodReplaced"
BUS_KEY_ROTATED: Final = "BusKeyRotated"
BUS_KEY_KEPT: Final = "BusKeyKept"
NODES_LEFT_BEHIND: Final = "NodesLeftBehind"
