"""Does a live object still say what we wanted? The API server adds fields; it never drops or changes ours by itself."""

from collections.abc import Mapping
from typing import Any

from momentum_operator.names import DIGEST_ANNOTATION


def is_as_wanted(wanted: Mapping[str, Any], live: Mapping[str, Any] | None) -> bool:
    """True when applying `wanted` would change nothing: same digest of the wish, and each wished field is there."""
    if live is None:
        return False
    annotations = live["metadata"].get("annotations") or {}
    stamp = wanted["metadata"].get("annotations", {}).get(DIGEST_ANNOTATION)
    return annotations.get(DIGEST_ANNOTATION) == stamp and _contains(live, wanted)


def _contains(live: Any, wanted: Any) -> bool:
    if isinstance(wanted, Mapping):
        if not isinstance(live, Mapping):
            return not wanted  # the API server leaves empty mappings out
        return all(_contains(live.get(key), value) for key, value in wanted.items())
    if isinstance(wanted, list):
        if not wanted:
            return not live
        if not isinstance(live, list) or len(live) != len(wanted):
            return False
        return all(_contains(one, other) for one, other in zip(live, wanted, strict=True))
    return bool(live == wanted)
