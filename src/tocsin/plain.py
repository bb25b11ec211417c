"""Names and labels of strangers as plain text: shown to people, they are only what they are."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["one_line", "plain", "unlinked"]

#: What moves a terminal's cursor, ends a line, or lets text be read in another order than it is
#: written: control characters but for tab and line feed, marks and overrides of direction, line
#: and paragraph separators, invisible operators and tags, halves of surrogate pairs.
_UNSEEN: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    "\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)
#: What chats take for a mention (@all, <!channel>, <@U1>) or for words that lead elsewhere.
_LEADING: Final = re.compile(r"(@|<(?=[!@#&])|\](?=\()|://)")
#: Nothing that is seen; after it none of these is what it was.
_BREAK: Final = "\u200b"


def plain(text: str) -> str:
    r"""The text with everything that is not seen written out; lines and tabs stay.

    >>> plain("cpu\x1b[2J of \u202ebew"), plain("two\nlines")
    ('cpu\\x1b[2J of \\u202ebew', 'two\nlines')
    """
    return _UNSEEN.sub(lambda found: _written(found[0]), text)


def one_line(text: str) -> str:
    r"""The same in one line.

    >>> one_line("two\r\n  lines\x00")
    'two lines\\x00'
    """
    return plain(" ".join(text.split()))


def unlinked(text: str) -> str:
    """The text for a chat: it calls nobody and leads nowhere.

    >>> unlinked("@all <!channel> [here](https://evil.example)").count("\u200b")
    4
    """
    return _LEADING.sub(lambda found: f"{found[0]}{_BREAK}", text)


def _written(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
