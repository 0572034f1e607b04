"""The metrics pages of the services, wherever they are: one address may stand for all containers of that name."""

import asyncio
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field

import aiohttp
from prometheus_client.parser import text_string_to_metric_families
from yarl import URL

from shared.cli.failures import Exit, Failure
from shared.cli.sums import Page

ANSWER_SECONDS = 5.0
_PREFIX = "restante_"


@dataclass(slots=True)
class Pages:
    """`silent` are the addresses that gave no page."""

    gateways: list[Page] = field(default_factory=list)
    dispatchers: list[Page] = field(default_factory=list)
    silent: list[str] = field(default_factory=list)


async def addresses(urls: Sequence[str]) -> list[str]:
    """`http://dispatcher:8001` becomes one for each address that the name has. Raises `Failure`."""
    found: dict[str, None] = {}
    for text in urls:
        try:
            url = URL(text if "://" in text else f"http://{text}")
            host, port, origin = url.host or "", url.port or 80, str(url.origin())
        except ValueError as err:
            raise Failure(f"{text!r} is no address of a service: {err}", Exit.USAGE) from err
        try:
            told = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except ValueError as err:
            raise Failure(f"{text!r} is no address of a service: {err}", Exit.USAGE) from err
        except OSError:  # among containers a name is known only while one of them runs: it will be silent
            found[origin] = None
            continue
        hosts = dict.fromkeys(str(info[4][0]) for info in told)
        # `localhost` is two addresses of one program.
        for one in [host] if host == "localhost" else hosts:
            found[str(url.with_host(one).origin())] = None
    return list(found)


async def read(wanted: Sequence[str]) -> Pages:
    """All of them at once. None raises: who does not answer is `silent`."""
    pages = Pages()
    timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
    async with aiohttp.ClientSession(timeout=timeout) as http:
        answers = await asyncio.gather(*(_page(http, address) for address in wanted))
    for address, page in zip(wanted, answers, strict=True):
        if page is None:
            pages.silent.append(address)
        else:
            (pages.dispatchers if page.is_dispatcher else pages.gateways).append(page)
    return pages


async def _page(http: aiohttp.ClientSession, address: str) -> Page | None:
    try:
        async with http.get(f"{address}/metrics") as response:
            samples = parsed(await response.text()) if response.status == 200 else {}
    except (aiohttp.ClientError, TimeoutError, ValueError):
        return None
    return Page(address, samples) if samples else None


def parsed(text: str) -> dict[str, float]:
    """Raises `ValueError` for what is no metrics page."""
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name.startswith(_PREFIX):
                labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
                name = sample.name.removeprefix(_PREFIX)
                found[f"{name}{{{labels}}}" if labels else name] = sample.value
    return found
