"""The reader of pages finds out what is wrong in one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.docs.pages import SaveFile, steps
from tests.docs.reader import PageError, Reader


def follow(folder: Path, text: str) -> None:
    page = folder / "page.md"
    page.write_text(text)
    environment = {"PATH": os.defpath, "HOME": str(folder), "FLOWLEDGER_PORT": "18080"}
    with Reader(environment, folder, folder) as reader:
        reader.follow(page)


def test_commands_files_and_output_are_followed_in_order(tmp_path):
    follow(
        tmp_path,
        "Save this as `sub/hello.txt`:\n\n```text\nhello\n```\n\nRun\n\n"
        "```bash\ncd sub\ncat hello.txt\n```\n```text\nhello\n```\n"
        "```bash\nbasename $PWD\n```\n```text\nsub\n```\n",
    )


def test_failing_command_is_named_with_its_line(tmp_path):
    with pytest.raises(PageError, match=r"(?s)page.md, line 1: status 1.*false"):
        follow(tmp_path, "```bash\nfalse\ntrue\n```\n")


def test_failing_part_of_a_pipeline_is_found(tmp_path):
    with pytest.raises(PageError, match="status 1"):
        follow(tmp_path, "```bash\nfalse | cat\n```\n")


def test_expected_failure_passes_and_its_absence_fails(tmp_path):
    follow(tmp_path, "```bash exit=3\n(exit 3)\n```\n")
    with pytest.raises(PageError, match="status 0, not 3"):
        follow(tmp_path, "```bash exit=3\ntrue\n```\n")


def test_other_output_than_shown_is_found(tmp_path):
    with pytest.raises(PageError, match="printed\n2"):
        follow(tmp_path, "```bash\necho 2\n```\n```text\n3\n```\n")


def test_dots_stand_for_what_varies_within_a_line(tmp_path):
    follow(tmp_path, "```bash\necho run $$ ended\n```\n```text\nrun ... ended\n```\n")


def test_documented_port_is_that_of_the_readers_service(tmp_path):
    follow(
        tmp_path,
        "```bash\necho localhost:8080 $FLOWLEDGER_PORT\n```\n```text\nlocalhost:8080 8080\n```\n",
    )


def test_terminals_keep_their_own_state(tmp_path):
    follow(
        tmp_path,
        "```bash\nA=1\n```\n```bash terminal=other\necho ${A:-none}\n```\n```text\nnone\n```\n",
    )


@pytest.mark.usefixtures("interruptible")
def test_command_that_keeps_running_is_interrupted_by_the_next_of_its_terminal(tmp_path):
    page = (
        "```bash terminal=a keeps-running\necho up; sleep 1000\n```\n```text\nup\n```\n"
        "```bash\necho beside\n```\n```text\nbeside\n```\n"
        "```bash terminal=a\necho down\n```\n```text\ndown\n```\n"
    )
    follow(tmp_path, page)


def test_command_that_should_keep_running_and_ends_is_found(tmp_path):
    with pytest.raises(PageError, match="printed\nup"):
        follow(tmp_path, "```bash keeps-running\necho up\n```\n```text\nserving\n```\n")


@pytest.mark.parametrize("block", ["```yaml\na: 1\n```\n", "```text\nlost\n```\n", "```\nx\n```\n"])
def test_block_that_nobody_runs_or_compares_is_refused(tmp_path, block):
    (tmp_path / "page.md").write_text(block)
    with pytest.raises(ValueError, match="no command, file or output"):
        steps(tmp_path / "page.md")


def test_file_takes_its_name_from_the_line_above(tmp_path):
    (tmp_path / "page.md").write_text("Write `a/b.py`:\n\n```python\nx = 1\n```\n")
    assert steps(tmp_path / "page.md") == [SaveFile("a/b.py", "x = 1\n", 3)]
