"""Where the worker's own modules are: put before the other imports of these programs."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src" / "worker" / "mlx"))
