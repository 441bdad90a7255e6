from clock import Clock
from hearth_mlx.heartbeat import Beat


def test_timers_fire_in_the_order_of_their_times_and_then_of_asking() -> None:
    clock, fired = Clock(), []
    for name, delay in (("late", 20), ("early", 10), ("also early", 10)):
        clock.timers.after(delay, lambda name=name: fired.append(name))
    cancelled = clock.timers.after(5, lambda: fired.append("never"))
    cancelled.cancel()
    assert clock.timers.wait_ms() == 10
    clock.advance(10)
    assert fired == ["early", "also early"]
    clock.advance(10)
    assert fired == ["early", "also early", "late"]
    assert clock.timers.wait_ms() is None


def test_a_timer_that_is_asked_for_by_another_waits_for_the_next_time() -> None:
    clock, fired = Clock(), []
    clock.timers.after(0, lambda: clock.timers.after(0, lambda: fired.append(1)))
    clock.timers.run_due()
    assert fired == []
    clock.timers.run_due()
    assert fired == [1]


def test_a_beat_does_not_drift_and_makes_up_for_nothing() -> None:
    clock, beats = Clock(), []
    beat = Beat(100, clock.timers, lambda: beats.append(clock.ms))
    clock.advance(250)
    assert beats == [100, 200]
    # Nobody looked for a while: one beat, late, and the next one at its time.
    clock.ms = 570
    clock.timers.run_due()
    clock.advance(130)
    assert beats == [100, 200, 570, 600, 700]
    beat.stop()
    clock.advance(1_000)
    assert len(beats) == 5
