"""Shell completion of `restante`, as a real bash gets it."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.services import ROOT

pytestmark = pytest.mark.timeout(300)  # processes and brokers start slowly on a loaded machine

RESTANTE = shlex.join([sys.executable, "-c", "from shared.cli import main; main()"])
ENDS = "; exit"
"""Without a command behind it, bash would become the one it runs, and no shell would be there to be found."""


def bash(script: str, home: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "--norc", "-c", script],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "HOME": str(home), "TERM": "dumb"},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


def test_bash_is_shown_how_to_complete(tmp_path: Path) -> None:
    shown = bash(f"{RESTANTE} --show-completion{ENDS}", tmp_path)

    assert shown.returncode == 0, shown.stderr
    assert "complete -o default -F _restante_completion restante" in shown.stdout


def test_bash_takes_what_it_is_shown_and_completes_with_it(tmp_path: Path) -> None:
    command = tmp_path / "restante"
    command.write_text(f'#!/bin/sh\nexec {RESTANTE} "$@"\n')
    command.chmod(0o755)
    script = f"""
        PATH={tmp_path}:$PATH
        eval "$(restante --show-completion)"
        COMP_WORDS=(restante dead-letters s); COMP_CWORD=2
        _restante_completion restante
        echo "completed: ${{COMPREPLY[*]}}"
    """
    done = bash(script, tmp_path)

    assert "completed: show" in done.stdout, done


@pytest.mark.parametrize(("word", "whole"), [("to", {"token", "top"}), ("dead", {"dead-letters"}), ("doc", {"doctor"})])
def test_the_first_word_is_completed_to_a_command(word: str, whole: set[str], tmp_path: Path) -> None:
    asked = f"_RESTANTE_COMPLETE=complete_bash COMP_WORDS='restante {word}' COMP_CWORD=1 {RESTANTE}"

    assert set(bash(asked, tmp_path).stdout.split()) == whole
