"""Numbers of what stands in a box that opens: a letter after the last open one, so that what is open counts on."""

from copy import deepcopy
from itertools import product
from string import ascii_lowercase

from cells import stated_in

COUNTED = ("displaymath", "theorem", "figure")  # all statements count as theorems, see _config.yml; exercises count on


def find(app, doctree):
    app.env.metadata[app.env.docname]["folded"] = {id for id, _ in stated_in(doctree)}


def whole(app, env):
    """Sphinx compares its numbers with those of the build before, to write anew what changed: it must find its own."""
    env.toc_fignumbers = getattr(env, "whole_numbers", env.toc_fignumbers)
    return []


def letter(app, env):
    env.whole_numbers = deepcopy(env.toc_fignumbers)
    for docname, kinds in env.toc_fignumbers.items():
        folded = env.metadata[docname]["folded"]
        for kind in COUNTED:
            last, letters = 0, alphabet()
            for id, (*chapter, _) in kinds.get(kind, {}).items():
                if id not in folded:
                    last, letters = last + 1, alphabet()
                kinds[kind][id] = (*chapter, f"{last}{next(letters)}" if id in folded else last)
    return []


def alphabet():
    """a to z, then aa, ab and so on."""
    for length in (1, 2):
        yield from map("".join, product(ascii_lowercase, repeat=length))


def setup(app):
    app.connect("doctree-read", find)
    app.connect("env-get-updated", whole, priority=100)
    app.connect("env-get-updated", letter, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
