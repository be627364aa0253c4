"""Links from docs/ to files beside it, which hold in a plain view of the repository, hold on the site too.

What a page links to becomes a page of the site, below source/: Markdown as it is, anything else as a listing.
"""

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

# A fenced block, in which nothing is a link, or [text](path#anchor); an address has a colon.
_LINK = re.compile(r"^ *```.*?^ *```|(\[[^\]\n]+\]\()([^)\s:#]+)([^)\s:]*\))", re.MULTILINE | re.DOTALL)
_FOLDER = "source/"
_LANGUAGES = {".py": "python", ".toml": "toml", ".yml": "yaml", ".cfg": "ini", ".sh": "sh"}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds what pages link to outside docs/, and what that links to."""
    root = Path(config.docs_dir).parent
    waiting = [f"docs/{file.src_uri}" for file in files.documentation_pages()]
    while waiting:
        page = waiting.pop()
        for target in filter(None, (_linked(root, page, match) for match in _LINK.finditer(_read(root, page)))):
            if files.get_file_from_path(_uri(target)) is None:
                content = _page_of(root, target)
                files.append(File.generated(config, _uri(target), content=content, inclusion=InclusionLevel.NOT_IN_NAV))
                if target.endswith(".md"):
                    waiting.append(target)
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, **_: Any) -> str:
    """Leads links to files outside docs/ to their pages."""
    root, uri = Path(config.docs_dir).parent, page.file.src_uri
    path = uri.removeprefix(_FOLDER) if uri.startswith(_FOLDER) else f"docs/{uri}"

    def lead(match: re.Match[str]) -> str:
        target = _linked(root, path, match)
        return f"{match[1]}{posixpath.relpath(_uri(target), posixpath.dirname(uri))}{match[3]}" if target else match[0]

    return _LINK.sub(lead, markdown)


def _linked(root: Path, page: str, match: re.Match[str]) -> str | None:
    """Returns the file that a link means, relative to the root; of a folder, what a view of the repository shows."""
    if match[1] is None:
        return None
    target = posixpath.normpath(posixpath.join(posixpath.dirname(page), match[2]))
    if (root / target / "README.md").is_file():
        target = posixpath.join(target, "README.md")
    return target if (root / target).is_file() else None


def _uri(target: str) -> str:
    if target.startswith("docs/"):
        return target.removeprefix("docs/")
    return _FOLDER + target.removesuffix(".md") + ".md"


def _read(root: Path, page: str) -> str:
    return (root / page).read_text(encoding="utf-8")


def _page_of(root: Path, target: str) -> str:
    if target.endswith(".md"):
        return _read(root, target)
    language = _LANGUAGES.get(posixpath.splitext(target)[1], "text")
    return f"# {target}\n\n````{language}\n{_read(root, target)}````\n"
