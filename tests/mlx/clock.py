"""Time that passes when a test says so."""

from hearth_mlx.timers import Timers


class Clock:
    def __init__(self) -> None:
        self.ms = 0.0
        self.timers = Timers(lambda: self.ms)

    def advance(self, ms: float) -> None:
        """Each timer at its time."""
        end = self.ms + ms
        while (wait := self.timers.wait_ms()) is not None and self.ms + wait <= end:
            self.ms += wait
            self.timers.run_due()
        self.ms = end
