"""The page of all options is what the tables say."""

from pathlib import Path

import pytest

from momentum_node.config import schema
from momentum_node.config.reference import page
from momentum_node.config.source import Report, Sources
from momentum_node.config.syntax import Scalar
from momentum_node.config.values import decode

PAGE = Path(__file__).parent.parent.parent / "docs" / "configuration-reference.md"
OPTIONS = [option for options in schema.SECTIONS.values() for option in options]


def test_the_committed_page_is_made_from_the_tables() -> None:
    assert PAGE.read_text() == page(), "run: python -m momentum_node.config.reference > docs/configuration-reference.md"


def test_every_option_has_its_columns() -> None:
    assert {option.priority for option in OPTIONS} == {"P0", "P1", "P2"}
    assert {option.source for option in OPTIONS} == set(schema.SOURCES)
    assert all(option.meaning and option.scopes for option in OPTIONS)


def test_identity_and_the_spools_place_need_a_restart() -> None:
    fixed = {option.name for option in OPTIONS if not option.dynamic}

    assert {option.name for option in schema.options_in("security")} <= fixed
    assert {"SpoolBase", "Pidfile", "Mail_Workers", "Stack_Size"} <= fixed
    assert not {"Bind_Address", "Idle_Time", "Hostname", "Enable_Duravip"} & fixed


@pytest.mark.parametrize(
    "option", [option for option in OPTIONS if option.default is not None], ids=lambda one: one.name
)
def test_a_default_fits_its_type(option: schema.Option) -> None:
    report = Report(Sources())

    decode(option.name, option.type, Scalar(option.default or ""), report)

    assert not report.error_count
