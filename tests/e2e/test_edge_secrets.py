"""No secret is ever said: not in a log, a process list, a metric, an answer or an error, whatever goes wrong."""

import asyncio
import re
import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import jwt
import pytest

from deploy.local.broker import Broker
from deploy.local.rabbitmq import Management
from tests.e2e.conftest import Device
from tests.support.balancer import Balancer
from tests.support.publisher import Publisher
from tests.support.services import Service, Services
from tests.support.tokens import HOUR_SECONDS
from tests.support.until import until

PATHS = ("/", "/healthz", "/readyz", "/metrics", "/client.js", "/nothing", "/demo/token?user=alice", "/socket.io/")


@dataclass(slots=True)
class Secrets:
    """Each of them can be told from anything else."""

    jwt_secret: str
    password: str
    tokens: list[str]

    def token(self, user: str, *, lives_seconds: float = HOUR_SECONDS, key: str = "", **claims: object) -> str:
        content = {"sub": user, "exp": time.time() + lives_seconds, "jti": secrets.token_hex(8), **claims}
        self.tokens.append(jwt.encode(content, key or self.jwt_secret, algorithm="HS256"))
        return self.tokens[-1]

    def said_in(self, text: str) -> list[str]:
        """Those that a text gives away. Of a token, claims or signature are enough."""
        parts = {part for token in self.tokens for part in token.split(".")[1:] if len(part) > 20}
        return [secret for secret in (self.jwt_secret, self.password, *parts) if secret in text]


@dataclass(slots=True)
class Scene:
    secrets: Secrets
    services: Services
    gateway: Service
    dispatcher: Service
    proxy: Balancer
    management: Management
    account: str

    async def everything(self) -> str:
        """All that an onlooker can see of both services."""
        seen = [service.log.read_text(errors="replace") for service in self.services.running]
        for service in (self.gateway, self.dispatcher):
            seen.append(Path(f"/proc/{service.pid}/cmdline").read_text())
            seen += [(await service.get(path))[1] for path in PATHS]
        async with aiohttp.ClientSession() as http:
            seen += [await (await http.get(self.gateway.url + path)).text() for path in PATHS]
        return "\n".join(seen)


@pytest.fixture
async def scene(broker: Broker, broker_url: str, tmp_path: Path) -> AsyncIterator[Scene]:
    """Both services at LOG_LEVEL=debug, with a broker account of their own, behind a proxy that can be cut."""
    known = Secrets(f"jwt-{secrets.token_hex(20)}", f"pass-{secrets.token_hex(12)}", [])
    management, account = Management(broker.management_url), f"account-{secrets.token_hex(4)}"
    target = urlsplit(broker_url)
    management.request("PUT", f"/api/users/{account}", {"password": known.password, "tags": ""})
    everything = {"configure": ".*", "write": ".*", "read": ".*"}
    management.request("PUT", f"/api/permissions{target.path}/{account}", everything)
    assert target.port is not None
    try:
        async with Balancer([target.port]) as proxy:
            services = Services(
                f"amqp://{account}:{known.password}@{urlsplit(proxy.url).netloc}{target.path}?heartbeat=5",
                tmp_path,
                by_command=True,  # how they look in a list of processes
            )
            try:
                gateway, dispatcher = await services.pair(LOG_LEVEL="debug", GATEWAY_JWT_SECRET=known.jwt_secret)
                yield Scene(known, services, gateway, dispatcher, proxy, management, account)
            finally:
                await services.end()
    finally:
        management.request("DELETE", f"/api/users/{account}")


async def test_no_secret_is_said_whatever_goes_wrong(scene: Scene, broker_url: str, device: Device, alice: str) -> None:
    known, gateway = scene.secrets, scene.gateway
    phone = device("phone", alice)
    async with Publisher(broker_url) as publisher:
        # All is well.
        await publisher.publish(alice, 1, id="m1")
        await phone.connect(gateway.url, known.token(alice, send="*"))
        await phone.received(["m1"])
        assert (await phone.send("bob", "hello"))["ok"] is True
        answers: list[object] = [
            await phone.renew(known.token(alice, send="*")),
            await phone.renew(known.token("bob")),
            await phone.renew(known.token(alice, key="somebody else's secret of many bytes")),
            await phone.renew(known.token(alice, lives_seconds=-5)),
        ]

        # Tokens that are refused.
        for number, bad in enumerate(
            (
                known.token(alice, lives_seconds=-5),
                known.token("no user id"),
                known.token(alice, key="somebody else's secret of many bytes"),
                known.token(alice) + "x",
                known.token(alice, pad="x" * 20_000),
            )
        ):
            other = device(f"other {number}", alice)
            await other.connect(gateway.url, bad)
            await until(lambda other=other: other.refusals, "a refusal")  # type: ignore[misc]
            answers += other.refusals

        # Frames that are none, with a token in them.
        async with aiohttp.ClientSession() as http:

            async def answer(frame: str) -> object:
                async with http.ws_connect(f"{gateway.url}/socket.io/?EIO=4&transport=websocket") as socket:
                    await socket.send_str(frame.replace("{{", "{").replace("{}", known.token(alice)))
                    return [said.data async for said in socket]

            # Beside each other: the gateway gives some of them ten seconds to log in after all.
            frames = ('40["{}"]', '40{{"token":"{}"', "4{}", '42["renew",{{"token":"{}"}}', "{}")
            answers += await asyncio.gather(*map(answer, frames))
            page = await http.get(f"{gateway.url}/socket.io/?EIO=4&transport=polling&token={known.token(alice)}")
            answers.append(await page.text())

        # The broker goes and comes back, and refuses the password, which somebody has changed.
        await scene.proxy.cut()
        await until(lambda: "everything starts over" in scene.dispatcher.log.read_text(), "the loss in the log")
        await gateway.ready()
        await scene.dispatcher.ready()
        scene.management.request("PUT", f"/api/users/{scene.account}", {"password": "another", "tags": ""})
        await scene.proxy.cut()
        for service in (gateway, scene.dispatcher):
            await service.not_ready(seconds=60)
            await until(lambda service=service: _refused(service), "the refusal in the log", 30)  # type: ignore[misc]

        # Settings that are wrong.
        for wrong in ({"BROKER_URL": f"http://x:{known.password}@host/"}, {"GATEWAY_JWKS_URL": "http://127.0.0.1:1/"}):
            failing = scene.services.gateway(GATEWAY_JWT_SECRET=known.jwt_secret, **wrong)
            assert await failing.ended() == 3

        seen = await scene.everything()

    assert "everything starts over" in seen, "the log is there, with what went wrong"
    assert known.said_in(f"{known.jwt_secret} {known.tokens[0]}")
    assert not known.said_in(seen)
    assert not known.said_in(str(answers))
    assert "Traceback" not in seen


def _refused(service: Service) -> bool:
    return re.search("ACCESS_REFUSED|refused|credentials|login", service.log.read_text(), re.IGNORECASE) is not None
