"""The modules of the console's script go out as one file that means the same."""

import subprocess
from shutil import which

import pytest

from services.reporter.console.assets import SCRIPT, assets, joined

MODULES = {
    "console.js": 'import { greet } from "./words.js";\nimport { count } from "./state.js";\n\ngreet();\ngreet();\n'
    "console.log(count());\n",
    "words.js": 'import { count } from "./state.js";\n\nconst word = "tea";\n\nexport async function later() {}\n\n'
    "export function greet() {\n  console.log(word, count());\n}\n",
    "state.js": "let n = 0;\n\nexport function count() {\n  n += 1;\n  return n;\n}\n",
}


def test_each_module_comes_once_after_what_it_imports_and_keeps_its_names_to_itself() -> None:
    made = joined(MODULES, "console.js")
    assert made.index("const _state") < made.index("const _words") < made.index("const _console")
    assert made.count("let n = 0;") == 1
    assert "return { later, greet };" in made and "const { count } = _state;" in made
    assert not any(line.startswith(("import", "export")) for line in made.splitlines())


@pytest.mark.skipif(which("node") is None, reason="NO NODE: the joined script was not run outside a browser")
def test_the_joined_module_does_what_the_modules_did() -> None:
    run = subprocess.run(
        ["node", "--input-type=module", "-"], input=joined(MODULES, "console.js"), capture_output=True, text=True
    )
    assert (run.stdout, run.stderr) == ("tea 1\ntea 2\n3\n", "")


@pytest.mark.parametrize(
    "body",
    [
        'import { x } from "./nobody.js";\n',
        'import { greet } from "./console.js";\n',
        'import * as all from "./state.js";\n',
        'import { count as one } from "./state.js";\n',
        "export const word = 1;\n",
        "export default function f() {}\n",
    ],
)
def test_what_cannot_be_joined_is_refused_when_it_is_read(body: str) -> None:
    with pytest.raises(ValueError, match=r"import|export"):
        joined(MODULES | {"console.js": body}, "console.js")


def test_one_script_is_served() -> None:
    assert [name for name in assets() if name.endswith(".js")] == [SCRIPT]
