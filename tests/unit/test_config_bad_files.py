"""Files that are no text, are not there, or include each other: an error with its place, never a traceback."""

import errno

import pytest

from momentum_node.config.conversion import convert
from momentum_node.config.loading import ConfigurationInvalid, load
from tests.support.configuration import MemoryFiles, loaded, refused, where


def told(text: str | bytes, files: dict[str, str] | None = None) -> list[str]:
    return [str(message) for message in refused(text, files=files).messages]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"Max_Retries = 5\nGateway = \xff", "main.conf:2:11: error: byte 0xFF is not UTF-8 [L003]"),
        (b"\xff\xfeM\x00a\x00", "main.conf:1:1: error: byte 0xFF is not UTF-8 [L003]"),
        (b'\xef\xbb\xbfGateway = "\xc3"', "main.conf:1:12: error: byte 0xC3 is not UTF-8 [L003]"),
        (
            b"Max_Retries = 5\r\nGateway = a\x00b",
            "main.conf:2:12: error: control character U+0000 is not allowed here [L003]",
        ),
        (b'Gateway = "a\x00b"', "main.conf:1:13: error: a NUL is not allowed in a string [L003]"),
        (b"\x7fELF", "main.conf:1:1: error: control character U+007F is not allowed here [L003]"),
        (b"Domain /a b", "main.conf:1:8: error: regular expression opened here is never closed [L004]"),
        (b"PK\x03\x04", "main.conf:1:3: error: control character U+0003 is not allowed here [L003]"),
    ],
)
def test_what_is_no_text(data: bytes, message: str) -> None:
    assert told(data) == [message]


@pytest.mark.parametrize(
    "data", [b"\xef\xbb\xbfMax_Retries = 5\r\n", b"Max_Retries\r\n= 5", b"# \x00 nothing\nMax_Retries = 5"]
)
def test_marks_of_other_systems_are_no_mistakes(data: bytes) -> None:
    assert loaded(data).outbound("default", "a.test").max_retries == 5


def test_columns_count_characters_behind_a_byte_order_mark_and_carriage_returns() -> None:
    assert [where(one) for one in refused(b"\xef\xbb\xbf\r\n\tMax_Retrys = 5").messages] == ["2:2 S001"]


def test_a_string_of_a_megabyte_without_an_end() -> None:
    text = 'Max_Retries = 5\nGateway = "' + "a" * (1 << 20)
    (message,) = refused(text).messages

    assert str(message) == "main.conf:2:11: error: string opened here is never closed [L001]"
    assert len(refused(text).text) < 1000


def test_an_empty_file_is_a_configuration() -> None:
    assert loaded("").node.listeners == ()
    assert loaded("# nothing\n").node.bindings["default"].name == "default"


def test_files_that_include_each_other() -> None:
    files = {"a.conf": 'include "b.conf"', "b.conf": '\ninclude "a.conf"'}

    assert told('include "a.conf"', files) == [
        "b.conf:2:9: error: 'a.conf' includes itself: main.conf → a.conf → b.conf → a.conf [P007]"
    ]
    assert told('include "main.conf"') == [
        "main.conf:1:9: error: 'main.conf' includes itself: main.conf → main.conf [P007]"
    ]


def test_a_chain_of_includes_has_an_end() -> None:
    files = {f"{number}.conf": f'include "{number + 1}.conf"' for number in range(40)}

    (message,) = told('include "0.conf"', files)
    assert message == "30.conf:1:9: error: includes are nested more than 32 deep [P007]"


def test_an_included_file_that_is_missing_or_is_named_by_nothing() -> None:
    assert told('Domain a { include "b.conf" }\ninclude ""\ninclude "persist:///x"') == [
        "main.conf:1:20: error: included file 'b.conf' is not found [P006]",
        "main.conf:2:9: error: '' is not the name of a file [P006]",
        "main.conf:3:9: error: no reader for 'persist' is registered: 'persist:///x' cannot be included [P006]",
    ]


class Refusing(MemoryFiles):
    """Some files cannot be read."""

    def __call__(self, path: str, /) -> bytes:
        if path.startswith("secret"):
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return super().__call__(path)


def test_a_file_that_may_not_be_read() -> None:
    files = Refusing({"main.conf": 'include "secret.conf"\nMax_Retrys = 5', "secret.conf": ""})

    with pytest.raises(ConfigurationInvalid) as caught:
        load("main.conf", files)
    assert [str(message) for message in caught.value.messages] == [
        "main.conf:1:9: error: 'secret.conf' cannot be read: Permission denied [P006]",
        "main.conf:2:1: error: 'Max_Retrys' is not an option or stanza of scope global [S001]",
    ]
    for read in (load, convert):
        with pytest.raises(ConfigurationInvalid) as caught:
            read("secret.conf", files)
        assert str(caught.value) == "secret.conf:1:1: error: 'secret.conf' cannot be read: Permission denied [P006]"


def test_a_directory_is_no_main_file() -> None:
    with pytest.raises(ConfigurationInvalid) as caught:
        load("conf.d", MemoryFiles({"conf.d/a.conf": ""}))
    assert [message.code for message in caught.value.messages] == ["P006"]
