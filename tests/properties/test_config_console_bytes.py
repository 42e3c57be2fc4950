"""Whatever is typed at the console gets an answer, and what is refused changes nothing."""

from hypothesis import given, settings
from hypothesis import strategies as st

from momentum_node.config.words.console import COMMANDS
from tests.support.console import Node

TEXT = """
Retry_Interval = 5
ESMTP_Listener = ( *:25 <duravip="disabled"> [ 0.0.0.0/0 = ( personality [ idle_time = 300 ] relay_hosts ( ::1 ) ) ] )
Binding b { Bind_Address = 10.0.0.1 Binding_Group = g }
Domain /a(b|c)$/ { Retry_Interval = 7 }
cluster { logs [ main = /var/log/main ] replicate [ type = inbound_cidr ] 10.0.0.0/24 [ interface = eth0 ] }
regex_binding2 r { b = "x" }
Debug_Flags { DEBUG = ( dns ) }
"""
NAMES = """
get Binding b new Binding_Group g Domain /a(b|c)$/ a.test Host Listen *:25 [::1]:25 /tmp/x ESMTP_Listener Peer
0.0.0.0/0 ::/0 cluster Topology 10.0.0.0/24 10.0.0.1/24 Replicate inbound_cidr type logs regex_binding2 r Debug_Flags
DEBUG Retry_Interval Idle_Time Bind_Address Match_Domain Relay_Hosts Enable_Duravip Local_Changes_File
Local_Changes_Only nodename include = ( ) [ ] { } < > " ' # \\ 5 -1 true default all /( (a+)+ json xml
"""
WORDS = st.one_of(
    st.sampled_from(NAMES.split()),
    st.sampled_from(["main.conf", "missing.conf", "\0", "\ud800", "\x1b[2J", "\n", "é", "\u2028", ""]),
    st.text(max_size=6),
)
LINES = st.builds(
    lambda command, words: " ".join(["config", command, *words]),
    st.sampled_from([*COMMANDS, "set", "set", "unset", "unset", "begin from scratch", "nonsense"]),
    st.lists(WORDS, max_size=7),
)


@settings(deadline=None, max_examples=80)
@given(st.lists(LINES, min_size=1, max_size=4))
def test_every_line_gets_an_answer(lines: list[str]) -> None:
    node = Node(TEXT)
    anna = node.console()
    for line in lines:
        before = node.generation
        answer = anna(line)
        assert isinstance(answer, str)
        assert anna.status == 0 or node.generation is before
        if anna.status and not answer.startswith("error: "):
            assert answer.split("\n")[-1] in {"Reconfigure failed"} or "configuration not loaded" in answer
