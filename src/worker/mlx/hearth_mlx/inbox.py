"""Payloads on their way in, and the messages that wait for them. The Python twin of ``src/ipc/inbox.ts``.

    announced ──parts, or a block──▶ whole: the message is delivered with it
        `── cancelled ──▶ dropped       `── block damaged ──▶ the call fails

Bounded: so many announced messages, of which so many have bytes here; each has at most as many as it announced,
and memory is taken when the first of them come.

Errors: ``ProtocolError`` for all that ``src/ipc/protocol.ts`` does not allow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from .arena import ArenaView, PayloadDamaged
from .frames import ProtocolError, read_json
from .transfers import (
    ARENA_BYTES,
    CARRIERS,
    MAX_PART_BYTES,
    Announcement,
    Block,
    Offer,
    Part,
    parse_announcement,
)

# As many as a worker has slots, and then some.
_ANNOUNCED_MAX: Final = 1_024
# A sender of ours has one.
_BEGUN_MAX: Final = 8


@dataclass(frozen=True, slots=True)
class Whole:
    """A message that waits no more, as it would have stood in one frame."""

    message: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Damaged:
    call: int
    error: PayloadDamaged


class _Waiting:
    def __init__(self, announced: Announcement) -> None:
        self.announced = announced
        self.buffer: bytearray | None = None


class Inbox:
    def __init__(self, answer: Callable[[Mapping[str, Any]], None]) -> None:
        self._answer = answer
        self._waiting: dict[int, _Waiting] = {}
        self._last_id = 0
        self._has_offer = False
        self._view: ArenaView | None = None

    @property
    def is_empty(self) -> bool:
        """No message waits: the bytes may end here."""
        return not self._waiting

    def announce(self, value: Mapping[str, Any]) -> None:
        announced = parse_announcement(value)
        if announced.type not in CARRIERS:
            raise _foreign(f'"{announced.type[:32]}" has a payload')
        if announced.id <= self._last_id:
            raise _foreign(f"the id {announced.id} is not new")
        if self._find(announced.call) is not None:
            raise _foreign(f"call {announced.call} waits for two")
        if len(self._waiting) >= _ANNOUNCED_MAX:
            raise _foreign("too many are announced")
        self._last_id = announced.id
        self._waiting[announced.id] = _Waiting(announced)

    def part(self, part: Part, body: bytes) -> Whole | None:
        """The message whose last part it is."""
        waiting = self._expect(part.payload)
        wanted = waiting.announced.bytes
        filled = 0 if waiting.buffer is None else len(waiting.buffer)
        if not 0 < len(body) <= MAX_PART_BYTES:
            raise _foreign(f"a part has {len(body)} bytes")
        if part.offset != filled:
            raise _foreign("a part does not come in its turn")
        if part.offset + len(body) > wanted:
            raise _foreign("it is longer than announced")
        if waiting.buffer is None:
            if sum(other.buffer is not None for other in self._waiting.values()) >= _BEGUN_MAX:
                raise _foreign("too many have begun")
            waiting.buffer = bytearray()
        waiting.buffer += body
        if len(waiting.buffer) < wanted:
            return None
        del self._waiting[part.payload]
        return _whole(waiting.announced, waiting.buffer)

    def open(self, offer: Offer) -> None:
        if self._has_offer:
            raise _foreign("an arena is offered")
        self._has_offer = True
        try:
            self._view = ArenaView(offer.path)
        except (OSError, ValueError) as error:
            self._answer({"type": "arena_refused", "reason": str(error)})
        else:
            self._answer({"type": "arena_opened"})

    def block(self, block: Block) -> Whole | Damaged:
        waiting = self._expect(block.payload)
        announced = waiting.announced
        if self._view is None:
            raise _foreign("a block is in an arena that is not open")
        if waiting.buffer is not None:
            raise _foreign("it comes in parts and in a block")
        if block.offset + announced.bytes > ARENA_BYTES:
            raise _foreign("a block is outside of its arena")
        del self._waiting[block.payload]
        try:
            payload = self._view.read(block, announced.bytes)
        except PayloadDamaged as error:
            return Damaged(announced.call, error)
        finally:
            self._answer({"type": "release", "payload": block.payload})
        return _whole(announced, payload)

    def drop(self, call: int) -> bool:
        """True when it waited and is no more."""
        found = self._find(call)
        return found is not None and self._waiting.pop(found, None) is not None

    def close(self) -> None:
        """Idempotent."""
        self._waiting.clear()
        if self._view is not None:
            self._view.close()
            self._view = None

    def _expect(self, payload: int) -> _Waiting:
        waiting = self._waiting.get(payload)
        if waiting is None:
            raise _foreign(f"nobody announced payload {payload}")
        return waiting

    def _find(self, call: int) -> int | None:
        return next((id for id, waiting in self._waiting.items() if waiting.announced.call == call), None)


def _whole(announced: Announcement, payload: bytes | bytearray) -> Whole:
    field = CARRIERS[announced.type]
    if field in announced.message:
        raise ProtocolError("message", f"A message has its {field} twice.")
    rest = {name: value for name, value in announced.message.items() if name != "payload"}
    return Whole({**rest, field: read_json(payload)})


def _foreign(what: str) -> ProtocolError:
    return ProtocolError("message", f"A payload where none belongs: {what}.")
