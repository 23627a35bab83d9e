"""Reading ahead and writing behind: order, bounds, exceptions, and ends."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from vitruvian.errors import InputError
from vitruvian.media import Frame
from vitruvian.media.threads import Background, prefetch


def eventually(condition, seconds: float = 3.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.005)
    return bool(condition())


def helpers() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name in ("vitruvian-prefetch", "vitruvian-background")]


def test_prefetch_keeps_the_order_and_ends():
    assert list(prefetch(range(100), 3)) == list(range(100))
    assert list(prefetch([], 1)) == []
    assert eventually(lambda: not helpers())


@pytest.mark.parametrize("depth", [1, 3])
def test_prefetch_makes_at_most_depth_items_ahead(depth):
    made = []

    def items():
        for i in range(20):
            made.append(i)
            yield i

    reader = prefetch(items(), depth)
    for taken in range(1, 6):
        next(reader)
        assert eventually(lambda taken=taken: len(made) == taken + depth)
        time.sleep(0.03)
        assert len(made) == taken + depth
    reader.close()


def test_prefetch_runs_beside_its_consumer():
    names = set()

    def items():
        names.add(threading.current_thread().name)
        yield 1

    list(prefetch(items(), 1))
    assert names == {"vitruvian-prefetch"}


def test_prefetch_raises_at_the_right_place():
    def items():
        yield 1
        yield 2
        raise KeyError("three")

    reader = prefetch(items(), 5)
    assert next(reader) == 1
    time.sleep(0.05)
    assert next(reader) == 2
    with pytest.raises(KeyError, match="three"):
        next(reader)


def test_prefetch_closed_early_closes_the_inner_generator():
    closed = threading.Event()

    def items():
        try:
            while True:
                yield 0
        finally:
            closed.set()

    reader = prefetch(items(), 2)
    next(reader)
    reader.close()
    assert closed.is_set()
    assert eventually(lambda: not helpers())


def test_prefetch_passes_a_keyboard_interrupt_on():
    def items():
        raise KeyboardInterrupt
        yield

    with pytest.raises(KeyboardInterrupt):
        list(prefetch(items(), 1))


def test_prefetch_of_the_newest_drops_what_nobody_took_and_keeps_the_last():
    made = threading.Event()

    def numbers():
        yield 0
        yield from range(1, 100)
        made.set()

    items = prefetch(numbers(), 1, newest=True)
    first = next(items)
    assert made.wait(5)
    rest = list(items)
    assert first < 100
    assert rest == ([] if first == 99 else [99])


def test_prefetch_of_the_newest_keeps_the_order_of_a_slow_source():
    def slow():
        for number in range(5):
            time.sleep(0.05)
            yield number

    found = list(prefetch(slow(), 1, newest=True))
    assert found == sorted(set(found))
    assert found[-1] == 4


def picture(mebibytes: int) -> Frame:
    return Frame(np.zeros((mebibytes, 1024, 1024), np.uint8), "a", 0)


@pytest.mark.parametrize(("mebibytes", "ahead"), [(200, 1), (300, 0), (100, 2), (1, 8)])
@pytest.mark.parametrize("wrap", [lambda frame: frame, lambda frame: ([frame], None), lambda frame: (1, frame.image)])
def test_prefetch_reads_less_ahead_where_pictures_are_large(mebibytes, ahead, wrap):
    """256 MiB may be in use before the next is begun, with the one that the consumer has."""
    one, made = picture(mebibytes), []

    def items():
        while True:
            made.append(None)
            yield wrap(one)

    reader = prefetch(items(), 8)
    for taken in range(1, 4):
        next(reader)
        assert eventually(lambda taken=taken: len(made) == taken + ahead)
        time.sleep(0.03)
        assert len(made) == taken + ahead
    reader.close()
    assert eventually(lambda: not helpers())


def test_background_waits_where_pictures_are_large():
    go, done = threading.Semaphore(0), []

    def write(frame, poses):
        go.acquire()
        done.append(poses)

    submitted = []

    def submit():
        with Background(write, 8) as background:
            for number in range(4):
                background.submit(picture(200), number)
                submitted.append(number)

    thread = threading.Thread(target=submit, daemon=True)
    thread.start()
    for written in range(3):
        assert eventually(lambda written=written: len(submitted) == min(written + 2, 4))
        time.sleep(0.03)
        assert len(submitted) == min(written + 2, 4)
        go.release()
    go.release()
    thread.join(5)
    assert done == [0, 1, 2, 3]


def test_prefetch_needs_a_depth():
    with pytest.raises(InputError, match="depth is 0"):
        prefetch([1], 0)


def test_background_runs_in_order_and_close_waits():
    seen = []

    def slow(value):
        time.sleep(0.01)
        seen.append(value)

    with Background(slow, 2) as background:
        for i in range(10):
            background.submit(i)
    assert seen == list(range(10))
    assert eventually(lambda: not helpers())


def test_background_blocks_while_full():
    gate = threading.Event()
    background = Background(lambda: gate.wait(5), 2)
    submitted = []

    def fill():
        for i in range(5):
            background.submit()
            submitted.append(i)

    filler = threading.Thread(target=fill)
    filler.start()
    # One runs, two wait, the fourth blocks.
    assert eventually(lambda: len(submitted) == 3)
    time.sleep(0.1)
    assert len(submitted) == 3
    gate.set()
    filler.join(5)
    background.close()
    assert len(submitted) == 5


def test_background_failure_comes_out_of_submit_and_close():
    ran = []

    def fail_at_two(value):
        ran.append(value)
        if value == 2:
            raise OSError("disk full")

    background = Background(fail_at_two, 1)

    def submit_many():
        for i in range(1000):
            background.submit(i)

    with pytest.raises(OSError, match="disk full"):
        submit_many()
    with pytest.raises(OSError, match="disk full"):
        background.submit(0)
    with pytest.raises(OSError, match="disk full"):
        background.close()
    background.close()
    assert ran == [0, 1, 2]
    with pytest.raises(InputError, match="after close"):
        background.submit(1)


def test_background_lets_the_error_of_the_body_through():
    def fail():
        raise OSError("second")

    def body():
        with Background(fail) as background:
            background.submit()
            raise ValueError("first")

    with pytest.raises(ValueError, match="first"):
        body()
