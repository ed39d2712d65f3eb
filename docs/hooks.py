"""What mkdocs has to be told: pages from outside this folder, and how links reach them.

On GitHub a link to ``../ARCHITECTURE.md`` is a file; in the site it is a page. The
navigation names such files by their paths, and a folder for all the pages in it.
"""

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
LINK = re.compile(r"(\]\()([^)\s#:]+)(#[^)\s]*)?(\))")
TABLE = re.compile(r"<table>.*?</table>", re.S)
ROW = re.compile(r"<tr>.*?</tr>", re.S)
NO_PROSE = re.compile(r"$|#|\||>|```|[-*] |\d+\. |\s")
"""How a line begins that is no part of a paragraph, or its first one."""
JAPANESE = "[\u3000-\u9fff\uff00-\uffef]"
BESIDE_JAPANESE = re.compile(f"{JAPANESE}\n|\n{JAPANESE}")
FENCE = re.compile(r"^(\s*```\w+)[ ].*$", re.M)


def page_of(path: str) -> str:
    """Return the page of the site that shows a file, by its path from the root.

    >>> page_of("docs/howto/search-lists.md"), page_of("deploy/README.md")
    ('howto/search-lists.md', 'project/deploy.md')
    """
    if path.startswith("docs/"):
        page = path.removeprefix("docs/")
        return page if page.endswith(".md") else f"{page}/index.md"
    folder, name = posixpath.split(path)
    title = folder if name == "README.md" else name.removesuffix(".md")
    return f"project/{title.lower()}.md"


def outside(nav: object) -> Iterator[str]:
    """Yield the files outside this folder that the navigation names, from the root."""
    match nav:
        case str() if nav.startswith("../"):
            yield nav.removeprefix("../")
        case dict():
            for value in nav.values():
                yield from outside(value)
        case list():
            for value in nav:
                yield from outside(value)


def expanded(nav: object) -> object:
    """Return a navigation of nothing but pages of the site."""
    match nav:
        case str() if nav.startswith("../"):
            return page_of(nav.removeprefix("../"))
        case str() if nav.endswith("/"):
            return [f"{nav}index.md", *(f"{nav}{path.name}" for path in inside(nav))]
        case dict():
            return {title: expanded(value) for title, value in nav.items()}
        case list():
            return [expanded(value) for value in nav]
    return nav


def inside(folder: str) -> list[Path]:
    """Return the pages in a folder below this one, but for its list of pages."""
    pages = (ROOT / "docs" / folder).glob("*.md")
    return sorted(path for path in pages if path.name != "index.md")


def contents(folder: str) -> str:
    """Return a page that lists a folder's pages, each with its subject.

    The subject is the summary of a plugin's page, or else the page's first heading. On
    GitHub the folder itself is that list. A folder may have a list of its own instead.
    """
    lines = [f"# {folder.strip('/').capitalize()}", ""]
    for path in inside(folder):
        text = path.read_text()
        summary = re.search(r"^\*.+?\* - (.+?)\.?$", text, re.M)
        subject = summary or re.search(r"^# (.+)$", text, re.M)
        lines.append(f"- [{path.stem}]({path.name}): {subject[1] if subject else ''}")
    return "\n".join(lines) + "\n"


def folders(nav: object) -> Iterator[str]:
    """Yield the folders that the navigation names, with a slash at the end."""
    match nav:
        case str() if nav.endswith("/"):
            yield nav
        case dict():
            for value in nav.values():
                yield from folders(value)
        case list():
            for value in nav:
                yield from folders(value)


def adapted(markdown: str, path: str, pages: set[str]) -> str:
    """Return the text of a file as a page: links lead to ``pages`` of the site.

    ``path`` is the file's, from the root. Only the first word of a fence is its kind.
    """
    here, folder = posixpath.dirname(page_of(path)), posixpath.dirname(path)

    def to(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(folder, link[2]))
        page = page_of(target)
        if page not in pages:
            return link[0]
        return (
            link[1] + posixpath.relpath(page, here or ".") + (link[3] or "") + link[4]
        )

    return FENCE.sub(r"\1", LINK.sub(to, markdown))


_outside: dict[str, str] = {}
"""Page to file, of those that are not in this folder."""
_contents: dict[str, str] = {}
"""Page to folder, of those that show what is in one."""


def on_config(config):  # noqa: ANN001, ANN201  # mkdocs's types are not here
    """Read the navigation; let headings in Japanese have anchors."""
    from markdown.extensions.toc import slugify_unicode

    config["mdx_configs"].setdefault("toc", {})["slugify"] = slugify_unicode
    _outside.update({page_of(path): path for path in outside(config["nav"])})
    for each in folders(config["nav"]):
        if not (ROOT / "docs" / each / "index.md").exists():
            _contents[f"{each}index.md"] = each
    config["nav"] = expanded(config["nav"])
    config["watch"] += [str(ROOT / path) for path in _outside.values()]
    return config


def on_files(files, config):  # noqa: ANN001, ANN201
    """Add the pages that are not in this folder."""
    from mkdocs.structure.files import File

    for page, path in _outside.items():
        text = (ROOT / path).read_text()
        files.append(File.generated(config, page, content=text))
    for page, folder in _contents.items():
        files.append(File.generated(config, page, content=contents(folder)))
    return files


def unspaced(markdown: str) -> str:
    """Return a page without line feeds beside Japanese text within a paragraph.

    A browser shows a line feed as a space, which Japanese does not have.
    """
    lines, is_code = [""], False
    for line in markdown.split("\n"):
        above = lines[-1]
        joins = BESIDE_JAPANESE.search(f"{above[-1:]}\n{line[:1]}")
        if is_code or NO_PROSE.match(above) or NO_PROSE.match(line) or not joins:
            lines.append(line)
        else:
            lines[-1] = above + line
        is_code ^= line.startswith("```")
    return "\n".join(lines[1:])


def on_page_markdown(markdown, page, config, files):  # noqa: ANN001, ANN201
    """Let links lead to pages."""
    uri = page.file.src_uri
    if uri in _contents:
        return markdown
    pages = {file.src_uri for file in files.documentation_pages()}
    text = adapted(markdown, _outside.get(uri, f"docs/{uri}"), pages)
    return unspaced(text) if uri.startswith("ja/") else text


def labelled(html: str) -> str:
    """Return HTML whose table cells name their columns, for rows as blocks (site.css).

    >>> labelled("<table><tr><th>a</th></tr><tr><td>1</td></tr></table>")
    '<table><tr><th>a</th></tr><tr><td data-column="a">1</td></tr></table>'
    """

    def label(table: re.Match[str]) -> str:
        heads = re.findall(r"<th[^>]*>(.*?)</th>", table[0], re.S)
        names = [re.sub("<[^>]*>", "", head).replace('"', "") for head in heads]

        def row(cells: re.Match[str]) -> str:
            columns = iter(names)
            return re.sub(
                "<td", lambda _: f'<td data-column="{next(columns, "")}"', cells[0]
            )

        return ROW.sub(row, table[0])

    return TABLE.sub(label, html)


def on_page_content(html, page, config, files):  # noqa: ANN001, ANN201
    """Name the columns in the cells of tables."""
    return labelled(html)
