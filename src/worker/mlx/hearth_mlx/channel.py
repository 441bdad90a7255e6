"""The worker's end of the channel: messages over file number 3, checked as they come in. The Python twin of
``src/ipc/channel.ts``, ``sides.ts`` and ``channel-socket.ts``. Belongs to the main thread and never waits.

    open ──close()──▶ closing ──all is written──▶ closed
      \\ `── what is no message: deaf, what comes is thrown away, but we may still speak
       `── I/O error, EOF, backlog ──▶ closed

``on_close`` is called exactly once, without an error when the bytes ended between two frames; no message comes
after it. It is not called for what ends while it is deaf or closing.

What is said leaves with ``flush``, once a turn of the main loop, so that the peer wakes once for all of it.

Errors: ``ProtocolError`` for what arrives and is no message of the protocol; ``BacklogError`` for a peer that does
        not read, once ``max_buffered_bytes`` wait; ``OSError`` as it is. All go to ``on_close``.
"""

from __future__ import annotations

import os
import selectors
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from itertools import islice
from typing import Any, Final, Protocol

from . import from_worker
from .arena import PayloadDamaged
from .engine import CallEnd
from .frames import Frame, FrameDecoder, ProtocolError, encode_frame
from .inbox import Damaged, Inbox, Whole
from .protocol import Cancel, ToWorker, parse_to_worker, type_of
from .transfers import TRANSFER_TYPES, Offer, Part, parse_transfer

# Two of the largest frames: only a peer that has stopped reading gets behind so far.
_MAX_BUFFERED_BYTES: Final = 32 * 1024 * 1024
# More than one read of a socket pair gives.
_READ_BYTES: Final = 256 * 1024
# In one write; the system takes at least 1024.
_PIECES: Final = 64
_LAST_READS: Final = 64
# Not kept for the end of the turn: the socket takes some of it now.
_FLUSH_BYTES: Final = 1024 * 1024


class BacklogError(Exception):
    pass


class Watch(Protocol):
    def __call__(self, fd: int, on_ready: Callable[[int], None], events: int) -> None: ...


class Channel:
    def __init__(
        self,
        fd: int,
        *,
        watch: Watch,
        on_message: Callable[[ToWorker], None],
        on_close: Callable[[Exception | None], None],
        max_buffered_bytes: int = _MAX_BUFFERED_BYTES,
    ) -> None:
        self._fd = fd
        self._watch = watch
        self._on_message = on_message
        self._on_close = on_close
        self._max_buffered_bytes = max_buffered_bytes
        self._decoder = FrameDecoder()
        self._inbox = Inbox(self._write)
        self._pieces: deque[bytes | memoryview] = deque()
        self._buffered_bytes = 0
        self._is_deaf = False
        self._is_closing = False
        self._is_closed = False
        self._on_written: Callable[[], None] | None = None
        self._watch_now()

    def send(self, message: Mapping[str, Any]) -> None:
        if not self._is_closing:
            self._write(message)

    def flush(self) -> None:
        """As much as leaves without waiting; the rest when there is room."""
        while self._pieces and not self._is_closed:
            try:
                written = os.writev(self._fd, list(islice(self._pieces, _PIECES)))
            except BlockingIOError:
                break
            except OSError as error:
                self._settle(error)
                return
            self._take(written)
        self._watch_now()
        if self._is_closing and not self._pieces:
            self._end()

    def close(self, on_written: Callable[[], None]) -> None:
        """Writes what was said. ``on_written`` is called when it has left this process, or never can."""
        self._on_written = on_written
        self._is_closing = True
        if self._is_closed:
            self._end()

    def _write(self, message: Mapping[str, Any]) -> None:
        if self._is_closed:
            return
        frame = encode_frame(message)
        self._pieces.append(frame)
        self._buffered_bytes += len(frame)
        if self._buffered_bytes > _FLUSH_BYTES:
            self.flush()
        if self._buffered_bytes > self._max_buffered_bytes:
            self._settle(
                BacklogError(
                    f"The other end of the channel does not read: {self._buffered_bytes} bytes wait, "
                    f"the limit is {self._max_buffered_bytes}."
                )
            )

    def _take(self, written: int) -> None:
        self._buffered_bytes -= written
        while written > 0:
            piece = self._pieces.popleft()
            if len(piece) > written:
                self._pieces.appendleft(memoryview(piece)[written:])
                return
            written -= len(piece)

    def _on_ready(self, events: int) -> None:
        if events & selectors.EVENT_READ:
            self._read()
        # What there is room for is written at the end of the turn.

    def _read(self) -> None:
        try:
            data = os.read(self._fd, _READ_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            self._settle(error)
            return
        if not data:
            self._settle(self._truncation())
        elif not self._is_deaf:
            self._receive(data)

    def _receive(self, data: bytes) -> None:
        try:
            for frame in self._decoder.push(data):
                self._frame(frame)
                if self._is_closed:
                    return
        except ProtocolError as error:
            self._is_deaf = True
            self._inbox.close()
            self._on_close(error)

    def _frame(self, frame: Frame) -> None:
        message = frame.message
        if type_of(message) in TRANSFER_TYPES:
            self._transfer(message, frame.body)
        elif frame.body is not None:
            raise ProtocolError("message", "A binary frame where none belongs.")
        elif isinstance(message, dict) and "payload" in message:
            self._inbox.announce(message)
        else:
            self._deliver(parse_to_worker(message))

    def _transfer(self, message: Mapping[str, Any], body: bytes | None) -> None:
        transfer = parse_transfer(message)
        if isinstance(transfer, Part):
            if body is None:
                raise ProtocolError("message", 'A "payload" without a body.')
            self._arrived(self._inbox.part(transfer, body))
        elif body is not None:
            raise ProtocolError("message", f'"{message["type"]}" with a body.')
        elif isinstance(transfer, Offer):
            self._inbox.open(transfer)
        else:
            self._arrived(self._inbox.block(transfer))

    def _arrived(self, arrival: Whole | Damaged | None) -> None:
        if isinstance(arrival, Damaged):
            self.send(_damaged(arrival.call, arrival.error))
        elif arrival is not None:
            self._deliver(parse_to_worker(arrival.message))

    def _deliver(self, message: ToWorker) -> None:
        if isinstance(message, Cancel) and self._inbox.drop(message.call):
            self.send(_cancelled(message.call))
        else:
            self._on_message(message)

    def _truncation(self) -> ProtocolError | None:
        if self._is_deaf or (self._decoder.is_at_boundary and self._inbox.is_empty):
            return None
        return ProtocolError("truncated", "The channel ended inside a frame or a payload.")

    def _settle(self, error: Exception | None) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        self._pieces.clear()
        self._inbox.close()
        self._watch(self._fd, self._on_ready, 0)
        if not self._is_deaf and not self._is_closing:
            self._on_close(error)
        if self._is_closing:
            self._end()

    def _end(self) -> None:
        on_written, self._on_written = self._on_written, None
        if on_written is None:
            return
        # What lies unread when a socket is closed is an error to the other end.
        with suppress(OSError):
            for _ in range(_LAST_READS):
                if not os.read(self._fd, _READ_BYTES):
                    break
        on_written()

    def _watch_now(self) -> None:
        if self._is_closed:
            return
        writes = selectors.EVENT_WRITE if self._pieces else 0
        self._watch(self._fd, self._on_ready, selectors.EVENT_READ | writes)


def _damaged(call: int, error: PayloadDamaged) -> from_worker.Report:
    return from_worker.failed(call, "payload_damaged", str(error))


def _cancelled(call: int) -> from_worker.Report:
    return from_worker.finished(
        CallEnd(call=call, reason="cancelled", prompt_tokens=0, cached_tokens=0, generated_tokens=0)
    )
