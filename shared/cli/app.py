"""The command line of `restante`: which commands there are, and how each of them ends."""

import logging
from typing import Any

import typer
from typer.core import TyperGroup

from shared.cli import (
    dead_letters,
    disconnect,
    doctor,
    forget,
    inspection,
    listen,
    publish,
    queues,
    tokens,
    top,
    verify,
)
from shared.cli.failures import EPILOG, Failure
from shared.cli.printing import note


class Commands(TyperGroup):
    """Turns a `Failure` of any command into its line and its code."""

    def invoke(self, ctx: Any) -> Any:  # the type of typer's context has no public name
        try:
            return super().invoke(ctx)
        except Failure as err:
            note(f"restante: {err}", "red")
            ctx.exit(err.code)


app = typer.Typer(
    cls=Commands,
    name="restante",
    help="Publish, listen and look: the messages that wait for Socket.IO clients.\n\n"
    "Broker, gateway and secret are those of the environment (BROKER_URL, GATEWAY_URL, GATEWAY_JWT_SECRET, "
    "RABBITMQ_MANAGEMENT_URL, ...), else those of a `make run` in this directory (.run/env).",
    epilog=EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("token", epilog=EPILOG)(tokens.token)
app.command("publish", epilog=EPILOG)(publish.publish)
app.command("listen", epilog=EPILOG)(listen.listen)
app.command("inspect", epilog=EPILOG)(inspection.inspect)
app.command("top", epilog=EPILOG)(top.top)
app.add_typer(dead_letters.app, name="dead-letters")
app.command("disconnect", epilog=EPILOG)(disconnect.disconnect)
app.command("queues", epilog=EPILOG)(queues.queues)
app.command("doctor", epilog=EPILOG)(doctor.doctor)
app.command("forget", epilog=EPILOG)(forget.forget)
app.command("verify", epilog=EPILOG)(verify.verify)


def main() -> None:
    logging.disable()  # what the libraries would log, the commands say in their own words
    app(prog_name="restante")  # however it was started, so that completion finds its variable
