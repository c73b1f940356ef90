"""
What is suspect: rules that flag, and never refuse.

docs/suspect-data.md tells operators what each word means.
"""

from __future__ import annotations

from collections.abc import Sequence


FUTURE = "futureTime"
ANCIENT = "ancientTime"
UNREADABLE = "unreadableTime"
NOT_A_NUMBER = "notANumber"
OUT_OF_RANGE = "outOfRange"
NEGATIVE_REGISTER = "negativeRegister"
BACKWARDS = "runningBackwards"
JUMP = "implausibleJump"
ZERO_BEGIN = "zeroBegin"
NEGATIVE_ENERGY = "negativeEnergy"
STOP_BEFORE_START = "stopBeforeStart"

SUPERSEDED = "superseded"
LATE_STOP = "lateStop"
STOPPED_TWICE = "stoppedTwice"
STARTED_AGAIN = "startedAgain"
GUESSED = "guessedTransaction"
UNKNOWN_TRANSACTION = "unknownTransaction"
CLOSED_BY_OPERATOR = "closedByOperator"

#: The words that follow from the figures, and are found anew with them.
FROM_FIGURES = {
    BACKWARDS,
    JUMP,
    ZERO_BEGIN,
    NEGATIVE_ENERGY,
    STOP_BEFORE_START,
}

#: A station's clock is in the future beyond this, in ms.
FUTURE_MARGIN = 5 * 60 * 1000

#: No station of today was there before 2010, in ms.
ANCIENT_BEFORE = 1_262_304_000_000

#: What no vehicle takes, in W; and what a register may jump at once, in Wh.
MOST_POWER = 1_500_000
MARGIN = 5_000

#: A transaction that begins at 0 and reaches this, in Wh, did not begin at 0.
MOST_FROM_ZERO = 200_000


def of_time(time: int | None, received: int) -> str | None:
    """
    What is wrong with a station's time; both in ms.

    >>> of_time(None, 0)
    'unreadableTime'
    >>> of_time(5_000, 1_700_000_000_000)
    'ancientTime'
    """
    if time is None:
        return UNREADABLE
    if time > received + FUTURE_MARGIN:
        return FUTURE
    if time < ANCIENT_BEFORE:
        return ANCIENT
    return None


def of_step(energy: float, milliseconds: float) -> str | None:
    """
    What is wrong with a register that grew by C{energy} Wh in that time.

    >>> of_step(-1, 60_000), of_step(910_000, 60_000)
    ('runningBackwards', 'implausibleJump')
    """
    if 0 <= energy <= MARGIN:
        return None
    if energy < 0:
        return BACKWARDS
    if energy > MARGIN + MOST_POWER * max(milliseconds, 0) / 3_600_000:
        return JUMP
    return None


def assess(
    meter_start: int,
    start_time: int,
    meter_stop: int | None,
    stop_time: int | None,
    readings: Sequence[tuple[int, float]],
) -> tuple[int | None, set[str]]:
    """
    The energy of a transaction in Wh, and what is suspect about it.

    >>> assess(0, 0, 910_083, 60_000, [(1_000, 910_000.0)])
    (83, {'zeroBegin'})

    @param readings: time and register, in the order of time: ms and Wh.
    """
    course = [(start_time, float(meter_start)), *readings]
    if meter_stop is not None:
        course.append((stop_time or course[-1][0], float(meter_stop)))
    words = set()
    if meter_start == 0 and _begins_elsewhere(course):
        words.add(ZERO_BEGIN)
        course = [point for point in course if point[1] > 0]
    words |= _along(course)
    if stop_time is not None and stop_time < start_time:
        words.add(STOP_BEFORE_START)
    # From 0 to what it ended with is no energy, if it did not begin at 0.
    if len(course) < 2:
        return None, words
    energy = round(course[-1][1] - course[0][1])
    if energy < 0:
        words.add(NEGATIVE_ENERGY)
    return energy, words


def _begins_elsewhere(course: list[tuple[int, float]]) -> bool:
    later = [register for _, register in course[1:] if register > 0]
    return bool(later) and later[0] > MOST_FROM_ZERO


def _along(course: list[tuple[int, float]]) -> set[str]:
    found = set()
    time, register = course[0]
    for later, next_register in course:
        word = of_step(next_register - register, later - time)
        if word is not None:
            found.add(word)
        time, register = later, next_register
    return found
