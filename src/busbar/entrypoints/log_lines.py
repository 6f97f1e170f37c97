"""How log lines look: JSON for machines, plain columns for a person at a terminal. Both on standard error."""

import logging
import sys

import structlog


def set_up_logging(*, as_json: bool | None = None) -> None:
    """`as_json` None: JSON unless standard error is a terminal."""
    wants_json = not sys.stderr.isatty() if as_json is None else as_json
    renderer = structlog.processors.JSONRenderer() if wants_json else structlog.dev.ConsoleRenderer(colors=False)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        # Asked for at every line: standard error may be another one by then.
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )
    # Libraries speak up only where something is wrong.
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(name)s: %(message)s")
    for name in ("websockets", "uvicorn", "pymodbus", "aiomqtt", "mqtt"):
        # They log each failed attempt as an error; what comes of it is said by us, once.
        logging.getLogger(name).setLevel(logging.CRITICAL)
