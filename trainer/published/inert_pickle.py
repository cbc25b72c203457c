"""Reading a pickle without running it: what it would build stays data, what it would call stays a name.

A pickle is a program for a small stack machine. This one takes the instructions from the standard library's
disassembler and never imports, looks up or calls anything: a name is kept as `Name`, a call as `Call`, and even these
only where the caller's list allows the name. Only short keys are hashed and nothing is copied, so that no file can keep
it busy or make it large beyond the file's own size. Knows nothing of torch.
"""

import pickletools
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import IO, Any, Final

from phenostream.engine.errors import BadInput

MOST_INSTRUCTIONS: Final = 2_000_000
"""A published checkpoint has 6,000."""
MAPPINGS: Final = frozenset(
    {"collections.OrderedDict", "collections.defaultdict", "collections.Counter"}
)
"""Calls that make a dict: they become a plain one."""
_LONGEST_KEY: Final = 1024


class Malformed(Exception):
    """Not a pickle, cut short, or one that no `pickle.dump` of plain data writes; the text says which."""


@dataclass(frozen=True, slots=True)
class Name:
    """What a real unpickler would have imported, such as ``torch.FloatStorage``."""

    dotted: str


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """What a real unpickler would have called, and with what."""

    name: str
    arguments: tuple[Any, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Persistent:
    """A reference to something outside the pickle, such as a tensor's storage."""

    key: Any


def read_pickle(file: IO[bytes], allowed: Collection[str]) -> Any:
    """The value of the one pickle that begins where the file stands; the file is left behind its end.

    Args:
        file: Open for reading.
        allowed: Dotted names that may be mentioned.

    Returns:
        None, numbers, text, bytes, tuples, lists (sets too), dicts, `Name`, `Call` and `Persistent`.

    Raises:
        BadInput: It mentions another name, and which. Nothing was imported.
        Malformed: It is no pickle of plain data.
    """
    machine = _Machine(allowed)
    try:
        for count, (opcode, argument, _) in enumerate(pickletools.genops(file)):
            if opcode.name == "STOP":
                return machine.pop()
            if count == MOST_INSTRUCTIONS:
                raise Malformed(f"more than {MOST_INSTRUCTIONS} instructions")
            machine.step(opcode.name, argument)
    except (ValueError, IndexError, OverflowError, MemoryError) as err:
        raise Malformed(" ".join(str(err).split())[:120] or type(err).__name__) from err
    raise Malformed("no end")


class _Machine:
    """The stack; each step takes an instruction's argument, if it has one."""

    def __init__(self, allowed: Collection[str]) -> None:
        self._allowed = allowed
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}

    def step(self, name: str, argument: Any) -> None:
        """One instruction by the disassembler's name for it."""
        if name in _VALUES:
            self._stack.append(argument)
        elif name in _CONSTANTS:
            self._stack.append(_CONSTANTS[name])
        elif name in _STEPS:
            _STEPS[name](self, argument)
        elif name not in ("PROTO", "FRAME"):
            raise Malformed(f"instruction {name} has no place in a checkpoint")

    def pop(self) -> Any:
        """The top of the stack."""
        if not self._stack:
            raise Malformed("takes from an empty stack")
        return self._stack.pop()

    def _top(self, *kinds: type) -> Any:
        if not self._stack or not isinstance(self._stack[-1], kinds):
            raise Malformed("adds to something that takes no items")
        return self._stack[-1]

    def since_mark(self) -> list[Any]:
        if not self._marks or self._marks[-1] > len(self._stack):
            raise Malformed("has no mark where one is needed")
        start = self._marks.pop()
        items = self._stack[start:]
        del self._stack[start:]
        return items

    def mark(self, _: Any) -> None:
        self._marks.append(len(self._stack))

    def drop_to_mark(self, _: Any) -> None:
        self.since_mark()

    def drop(self, _: Any) -> None:
        self.pop()

    def put(self, index: Any) -> None:
        self._memo[len(self._memo) if index is None else index] = self._top(object)

    def get(self, index: Any) -> None:
        if index not in self._memo:
            raise Malformed(f"refers to value {index}, which is not there")
        self._stack.append(self._memo[index])

    def fresh_list(self, _: Any) -> None:
        self._stack.append([])

    def fresh_dict(self, _: Any) -> None:
        self._stack.append({})

    def make_list(self, _: Any) -> None:
        self._stack.append(self.since_mark())

    def make_tuple(self, _: Any) -> None:
        self._stack.append(tuple(self.since_mark()))

    def short_tuple(self, size: int) -> None:
        items = [self.pop() for _ in range(size)]
        self._stack.append(tuple(reversed(items)))

    def make_dict(self, _: Any) -> None:
        self._stack.append(_paired(self.since_mark()))

    def append(self, _: Any) -> None:
        item = self.pop()
        self._top(list).append(item)

    def appends(self, _: Any) -> None:
        items = self.since_mark()
        self._top(list).extend(items)

    def set_item(self, _: Any) -> None:
        value, key = self.pop(), self.pop()
        self._top(dict)[_key(key)] = value

    def set_items(self, _: Any) -> None:
        items = _paired(self.since_mark())
        self._top(dict).update(items)

    def name(self, argument: str) -> None:
        """A name, given as module and name with a space between."""
        dotted = argument.replace(" ", ".", 1)
        if dotted not in self._allowed:
            shown = dotted if dotted.isprintable() and len(dotted) <= 80 else ascii(dotted[:80])
            raise BadInput(
                f"mentions {shown}; a checkpoint may hold tensors and plain numbers only; nothing was run"
            )
        self._stack.append(Name(dotted))

    def stack_global(self, _: Any) -> None:
        name, module = self.pop(), self.pop()
        if not all(isinstance(part, str) and len(part) <= _LONGEST_KEY for part in (name, module)):
            raise Malformed("a name that is no text")
        self.name(f"{module} {name}")

    def instance(self, argument: str) -> None:
        """How protocol 0 names and calls in one instruction; nothing that is allowed is written so."""
        self.name(argument)
        raise Malformed("an instance of a class")

    def call(self, _: Any) -> None:
        arguments, function = self.pop(), self.pop()
        if not isinstance(function, Name) or not isinstance(arguments, tuple):
            raise Malformed("calls something that has no name")
        self._stack.append(_made(function.dotted, arguments))

    def build(self, _: Any) -> None:
        """State for an object: of no use here, for objects are not made."""
        self.pop()
        self._top(Call, dict)

    def persistent(self, _: Any) -> None:
        self._stack.append(Persistent(self.pop()))


def _made(name: str, arguments: tuple[Any, ...]) -> Any:
    """A dict, where a dict is made, never a copy of one that is there; a record of the call otherwise."""
    if name not in MAPPINGS:
        return Call(name, arguments)
    last = arguments[-1] if arguments else None
    return last if isinstance(last, dict) else {}


def _paired(items: list[Any]) -> dict[Any, Any]:
    if len(items) % 2:
        raise Malformed("a key without a value")
    return {_key(key): value for key, value in zip(items[::2], items[1::2], strict=True)}


def _key(key: Any) -> Any:
    """A key that is hashed at once, whatever the file is: plain and short, or a short tuple of such."""
    for part in key if isinstance(key, tuple) and len(key) <= 8 else (key,):
        if isinstance(part, (str, bytes)):
            short = len(part) <= _LONGEST_KEY
        else:
            short = isinstance(part, (float, Name, type(None))) or (
                isinstance(part, int) and part.bit_length() <= 64
            )
        if not short:
            raise Malformed("a key that is neither a short text nor a number")
    return key


_VALUES: Final = frozenset(
    {"INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"}
    | {"STRING", "BINSTRING", "SHORT_BINSTRING"}
    | {"UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"}
    | {"BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"}
)
"""Instructions whose argument is the value."""
_CONSTANTS: Final[dict[str, Any]] = {
    "NONE": None,
    "NEWTRUE": True,
    "NEWFALSE": False,
    "EMPTY_TUPLE": (),
}
_STEPS: Final[dict[str, Callable[[_Machine, Any], None]]] = {
    "MARK": _Machine.mark,
    "POP": _Machine.drop,
    "POP_MARK": _Machine.drop_to_mark,
    "PUT": _Machine.put,
    "BINPUT": _Machine.put,
    "LONG_BINPUT": _Machine.put,
    "MEMOIZE": _Machine.put,
    "GET": _Machine.get,
    "BINGET": _Machine.get,
    "LONG_BINGET": _Machine.get,
    "EMPTY_LIST": _Machine.fresh_list,
    "EMPTY_SET": _Machine.fresh_list,
    "EMPTY_DICT": _Machine.fresh_dict,
    "LIST": _Machine.make_list,
    "FROZENSET": _Machine.make_tuple,
    "TUPLE": _Machine.make_tuple,
    "TUPLE1": lambda machine, _: machine.short_tuple(1),
    "TUPLE2": lambda machine, _: machine.short_tuple(2),
    "TUPLE3": lambda machine, _: machine.short_tuple(3),
    "DICT": _Machine.make_dict,
    "APPEND": _Machine.append,
    "APPENDS": _Machine.appends,
    "ADDITEMS": _Machine.appends,
    "SETITEM": _Machine.set_item,
    "SETITEMS": _Machine.set_items,
    "GLOBAL": _Machine.name,
    "INST": _Machine.instance,
    "STACK_GLOBAL": _Machine.stack_global,
    "REDUCE": _Machine.call,
    "NEWOBJ": _Machine.call,
    "BUILD": _Machine.build,
    "BINPERSID": _Machine.persistent,
}
"""Every other instruction there is a use for. Copying the top (DUP) and calls with keywords (NEWOBJ_EX) are not."""
