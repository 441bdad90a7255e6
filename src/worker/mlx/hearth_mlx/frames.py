"""Frames: how messages stand in the bytes of a channel. The Python twin of ``src/ipc/codec.ts``.

    u32 length (LE) of all that follows
    u8  kind          0 JSON, 1 JSON header and binary body
    kind 0            JSON, UTF-8
    kind 1            u32 header length (LE), JSON header, UTF-8, body, may be empty

Units:  bytes. ``length`` is at most 16 MiB: larger things travel in parts.
Errors: ``ProtocolError`` for bytes that are no frame; the decoder is useless afterwards, because
        nobody knows where the next frame begins. ``PayloadTooLarge`` for a message that does not
        fit into a frame.
Source: both twins are held to ``tests/fixtures/ipc/vectors.json``, which says byte by byte what
        they must read and write.

Standard library only: a worker says hello before it imports anything heavy.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal, NoReturn

MAX_FRAME_BYTES: Final = 16 * 1024 * 1024

_LENGTH: Final = struct.Struct("<I")
_LENGTH_BYTES: Final = _LENGTH.size
_PREFIX_BYTES: Final = _LENGTH_BYTES + 1
_KIND_JSON: Final = 0
_KIND_BINARY: Final = 1
_LONE_SURROGATE: Final = re.compile("[\ud800-\udfff]")

# "message" is a frame that is well made and holds no message of the protocol.
Fault = Literal["length", "kind", "encoding", "json", "message", "truncated"]


class ProtocolError(Exception):
    """Bytes that are no frame, or no message. ``fault`` says which rule they break."""

    def __init__(self, fault: Fault, message: str) -> None:
        super().__init__(message)
        self.fault: Final = fault


class PayloadTooLarge(Exception):
    """A message that does not fit into a frame."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What one frame held. ``body`` is None for kind 0 and may be empty for kind 1."""

    message: Any
    body: bytes | None = None


def encode_frame(message: Any, body: bytes | None = None) -> bytes:
    """One frame; of kind 1 when there is a body. The same bytes as JavaScript would write."""
    text = json.dumps(message, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    # Half a surrogate pair has no UTF-8; JSON has an escape for it, and JSON.stringify uses it.
    text = _LONE_SURROGATE.sub(lambda hit: f"\\u{ord(hit.group()):04x}", text)
    payload = text.encode("utf-8")
    if body is None:
        return _prefix(1 + len(payload), _KIND_JSON) + payload
    length = 1 + _LENGTH_BYTES + len(payload) + len(body)
    return _prefix(length, _KIND_BINARY) + _LENGTH.pack(len(payload)) + payload + body


def _prefix(length: int, kind: int) -> bytes:
    if length > MAX_FRAME_BYTES:
        raise PayloadTooLarge(f"The message takes {length} bytes and a frame holds at most {MAX_FRAME_BYTES}.")
    return _LENGTH.pack(length) + bytes([kind])


class FrameDecoder:
    """Takes bytes as they come and finds the frames in them, wherever they were cut."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._failure: ProtocolError | None = None

    @property
    def is_at_boundary(self) -> bool:
        """True between frames: the bytes may end here."""
        return not self._buffer

    def push(self, data: bytes) -> Iterator[Frame]:
        """Yields the frames that are complete now. After an error every call raises it again."""
        if self._failure is not None:
            raise self._failure
        self._buffer += data
        try:
            yield from self._frames()
        except ProtocolError as error:
            self._failure = error
            raise

    def _frames(self) -> Iterator[Frame]:
        at = 0
        try:
            while len(self._buffer) - at >= _LENGTH_BYTES:
                (length,) = _LENGTH.unpack_from(self._buffer, at)
                _check_length(length)
                end = at + _LENGTH_BYTES + length
                if len(self._buffer) < end:
                    return
                frame = bytes(self._buffer[at + _LENGTH_BYTES : end])
                at = end
                yield _read_frame(frame)
        finally:
            # Once per push, not once per frame: taking from the front moves all the rest.
            del self._buffer[:at]


def _check_length(length: int) -> None:
    if length == 0:
        raise ProtocolError("length", "A frame has the length 0.")
    if length > MAX_FRAME_BYTES:
        raise ProtocolError("length", f"A frame claims {length} bytes, the limit is {MAX_FRAME_BYTES}.")


def _read_frame(frame: bytes) -> Frame:
    """Reads what follows the length."""
    kind = frame[0]
    if kind == _KIND_JSON:
        return Frame(read_json(frame[1:]))
    if kind != _KIND_BINARY:
        raise ProtocolError("kind", f"A frame has the kind {kind}, which is not known.")
    if len(frame) < _PREFIX_BYTES:
        raise ProtocolError("length", f"A binary frame has {len(frame)} bytes, too few.")
    (header_bytes,) = _LENGTH.unpack_from(frame, 1)
    body_at = _PREFIX_BYTES + header_bytes
    if body_at > len(frame):
        raise ProtocolError("length", "The header of a binary frame is longer than the frame.")
    return Frame(read_json(frame[_PREFIX_BYTES:body_at]), frame[body_at:])


def read_json(data: bytes | bytearray) -> Any:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ProtocolError("encoding", "A frame is not UTF-8.") from error
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        # Without the cause: it quotes what was read, which may be a prompt.
        raise ProtocolError("json", f"A frame of {len(data)} bytes is not JSON.") from None


def _refuse_constant(name: str) -> NoReturn:
    """NaN and the infinities are Python's own: JSON has no such numbers."""
    raise ValueError(name)
