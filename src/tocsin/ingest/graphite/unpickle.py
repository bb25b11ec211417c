"""A reader of pickles that can make lists, tuples, texts, bytes and numbers, and nothing else.

Python's own reader runs what a pickle tells it to run. This one is a machine of its own with the
opcodes of plain data; no name can be looked up, nothing can be called, and no opcode takes more
memory than the bytes it stands in allow.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, Final

from tocsin.errors import BadInputError

__all__ = ["loads"]

#: Carbon's pickles have marks within marks three deep.
_DEEPEST: Final = 16
#: Reading digits costs the square of their number.
_MOST_DIGITS: Final = 1_000
_CODE: Final = {
    ord(letter): name
    for letter, name in {
        "c": "GLOBAL", "i": "INST", "o": "OBJ", "R": "REDUCE", "b": "BUILD", "P": "PERSID",
        "Q": "BINPERSID", "d": "DICT", "}": "EMPTY_DICT", "s": "SETITEM", "u": "SETITEMS",
        "\x81": "NEWOBJ", "\x82": "EXT1", "\x83": "EXT2", "\x84": "EXT4", "\x92": "NEWOBJ_EX",
        "\x93": "STACK_GLOBAL", "\x8f": "EMPTY_SET", "\x90": "ADDITEMS", "\x91": "FROZENSET",
        "\x96": "BYTEARRAY8", "\x97": "NEXT_BUFFER", "\x98": "READONLY_BUFFER",
    }.items()
}  # fmt: skip


def loads(data: bytes) -> Any:
    """The object that a pickle of protocol 0 to 5 describes.

    Errors: `BadInputError` for whatever is no such pickle, or asks for more than plain data.
    Memory: below 150 bytes for each byte of ``data``. Cost: about 0.2 µs an opcode.
    """
    machine = _Machine(data)
    try:
        return machine.run()
    except (IndexError, struct.error):
        raise BadInputError("the pickle is cut off or damaged") from None
    except KeyError:
        raise BadInputError("the pickle refers to something that it does not hold") from None
    except ValueError as error:
        if isinstance(error, BadInputError):
            raise
        raise BadInputError("the pickle holds a number or a text that cannot be read") from None


class _Machine:
    __slots__ = ("at", "data", "marks", "memo", "stack")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0
        self.stack: list[Any] = []
        self.marks: list[int] = []
        # By number, and not a list: a number as large as one likes costs nothing.
        self.memo: dict[int, Any] = {}

    def run(self) -> Any:
        data = self.data
        while True:
            code = data[self.at]
            self.at += 1
            if code == _STOP:
                return self.pop()
            step = _STEPS[code]
            if step is None:
                raise BadInputError(_refused(code))
            step(self)

    # Reading

    def take(self, size: int) -> bytes:
        end = self.at + size
        if end > len(self.data):
            raise IndexError
        found = self.data[self.at : end]
        self.at = end
        return found

    def number(self, form: struct.Struct) -> Any:
        (found,) = form.unpack_from(self.data, self.at)
        self.at += form.size
        return found

    def line(self) -> bytes:
        end = self.data.find(b"\n", self.at)
        if end < 0:
            raise IndexError
        found = self.data[self.at : end]
        self.at = end + 1
        return found

    # The stack

    def pop(self) -> Any:
        if self.marks and len(self.stack) <= self.marks[-1]:
            raise IndexError
        return self.stack.pop()

    def since_mark(self) -> list[Any]:
        start = self.marks.pop()
        items = self.stack[start:]
        del self.stack[start:]
        return items

    def remember(self, number: int) -> None:
        # What is remembered is at least two bytes long, and so is the opcode or what it is of.
        if 2 * len(self.memo) > len(self.data):
            raise BadInputError("the pickle remembers more than it holds")
        self.memo[number] = self.stack[-1]

    def top_list(self) -> list[Any]:
        if self.marks and len(self.stack) <= self.marks[-1]:
            raise IndexError
        top = self.stack[-1]
        if type(top) is not list:
            raise BadInputError("the pickle appends to something that is no list")
        return top


Step = Callable[[_Machine], None]

_STOP: Final = ord(".")
_U1, _U2, _U4, _U8 = (struct.Struct("<" + kind) for kind in "BHIQ")
_I4, _F8 = struct.Struct("<i"), struct.Struct(">d")


def _refused(code: int) -> str:
    name = _CODE.get(code)
    if name is None:
        return f"the pickle holds the byte {code:#04x} where an opcode must be"
    return f"the pickle asks for more than lists, tuples, texts and numbers ({name})"


def _mark(machine: _Machine) -> None:
    if len(machine.marks) >= _DEEPEST:
        raise BadInputError(f"the pickle is nested more than {_DEEPEST} deep")
    machine.marks.append(len(machine.stack))


def _constant(value: Any) -> Step:
    def step(machine: _Machine) -> None:
        machine.stack.append(value)

    return step


def _fixed(form: struct.Struct) -> Step:
    def step(machine: _Machine) -> None:
        machine.stack.append(machine.number(form))

    return step


def _text(length: struct.Struct) -> Step:
    def step(machine: _Machine) -> None:
        machine.stack.append(str(machine.take(machine.number(length)), "utf-8", "surrogatepass"))

    return step


def _bytes(length: struct.Struct) -> Step:
    def step(machine: _Machine) -> None:
        machine.stack.append(machine.take(machine.number(length)))

    return step


def _tuple_of(count: int) -> Step:
    def step(machine: _Machine) -> None:
        stack = machine.stack
        start = len(stack) - count
        if start < (machine.marks[-1] if machine.marks else 0):
            raise IndexError
        stack[start:] = [tuple(stack[start:])]

    return step


def _put(form: struct.Struct) -> Step:
    def step(machine: _Machine) -> None:
        machine.remember(machine.number(form))

    return step


def _get(form: struct.Struct) -> Step:
    def step(machine: _Machine) -> None:
        machine.stack.append(machine.memo[machine.number(form)])

    return step


def _put_text(machine: _Machine) -> None:
    machine.remember(_decimal(machine.line()))


def _get_text(machine: _Machine) -> None:
    machine.stack.append(machine.memo[_decimal(machine.line())])


def _memoize(machine: _Machine) -> None:
    machine.remember(len(machine.memo))


def _empty_list(machine: _Machine) -> None:
    machine.stack.append([])


def _list(machine: _Machine) -> None:
    machine.stack.append(machine.since_mark())


def _tuple(machine: _Machine) -> None:
    machine.stack.append(tuple(machine.since_mark()))


def _append(machine: _Machine) -> None:
    item = machine.pop()
    machine.top_list().append(item)


def _appends(machine: _Machine) -> None:
    items = machine.since_mark()
    machine.top_list().extend(items)


def _decimal(digits: bytes) -> int:
    if len(digits) > _MOST_DIGITS or b"_" in digits:
        raise BadInputError("the pickle holds an integer that is too long")
    return int(digits)


def _int(machine: _Machine) -> None:
    line = machine.line()
    # The truth values of protocols 0 and 1.
    machine.stack.append(line == b"01" if line in (b"00", b"01") else _decimal(line))


def _long(machine: _Machine) -> None:
    machine.stack.append(_decimal(machine.line().removesuffix(b"L")))


def _float(machine: _Machine) -> None:
    digits = machine.line()
    if len(digits) > _MOST_DIGITS:
        raise BadInputError("the pickle holds a number that is too long")
    machine.stack.append(float(digits))


def _long_bytes(length: struct.Struct) -> Step:
    def step(machine: _Machine) -> None:
        told = machine.take(machine.number(length))
        machine.stack.append(int.from_bytes(told, "little", signed=True))

    return step


def _quoted(machine: _Machine) -> None:
    """A text as Python 2 shows it; names of metrics need no escapes."""
    line = machine.line()
    if len(line) < 2 or line[:1] != line[-1:] or line[:1] not in b"'\"" or b"\\" in line:
        raise BadInputError("the pickle holds a quoted text that is not plain")
    machine.stack.append(line[1:-1])


def _raw_text(machine: _Machine) -> None:
    line = machine.line()
    if b"\\" in line:
        machine.stack.append(str(line, "raw-unicode-escape"))
    else:
        machine.stack.append(str(line, "latin-1"))


def _proto(machine: _Machine) -> None:
    if machine.number(_U1) > 5:
        raise BadInputError("the pickle is of a protocol above 5")


def _frame(machine: _Machine) -> None:
    # The length of what follows; it is all here already.
    machine.number(_U8)


_OPCODES: Final[dict[str, Step]] = {
    "\x80": _proto, "\x95": _frame, "(": _mark,
    "]": _empty_list, "l": _list, "a": _append, "e": _appends,
    ")": _constant(()), "t": _tuple,
    "\x85": _tuple_of(1), "\x86": _tuple_of(2), "\x87": _tuple_of(3),
    "N": _constant(None), "\x88": _constant(True), "\x89": _constant(False),
    "I": _int, "L": _long, "F": _float,
    "J": _fixed(_I4), "K": _fixed(_U1), "M": _fixed(_U2), "G": _fixed(_F8),
    "\x8a": _long_bytes(_U1), "\x8b": _long_bytes(_U4),
    "S": _quoted, "T": _bytes(_U4), "U": _bytes(_U1),
    "V": _raw_text, "X": _text(_U4), "\x8c": _text(_U1), "\x8d": _text(_U8),
    "B": _bytes(_U4), "C": _bytes(_U1), "\x8e": _bytes(_U8),
    "p": _put_text, "q": _put(_U1), "r": _put(_U4), "\x94": _memoize,
    "g": _get_text, "h": _get(_U1), "j": _get(_U4),
}  # fmt: skip
_STEPS: Final[list[Step | None]] = [_OPCODES.get(chr(code)) for code in range(256)]
