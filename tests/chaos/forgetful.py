"""Clients that lose what they had not confirmed: a page that is reloaded, an application that dies with its storage."""

import asyncio
from random import Random

from tests.chaos.device import Device
from tests.chaos.mishaps import Break
from tests.chaos.stage import Stage

AT_ONCE = 3


async def clients_forget_what_they_had_not_confirmed(stage: Stage, random: Random) -> None:
    """They vanish with messages that they kept, and come back with their `seen`, with an empty one, or without."""
    devices = random.sample(stage.devices, AT_ONCE)
    for device in devices:
        device.answer_after(None)
    await asyncio.sleep(random.uniform(0.5, 3.0))
    away = [random.uniform(0.0, 3.0) for _ in devices]
    keep_seen = [random.random() < 1 / 3 for _ in devices]
    await asyncio.gather(*(_again(stage, *fate) for fate in zip(devices, away, keep_seen, strict=True)))


async def clients_lose_their_callbacks(stage: Stage, random: Random) -> None:
    """They stay, and can never answer what came meanwhile: it must come again after the confirm timeout."""
    devices = random.sample(stage.devices, AT_ONCE)
    for device in devices:
        device.keeps_callbacks = False
    await asyncio.sleep(random.uniform(1.0, 4.0))
    for device in devices:
        device.keeps_callbacks = True


async def _again(stage: Stage, device: Device, seconds: float, keep_seen: bool) -> None:
    async with device.moving:
        await device.vanish()
        device.connected = False
        device.answer_after(0.0)
        if not keep_seen:
            device.forget()
        await asyncio.sleep(seconds)
        await stage.come(device)


FORGETFUL: list[Break] = [clients_forget_what_they_had_not_confirmed, clients_lose_their_callbacks]
