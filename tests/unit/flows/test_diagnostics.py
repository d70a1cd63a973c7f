"""Mistakes in a file of flows are reported with line and message."""

import pytest

from service.flows.definitions import load_definitions
from service.flows.errors import FlowLoadError

FLOW = "example.A:\n  tasks: [A]\n"

CASES = {
    "a name without a dot": ("ETL:\n  tasks: [A]\n", 1, "'ETL' must be a project and a name"),
    "a name without a project": (".ETL:\n  tasks: [A]\n", 1, "must be a project and a name"),
    "a flow that is not a mapping": (f"{FLOW}example.B: [A]\n", 3, "example.B must be a mapping"),
    "an unknown task": ("a.B:\n  tasks:\n    - A\n    - AX\n", 4, "unknown task 'AX'"),
    "an unknown task in a group": (
        "a.B:\n  tasks:\n    - G:\n        type: group\n        tasks:\n          - X\n",
        6,
        "unknown task 'X'",
    ),
    "an unknown hook": ("a.B:\n  tasks: [A]\n  hooks:\n    success: X\n", 4, "unknown task 'X'"),
    "rows of something else": (
        "a.B:\n  tasks: [A]\n  rows: jobs\n",
        3,
        "rows must be runs or tasks",
    ),
    "rows that are a list": ("a.B:\n  tasks: [A]\n  rows: [tasks]\n", 3, "rows must be runs or"),
    "no tasks": ("a.B:\n  queue: q\n", 1, "tasks must be a list"),
    "empty tasks": ("a.B:\n\n  tasks: []\n", 3, "tasks must be a list of at least one task"),
    "tasks that are a string": ("a.B:\n  tasks: A\n", 2, "tasks must be a list"),
    "a task that is a number": (
        "a.B:\n  tasks:\n    - 5\n",
        3,
        "a task must be a name",
    ),
    "an empty name": ("a.B:\n  tasks:\n    - ''\n", 3, "a name must be 1 to 255 characters"),
    "a group's keys beside its name": (
        "a.B:\n  tasks:\n    - G:\n      type: group\n      tasks: [A]\n",
        3,
        "a task must be a name, or a mapping of one name",
    ),
    "options that are not a mapping": (
        "a.B:\n  tasks:\n    - A:\n",
        3,
        "the options of 'A' must be a mapping",
    ),
    "an unknown type": (
        "a.B:\n  tasks:\n    - A:\n        type: shell\n",
        4,
        "the type of 'A' must be group, chain, command or python, not 'shell'",
    ),
    "an empty group": (
        "a.B:\n  tasks:\n    - G:\n        type: group\n        tasks: []\n",
        5,
        "tasks must be a list of at least one task",
    ),
    "a group without tasks": (
        "a.B:\n  tasks:\n    - G:\n        type: group\n",
        3,
        "tasks must be a list",
    ),
    "an unknown option": (
        "a.B:\n  tasks:\n    - A:\n        retrys: 2\n",
        4,
        "unknown option 'retrys' of a task; known are retries, timeout, type",
    ),
    "retries of a run that are not a number": (
        "a.B:\n  tasks: [A]\n  retries: true\n",
        3,
        "retries must be a whole number from 0 to 100",
    ),
    "a delay before a retry that is not a number": (
        "a.B:\n  tasks: [A]\n  retries: 1\n  retry_delay: soon\n",
        4,
        "retry_delay must be seconds, from 0",
    ),
    "a delay without retries": (
        "a.B:\n  tasks: [A]\n  retry_delay: 60\n",
        3,
        "retry_delay needs retries",
    ),
    "retries that are not a number": (
        "a.B:\n  tasks:\n    - A: {retries: many}\n",
        3,
        "retries must be a whole number from 0 to 100",
    ),
    "retries below 0": ("a.B:\n  tasks:\n    - A: {retries: -1}\n", 3, "retries must be"),
    "retries that are true": ("a.B:\n  tasks:\n    - A: {retries: yes}\n", 3, "retries must be"),
    "a timeout of 0": ("a.B:\n  tasks:\n    - A: {timeout: 0}\n", 3, "timeout must be seconds"),
    "a flow's timeout that is null": (f"{FLOW}  timeout:\n", 3, "timeout must be seconds"),
    "a command that is a string": (
        "a.B:\n  tasks:\n    - L: {type: command, command: ls}\n",
        3,
        "command of 'L' must be a list of strings",
    ),
    "a command task without a command": (
        "a.B:\n  tasks:\n    - L: {type: command}\n",
        3,
        "command of 'L' must be",
    ),
    "an environment with a number": (
        (
            "a.B:\n  tasks:\n    - L:\n        type: command\n        command: [ls]\n"
            "        environment: {N: 1}\n"
        ),
        6,
        "environment of 'L' must be a mapping of names to strings",
    ),
    "an empty directory": (
        "a.B:\n  tasks:\n    - L: {type: command, command: [ls], directory: ''}\n",
        3,
        "directory of 'L' must be",
    ),
    "an unknown executor": (f"{FLOW}  executor: celery\n", 3, "executor must be in_process or"),
    "an exclusive that is a string": (f"{FLOW}  exclusive: 'no'\n", 3, "exclusive must be true or"),
    "hooks that are a list": (f"{FLOW}  hooks: [OK]\n", 3, "hooks must be a mapping"),
    "a hook that is a group": (
        f"{FLOW}  hooks:\n    success:\n      G: {{type: group, tasks: [OK]}}\n",
        4,
        "a hook must be one task",
    ),
    "a hook that is a list": (f"{FLOW}  hooks: {{failure: [KO]}}\n", 3, "a task must be a name"),
    "a retention that is a number": (f"{FLOW}  retention: 5\n", 3, "retention must be {offset"),
    "an offset that is a string": (f"{FLOW}  retention: {{offset: x}}\n", 3, "retention must be"),
    "a queue that is a list": (f"{FLOW}  queue: [q]\n", 3, "queue must be a name"),
    "customs that are a list": (f"{FLOW}  queue: {{customs: [q]}}\n", 3, "queue must be a name"),
    "a custom that is a number": (f"{FLOW}  queue: {{customs: {{A: 1}}}}\n", 3, "queue must be"),
    "ids that are a list": (f"{FLOW}  ids: [1]\n", 3, "ids must be a mapping of vendors"),
    "a vendor's ids that are a number": (
        f"{FLOW}  ids:\n    etlworks: 5\n",
        4,
        "the ids of etlworks must be a mapping",
    ),
    "an id that is a list": (
        f"{FLOW}  ids:\n    etlworks:\n      flowId: [5]\n",
        4,
        "the ids of etlworks must be a mapping",
    ),
    "a periodic that is a number": (f"{FLOW}  periodic: 5\n", 3, "periodic must have exactly one"),
    "a periodic without a schedule": (f"{FLOW}  periodic: {{payload: {{}}}}\n", 3, "exactly one"),
    "a periodic with two": (f"{FLOW}  periodic: {{interval: 5, crontab: x}}\n", 3, "exactly one"),
    "a periodic with another key": (f"{FLOW}  periodic: {{intervall: 5}}\n", 3, "exactly one of"),
    "an interval of 0": (
        f"{FLOW}  periodic: {{interval: 0}}\n",
        3,
        "periodic: 0 is out of range: give 1 to",
    ),
    "an interval that is a string": (
        f"{FLOW}  periodic: {{interval: x}}\n",
        3,
        "'x' is not a number of seconds",
    ),
    "a crontab of four fields": (
        f"{FLOW}  periodic:\n    crontab: '0 0 * *'\n",
        4,
        "periodic: '0 0 * *' has 4 fields; 5 are needed: minute hour day month weekday",
    ),
    "a crontab of 60 minutes": (
        f"{FLOW}  periodic: {{crontab: 60 * * * *}}\n",
        3,
        "is not a valid crontab: 60 is not in 0-59",
    ),
    "a crontab of a day that never comes": (
        f"{FLOW}  periodic:\n    crontab: 0 0 30 2 *\n",
        4,
        "periodic: '0 0 30 2 *' is never due",
    ),
    "an interval below a second": (
        f"{FLOW}  periodic: {{interval: 0.1}}\n",
        3,
        "periodic: 0.1 is out of range: give 1 to 316224000 seconds",
    ),
    "a periodic payload that violates the schema": (
        f"{FLOW}  schema: {{required: [user]}}\n  periodic:\n    interval: 5\n    payload: {{}}\n",
        6,
        "periodic: the payload does not fit the flow's schema: 'user' is a required property",
    ),
    "a periodic without a payload that the schema requires": (
        f"{FLOW}  schema: {{required: [user]}}\n  periodic:\n    interval: 5\n",
        4,
        "the payload does not fit the flow's schema: 'user' is a required property",
    ),
    "an offset below -1": (f"{FLOW}  retention: {{offset: -2}}\n", 3, "-1 to 1000000000"),
    "a periodic payload that is a list": (
        f"{FLOW}  periodic:\n    interval: 5\n    payload: []\n",
        5,
        "periodic: payload must be a mapping",
    ),
    "a missing schema file": (f"{FLOW}  schema: nope\n", 3, "nope.json cannot be read"),
    "a schema outside the folder": (
        f"{FLOW}  schema: ../x\n",
        3,
        "'../x' is outside the folder",
    ),
    "a schema that is a list": (f"{FLOW}  schema: []\n", 3, "must be the name of a file"),
    "an invalid schema": (f"{FLOW}  schema: {{type: whole}}\n", 3, "'whole' is not valid"),
    "a schema with a broken pattern": (f"{FLOW}  schema: {{pattern: '('}}\n", 3, "schema: at"),
    "a schema with a dangling reference": (
        f"{FLOW}  schema: {{properties: {{x: {{$ref: '#/$defs/y'}}}}}}\n",
        3,
        "the reference '#/$defs/y' cannot be resolved",
    ),
    "a schema that refers to the network": (
        f"{FLOW}  schema: {{$ref: 'https://example.com/x.json'}}\n",
        3,
        "the reference 'https://example.com/x.json' cannot be resolved",
    ),
    "a load plan that is a list": (f"{FLOW}  load_plan: []\n", 3, "load_plan: groups must be"),
    "a load plan's group without a name": (
        f"{FLOW}  load_plan:\n    groups:\n      - schemas: []\n",
        5,
        "load_plan: each entry must be a mapping with a name",
    ),
    "a load plan's group without schemas": (
        f"{FLOW}  load_plan:\n    groups:\n      - name: G\n",
        5,
        "load_plan: schemas must be a list of at least one",
    ),
    "a load plan's unknown task": (
        (
            f"{FLOW}  load_plan:\n    groups:\n      - name: G\n        schemas:\n"
            "          - name: S\n            tables:\n              - name: t\n"
            "                task: X\n"
        ),
        10,
        "load_plan: task 'X' is not a task of the flow",
    ),
    "a load plan's ambiguous task": (
        (
            "a.B:\n  tasks:\n    - G: {type: group, tasks: [A, A]}\n  load_plan: {groups: [\n"
            "    {name: G, schemas: [{name: S, tables: [{name: t,\n    task: A}]}]}]}\n"
        ),
        6,
        "load_plan: task 'A' is ambiguous; name it by its path: G/A, G/A#2",
    ),
    "a duplicate flow": (f"{FLOW}{FLOW}", 3, "duplicate key 'example.A', first in line 1"),
    "a duplicate key": (f"{FLOW}  tasks: [B]\n", 3, "duplicate key 'tasks', first in line 2"),
    "a syntax error": ("example.A:\n  tasks: [A\n", 3, "is not valid YAML: "),
    "a tab character": ("example.A:\n\ttasks: [A]\n", 2, "is not valid YAML: "),
    "an unknown alias": (
        "example.A:\n  tasks: *x\n",
        2,
        "found undefined alias",
    ),
    "a second document": (f"{FLOW}---\n{FLOW}", 3, "is not valid YAML: expected a single document"),
    "a control character": ("example.A:\n  tasks: [A\x01]\n", 2, "is not valid YAML: "),
    "a Python tag": (f"{FLOW}  x: !!python/name:os.system\n", 3, "cannot be stored as JSON"),
    "a set": (f"{FLOW}  x: !!set {{a, b}}\n", 3, "!!set cannot be stored as JSON"),
    "an invalid number": (f"{FLOW}  x: !!int abc\n", 3, "'abc' is not a valid int"),
    "a number beyond 64 bits": (f"{FLOW}  x: 18446744073709551616\n", 3, "does not fit in 64 bits"),
    "an infinite number": (f"{FLOW}  x: .inf\n", 3, ".inf is not a JSON number"),
    "NUL in a string": (f'{FLOW}  x: "a\\0b"\n', 3, "a string contains NUL"),
    "a lone surrogate": (f'{FLOW}  x: "\\ud800"\n', 3, "a lone surrogate"),
    "a key that is a list": (f"{FLOW}  ? [a]\n  : 1\n", 3, "a key must be a string"),
    "an alias of itself": (f"{FLOW}  x: &x [*x]\n", 3, "nested more than 100 levels"),
    "bottomless nesting": (
        f"{FLOW}  x: {'[' * 5000}{']' * 5000}\n",
        1,
        "nested too deeply",
    ),
    "an alias bomb": (
        f"{FLOW}  a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n"
        + "".join(f"  a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9)),
        3,
        "has more than 200000 values",
    ),
    "an empty file": ("", 1, "must be a mapping of flows"),
    "an empty mapping": ("{}", 1, "must be a mapping of flows"),
    "a list of flows": ("# flows\n- example.A\n", 2, "must be a mapping of flows"),
}


@pytest.mark.parametrize(("text", "line", "message"), CASES.values(), ids=CASES.keys())
def test_mistake_is_reported_with_line_and_message(diagnostics, text, line, message):
    ((found_line, found_message),) = diagnostics(text)
    assert message in found_message
    assert found_line == line


def test_all_mistakes_of_a_file_are_reported_together(diagnostics):
    text = "A:\n  tasks: []\nb.C:\n  tasks: [X]\n  exclusive: 1\n  periodic: {}\n"
    assert [line for line, _ in diagnostics(text)] == [1, 2, 4, 5, 6]


def test_misspelt_task_name_gets_a_suggestion(folder):
    (folder / "tasks" / "more.py").write_text(
        "from service.tasks import task\n\n@task(name='EXTRACT')\ndef f(): ...\n"
    )
    (folder / "flows.yaml").write_text("a.B:\n  tasks: [EXTRAKT]\n")
    with pytest.raises(
        FlowLoadError, match=r"unknown task 'EXTRAKT': not in .*tasks; did you mean 'EXTRACT'"
    ):
        load_definitions(folder)


def test_file_that_is_not_utf8_is_refused_with_its_line(folder):
    (folder / "flows.yaml").write_bytes(b"a.B:\n  tasks: [A]\n  x: \xff\n")
    with pytest.raises(FlowLoadError, match=r"flows.yaml:3: is not UTF-8"):
        load_definitions(folder)


def test_missing_file_is_refused(tmp_path):
    with pytest.raises(FlowLoadError, match=r"nope.yaml:1: cannot be read: No such file"):
        load_definitions(tmp_path / "nope.yaml")


def test_folder_without_flows_is_refused(tmp_path):
    with pytest.raises(FlowLoadError, match=r"holds neither flows.yaml nor workflows.yml"):
        load_definitions(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not valid JSON: "),
        ("[]", "is not a JSON object"),
        ('{"const": NaN}', "NaN is not a JSON number"),
        ("\udcff", "is not valid JSON"),
    ],
)
def test_unusable_schema_file_is_refused(folder, diagnostics, text, message):
    (folder / "schemas").mkdir()
    (folder / "schemas" / "s.json").write_text(text, errors="surrogateescape")
    ((line, found),) = diagnostics(f"{FLOW}  schema: s\n")
    assert line == 3
    assert message in found


def test_flow_defined_in_both_files_is_refused_with_both_locations(folder):
    (folder / "flows.yaml").write_text(FLOW)
    (folder / "workflows.yml").write_text(f"\n{FLOW}")
    with pytest.raises(FlowLoadError) as raised:
        load_definitions(folder)
    assert str(raised.value) == (
        f"{folder}/workflows.yml:2: flow example.A is already defined in {folder}/flows.yaml:1"
    )


def test_mistakes_of_both_files_are_reported_together(folder):
    (folder / "flows.yaml").write_text("A:\n  tasks: [A]\n")
    (folder / "workflows.yml").write_text("B:\n  tasks: [A]\n")
    with pytest.raises(FlowLoadError) as raised:
        load_definitions(folder)
    assert [d.file for d in raised.value.diagnostics] == [
        str(folder / "flows.yaml"),
        str(folder / "workflows.yml"),
    ]


def test_broken_task_module_is_refused_with_its_own_file_and_line(folder):
    (folder / "tasks" / "broken.py").write_text("x = 1\ny = x / 0\n")
    (folder / "flows.yaml").write_text(FLOW)
    with pytest.raises(FlowLoadError) as raised:
        load_definitions(folder)
    assert str(raised.value) == (f"{folder}/tasks/broken.py:2: ZeroDivisionError: division by zero")
