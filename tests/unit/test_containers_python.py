"""`make up` runs with the machine's Python, which may be too old."""

import subprocess
import sys


def test_an_old_python_is_told_in_a_sentence_how_to_name_another() -> None:
    old = "import sys; sys.version_info = (3, 9, 2); sys.version = '3.9.2 (main)'; import deploy.containers"

    ended = subprocess.run([sys.executable, "-c", old], check=False, capture_output=True, text=True, timeout=60)

    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
    assert "this is 3.9.2" in ended.stderr
    assert "make up PYTHON=" in ended.stderr
