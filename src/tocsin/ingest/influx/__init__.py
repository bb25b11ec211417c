"""InfluxDB's line protocol: ``measurement,tag=value field=1,other=2i timestamp``."""

from tocsin.ingest.influx.decode import PRECISIONS, PROTOCOL, decode
from tocsin.ingest.influx.series import Memo

__all__ = ["PRECISIONS", "PROTOCOL", "Memo", "decode"]
