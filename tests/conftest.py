"""For all tests: no event loop exists until a test makes one.

Without this line pytest-asyncio asks for "the current loop" before the first one is made, which makes one that
nobody closes, and an unclosed loop is an error here.
"""

import asyncio

asyncio.set_event_loop(None)
