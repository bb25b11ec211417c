"""Points of InfluxDB, and a plain encoder of them by the rules of its documentation."""

from __future__ import annotations

import re
from dataclasses import dataclass

from hypothesis import strategies as st

Field = float | int | bool | str


@dataclass(frozen=True)
class Point:
    """What one line says; ``time`` None: it says none."""

    measurement: str
    tags: dict[str, str]
    fields: dict[str, Field]
    time: int | None

    def line(self) -> str:
        """The line, without its end."""
        tags = "".join(f",{escaped(key)}={escaped(text)}" for key, text in self.tags.items())
        fields = ",".join(f"{escaped(key)}={literal(of)}" for key, of in self.fields.items())
        moment = "" if self.time is None else f" {self.time}"
        return f"{escaped(self.measurement, ', ')}{tags} {fields}{moment}"

    def samples(self, now: int) -> list[tuple[str, dict[str, str], int, float]]:
        """Name, labels, time and value of what is to be stored."""
        time = now if self.time is None else self.time
        return [
            (named(self.measurement, key), self.tags, time, float(of))
            for key, of in self.fields.items()
            if not isinstance(of, str)
        ]


def named(measurement: str, field: str) -> str:
    return measurement if field == "value" else f"{measurement}.{field}"


def escaped(text: str, special: str = ", =") -> str:
    return re.sub(f"([{special}])", r"\\\1", text)


def literal(of: Field) -> str:
    if isinstance(of, bool):
        return "true" if of else "false"
    if isinstance(of, str):
        return '"' + of.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return f"{of}i" if isinstance(of, int) else repr(of)


def _words() -> st.SearchStrategy[str]:
    # A name cannot end with a backslash (it would escape what follows), nor hold one before a
    # character that can be escaped: the rules have no way to say so.
    alphabet = st.sampled_from("abü日 ,=\\") | st.characters(
        exclude_categories=("Cs", "Cc"), exclude_characters='\\"#'
    )
    text = st.text(alphabet, min_size=1, max_size=8)
    return text.filter(lambda s: not re.search(r"\\([,= ]|$)", s) and bool(s.strip(" \t")))


def _begins_a_line(name: str) -> bool:
    return not name.startswith((" ", "#"))


NAMES = _words()
MEASUREMENTS = NAMES.filter(_begins_a_line)
VALUES: st.SearchStrategy[Field] = (
    st.floats(allow_nan=False, allow_infinity=False)
    | st.integers(-(2**63), 2**63 - 1)
    | st.booleans()
    | st.text(st.sampled_from('a"\\\n ,='), max_size=8)
)
TIMES = st.integers(-(10**18), 2 * 10**18)


def points(
    names: st.SearchStrategy[str],
    values: st.SearchStrategy[Field],
    times: st.SearchStrategy[int | None],
) -> st.SearchStrategy[Point]:
    return st.builds(
        Point,
        names.filter(_begins_a_line),
        st.dictionaries(names, names, max_size=3),
        st.dictionaries(names, values, min_size=1, max_size=4),
        times,
    )


POINTS = points(NAMES, VALUES, st.none() | TIMES)
#: What even those parsers read that stop at backslashes.
SIMPLE_POINTS = points(
    st.text("abü日_.-", min_size=1, max_size=8),
    st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False)
    | st.integers(-(2**63), 2**63 - 1)
    | st.booleans()
    | st.text("a ,=", max_size=8),
    TIMES,
)
