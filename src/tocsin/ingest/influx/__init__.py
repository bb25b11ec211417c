"""InfluxDB's line protocol: ``measurement,tag=value field=1,other=2i timestamp``."""

from tocsin.ingest.influx.decode import PRECISIONS, PROTOCOL, Decoder

__all__ = ["PRECISIONS", "PROTOCOL", "Decoder"]
