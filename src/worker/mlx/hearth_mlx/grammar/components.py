"""Which rules lead back to themselves. Pure.

Source: R. E. Tarjan, "Depth-first search", 1972; without recursion, since chains of rules may be long.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator


def components(names: Iterable[str], uses: Callable[[str], Iterable[str]]) -> list[list[str]]:
    """Rules that lead to each other, together; each group after all that it leads to."""
    order: dict[str, int] = {}
    low: dict[str, int] = {}
    finished: set[str] = set()
    unfinished: list[str] = []
    found: list[list[str]] = []
    for start in names:
        if start in order:
            continue
        order[start] = low[start] = len(order)
        unfinished.append(start)
        path: list[tuple[str, Iterator[str]]] = [(start, iter(uses(start)))]
        while path:
            name, rest = path[-1]
            for used in rest:
                if used not in order:
                    order[used] = low[used] = len(order)
                    unfinished.append(used)
                    path.append((used, iter(uses(used))))
                    break
                if used not in finished:
                    low[name] = min(low[name], order[used])
            else:
                path.pop()
                if path:
                    low[path[-1][0]] = min(low[path[-1][0]], low[name])
                if low[name] == order[name]:
                    group: list[str] = []
                    while not group or group[-1] != name:
                        group.append(unfinished.pop())
                    found.append(group)
                    finished.update(group)
    return found
