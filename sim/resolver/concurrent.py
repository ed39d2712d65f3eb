"""Steps of several queries at the same time, as one sequence of steps."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from minidns.stub.protocol import Event, Send, Wait

T = TypeVar("T")


@dataclass(slots=True)
class _Part(Generic[T]):
    """One of several sequences of steps."""

    steps: Generator[Wait, Event, T]
    sockets: set[int]
    """Source ports that it has sent from."""
    until: float = 0.0
    results: tuple[T, ...] = ()
    """The result, once there is one."""

    def advance(self, event: Event | None) -> tuple[Send, ...]:
        """Handle an event, or start; return what to send."""
        try:
            wait = next(self.steps) if event is None else self.steps.send(event)
        except StopIteration as done:
            self.results = (done.value,)
            return ()
        self.until = wait.until
        self.sockets.update(send.source for send in wait.sends)
        return wait.sends

    def concerns(self, event: Event) -> bool:
        """Return whether the event is one of its sockets, or its time-out."""
        if self.results:
            return False
        if event.reply or event.failure:
            return event.source in self.sockets
        return self.until <= event.now


def together(
    sequences: Sequence[Generator[Wait, Event, T]],
) -> Generator[Wait, Event, list[T]]:
    """Run all sequences at once; return their results in the same order."""
    parts = [_Part(steps, set()) for steps in sequences]
    sends = [send for part in parts for send in part.advance(None)]
    while waiting := [part for part in parts if not part.results]:
        event = yield Wait(tuple(sends), min(part.until for part in waiting))
        sends = []
        for part in parts:
            if part.concerns(event):
                sends += part.advance(event)
    return [part.results[0] for part in parts]
