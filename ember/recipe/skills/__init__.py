"""One file per family of skills. A skill is `(rng, unseen) -> Conversation`.

`unseen=True` draws a wording and names that no training row has: only the evaluation does that.
"""
