"""A pickle's opcodes, carried out one by one here instead of by Python's unpickler.

Containers, numbers and texts come of them, and what `resolve` gives for a name; nothing else can be reached. What the
opcodes may allocate follows from how many there are, never from a number in the stream. The opcodes are those that
protocols 0 to 5 use for such objects (`pickletools` has their specification); the others are refused.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from typing import Any, BinaryIO

from ..errors import ModelError

# A pickle of YOLOv5x has about 60,000, a state dict 20 a tensor. Each makes an object of some hundred bytes at most.
MAX_OPCODES = 4_000_000
# Larger integers can be chosen so that their hashes are all the same.
_INT64 = 2**63

_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_LITERALS = {
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"),
    *("SHORT_BINBYTES", "BINBYTES", "BINBYTES8"),
}
_EMPTY: dict[str, Callable[[], Any]] = {"EMPTY_LIST": list, "EMPTY_TUPLE": tuple, "EMPTY_DICT": dict, "EMPTY_SET": set}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_PUTS = ("PUT", "BINPUT", "LONG_BINPUT")
_GETS = ("GET", "BINGET", "LONG_BINGET")


def hashable(value: Any) -> Any:
    """A key of a dictionary or a member of a set.

    Raises:
        ModelError: it is nested, so that its hash could take for ever, or a number beyond 64 bits.
    """
    parts = value if isinstance(value, tuple) else (value,)
    if any(isinstance(part, (tuple, frozenset)) or (isinstance(part, int) and abs(part) > _INT64) for part in parts):
        raise ModelError("a key of a dictionary in it is nested or beyond 64 bits, as no checkpoint's is")
    return value


class Within:
    """A file that never reads past its end: `read` of a buffered file allocates what it is asked for beforehand."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._size = size
        self.tell = file.tell
        self.readline = file.readline

    def read(self, count: int) -> bytes:
        """At most `count` bytes."""
        return self._file.read(min(count, self._size - self._file.tell()))


class Machine:
    """Carries out one pickle.

    Args:
        file: where the pickle starts; it is left where the pickle ends. Its `read` must never give, or allocate, more
            than the file has.
        resolve: what stands for a global, from its module and name. Only what it returns is ever called.
        load: what a persistent id stands for.
        stateful: the classes whose instances take a state, by `__setstate__`.
    """

    def __init__(
        self,
        file: BinaryIO,
        resolve: Callable[[str, str], Any],
        load: Callable[[Any], Any],
        stateful: tuple[type[Any], ...],
    ) -> None:
        self._file = file
        self._resolve = resolve
        self._load = load
        self._stateful = stateful
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}

    def run(self) -> Any:
        """The object that the pickle describes.

        Raises:
            ModelError: an opcode that no checkpoint needs, or more of them than any has.
            Exception: whatever else damage leads to.
        """
        for count, (opcode, argument, _) in enumerate(pickletools.genops(self._file)):
            if count >= MAX_OPCODES:
                raise ModelError(f"its pickle has more than {MAX_OPCODES:,} steps; it is damaged, or made to do harm")
            self._step(opcode.name, argument)
        return self._stack.pop()

    def _step(self, name: str, argument: Any) -> None:
        stack = self._stack
        if name in _LITERALS:
            stack.append(argument)
        elif name in _PUTS:
            if argument > MAX_OPCODES:
                raise ModelError(f"its pickle counts to {argument}; it is damaged, or made to do harm")
            self._memo[argument] = stack[-1]
        elif name in _GETS:
            stack.append(self._memo[argument])
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        elif name in _EMPTY:
            stack.append(_EMPTY[name]())
        elif name in _TUPLES:
            stack[-_TUPLES[name] :] = [tuple(self._last(_TUPLES[name]))]
        else:
            step = getattr(self, f"_{name.lower()}", None)
            if step is None:
                raise ModelError(f"refused: its pickle has the opcode {name}, which no checkpoint needs")
            step(argument)

    def _last(self, count: int) -> list[Any]:
        if len(self._stack) < count:
            raise IndexError("the pickle takes more than it has")
        return self._stack[-count:]

    def _marked(self) -> list[Any]:
        """Takes what was put on the stack since the last mark."""
        start = self._marks.pop()
        items = self._stack[start:]
        del self._stack[start:]
        return items

    def _call(self, function: Any, arguments: Any) -> None:
        if not callable(function) or not isinstance(arguments, tuple):
            raise TypeError(f"a {type(function).__name__} is called with a {type(arguments).__name__}")
        self._stack.append(function(*arguments))

    def _proto(self, argument: int) -> None:
        if argument > 5:
            raise ValueError(f"pickle protocol {argument}")

    def _frame(self, argument: int) -> None:
        """How long the next part of the stream is."""

    def _stop(self, argument: None) -> None:
        """The object is on the stack."""

    def _mark(self, argument: None) -> None:
        self._marks.append(len(self._stack))

    def _pop(self, argument: None) -> None:
        if self._marks and self._marks[-1] == len(self._stack):
            self._marks.pop()
        else:
            self._stack.pop()

    def _pop_mark(self, argument: None) -> None:
        self._marked()

    def _dup(self, argument: None) -> None:
        self._stack.append(self._stack[-1])

    def _memoize(self, argument: None) -> None:
        self._memo[len(self._memo)] = self._stack[-1]

    def _list(self, argument: None) -> None:
        self._stack.append(self._marked())

    def _tuple(self, argument: None) -> None:
        self._stack.append(tuple(self._marked()))

    def _dict(self, argument: None) -> None:
        items = self._marked()
        self._stack.append({})
        self._fill(items)

    def _frozenset(self, argument: None) -> None:
        self._stack.append(frozenset(map(hashable, self._marked())))

    def _append(self, argument: None) -> None:
        self._extend([self._stack.pop()])

    def _appends(self, argument: None) -> None:
        self._extend(self._marked())

    def _extend(self, items: list[Any]) -> None:
        if not isinstance(self._stack[-1], list):
            raise TypeError(f"a {type(self._stack[-1]).__name__} is appended to")
        self._stack[-1].extend(items)

    def _additems(self, argument: None) -> None:
        items = self._marked()
        if not isinstance(self._stack[-1], set):
            raise TypeError(f"a {type(self._stack[-1]).__name__} is added to")
        self._stack[-1].update(map(hashable, items))

    def _setitem(self, argument: None) -> None:
        items = self._last(2)
        del self._stack[-2:]
        self._fill(items)

    def _setitems(self, argument: None) -> None:
        self._fill(self._marked())

    def _fill(self, items: list[Any]) -> None:
        if not isinstance(self._stack[-1], dict):
            raise TypeError(f"a {type(self._stack[-1]).__name__} gets items")
        self._stack[-1].update(zip(map(hashable, items[::2]), items[1::2], strict=True))

    def _global(self, argument: str) -> None:
        self._stack.append(self._resolve(*argument.split(" ", 1)))

    def _stack_global(self, argument: None) -> None:
        module, name = self._last(2)
        if not isinstance(module, str) or not isinstance(name, str):
            raise TypeError("a name in it is no text")
        self._stack[-2:] = [self._resolve(module, name)]

    def _reduce(self, argument: None) -> None:
        function, arguments = self._last(2)
        del self._stack[-2:]
        self._call(function, arguments)

    _newobj = _reduce

    def _newobj_ex(self, argument: None) -> None:
        del self._stack[-1]  # arguments by name: records keep none
        self._reduce(None)

    def _inst(self, argument: str) -> None:
        self._call(self._resolve(*argument.split(" ", 1)), tuple(self._marked()))

    def _obj(self, argument: None) -> None:
        function, *arguments = self._marked()
        self._call(function, tuple(arguments))

    def _build(self, argument: None) -> None:
        owner, state = self._last(2)
        del self._stack[-1]
        if not isinstance(owner, self._stateful):
            raise TypeError(f"a {type(owner).__name__} gets a state")
        owner.__setstate__(state)

    def _binpersid(self, argument: None) -> None:
        self._stack.append(self._load(self._stack.pop()))
