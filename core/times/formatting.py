"""Moments as a person says them."""

from datetime import datetime

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
NEAR_DAYS = {-1: "yesterday", 0: "today", 1: "tomorrow"}


def format_time(moment: datetime, now: datetime) -> str:
    """As a person says it: "today at 14:32", "on Friday at 15:00", "on Thursday 24 December at 18:00".

    An hour that autumn has twice is told apart by its offset: "on Sunday at 02:30 UTC+1".
    """
    moment = moment.astimezone(now.tzinfo)
    days = (moment.date() - now.date()).days
    clock = f"at {moment:%H:%M}"
    if moment.replace(fold=0).utcoffset() != moment.replace(fold=1).utcoffset():
        clock += f" UTC{moment.isoformat(timespec='minutes')[16:]}".removesuffix(":00")
    if days in NEAR_DAYS:
        return f"{NEAR_DAYS[days]} {clock}"
    weekday = WEEKDAYS[moment.weekday()]
    if 1 < days < 7:
        return f"on {weekday} {clock}"
    year = f" {moment.year}" if moment.year != now.year else ""
    return f"on {weekday} {moment.day} {MONTHS[moment.month - 1]}{year} {clock}"
