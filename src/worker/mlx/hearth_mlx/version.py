"""Version of the protocol, apart from ``protocol.py``: a worker says hello before it has imported the rest.

Source: ``src/ipc/version.ts``; a test compares the two.
"""

from typing import Final

VERSION: Final = 3
