"""The channel over a pair of sockets, and the inbox behind it."""

from __future__ import annotations

import os
import socket
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hearth_mlx.channel import BacklogError, Channel
from hearth_mlx.engine import Messages, Text
from hearth_mlx.frames import FrameDecoder, ProtocolError, encode_frame
from hearth_mlx.protocol import Generate, ToWorker
from hearth_mlx.transfers import ARENA_BYTES, MAX_PART_BYTES
from test_session import SAMPLING

MIB = 1024 * 1024


class Pair:
    def __init__(self, **options: Any) -> None:
        self.parent, child = socket.socketpair()
        child.setblocking(False)
        self.child = child
        self.messages: list[ToWorker] = []
        self.closed: list[Exception | None] = []
        self.watched = 0
        self.channel = Channel(
            child.fileno(), watch=self._watch, on_message=self.messages.append, on_close=self.closed.append, **options
        )
        self.decoder = FrameDecoder()

    def _watch(self, fd: int, on_ready: Callable[[int], None], events: int) -> None:
        self.on_ready, self.watched = on_ready, events

    def say(self, message: Any, body: bytes | None = None) -> None:
        """All of it arrives, however small the socket is."""
        rest = memoryview(encode_frame(message, body))
        self.parent.setblocking(False)
        while rest:
            rest = rest[self.parent.send(rest[: 64 * 1024]) :]
            self.turn()

    def turn(self) -> None:
        self.on_ready(1)
        self.channel.flush()

    def answers(self) -> list[dict[str, Any]]:
        """That are there now."""
        found: list[dict[str, Any]] = []
        self.parent.setblocking(False)
        try:
            while data := self.parent.recv(MIB):
                found += [frame.message for frame in self.decoder.push(data)]
        except BlockingIOError:
            pass
        return found

    def error(self) -> str:
        [error] = self.closed
        assert isinstance(error, ProtocolError), error
        return str(error)


@pytest.fixture
def pair() -> Iterator[Pair]:
    made = Pair()
    yield made
    made.parent.close()
    made.child.close()


def announcement(id: int, size: int, call: int = 1, **more: Any) -> dict[str, Any]:
    return {
        "type": "generate", "call": call, "requestId": "r", "tenant": "t", "priority": "normal",
        "sampling": SAMPLING, "stops": [], "echo": False, "creditTokens": 1,
        "payload": {"id": id, "bytes": size}, **more,
    }  # fmt: skip


def part(id: int, offset: int) -> dict[str, Any]:
    return {"type": "payload", "payload": id, "offset": offset}


def test_reads_frames_wherever_they_are_cut(pair: Pair) -> None:
    for byte in encode_frame({"type": "tick"}) + encode_frame({"type": "cancel", "call": 3}):
        pair.parent.send(bytes([byte]))
        pair.turn()
    assert [message.type for message in pair.messages] == ["tick", "cancel"]


def test_a_payload_in_parts_is_delivered_when_it_is_whole_and_others_pass(pair: Pair) -> None:
    text = "ä" * 700_000
    payload = ('{"text":"' + text + '"}').encode()
    pair.say(announcement(1, len(payload)))
    pair.say(announcement(2, 11, call=2))
    pair.say(part(1, 0), payload[:MIB])
    pair.say({"type": "tick"})
    pair.say(part(2, 0), b'{"text":""}')
    pair.say(part(1, MIB), payload[MIB:])
    assert [message.type for message in pair.messages] == ["tick", "generate", "generate"]
    jobs = [message.job for message in pair.messages if isinstance(message, Generate)]
    assert [(job.call, job.prompt) for job in jobs] == [(2, Text("")), (1, Text(text))]


def test_a_cancel_before_the_payload_is_whole_ends_both(pair: Pair) -> None:
    pair.say(announcement(1, 100))
    pair.say(part(1, 0), b"{")
    pair.say({"type": "cancel", "call": 1})
    pair.say({"type": "cancel", "call": 1})
    [answer] = pair.answers()
    assert (answer["type"], answer["reason"], answer["promptTokens"]) == ("finished", "cancelled", 0)
    assert [message.type for message in pair.messages] == ["cancel"]
    pair.say(part(1, 1), b"}")
    assert "nobody announced" in pair.error()


def write_arena(path: Path, payload: bytes, *, generation: int = 1, size: int = ARENA_BYTES) -> int:
    crc = zlib.crc32(payload)
    with open(path, "wb") as file:
        file.truncate(size)
        file.write(struct.pack("<IIII", 0x48415231, generation, len(payload), crc) + payload)
    return crc


def test_a_payload_by_the_arena(pair: Pair, tmp_path: Path) -> None:
    payload = b'{"messages":[]}'
    crc = write_arena(tmp_path / "arena", payload)
    pair.say({"type": "arena", "path": str(tmp_path / "arena"), "bytes": ARENA_BYTES})
    assert pair.answers() == [{"type": "arena_opened"}]
    os.unlink(tmp_path / "arena")
    pair.say(announcement(1, len(payload)))
    pair.say({"type": "block", "payload": 1, "offset": 0, "generation": 1, "crc": crc})
    assert pair.answers() == [{"type": "release", "payload": 1}]
    [message] = pair.messages
    assert isinstance(message, Generate)
    assert message.job.prompt == Messages(())


@pytest.mark.parametrize(
    ("change", "words"),
    [({"generation": 2}, "not the one"), ({"crc": 5}, "not the one"), ({"offset": ARENA_BYTES - 20}, "its end")],
)
def test_a_damaged_block_fails_its_call(pair: Pair, tmp_path: Path, change: dict[str, int], words: str) -> None:
    payload = b"{}"
    crc = write_arena(tmp_path / "arena", payload)
    pair.say({"type": "arena", "path": str(tmp_path / "arena"), "bytes": ARENA_BYTES})
    if "offset" in change:
        os.truncate(tmp_path / "arena", ARENA_BYTES - 10)
    pair.say(announcement(1, len(payload)))
    pair.say({"type": "block", "payload": 1, "offset": 0, "generation": 1, "crc": crc, **change})
    [_, release, failed] = pair.answers()
    assert release == {"type": "release", "payload": 1}
    assert failed["error"]["code"] == "payload_damaged"
    assert words in failed["error"]["message"]
    assert pair.closed == []


def test_a_payload_that_was_changed_after_it_was_sealed_fails_its_call(pair: Pair, tmp_path: Path) -> None:
    crc = write_arena(tmp_path / "arena", b'{"text":"a"}')
    with open(tmp_path / "arena", "r+b") as file:
        file.seek(16 + 9)
        file.write(b"b")
    pair.say({"type": "arena", "path": str(tmp_path / "arena"), "bytes": ARENA_BYTES})
    pair.say(announcement(1, 12))
    pair.say({"type": "block", "payload": 1, "offset": 0, "generation": 1, "crc": crc})
    assert "checksum" in pair.answers()[2]["error"]["message"]


@pytest.mark.parametrize("kind", ["missing", "short", "link", "folder"])
def test_an_arena_that_cannot_be_used_is_refused_with_a_reason(pair: Pair, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "arena"
    if kind == "short":
        write_arena(path, b"{}", size=ARENA_BYTES - 1)
    elif kind == "link":
        write_arena(tmp_path / "real", b"{}")
        path.symlink_to(tmp_path / "real")
    elif kind == "folder":
        path.mkdir()
    pair.say({"type": "arena", "path": str(path), "bytes": ARENA_BYTES})
    [answer] = pair.answers()
    assert answer["type"] == "arena_refused"
    assert answer["reason"]
    assert pair.closed == []


@pytest.mark.parametrize(
    ("frames", "words"),
    [
        ([({"type": "tick"}, b"")], "binary frame"),
        ([(part(1, 0), b"x")], "nobody announced payload 1"),
        ([(part(1, 0), None)], "without a body"),
        ([({"type": "release", "payload": 1}, None)], "answers nothing"),
        ([({"type": "arena_refused", "reason": ""}, None)], "answers nothing"),
        ([({"type": "block", "payload": 1, "offset": 0, "generation": 1, "crc": 0}, b"x")], "with a body"),
        ([({"type": "block", "payload": 1, "offset": 0, "generation": 1, "crc": -1}, None)], "crc"),
        ([({"type": "block", "payload": 1, "offset": 0, "generation": 1, "crc": 1}, None)], "nobody announced"),
        ([({"type": "arena", "path": "/", "bytes": 5}, None)], "bytes"),
        ([({"type": "arena", "path": "/", "bytes": ARENA_BYTES}, None)] * 2, "an arena is offered"),
        ([({"type": "cancel", "call": 1, "payload": {"id": 1, "bytes": 1}}, None)], '"cancel" has a payload'),
        ([({"type": "cancel", "call": 1, "payload": None}, None)], "announced in the wrong way"),
        ([(announcement(1, 64 * MIB + 1), None)], "announced in the wrong way"),
        ([(announcement(2, 9), None), (announcement(2, 9, call=2), None)], "id 2 is not new"),
        ([(announcement(2, 9), None), (announcement(3, 9), None)], "call 1 waits for two"),
        ([(announcement(n, 9, call=n), None) for n in range(1, 1026)], "too many are announced"),
        ([(announcement(1, 9), None), (part(1, 0), b"")], "a part has 0 bytes"),
        ([(announcement(1, 9 * MIB), None), (part(1, 0), b"x" * (MAX_PART_BYTES + 1))], "a part has 1048577 bytes"),
        ([(announcement(1, 9), None), (part(1, 1), b"x")], "in its turn"),
        ([(announcement(1, 9), None), (part(1, 0), b"x" * 10)], "longer than announced"),
        (
            [(announcement(n, 9, call=n), None) for n in range(1, 10)] + [(part(n, 0), b"x") for n in range(1, 10)],
            "too many have begun",
        ),
        (
            [
                (announcement(1, 9), None),
                ({"type": "block", "payload": 1, "offset": 0, "generation": 1, "crc": 1}, None),
            ],
            "not open",
        ),
        ([(announcement(1, 9, prompt={"text": ""}), None), (part(1, 0), b'{"a": ""}')], "its prompt twice"),
        ([(announcement(1, 3), None), (part(1, 0), b"xyz")], "not JSON"),
        ([(announcement(1, 2), None), (part(1, 0), b"{}")], "prompt"),
    ],
)
def test_a_breach_is_told_once_and_nothing_is_heard_after_it(
    pair: Pair, frames: list[tuple[Any, bytes | None]], words: str
) -> None:
    for message, body in frames:
        pair.say(message, body)
    assert words in pair.error()
    pair.say({"type": "tick"})
    assert pair.messages == []
    # What is to be said of it still goes out.
    pair.channel.send({"type": "drained"})
    pair.channel.flush()
    assert pair.answers()[-1] == {"type": "drained"}


def test_a_block_outside_of_its_arena_and_one_beside_parts_are_breaches(tmp_path: Path) -> None:
    for offset, first, words in [(ARENA_BYTES - 1, b"", "outside"), (0, b"{", "in parts and in a block")]:
        pair = Pair()
        write_arena(tmp_path / "arena", b"{}")
        pair.say({"type": "arena", "path": str(tmp_path / "arena"), "bytes": ARENA_BYTES})
        pair.say(announcement(1, 2))
        if first:
            pair.say(part(1, 0), first)
        pair.say({"type": "block", "payload": 1, "offset": offset, "generation": 1, "crc": 0})
        assert words in pair.error()


def test_the_end_between_frames_is_clean_and_inside_of_one_is_not(pair: Pair) -> None:
    pair.parent.close()
    pair.turn()
    assert pair.closed == [None]
    cut = Pair()
    cut.parent.send(encode_frame({"type": "tick"})[:-1])
    cut.parent.close()
    cut.turn()
    cut.turn()
    [error] = cut.closed
    assert isinstance(error, ProtocolError)
    assert error.fault == "truncated"
    waits = Pair()
    waits.say(announcement(1, 9))
    waits.parent.close()
    waits.turn()
    assert isinstance(waits.closed[0], ProtocolError)


def test_a_peer_that_does_not_read_is_given_up_once_too_much_waits() -> None:
    pair = Pair(max_buffered_bytes=3 * MIB)
    sent = 0
    while not pair.closed:
        pair.channel.send({"type": "log", "level": "info", "message": "x" * 100_000})
        sent += 1
    [error] = pair.closed
    assert isinstance(error, BacklogError)
    assert 3 * MIB < sent * 100_000 < 5 * MIB
    assert pair.watched == 0


def test_close_waits_until_all_is_written(pair: Pair) -> None:
    written: list[bool] = []
    for _ in range(20):
        pair.channel.send({"type": "log", "level": "info", "message": "x" * 100_000})
    pair.channel.close(lambda: written.append(True))
    pair.channel.send({"type": "drained"})
    answers = []
    while not written:
        pair.turn()
        answers += pair.answers()
    answers += pair.answers()
    assert [answer["type"] for answer in answers] == ["log"] * 20


def test_close_ends_when_nobody_reads_any_more(pair: Pair) -> None:
    written: list[bool] = []
    for _ in range(20):
        pair.channel.send({"type": "log", "level": "info", "message": "x" * 100_000})
    pair.channel.close(lambda: written.append(True))
    pair.parent.close()
    pair.turn()
    assert written == [True]
    assert pair.closed == []
