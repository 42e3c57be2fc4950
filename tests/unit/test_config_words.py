"""The `config` commands, word by word (configuration §13)."""

import json
from xml.etree import ElementTree as ET

import pytest

from momentum_node.config.paths import PathFault
from momentum_node.config.transactions import Session
from momentum_node.config.words.console import COMMANDS, run
from momentum_node.config.words.line import split
from tests.support.configuration import loaded
from tests.support.console import console

TEXT = """
Hostname = mx.test
Retry_Interval = 5
ESMTP_Listener {
  Idle_Time = 300
  Listen ":25" { Peer 10.0.0.0/8 { Idle_Time = 60 } }
  Listen "[::1]:25" {}
}
Binding b { Bind_Address = 10.0.0.1 Domain "/a:b$/" { Retry_Interval = 7 } }
Relay_Hosts = ( 10.0.0.0/8 )
cluster { logs = [ main = /var/log/main ] Topology 10.0.0.0/24 { interface = eth0 } }
"""


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("config get Hostname", 'Hostname = "mx.test"'),
        ("CONFIG GET HOSTNAME", 'Hostname = "mx.test"'),
        ("config get ESMTP_Listener Idle_Time", "\tIdle_Time = 300"),
        ("config get esmtp_listener listen *:25 peer 10.1.2.3/8 idle_time", "\tIdle_Time = 60"),
        ("config get ESMTP_Listener Listen [::1]:25 Enable", None),
        ("config get Binding b Domain /a:b$/ Retry_Interval", "\tRetry_Interval = 7"),
        ("config get cluster logs", '\tlogs = [ main = "/var/log/main" ]'),
        ("config get Binding c Retry_Interval", "Option 'Retry_Interval' is not set in scope 'Binding c'."),
        ("config get Max_Retries", "Option 'Max_Retries' is not set in scope 'global'."),
        ("config eval Binding c Retry_Interval", "Retry_Interval = 5"),
        ("config eval Binding b Domain xa:b Retry_Interval", "Retry_Interval = 7"),
        ("config show Binding b", 'Binding "b" {\n  Bind_Address = "10.0.0.1"\n  Domain "/a:b$/" { ... }\n}'),
        ("config show Binding default", 'Binding "default" {\n}'),
        ("config show ESMTP_Listener Idle_Time", "\tIdle_Time = 300"),
        (
            "config show ESMTP_Listener",
            'ESMTP_Listener {\n  Idle_Time = 300\n  Listen ":25" { ... }\n  Listen "[::1]:25" { ... }\n}',
        ),
        (
            "config showrecurse ESMTP_Listener Listen :25",
            'ESMTP_Listener {\n  Listen "*:25" {\n    Peer "10.0.0.0/8" {\n      Idle_Time = 60\n    }\n  }\n}',
        ),
        (
            "config locate Listen ^:25",
            'Listen ":25"\n  is at ESMTP_Listener::Listen:\\:25:',
        ),
        ("config locate domain a:b", 'Domain "/a:b$/"\n  is at Binding:b:Domain:/a\\:b$/:'),
        ("config locate Listen nothing", "No Listen is found."),
        ("config unset Binding b Domain /a:b$/", "Binding b Domain /a:b$/ has been unset: 1 option."),
        ("config unset Hostname", None),
        ("config unset Max_Retries", "Option 'Max_Retries' is not set in scope 'global'."),
    ],
)
def test_answers(line: str, answer: str | None) -> None:
    anna = console(TEXT)

    said = anna(line)

    assert anna.status == 0
    if answer is not None:
        assert said == answer


@pytest.mark.parametrize(
    ("line", "refused"),
    [
        ("config", None),
        ("config help", None),
        ("config frobnicate", "'frobnicate' is not a config command; known are get, eval, set"),
        ("config gte Hostname", "'gte' is not a config command; did you mean `config get`?"),
        ("config get", "the name of an option is missing"),
        ("config get Hostnam", "'Hostnam' is not an option of scope global; did you mean `Hostname`?"),
        ("config get Binding", "scope Binding needs an instance name"),
        ("config get Bindin b Bind_Address", "'Bindin' is not a scope of global; did you mean `Binding`?"),
        ("config set Bindin b Bind_Address 1", "'Bindin' is not an option of scope global; did you mean `Binding`?"),
        ("config get Topology 10.0.0.0/8 interface", "scope Topology does not stand in global (valid in: cluster)"),
        ("config set Topology 10.0.0.0/8 interface x", "scope Topology does not stand in global (valid in: cluster)"),
        ("config set Binding b Idle_Time 5", "'Idle_Time' is not valid in scope Binding (valid in: ESMTP_Listener"),
        ("config set Hostname", "the value of 'Hostname' is missing"),
        ("config set Retry_Interval soon", "'Retry_Interval' needs a number of seconds, not 'soon'"),
        ("config set Retry_Interval 5 6", "'Retry_Interval' takes one value here, not 2 words; a value that has"),
        ("config set Relay_Hosts 10.0.0.0/8 ::1", "'Relay_Hosts' takes one value here, not 2 words; a list is written"),
        ("config set Relay_Hosts = ( 10.0.0.0/8", "the value of 'Relay_Hosts' cannot be read: '(' is never closed"),
        ("config set Relay_Hosts = ( x )", "'x' is not an address or CIDR"),
        ('config set Hostname "a', "a quote is opened at column 21 and never closed"),
        ("config set ESMTP_Listener Listen a:b:c Enable 1", "'a:b:c' is not an endpoint"),
        ("config show Bindin b", "'Bindin' is not a scope of global; did you mean `Binding`?"),
        ("config show Binding c", "Binding c is not in the configuration; did you mean `b`?"),
        ("config unset", "`config unset` takes an option or a scope; the whole configuration cannot be unset"),
        ("config unset Binding default", "Binding default is built in and cannot be unset"),
        ("config unset Binding c", "Binding c is not in the configuration"),
        ("config locate Lissen", "'Lissen' is not a scope; did you mean `Listen`?"),
        ("config locate Listen (", "regular expression does not compile: "),
        ("config begin now", "it is `config begin` or `config begin from scratch`"),
        ("config commit it", "`config commit` takes no further word"),
        ("config reload a b", "`reload` takes one file, not 2 words"),
        ("mailq", "it is `config COMMAND` or `write config`"),
    ],
)
def test_refusals_say_what_to_do(line: str, refused: str | None) -> None:
    anna = console(TEXT)

    said = anna(line)

    if refused is None:
        assert {word.split()[1] for word in said.splitlines()} == set(COMMANDS)
        return
    assert anna.status == 1
    assert said.startswith(f"error: {refused}")
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("config set Hostname = a.test", 'Hostname = "a.test"'),
        ("config set Hostname=a.test", 'Hostname = "a.test"'),
        ('config set Hostname "a # b"', 'Hostname = "a # b"'),
        ("config set Relay_Hosts = ( 10.0.0.0/8 '192.168.0.0/16' )", 'Relay_Hosts = ( "10.0.0.0/8" "192.168.0.0/16" )'),
        ("config set Relay_Hosts 10.0.0.0/8", 'Relay_Hosts = ( "10.0.0.0/8" )'),
        ("config set cluster logs [ a = /x b = '/y z' ]", '\tlogs = [ a = "/x" b = "/y z" ]'),
        ("config set Binding new Domain New.Test. Retry_Interval 9", "\tRetry_Interval = 9"),
    ],
)
def test_lines_can_be_pasted_from_a_file(line: str, answer: str) -> None:
    anna = console(TEXT)

    assert anna(line).splitlines()[0] == answer
    assert anna.status == 0


def test_a_shell_gives_a_list_in_one_word() -> None:
    anna = console(TEXT)

    words = ["config", "set", "Relay_Hosts", '( "10.0.0.0/8" ::1 )']
    answer = run(words, Session(), anna.node.generation, 0.0)

    assert answer.text == 'Relay_Hosts = ( "10.0.0.0/8" "::1" )'


def test_unset_says_what_counts_now() -> None:
    anna = console(TEXT)

    said = anna("config unset ESMTP_Listener Listen :25 Peer 10.0.0.0/8 Idle_Time")

    assert said == '"Idle_Time" has been unset. Effective value is now:\n\tIdle_Time = 300'


def test_what_is_shown_in_full_reads_back_the_same() -> None:
    anna = console(TEXT)

    assert loaded(anna("config showrecurse")).tree == anna.node.generation.loaded.tree
    assert loaded(anna("write config")).tree == anna.node.generation.loaded.tree
    inner = loaded(anna("config showrecurse Binding b Domain /a:b$/")).tree
    assert [scope.name for scope in inner.children.values()] == ["Binding"]


def test_json_and_xml_say_the_same() -> None:
    anna = console(TEXT)

    answer = json.loads(anna("json config get Binding b Bind_Address"))
    assert answer == {
        "status": 0,
        "scope": [{"name": "Binding", "instance": "b"}],
        "option": "Bind_Address",
        "value": "10.0.0.1",
    }
    tree = ET.fromstring(anna("xml config get Binding b Bind_Address"))  # noqa: S314 - our own text
    assert (tree.findtext("option"), tree.findtext("value")) == ("Bind_Address", "10.0.0.1")
    assert json.loads(anna("json config get Nonsense"))["status"] == 1
    assert json.loads(anna("json config show"))["text"].startswith("Hostname")
    places = json.loads(anna("json config locate Topology"))["places"]
    assert places == [{"scope": 'Topology "10.0.0.0/24"', "place": "cluster::Topology:10.0.0.0/24:"}]
    weird = console('Hostname = "<a&b>"')
    assert ET.fromstring(weird("xml config get Hostname")).findtext("value") == "<a&b>"  # noqa: S314


def test_quoted_words_are_one_word() -> None:
    assert split('config set Hostname "a \\"b" # said') == ["config", "set", "Hostname", 'a "b']
    assert split("a='b c'(d)") == ["a", "=", "b c", "(", "d", ")"]
    with pytest.raises(PathFault):
        split("'never closed")


def test_write_config_writes_one_file() -> None:
    anna = console(TEXT)

    assert anna("write config all.conf") == "all.conf written"

    data = anna.node.disk.files["all.conf"]
    assert isinstance(data, bytes)
    assert loaded(data).tree == anna.node.generation.loaded.tree


def test_writeback_to_another_file_leaves_the_main_file() -> None:
    anna = console("Retry_Interval = 5\n")
    anna("config set Retry_Interval 6")

    assert anna("config writeback copy.conf") == "copy.conf written"

    assert anna.node.disk.files["copy.conf"] == b"Retry_Interval = 6\n"
    assert anna.node.disk.files["main.conf"] == "Retry_Interval = 5\n"
    assert anna("config writeback") == "main.conf written"
    assert anna("config writeback") == "Nothing to write: the files have all changes."
