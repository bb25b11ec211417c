"""The whole service under load: a sender in a process of its own, and what the service costs."""

from __future__ import annotations
