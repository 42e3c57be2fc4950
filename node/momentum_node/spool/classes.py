"""Reads the files of classification rules that a generation names. One that cannot be used is left out, loudly."""

from pathlib import Path

from momentum_node.errors import ConfigurationError
from momentum_node.log import logger
from momentum_node.spool.classification import Classifier, Rule, parse_rules
from momentum_node.spool.lookup import Lookup


def classifier_of(lookup: Lookup) -> Classifier:
    """The classifier of a generation (`Bounce_Classifications`)."""
    rules: list[Rule] = []
    given = lookup.tree.value("bounce_classifications")
    for path in given if isinstance(given, tuple) else ():
        try:
            rules += parse_rules(Path(str(path)).read_text(encoding="utf-8", errors="replace"), str(path))
        except (ConfigurationError, OSError) as error:
            logger().error("a file of bounce classes is left out", reason=str(error))
    return Classifier(tuple(rules))
