"""Entry of the worker that runs models with MLX: ``python FOLDER worker --run-id=<id> --backend=mlx``."""

import sys

from hearth_mlx.engine import Engine, Sink
from hearth_mlx.main import main


def make_engine(sink: Sink) -> Engine:
    from hearth_mlx.environment import keeping_file_limit, prepare_environment

    prepare_environment()
    with keeping_file_limit():
        from hearth_mlx.loader import Loader
        from hearth_mlx.loop import MlxEngine
    return MlxEngine(sink, Loader())


if __name__ == "__main__":
    main(sys.argv[1:], make_engine)
