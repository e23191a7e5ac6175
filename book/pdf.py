"""Print the built book into one file, _build/html/derive-then-check.pdf: cover, contents, chapters, bookmarks, links.

Chromium prints each page, its numbers going on from the page before; pypdf joins what was printed and turns links from
page to page into links within the file. The front page of the built book then offers it.
"""

import io
import re
import sys
from html import escape, unescape
from pathlib import Path
from urllib.parse import unquote, urldefrag

import yaml
from playwright.sync_api import sync_playwright
from pypdf import PdfReader, PdfWriter
from pypdf.generic import ArrayObject, NameObject, NullObject, NumberObject
from tqdm import tqdm

from helpers.browser import FLAGS, find, serve

ROOT = Path(__file__).parents[1]
NAME = "derive-then-check.pdf"
PAPER = """@page {{ size: A4; margin: 18mm 16mm 22mm; @bottom-center {{ content: counter(page); font: 10pt sans-serif }}
}}
html {{ counter-reset: page {0} }}"""
COVER = """<!doctype html><html lang="en"><title>Derive, Then Check</title><style>
@page {{ size: A4; margin: 18mm 22mm 22mm }}
body {{ font: 12pt/1.7 "DejaVu Sans", sans-serif }}
h1 {{ font-size: 34pt; line-height: 1.2; margin: 60mm 0 6mm; font-weight: normal }}
h2 {{ break-before: page; font-weight: normal }}
p.part {{ margin: 5mm 0 1mm; font-weight: bold }}
p.line {{ display: flex; margin: 0; gap: 4mm }}
p.line span:first-child {{ flex: 1; border-bottom: 1px dotted }}
a {{ color: inherit; text-decoration: none }}
</style><h1>Derive, Then Check</h1><p>Eight essays on deep learning by Su Jianlin, derived equation by equation, every
claim run. The pictures move in the online book; here they stand where they start.</p><h2>Contents</h2>{0}"""
# A place that another page names becomes a destination of the printed file if something on its own page links to it.
AIM = """places => document.body.append(...places.map(place => Object.assign(document.createElement("a"),
    { href: "#" + place, textContent: "·", style: "position:absolute;left:0;top:0;opacity:0" })))"""


def chapters(root):
    """[(caption of the part, document)] in the order of the contents; not the ledger, whose rows are for searching."""
    toc = yaml.safe_load((root / "_toc.yml").read_text("utf-8"))
    parts = [(part["caption"], chapter["file"]) for part in toc["parts"] for chapter in part["chapters"]]
    return [("", toc["root"]), *((part, file) for part, file in parts if file != "book/ledger")]


def title_of(page):
    """The heading of a page, with its number."""
    heading = re.search(r'<h1>((?:(?!<h1>).)*?)<a class="headerlink"', page, re.DOTALL)[1]
    return unescape(re.sub("<.*?>", "", heading)).strip()


def main(root=ROOT):
    pages, documents = root / "_build/html", chapters(root)
    texts = {document: (pages / f"{document}.html").read_text("utf-8") for _, document in documents}
    titles = {document: title_of(text) for document, text in texts.items()}
    named = {}  # the places of each document that others link to
    for document, text in texts.items():
        for link in re.findall(r'<a [^>]*?href="([^"#:]+\.html#[^"]+)"', text):
            target, place = urldefrag(unescape(link))
            there = (pages / document).parent.joinpath(unquote(target)).resolve().relative_to(pages.resolve())
            named.setdefault(there.with_suffix("").as_posix(), set()).add(unquote(place))
    with serve(pages) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find(), args=FLAGS)
        tab = browser.new_page(viewport={"width": 794, "height": 1123})

        def printed(style=""):
            if style:
                tab.add_style_tag(content=style)
            return PdfReader(io.BytesIO(tab.pdf(prefer_css_page_size=True, outline=True, tagged=True)))

        def front(first):
            rows, part = "", ""
            for caption, document in documents:
                rows += f'<p class="part">{escape(caption)}</p>' * (caption != part)
                part = caption
                link = f'<a href="{address}/{document}.html">{escape(titles[document])}</a>'
                rows += f'<p class="line"><span>{link}</span><span>{first.get(document, 0)}</span></p>'
            tab.set_content(COVER.format(rows))
            return printed()

        start, files, first = len(front({}).pages), {}, {}
        for _, document in tqdm(documents, desc="pages"):
            tab.goto(f"{address}/{document}.html", wait_until="networkidle")
            tab.evaluate(AIM, sorted(named.get(document, ())))
            first[document] = start + 1
            files[document] = printed(PAPER.format(start))
            start += len(files[document].pages)
        files = {"": front(first), **files}
        browser.close()
    writer = join(files, titles, address)
    writer.write(pages / NAME)
    offer(pages / f"{documents[0][1]}.html", len(writer.pages))
    print(f"Printed: {pages / NAME}, {len(writer.pages)} pages")


def join(files, titles, address):
    """One file of all; a link to an address of the book leads to its place in it."""
    writer, first = PdfWriter(), {}
    for document, reader in files.items():
        first[document] = len(writer.pages)
        writer.append(reader, import_outline=bool(document), outline_item=titles.get(document))

    def aim(document, link):
        """Where a link of this document leads: a destination, None for nowhere, the link itself if out of the book."""
        uri = link.get("/A", {}).get("/URI", "")
        if "/Dest" in link:
            target, place = document, str(link["/Dest"])
        elif uri.startswith(address):
            target, place = urldefrag(uri.removeprefix(f"{address}/"))
            target = target.partition("?")[0].removesuffix(".html")
        else:
            return link
        if target not in files:  # the ledger, a download
            return None
        found = files[target].named_destinations.get("/" + unquote(place).removeprefix("/"))
        number = files[target].get_destination_page_number(found) if found else 0
        top = NumberObject(int(found.top)) if found and found.top is not None else NullObject()
        page = writer.pages[first[target] + number].indirect_reference
        return ArrayObject([page, NameObject("/XYZ"), NullObject(), top, NullObject()])

    for document, reader in files.items():
        for page in writer.pages[first[document] : first[document] + len(reader.pages)]:
            kept = ArrayObject()
            for entry in page.get("/Annots", ()):
                link = entry.get_object()
                if (place := aim(document, link)) is None:
                    continue
                kept.append(entry)
                if place is not link:
                    link[NameObject("/Dest")] = place
                    link.pop("/A", None)
            page[NameObject("/Annots")] = kept
    writer.compress_identical_objects()
    writer.add_metadata({"/Title": "Derive, Then Check", "/Author": "The Derive, Then Check authors"})
    return writer


def offer(front, pages):
    """Name the file on the front page, once."""
    text, before = front.read_text("utf-8"), '<p class="download">'
    if NAME not in text:
        said = f'To print, take <a href="../{NAME}" download>the book as a PDF</a> of {pages} pages. '
        front.write_text(text.replace(before, before + said, 1), "utf-8")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
