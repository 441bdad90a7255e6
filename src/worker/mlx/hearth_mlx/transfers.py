"""Payloads, as their messages announce and carry them, below the conversation. The Python twin of ``Transfer`` and
``Announcement`` in ``src/ipc/protocol.ts``, where it is written how they go. A worker sends no payloads, so that
what answers one is never expected here.

Units:  bytes.
Errors: ``ProtocolError`` "message".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from .frames import ProtocolError
from .reading import Refused, integer, mapping, required, text

MAX_PAYLOAD_BYTES: Final = 64 * 1024 * 1024
MAX_PART_BYTES: Final = 1024 * 1024
ARENA_BYTES: Final = 64 * 1024 * 1024

# Messages that may carry a payload → the field that it holds.
CARRIERS: Final[Mapping[str, str]] = {"generate": "prompt"}

_positive: Final = integer(1)
_offset: Final = integer(0, MAX_PAYLOAD_BYTES)
_u32: Final = integer(0, 0xFFFF_FFFF)


@dataclass(frozen=True, slots=True)
class Announcement:
    """All that is looked at before the payload is whole."""

    message: Mapping[str, Any]
    type: str
    call: int
    id: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Part:
    payload: int
    offset: int


@dataclass(frozen=True, slots=True)
class Offer:
    """Of an arena."""

    path: str


@dataclass(frozen=True, slots=True)
class Block:
    payload: int
    offset: int
    generation: int
    # CRC-32 of the payload.
    crc: int


# Of all that is below the conversation.
TRANSFER_TYPES: Final = frozenset({"payload", "arena", "arena_opened", "arena_refused", "block", "release"})


def parse_announcement(value: Mapping[str, Any]) -> Announcement:
    try:
        payload = mapping(value["payload"])
        return Announcement(
            message=value,
            type=required(value, "type", text),
            call=required(value, "call", _positive),
            id=required(payload, "id", _positive),
            bytes=required(payload, "bytes", integer(1, MAX_PAYLOAD_BYTES)),
        )
    except Refused:
        raise ProtocolError("message", "A payload is announced in the wrong way.") from None


def parse_transfer(value: Mapping[str, Any]) -> Part | Offer | Block:
    """One of TRANSFER_TYPES."""
    kind = value["type"]
    try:
        match kind:
            case "payload":
                return Part(required(value, "payload", _positive), required(value, "offset", _offset))
            case "arena":
                required(value, "bytes", integer(ARENA_BYTES, ARENA_BYTES))
                return Offer(required(value, "path", text))
            case "block":
                return Block(
                    payload=required(value, "payload", _positive),
                    offset=required(value, "offset", _offset),
                    generation=required(value, "generation", _u32),
                    crc=required(value, "crc", _u32),
                )
    except Refused as refused:
        raise ProtocolError("message", f'"{kind}": {refused}') from None
    raise ProtocolError("message", f'"{kind}" answers nothing: a worker sends no payloads.')
