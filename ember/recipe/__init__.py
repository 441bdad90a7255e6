"""The recipe of Ember: everything from a seed to the GGUF file that the repository carries."""
