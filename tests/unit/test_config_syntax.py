"""Tokens, grammar, includes and messages, beyond the examples of the specification."""

import pytest

from momentum_node.config.loading import ConfigurationInvalid, load
from momentum_node.config.parser import MAX_DEPTH
from tests.support.configuration import MemoryFiles, loaded, refused, where


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\x01 = 5", "1:2 L003"),
        ('Hostname = "a\0b"', "1:14 L003"),
        ("Hostname = \ud800", ""),
        ("Domain /^a", "1:8 L004"),
        ("Domain /^a b/ {}", "1:8 L004"),
        ("Relay_Hosts = ( 10.0.0.1 ]", "1:26 P004"),
        ("}", "1:1 P004"),
        ('Security { "user" { } }', "1:12 P001"),
        ("Retry_Interval", "1:15 P001"),
        ("Binding b", "1:9 P002"),
        ("Logger a b sometimes {}", "1:12 P008"),
        ("Retry_Interval = ,", "1:18 P005"),
        ('include "nothing.conf"', "1:9 P006"),
        ('include "main.conf"', "1:9 P007"),
        ('include "http://host/x"', "1:9 P006"),
        ("Binding { }", "1:1 S003"),
        ("Retry_Intervall = 5", "1:1 S001"),
        ("Retry_Interval = -5", "1:18 V002"),
        ("TLS = maybe", "1:7 V005"),
        ("Mail_Workers = 17", "1:16 V002"),
        ("ESMTP_Listener = ( *:70000 )", "1:20 V003"),
        ("ESMTP_Listener = ( 10.0.0.1:25 <speed=high> )", "1:33 S002"),
        ("ESMTP_Listener = ( *:25 [ 0.0.0.0/0 = ( sometimes ) ] )", "1:41 S001"),
        ("Binding group {}", "1:9 V001"),
        ("Domain /(a+)+\\1/ {}", "1:8 V004"),
        ("Domain /((ab|b){1000}){9}/ {}", "1:8 V004"),
    ],
)
def test_one_mistake_is_told_once_and_at_its_place(text: str, expected: str) -> None:
    if not expected:
        assert where(refused(text.encode(errors="surrogatepass")).messages[0]) == "1:12 L003"
        return
    assert [where(message) for message in refused(text).messages] == [expected]


@pytest.mark.parametrize("name", [r"/^([a-z]+\.)*a\.test$/", r"/(a+b)+/", r"/^(a|b)+$/", r"/^(\d+-)*x/"])
def test_a_repeat_inside_a_repeat_is_allowed_where_it_is_harmless(name: str) -> None:
    loaded(f"Domain {name} {{}}")


@pytest.mark.parametrize("bracket", ["a{", "a=[a", "a=(a"])
def test_nesting_is_bounded(bracket: str) -> None:
    text = bracket + bracket.removeprefix("a=") * MAX_DEPTH

    assert "nested more than 64 deep" in refused(text).text


def test_values_may_stand_on_the_next_line_and_comments_anywhere() -> None:
    text = "\ufeffRetry_Interval # base\r\n = /* seconds */\r\n\t600#end"

    assert loaded(text).outbound("default", "a").retry_interval_s == 600


def test_strings_keep_unknown_escapes() -> None:
    tree = loaded(r"""Gateway = "a\"b\\c\d\
e"  Hostname = 'x\n"y' """).tree

    assert tree.value("gateway") == r'a"b\c\de'
    assert tree.value("hostname") == r'x\n"y'


def test_at_most_twenty_errors_are_shown_and_all_are_counted() -> None:
    text = refused("\n".join(f"x{number} = 1" for number in range(100, 150))).text

    assert text.count("error:") == 20
    assert text.endswith("\n50 errors, configuration not loaded")


def test_a_syntax_error_in_one_file_does_not_hide_the_others() -> None:
    found = refused('include "a.conf"\ninclude "b.conf"\nTLS = maybe', files={"a.conf": "x y", "b.conf": "("}).messages

    assert [(message.place.file, message.code) for message in found] == [
        ("a.conf", "P002"),
        ("b.conf", "P001"),
        ("main.conf", "V005"),
    ]


def test_a_value_that_is_set_again_names_both_places() -> None:
    (warning,) = loaded("Retry_Interval = 5\nRetry_Interval = 6").warnings

    assert str(warning) == "main.conf:2:1: warning: 'Retry_Interval' replaces the value set at main.conf:1:1 [W02]"


def test_an_include_bomb_is_stopped() -> None:
    files: dict[str, str | bytes] = {"main.conf": "include f0"}
    for number in range(30):
        files[f"f{number}"] = f"include f{number + 1} include f{number + 1} # {'x' * 100_000}"
    files["f30"] = "Retry_Interval = 5 "

    with pytest.raises(ConfigurationInvalid) as caught:
        load("main.conf", MemoryFiles(files))

    assert {message.code for message in caught.value.messages if message.severity == "error"} == {"P007"}


@pytest.mark.parametrize(
    "target",
    ["/var/run/secrets/kubernetes.io/serviceaccount/token", "file:///etc/shadow", "../token", "a/../../token"],
)
@pytest.mark.parametrize("statement", ["include", "readonly_include"])
def test_a_resource_cannot_reach_the_files_of_the_machine(statement: str, target: str) -> None:
    files = MemoryFiles({"main.conf": f'{statement} "{target}"', target: "CONTENT"})

    with pytest.raises(ConfigurationInvalid) as caught:
        load("main.conf", files, contained=True)

    assert [message.code for message in caught.value.messages] == ["P006"]
    assert "CONTENT" not in caught.value.text
    assert files.asked == ["main.conf"]


def test_a_resource_cannot_name_a_file_of_changes() -> None:
    files = MemoryFiles({"main.conf": 'Local_Changes_File = "/etc/shadow"', "/etc/shadow": "secret"})

    with pytest.raises(ConfigurationInvalid):
        load("main.conf", files, contained=True)

    assert files.asked == ["main.conf"]


def test_a_resource_includes_its_own_files() -> None:
    configuration = loaded('include "more.conf"', contained=True, files={"more.conf": "Retry_Interval = 7"})

    assert configuration.outbound("default", "a").retry_interval_s == 7


def test_a_module_that_is_not_shipped_is_skipped_with_a_warning() -> None:
    text = "Module antivirus/clamav clamav { x = y }  Datasource cache { uri = ( a b ) }  snmp { }"

    assert [message.code for message in loaded(text).warnings] == ["W06", "W06", "W06"]
    assert [message.code for message in refused(text, strict=True).messages] == ["W06", "W06", "W06"]


def test_a_stanza_is_no_module() -> None:
    assert [where(message) for message in refused("Logger a/b security { }").messages] == ["1:12 S001"]
