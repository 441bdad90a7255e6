from dataclasses import replace

from hearth_mlx.heartbeat import HeartbeatSettings
from hearth_mlx.parent import ParentSilence

SETTINGS = HeartbeatSettings(interval_ms=1_000, misses=3, silence_limit_ms=30_000, dependent=True)


def test_many_periods_with_a_tick_in_each_end_nothing() -> None:
    silence = ParentSilence(SETTINGS, 0)
    for second in range(1, 100_000):
        silence.heard(second * 1_000 - 300)
        assert silence.look(second * 1_000) is None


def test_the_limit_is_met_and_one_more_is_too_many() -> None:
    silence = ParentSilence(SETTINGS, 0)
    assert [silence.look(second * 1_000) for second in range(1, 32)] == [None] * 30 + ["end"]


def test_a_look_that_comes_late_counts_for_nobody() -> None:
    silence = ParentSilence(SETTINGS, 0)
    silence.look(1_000)
    looks = [silence.look(3_600_000 + second * 1_000) for second in range(32)]
    assert looks == [None] * 31 + ["end"]


def test_an_independent_one_is_told_once_for_each_silence() -> None:
    silence = ParentSilence(replace(SETTINGS, dependent=False), 0)
    assert [silence.look(second * 1_000) for second in range(1, 100)].count("warn") == 1
    silence.heard(100_000)
    assert [silence.look(second * 1_000) for second in range(100, 140)].count("warn") == 1
