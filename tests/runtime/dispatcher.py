"""How the IOCs of the tests run their on_update functions; they import it from beside them."""

from __future__ import annotations

import threading
from queue import SimpleQueue


class Dispatcher:
    """Runs on_update functions one after the other in a thread of its own."""

    def __init__(self) -> None:
        self.queue: SimpleQueue = SimpleQueue()
        threading.Thread(target=self.run, daemon=True).start()

    def run(self) -> None:
        while True:
            func, args, done, done_args = self.queue.get()
            func(*args)
            if done:
                done(*done_args)

    def __call__(self, func, func_args=(), completion=None, completion_args=()) -> None:
        self.queue.put((func, func_args, completion, completion_args))
