"""Coverage-guided fuzzing of the configuration room, by hand: bytes in, the laws of tests/support in judgement.

    python3 -m venv /tmp/fuzz && /tmp/fuzz/bin/pip install atheris
    PYTHONPATH=.:node nice -n 10 /tmp/fuzz/bin/python tests/fuzz/fuzz_configuration.py load /tmp/corpus \\
        -max_total_time=600 -timeout=20

`load` reads, prints, converts and reads again; `eval` asks for an option (text, NUL, path); `pattern` compiles and
matches an expression (expression, NUL, text). The corpus directory is filled with the examples of tests/golden the
first time; add what you have (`--listings FILE.jsonl`, one object with a `text` a line). Everything after it goes to
libFuzzer. A finding is written to `crash-…` in the current directory; make it a small test before you mend it.
`make test-long` runs the same laws with Hypothesis (tests/properties/test_config_bytes.py).
"""

import argparse
import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

LAWS = {"load": "loads_or_is_refused", "eval": "answers_or_says_why", "pattern": "matches_in_time"}
GOLDEN = Path(__file__).parent.parent / "golden" / "config"
PATTERNS = (r"(^|\.)slow\.test$", "^(a+)+$", r"^b-\d+@", "(a|b|ab)*c", r"(?i)^(\w|ab)*$", "a{3}b*(?=c)(?!d)[^x]")
PATHS = ("Binding b Domain example.test Max_Retries", "ESMTP_Listener Listen *:25 Peer 10.0.0.0/8 Idle_Time")


def main() -> None:
    parser = argparse.ArgumentParser(description="Fuzz the configuration room.")
    parser.add_argument("law", choices=LAWS)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--listings", type=Path, help="further seeds")
    arguments, rest = parser.parse_known_args()
    atheris: Any = importlib.import_module("atheris")
    with atheris.instrument_imports(include=["momentum_node.config"]):
        laws = importlib.import_module("tests.support.configuration_laws")
    arguments.corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds(arguments.law, arguments.listings)):
        (arguments.corpus / f"seed-{number}").write_bytes(seed)
    words = arguments.corpus.parent / f"{arguments.corpus.name}.dict"
    words.write_text("".join(f'"{word}"\n' for word in sorted(vocabulary())))

    options = [f"-dict={words}", "-max_len=4096", *rest]
    atheris.Setup([sys.argv[0], str(arguments.corpus), *options], getattr(laws, LAWS[arguments.law]))
    atheris.Fuzz()


def seeds(law: str, listings: Path | None) -> Iterator[bytes]:
    if law == "pattern":
        yield from (f"{pattern}\0aab".encode() for pattern in PATTERNS)
        return
    texts = [path.read_bytes() for path in sorted(GOLDEN.rglob("*.conf"))]
    if listings is not None:
        texts += [str(json.loads(line)["text"]).encode() for line in listings.read_text().splitlines()]
    for number, text in enumerate(texts):
        yield text + (b"\0" + PATHS[number % len(PATHS)].encode() if law == "eval" else b"")


def vocabulary() -> set[str]:
    from momentum_node.config import schema  # noqa: PLC0415 - only what atheris imported is watched

    options = {option.name for section in schema.SECTIONS.values() for option in section}
    return (
        options | {kind.name for kind in schema.SCOPES.values()} | {"continue", "personality", "replicate", "=(", "}"}
    )


if __name__ == "__main__":
    main()
