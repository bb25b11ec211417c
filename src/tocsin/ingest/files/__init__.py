"""Samples out of files: CSV (also gzipped) and Parquet, in long or wide form.

Needs the extra ``files`` (pyarrow) only when a file is read, not when this package is imported.
"""

from tocsin.ingest.files.find import find_files
from tocsin.ingest.files.options import ReadOptions
from tocsin.ingest.files.read import read_file
from tocsin.ingest.files.reading import FileReading, Refusal, Series

__all__ = ["FileReading", "ReadOptions", "Refusal", "Series", "find_files", "read_file"]
