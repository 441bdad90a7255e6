"""The worker that runs models on MLX: the twin of the Node worker, on the same protocol."""
