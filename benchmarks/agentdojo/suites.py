"""AgentDojo's suites as JSON: every task's words and the calls of its ground truth. Runs in AgentDojo's environment."""

import json
import sys
import warnings
from typing import Any

VERSION = "v1.2"


def main() -> None:
    warnings.simplefilter("ignore")  # of the model providers' packages that AgentDojo brings
    from agentdojo.task_suite.load_suites import get_suites

    suites = {}
    for name, suite in get_suites(VERSION).items():
        start = suite.load_and_inject_default_environment({})
        suites[name] = {
            "tools": [tool.name for tool in suite.tools],
            "honest": {
                key: {"words": task.PROMPT, "calls": calls(task, start)} for key, task in suite.user_tasks.items()
            },
            "attacks": {
                key: {"words": task.GOAL, "calls": calls(task, start)} for key, task in suite.injection_tasks.items()
            },
        }
    json.dump({"version": VERSION, "suites": suites}, sys.stdout)


def calls(task: Any, start: Any) -> list[list[Any]]:
    """The calls that carry a task out, in order."""
    environment = start.model_copy(deep=True)
    if hasattr(task, "init_environment"):  # the honest tasks have one
        environment = task.init_environment(environment)
    return [[call.function, call.args] for call in task.ground_truth(environment)]


if __name__ == "__main__":
    main()
