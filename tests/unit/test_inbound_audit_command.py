"""The words of `momentum-node inbound_audit show ip`."""

import pytest

from momentum_node.__main__ import main


@pytest.mark.parametrize("command", ["inbound_audit", "inbound-audit"])
def test_its_help_shows_how_it_is_used(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "show", "ip", "--help"])
    assert ended.value.code == 0
    assert "    momentum-node inbound_audit show ip 192.0.2.7\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["show", "ip", "192.0.2.0/33"], "'192.0.2.0/33' is no address and no block: write 192.0.2.7, 192.0.2.0/24"),
        (["show", "ip"], "the following arguments are required: IP[/MASK]"),
        (["shwo", "ip", "192.0.2.7"], "did you mean `show`?"),
        (["show", "ipp", "192.0.2.7"], "did you mean `ip`?"),
    ],
)
def test_what_is_not_understood_is_explained(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["inbound_audit", *words])
    assert ended.value.code == 2
    assert said in capsys.readouterr().err
