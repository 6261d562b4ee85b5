"""Compares the stand-in with aiogram's models, which are generated from Telegram's page of the Bot API.

It runs in an environment of its own (aiogram and Stoa need different versions of pydantic): with `methods` it prints
what methods.json holds; else it checks the lines of JSON that it reads, each what the stand-in was asked or told us.
"""

import json
import sys
from importlib import import_module
from typing import Any

from pydantic import TypeAdapter

methods_of_aiogram, types_of_aiogram = import_module("aiogram.methods"), import_module("aiogram.types")
METHODS: dict[str, Any] = {name.lower(): getattr(methods_of_aiogram, name) for name in methods_of_aiogram.__all__}
USED = (
    *("getMe", "getUpdates", "setWebhook", "deleteWebhook", "getWebhookInfo", "setMyCommands", "sendChatAction"),
    *("sendMessage", "sendMessageDraft", "sendRichMessage", "sendRichMessageDraft", "editMessageText"),
    *("sendPhoto", "sendDocument", "sendVoice", "sendAudio", "getFile", "answerCallbackQuery"),
)


def methods() -> dict[str, dict[str, list[str]]]:
    """The parameters of the methods that we use, and those that are required."""
    found = {}
    for name in USED:
        fields = METHODS[name.lower()].model_fields
        required = sorted(key for key, field in fields.items() if field.is_required())
        found[name] = {"parameters": sorted(fields), "required": required}
    return found


def check(line: dict[str, Any]) -> None:
    """Raises pydantic's error where a call, an answer or an update is not as Telegram's are."""
    if line["kind"] == "update":
        update = types_of_aiogram.Update.model_validate(line["body"])
        assert update.event_type, line["body"]
        return
    method = METHODS[line["method"].lower()]
    if line["kind"] == "call":
        method.model_validate(line["body"])
    else:
        TypeAdapter(method.__returning__).validate_python(line["body"])


def main() -> None:
    if sys.argv[1:] == ["methods"]:
        print(json.dumps(methods(), indent=1))
        return
    count = 0
    for text in sys.stdin:
        try:
            check(json.loads(text))
        except ValueError as error:
            sys.exit(f"{text.strip()[:1000]}\n{error}")
        count += 1
    print(count)


if __name__ == "__main__":
    main()
