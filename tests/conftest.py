"""For all tests: no event loop exists until a test makes one, and no property is judged by the clock.

Without the first line pytest-asyncio asks for "the current loop" before the first one is made, which makes one that
nobody closes, and an unclosed loop is an error here. Hypothesis' own deadline of 200 ms an example fails on a busy
machine, not on a defect: hanging tests end by their time-out.
"""

import asyncio

from hypothesis import settings

asyncio.set_event_loop(None)
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
