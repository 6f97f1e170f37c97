"""What connectors draw under one limit for all of them, as draws of connectors that have each a part of that limit.

A charge point that is told one limit divides it by itself: one connector may draw more than its part while another
draws less. Only the sum says whether it obeys.
"""

from collections.abc import Sequence


def attributed(draws: Sequence[int], parts: Sequence[int], until_settled: Sequence[int]) -> list[int]:
    """The same draws in all, handed around so that nobody is above its part while all together are not.

    What does not fit into the parts goes to those whose draw had not settled yet (`until_settled`: the most each may
    still draw until it has), so that none of them seems to have come down while the sum has not; what is left then is
    with whoever draws it.
    """
    found = [min(draw, part) for draw, part in zip(draws, parts, strict=True)]
    over = [draw - kept for draw, kept in zip(draws, found, strict=True)]
    for ceilings in (parts, [max(pair) for pair in zip(parts, until_settled, strict=True)]):
        for place, ceiling in enumerate(ceilings):
            # One's own excess first.
            for giver in (place, *(each for each in range(len(over)) if each != place)):
                moved = min(over[giver], max(0, ceiling - found[place]))
                found[place] += moved
                over[giver] -= moved
    return [kept + left for kept, left in zip(found, over, strict=True)]
