"""Encoders: a number or a time as a few bits that are on, alike for what is alike.

Each writes the numbers of its bits that are on into a shared buffer, from ``offset`` on, and
returns how many there are now. The temporal memory sees a sequence of samples, not of times: a
gap between samples is one step like any other, only the time of day tells that it was one.
"""
