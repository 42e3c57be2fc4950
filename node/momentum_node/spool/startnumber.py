"""The start number of a shard: new and durable at every start of its worker, so that no message id is given twice."""

import json

from momentum_node.errors import SpoolError
from momentum_node.spool.disk import Disk, replace_file
from momentum_node.spool.message import next_start
from momentum_node.spool.segment import FORMAT, READABLE_FORMATS


def begin(disk: Disk, folder: str, minutes: int) -> int:
    """The number of this start, kept in `shard.json`. Raises `SpoolError` when the shard is of a newer format."""
    number = next_start(_stored(disk, folder), minutes)
    replace_file(disk, folder, "shard.json", json.dumps({"format": FORMAT, "start": number}).encode())
    return number


def _stored(disk: Disk, folder: str) -> int | None:
    if "shard.json" not in disk.list(folder):
        return None
    file = disk.open(f"{folder}/shard.json")
    try:
        state = json.loads(file.read(4096, 0))
        version, start = int(state["format"]), int(state["start"])
    except (ValueError, KeyError, TypeError):
        return None  # the minutes since the epoch stand in for it
    finally:
        file.close()
    if version not in READABLE_FORMATS:
        raise SpoolError(f"{folder} has format {version}, which this version does not read")
    return start
