"""Moments as a person says them."""

from datetime import datetime

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
NEAR_DAYS = {-1: "yesterday", 0: "today", 1: "tomorrow"}


def offset_name(moment: datetime) -> str:
    """Such as "UTC-5" or "UTC+5:30"."""
    sign, hours, minutes = f"{moment:%z}"[0], int(f"{moment:%z}"[1:3]), f"{moment:%z}"[3:5]
    return "UTC" + (f"{sign}{hours}" if hours or minutes != "00" else "") + (f":{minutes}" if minutes != "00" else "")


def format_time(moment: datetime, now: datetime) -> str:
    """As a person says it: "today at 14:32", "on Friday at 15:00", "on Thursday 24 December at 18:00".

    An hour that autumn has twice is told apart by its offset: "on Sunday at 02:30 UTC+1".
    """
    moment = moment.astimezone(now.tzinfo)
    days = (moment.date() - now.date()).days
    clock = f"at {moment:%H:%M}"
    if moment.replace(fold=0).utcoffset() != moment.replace(fold=1).utcoffset():
        clock += f" {offset_name(moment)}"
    if days in NEAR_DAYS:
        return f"{NEAR_DAYS[days]} {clock}"
    weekday = WEEKDAYS[moment.weekday()]
    if 1 < days < 7:
        return f"on {weekday} {clock}"
    year = f" {moment.year}" if moment.year != now.year else ""
    return f"on {weekday} {moment.day} {MONTHS[moment.month - 1]}{year} {clock}"
