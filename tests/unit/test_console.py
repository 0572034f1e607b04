"""The README is a test; so what reads it must be one too."""

from tests.support.console import Command, commands

PAGE = """
# A page

```console
$ make run
Ready: http://127.0.0.1:8000/

$ restante publish alice \\
> '{"text": "hello"}'
```

```sh
not this
```

```console
$ restante listen alice
alice ... hello
```
"""


def test_commands_are_found_with_what_they_print() -> None:
    assert commands(PAGE) == [
        Command("make run", ("Ready: http://127.0.0.1:8000/",)),
        Command("""restante publish alice '{"text": "hello"}'"""),
        Command("restante listen alice", ("alice ... hello",)),
    ]


def test_what_was_printed_is_compared_in_order_and_with_gaps() -> None:
    command = Command("", ("alice ... hello", "bye"))

    assert command.missing("noise\nalice   m1 hello\nmore\nbye\n") is None
    assert command.missing("alice m1 hello\n") == "bye"
    assert command.missing("bye\nalice m1 hello\n") == "bye"
    assert command.missing("") == "alice ... hello"
