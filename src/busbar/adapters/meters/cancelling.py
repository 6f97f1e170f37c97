"""Whether a task is to end, where a library may have swallowed the word."""

import asyncio


def is_cancelled() -> bool:
    """Whether the running task was cancelled.

    A cancellation that comes together with an answer is swallowed by `asyncio.wait_for` before Python 3.12, which
    pymodbus and aiomqtt wait with: loops ask here, or they would go on for ever.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
