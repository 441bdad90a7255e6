"""Grammars: GBNF kept to over tokens, by llguidance."""
