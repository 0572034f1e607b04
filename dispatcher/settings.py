"""What the dispatcher is told by its environment."""

from pydantic import Field, NonNegativeFloat, PositiveInt

from shared.settings import BrokerSettings, ListenAddress

MOST_WINDOW = 128
"""A gateway remembers 256 confirmed ids of a session, which must be at least twice the window."""


class Settings(BrokerSettings):
    """All of `BrokerSettings`, and what only the dispatcher needs."""

    dispatcher_listen: ListenAddress = Field(
        ListenAddress("127.0.0.1", 8001), description="where /metrics, /healthz and /readyz are served"
    )
    dispatcher_window: PositiveInt = Field(
        32, le=MOST_WINDOW, description="how many messages a user's clients may have unconfirmed at once"
    )
    dispatcher_max_attempts: PositiveInt = Field(
        5, description="after so many tries without a confirmation a message goes to dead-letters"
    )
    dispatcher_linger_seconds: NonNegativeFloat = Field(
        2.0, description="how long a user's messages are held after the last client left; most come straight back"
    )
    dispatcher_drain_seconds: NonNegativeFloat = Field(
        10.0, description="how long the end of the process waits for confirmations in flight"
    )
