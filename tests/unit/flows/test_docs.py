"""The examples in docs/reference/flows.md load as printed."""

import pytest

from service.apis import discover
from service.flows.catalogue import TenantCatalogue
from service.flows.definitions import load_definitions
from service.flows.versioning import assign_versions
from tests.docs.pages import only

BLOCKS = only("reference/flows.md", "yaml")


def indented(block: str) -> str:
    return "".join(f"  {line}\n" for line in block.splitlines())


@pytest.mark.parametrize("block", BLOCKS)
def test_example_in_the_docs_loads(folder, block):
    (folder / "schemas").mkdir()
    (folder / "schemas" / "etl.json").write_text("{}")
    if not block.startswith("example."):
        block = f"example.DOC:\n{indented(block)}"
        if "tasks:" not in block.split("load_plan")[0]:
            block += "  tasks: [LOAD_ORDERS, LOAD_LINES]\n"
    (folder / "flows.yaml").write_text(f"{block}  executor: external\n")
    assert (
        len(assign_versions(TenantCatalogue("default"), load_definitions(folder), discover())) == 1
    )


def test_all_examples_are_found():
    assert len(BLOCKS) == 7
