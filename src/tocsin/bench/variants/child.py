"""The process that measures one variant: a request on standard input, figures on standard output.

``{"values": {module: {constant: number}}, "nab": FOLDER, "data": FOLDER, "half": "all"}``
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from tocsin.bench.variants.patching import install


def main() -> None:
    """Change the constants, then import, compile and measure."""
    request: dict[str, Any] = json.load(sys.stdin)
    install(request["values"])
    from tocsin.bench.variants.measure import measure

    folders = [None if request[key] is None else Path(request[key]) for key in ("nab", "data")]
    figures = measure(folders[0], folders[1], request["half"])
    print(json.dumps(figures.as_dict()))


if __name__ == "__main__":
    main()
