"""Pieces of work that need not wait for each other, a few at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


@contextmanager
def lanes(
    items: Sequence[Item], work: Callable[[Item], Result], at_once: int
) -> Iterator[Iterator[tuple[Item, Future[Result]]]]:
    """Every item with what comes of it, in their order. Who fails meanwhile waits for what has begun; no more begins.

    Who interrupts waits for nothing: for that the executors of Python's library have no way.
    """
    futures: list[Future[Result]] = [Future() for _ in items]
    waiting: SimpleQueue[tuple[Item, Future[Result]]] = SimpleQueue()
    for pair in zip(items, futures, strict=True):
        waiting.put(pair)

    def lane() -> None:
        while pair := _next(waiting):
            item, future = pair
            try:
                future.set_result(work(item))
            except Exception as error:  # noqa: BLE001 - raised where the result is asked for
                future.set_exception(error)

    threads = [Thread(target=lane, daemon=True) for _ in range(min(at_once, len(items)))]
    for thread in threads:
        thread.start()
    try:
        yield zip(items, futures, strict=True)
    except Exception:
        while _next(waiting):
            pass
        for thread in threads:
            thread.join()
        raise


def _next(waiting: SimpleQueue[Item]) -> Item | None:
    with suppress(Empty):
        return waiting.get_nowait()
    return None
