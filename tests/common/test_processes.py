"""Processes that train one run together."""

import torch

from phasebench.common.processes import ALONE, Processes


def test_alone_nothing_changes() -> None:
    values = torch.arange(5.0)
    assert ALONE.share(values) is values
    assert ALONE.total(values) is values
    assert ALONE.interleave(values, 5) is values
    assert ALONE.any(True, False) == (True, False)


def test_shares_are_disjoint_and_cover_the_batch() -> None:
    items = torch.arange(11)
    shares = [Processes(rank, 3).share(items) for rank in range(3)]
    assert sorted(torch.cat(shares).tolist()) == items.tolist()
    assert {len(share) for share in shares} == {3, 4}
