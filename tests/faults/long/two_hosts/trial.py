"""Carry the scenario out, check it, and put what came of it into one line."""

from __future__ import annotations

import os
from collections.abc import Sequence

from tests.faults.long.results import FleetResult
from tests.faults.long.two_hosts import checks
from tests.faults.long.two_hosts.lab import HOSTS, TwoHosts
from tests.faults.long.two_hosts.scenario import carry_out


def carry_out_and_check(lab: TwoHosts, bursts: Sequence[int], cuts: int, seed: int) -> FleetResult:
    """What came of so many runs of each person and so many cuts."""
    course = carry_out(lab, bursts, cuts, seed)
    noted = checks.events(lab)
    order = checks.in_turn(lab, course.owners, noted)
    broken = [
        *checks.ended_once(lab, course, noted),
        *checks.recorded_once(lab, course),
        *(words for cut in course.cuts for words in checks.kept_out(lab, cut, noted)),
        *checks.stored(lab, course, lab.folder / "verified"),
        *order.unfair,
    ]
    claims = [event for event in noted if event.kind == checks.CLAIMED]
    return FleetResult(
        seed=seed,
        runs=list(bursts),
        by_host={host: sum(f" by {host} " in event.text for event in claims) for host in HOSTS},
        minutes=round(course.seconds / 60, 1),
        load=round(os.getloadavg()[1], 1),
        cores=os.cpu_count() or 1,
        away=[cut.seconds for cut in course.cuts],
        store_first=[cut.store_first for cut in course.cuts],
        zombie_checkpoints=sum(len(cut.saved) for cut in course.cuts),
        checkpoints=checks.count_listed(lab, course),
        claims=len(claims),
        certain=order.certain,
        broken=broken,
    )
