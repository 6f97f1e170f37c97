"""What rotation needs to remember of each vehicle from one cycle to the next."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from busbar.core.allocation import Allocation, Stop
from busbar.core.projection import Projection
from busbar.core.snapshot import Ints, Session


def after_cycle(
    sessions: Iterable[Session],
    projection: Projection,
    allocation: Allocation,
    setpoint: Ints,
    *,
    at: datetime,
) -> tuple[Session, ...]:
    """The sessions as the next cycle has to see them; `setpoint` is what holds from `at` on, one value per connector.

    Whoever cannot be reached, or whose charge point is out of service, is left as it was: nobody knows.
    """
    stopped_by, setpoints = allocation.stopped_by.tolist(), setpoint.tolist()
    followed = []
    for session in sessions:
        leaf, connector = projection.leaf_of(session.connector), projection.connectors.leaf_index[session.connector]
        if stopped_by[leaf] != Stop.OUT_OF_SERVICE:
            # Beside others on a charge point a vehicle that wants nothing may say so only itself.
            wants = stopped_by[leaf] != Stop.NOTHING and (projection.by_connector is None or session.request != 0)
            session = follow_up(session, given=setpoints[connector] > 0, wants=wants, at=at)
        followed.append(session)
    return tuple(followed)


def follow_up(session: Session, *, given: bool, wants: bool, at: datetime) -> Session:
    """One session after a cycle in which it wanted something or not, and was given something or nothing."""
    if given and session.charging and session.waiting_since is None:
        return session
    if given:
        since = session.charging_since if session.charging else at
        return replace(session, charging=True, charging_since=since, waiting_since=None)
    if not wants:
        return replace(session, charging=False, charging_since=None, waiting_since=None)
    return replace(
        session,
        charging=False,
        charging_since=None,
        waiting_since=session.waiting_since or at,
        # Only a vehicle that was charging is stopped; one that never started waits.
        stopped_at=at if session.charging else session.stopped_at,
    )
