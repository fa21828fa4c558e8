"""A histogram as bytes: its counts by bin, without what lies between them."""

from __future__ import annotations

import json
import zlib
from itertools import accumulate, pairwise

from backend.domain.histograms import Histogram


def pack(histogram: Histogram) -> bytes:
    """The first bin, the distances to the next ones (nearly all 1), the counts; as JSON, deflated."""
    bins = histogram.bins
    gaps = [*bins[:1], *(later - earlier for earlier, later in pairwise(bins))]
    text = json.dumps([gaps, histogram.counts, histogram.nan, histogram.infinite], separators=(",", ":"))
    return zlib.compress(text.encode(), 9)


def unpack(data: bytes) -> Histogram:
    """What `pack` was given."""
    gaps, counts, nan, infinite = json.loads(zlib.decompress(data))
    return Histogram(tuple(accumulate(gaps)), tuple(counts), nan, infinite)
