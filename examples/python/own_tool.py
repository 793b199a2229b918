"""Let another program label what is asked: python own_tool.py PROJECT FOLDER PROGRAM [WORD ...]."""

import subprocess
import sys
from pathlib import Path

from askmask import Loop, NothingToAsk, Project, export_project, import_answers


def ask_and_tell(project: Project, folder: Path, program: list[str]) -> str:
    """Write the asked regions to a folder, run the program on it, take its masks as answers."""
    loop = Loop(project)
    loop.train()
    try:
        query = loop.ask()
    except NothingToAsk:
        return "everything is labelled"
    export_project(project, folder, what="queries", format_name="png")
    subprocess.run([*program, str(folder)], check=True)  # paints FOLDER/masks/NAME.png
    kept = import_answers(project, folder, format_name="png", author=program[0])
    return f"round {query.round}: asked {len(query.items)}, {len(kept.items)} answered"


if __name__ == "__main__":
    with Project.open(Path(sys.argv[1])) as opened:
        print(ask_and_tell(opened, Path(sys.argv[2]), sys.argv[3:]))
